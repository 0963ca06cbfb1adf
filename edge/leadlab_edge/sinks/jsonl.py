"""Results as JSON lines: one object a window, flushed as it is written."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.errors import SourceError
from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import Pack
from leadlab_edge.pipeline import Snapshot, WindowResult


class JsonLines:
    """Append one line a window to a file; what is written stays, whatever happens later.

    Parameters
    ----------
    path
        File to append to; its folder is made.
    pack
        The pack that scores. Its short id and whether it is simulated stand in every line.
    all_indicators
        Write hidden indicators, too.

    Raises
    ------
    SourceError
        The file cannot be written.
    """

    def __init__(self, path: Path, pack: Pack, all_indicators: bool = False) -> None:
        self._indicators = [
            (column, indicator)
            for column, indicator in enumerate(pack.manifest.indicators)
            if indicator.shown or all_indicators
        ]
        self._pack = {"pack": pack.id[:12], "simulated": pack.manifest.provenance.simulated}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise SourceError(
                f"cannot write results to {path}: {error.strerror}. "
                "Remedy: name a writable file with --out"
            ) from error

    def window(self, result: WindowResult) -> None:
        """Write one line."""
        line = result_record(result, self._indicators) | self._pack
        self._file.write(json.dumps(line, allow_nan=False) + "\n")

    def snapshot(self, snapshot: Snapshot) -> None:
        """Ignore the state between windows."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def result_record(result: WindowResult, indicators: list[tuple[int, Indicator]]) -> dict[str, Any]:
    """Return one window as plain JSON values; ``probabilities`` is null for an abstention."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "window": result.index,
        "start_s": round(result.start_s, 3),
        "end_s": round(result.end_s, 3),
        "rate_hz": round(result.rate_hz, 4),
        "quality": round(result.quality.score, 3),
        "abstained": [str(reason) for reason in result.quality.reasons],
        "heart_rate_bpm": _rounded(result.heart_rate_bpm, 1),
        "probabilities": _by_name(result.probabilities, indicators),
        "trend": None
        if result.trend is None
        else {
            "windows": result.trend.windows,
            "age_s": round(result.trend.age_s, 1),
            "probabilities": _by_name(result.trend.probabilities, indicators),
        },
        "notes": list(result.notes),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _by_name(
    values: NDArray[np.float32] | None, indicators: list[tuple[int, Indicator]]
) -> dict[str, float] | None:
    if values is None:
        return None
    return {indicator.name: round(float(values[column]), 4) for column, indicator in indicators}

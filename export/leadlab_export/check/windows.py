"""Windows to score both models on: each model is handed the same seconds as it takes them."""

from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.pack import PackModel
from leadlab_edge.pack.strip import cut_windows
from leadlab_edge.recordings import Recording
from leadlab_export.errors import ExportError
from leadlab_export.windows import compact_windows
from leadlab_train.cohort import Cohort

Windows = NDArray[np.float32]


class Input(Protocol):
    """What a model takes: raw millivolts, ``margin`` samples on each side of its body included."""

    @property
    def rate_hz(self) -> float: ...  # noqa: D102
    @property
    def n_samples(self) -> int: ...  # noqa: D102
    @property
    def margin(self) -> int: ...  # noqa: D102


class CohortWindows:
    """Windows of a cohort's test patients.

    Parameters
    ----------
    cohort
        The cohort.
    most
        Take so many at most, evenly spread.

    Attributes
    ----------
    rows
        ``(n,)`` window row numbers.
    """

    def __init__(self, cohort: Cohort, most: int | None) -> None:
        self.name = "test patients"
        self.rows = spread(cohort.rows("test"), most)
        self._cohort = cohort

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.rows)

    def read(self, taken: Input, part: slice = slice(None)) -> Windows:
        """Return some as a model takes them, ``(n, n_samples)`` millivolts.

        They pass the device's own resampler; at the cohort's own rate they stay as they are.

        Raises
        ------
        CohortError
            The model's margins reach beyond a strip.
        """
        cohort, rows = self._cohort, self.rows[part]
        if (taken.rate_hz, taken.n_samples) == (cohort.rate_hz, cohort.n_samples):
            return cohort.read_mv(rows)
        return compact_windows(cohort, rows, taken.rate_hz, taken.n_samples)


class RecordingWindows:
    """Consecutive windows of the longest stretch of a recording that misses no sample.

    Parameters
    ----------
    recording
        One lead.
    most
        Take so many windows at most, evenly spread.
    """

    def __init__(self, recording: Recording, most: int | None) -> None:
        self.name = recording.name
        self._rate_hz, self._most = recording.rate_hz, most
        self._strip_mv = _longest_stretch(recording.samples_uv) / np.float32(1000)

    def read(self, taken: Input) -> Windows:
        """Return them as a model takes them, ``(n, n_samples)`` millivolts, cut as on the device.

        Raises
        ------
        ExportError
            No stretch lasts as long as a window.
        """
        lasts, needed = len(self._strip_mv) / self._rate_hz, body_s(taken)
        if lasts < needed:
            raise ExportError(
                f"{self.name}: the longest stretch without missing samples lasts {lasts:.1f} s; a "
                f"window takes {needed:g} s. Give a longer recording"
            )
        windows = cut_windows(self._strip_mv, self._rate_hz, cast(PackModel, taken))[0]
        return spread(windows, self._most)


def body_s(taken: Input) -> float:
    """Return how many seconds of signal a model scores, its margins left out."""
    return (taken.n_samples - 2 * taken.margin) / taken.rate_hz


def spread(rows: NDArray[Any], most: int | None) -> NDArray[Any]:
    """Return at most ``most`` rows, evenly spread."""
    if most is None or len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def _longest_stretch(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    edges = np.flatnonzero(np.diff(np.isfinite(samples), prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return samples[starts[longest] : ends[longest]]

"""``leadlab check`` for programs."""

import dataclasses
import json
import math
from typing import Any

import numpy as np

from leadlab_export.check.report import PairReport

FORMAT = 1


def to_json(report: PairReport) -> str:
    """Return everything that was found. Figures that could not be had are null."""
    table = _plain(report)
    table |= {"format": FORMAT, "passed": report.passed}
    return json.dumps(table, indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

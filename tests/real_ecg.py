"""Real recordings for tests, read with the wfdb package where it is installed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

_BEAT_SYMBOLS = set("NLRBAaJSVrFejnE/fQ?")


@contextmanager
def _wfdb() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb meets deprecations of newer pandas
        yield pytest.importorskip("wfdb")


def read_mv(path: Path, channel: int = 0) -> tuple[NDArray[np.float64], float]:
    """Return one channel in mV, ``(n,)``, and its sampling rate."""
    with _wfdb() as wfdb:
        record = wfdb.rdrecord(str(path), channels=[channel])
    return record.p_signal[:, 0], float(record.fs)


def annotated_beats(path: Path) -> NDArray[np.int64]:
    """Return the sample indices of the beats that experts marked."""
    with _wfdb() as wfdb:
        marks = wfdb.rdann(str(path), "atr")
    return np.asarray(marks.sample[[symbol in _BEAT_SYMBOLS for symbol in marks.symbol]], np.int64)

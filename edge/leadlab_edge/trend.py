"""Indicators over recent windows: one window is noisy, the laboratory value behind it is not."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_AGE_S = 600.0  # older windows say little about now

_Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """Quality-weighted mean over recent usable windows.

    Attributes
    ----------
    logits, probabilities
        ``(n_indicators,) float32``.
    windows
        How many windows are in the mean.
    age_s
        Stream time since the end of the newest of them.
    """

    logits: _Floats
    probabilities: _Floats
    windows: int
    age_s: float


class TrendMean:
    """Keeps the logits of the last usable windows and their mean, weighted by quality.

    Parameters
    ----------
    windows
        How many windows at most; those more than ten minutes old leave earlier.
    probabilities
        The model's map from logits to probabilities.
    """

    def __init__(self, windows: int, probabilities: Callable[[_Floats], _Floats]) -> None:
        self._probabilities = probabilities
        self._entries: deque[tuple[float, float, _Floats]] = deque(maxlen=windows)

    def add(self, end_s: float, weight: float, logits: _Floats) -> None:
        """Take in a usable window that ended at ``end_s`` of stream time."""
        self._entries.append((end_s, weight, logits))

    def at(self, now_s: float) -> Trend | None:
        """Return the trend as of stream time ``now_s``, None where no window is left."""
        while self._entries and now_s - self._entries[0][0] > MAX_AGE_S:
            self._entries.popleft()
        if not self._entries:
            return None
        ends_s, weights, logits = zip(*self._entries, strict=True)
        mean = np.average(logits, axis=0, weights=weights).astype(np.float32)
        return Trend(mean, self._probabilities(mean), len(logits), now_s - ends_s[-1])

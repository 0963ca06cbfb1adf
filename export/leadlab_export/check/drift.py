"""How far the logits of every model file on every runtime lie from those of every other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadlab_export.check.figures import rank_correlation

Matrix = NDArray[np.float64]

_FEWEST_FOR_RANKS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """Differences of logits on the same windows, ``(n, n)`` each.

    Attributes
    ----------
    windows, n_windows
        Which windows, and how many.
    names
        Of the models, in order.
    max_abs, rms
        Largest and root mean square difference over windows and indicators.
    rank
        Spearman correlation over windows, median of the indicators; NaN with fewer than three
        windows.
    """

    windows: str
    n_windows: int
    names: tuple[str, ...]
    max_abs: Matrix
    rms: Matrix
    rank: Matrix

    def largest_between(self, names: list[str]) -> float:
        """Return the largest difference between any two of some models; 0 for fewer than two."""
        places = [self.names.index(name) for name in names]
        return float(self.max_abs[np.ix_(places, places)].max()) if places else 0.0


def drift_between(logits: Mapping[str, NDArray[np.floating[Any]]], windows: str) -> Drift:
    """Compare logits pair by pair.

    Parameters
    ----------
    logits
        ``(n, n_indicators)`` of each model, of the same windows.
    windows
        What these windows are, in words.
    """
    names = tuple(logits)
    shape = len(names), len(names)
    max_abs, rms, rank = np.zeros(shape), np.zeros(shape), np.ones(shape)
    n_windows = len(next(iter(logits.values())))
    for i, a in enumerate(logits.values()):
        for j, b in enumerate(logits.values()):
            if i < j:
                difference = np.abs(a.astype(np.float64) - b)
                max_abs[i, j] = max_abs[j, i] = difference.max()
                rms[i, j] = rms[j, i] = np.sqrt(np.mean(difference**2))
                rank[i, j] = rank[j, i] = _median_rank(a, b)
    return Drift(windows, n_windows, names, max_abs, rms, rank)


def _median_rank(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> float:
    if len(a) < _FEWEST_FOR_RANKS:
        return float("nan")
    ranks = rank_correlation(a, b)
    known = ranks[np.isfinite(ranks)]
    return float(np.median(known)) if known.size else float("nan")

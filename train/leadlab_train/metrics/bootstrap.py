"""Bootstrap over patients: rows of one patient rise and fall together, models share the resamples.

A bootstrap over windows takes windows of one patient for independent and prints intervals that are
several times too narrow. Here a resample draws patients with replacement and weights all rows of a
patient by the number of times that it was drawn.
"""

from statistics import NormalDist
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leadlab_train.metrics.auroc import check_shapes, negatives_below

CHUNK: Final = 200  # resamples at a time: the table of 3,000 rows stays in the cache


class Interval(NamedTuple):
    """Lower and upper end: numbers or ``(n_indicators,)``, as the estimate."""

    low: Any
    high: Any


class PatientBootstrap:
    """One set of resamples of patients, to be used for every model under comparison.

    Parameters
    ----------
    patients
        ``(n,)`` patient of each row.
    n_resamples
        Number of resamples.
    seed
        Seed of the resamples.
    """

    def __init__(self, patients: NDArray[np.integer[Any]], n_resamples: int = 1000, seed: int = 0):
        distinct, self._patient = np.unique(patients, return_inverse=True)
        share = np.full(len(distinct), 1 / len(distinct))
        drawn = np.random.default_rng(seed).multinomial(len(distinct), share, size=n_resamples)
        self._drawn = drawn.T.astype(np.float64)  # (patients, resamples)

    def auroc(
        self, scores: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
    ) -> NDArray[np.float64]:
        """AUROC of every resample, as :func:`leadlab_train.metrics.auroc` of the resampled rows.

        Macro figures and differences between models are means and differences of what this returns.

        Parameters
        ----------
        scores, labels
            ``(n, n_indicators)``, rows as in ``patients``.

        Returns
        -------
        NDArray
            ``(n_resamples, n_indicators)`` float64, NaN where a resample lacks one of the classes.
        """
        check_shapes(scores, labels)
        values = [self._column(s, y) for s, y in zip(scores.T, labels.T, strict=True)]
        return np.stack(values, axis=1)

    def _column(self, scores: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
        negatives, positives = np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)
        negatives = negatives[np.argsort(scores[negatives])]
        below, not_above = negatives_below(scores[positives], scores[negatives])
        values = np.empty(self._drawn.shape[1])
        for start in range(0, len(values), CHUNK):
            drawn = self._drawn[:, start : start + CHUNK]
            weights = drawn[self._patient[positives]]
            cumulated = np.zeros((len(negatives) + 1, drawn.shape[1]))
            np.cumsum(drawn[self._patient[negatives]], axis=0, out=cumulated[1:])
            wins = np.einsum("ib,ib->b", weights, cumulated[below])
            wins += np.einsum("ib,ib->b", weights, cumulated[not_above])
            with np.errstate(invalid="ignore"):
                values[start : start + CHUNK] = wins / (2 * weights.sum(axis=0) * cumulated[-1])
        return values


def interval(
    estimate: float | NDArray[np.float64],
    resampled: NDArray[np.float64],
    level: float = 0.95,
    comparisons: int = 1,
) -> Interval:
    """Put a normal interval around an estimate, from the spread of its resamples.

    A thousand resamples cannot resolve the tails that a correction for many comparisons asks for;
    their standard deviation can.

    Parameters
    ----------
    estimate
        Number or ``(n_indicators,)``, of the rows as they are.
    resampled
        ``(n_resamples,)`` or ``(n_resamples, n_indicators)``, the same figure of each resample.
    level
        Coverage.
    comparisons
        Bonferroni: the coverage holds for this many intervals together.

    Returns
    -------
    Interval
        NaN where fewer than two resamples have the figure.
    """
    z = NormalDist().inv_cdf(1 - (1 - level) / (2 * comparisons))
    spread = z * _standard_error(resampled)
    return Interval(estimate - spread, estimate + spread)


def _standard_error(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(resampled)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, resampled, 0.0).sum(axis=0) / n
        square = np.where(known, (resampled - mean) ** 2, 0.0).sum(axis=0)
        return np.asarray(np.sqrt(square / (n - 1)))

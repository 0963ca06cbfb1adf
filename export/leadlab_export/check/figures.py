"""How far two models agree on the same windows, per indicator: ranks, decisions, calibration."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating[Any]]
Figures = NDArray[np.float64]

ECE_BINS: Final = 15
_LEAST_PER_BIN: Final = 2


def rank_correlation(a: Scores, b: Scores) -> Figures:
    """Spearman's correlation over windows; what an AUROC can see of a change.

    Parameters
    ----------
    a, b
        ``(n, n_indicators)`` scores of the same windows.

    Returns
    -------
    NDArray
        ``(n_indicators,)``, NaN where a score is the same for all windows.
    """
    centred = [_ranks(scores) - (len(scores) - 1) / 2 for scores in (a, b)]
    norm = np.sqrt(np.prod([(ranks**2).sum(axis=0) for ranks in centred], axis=0))
    product = np.prod(centred, axis=0).sum(axis=0)
    return np.where(norm > 0, product / np.where(norm > 0, norm, 1), np.nan)


def decisions(logits: Scores, thresholds: Figures) -> NDArray[np.bool_]:
    """Return ``(n, n_indicators)``: whether the probability reaches the operating threshold.

    Parameters
    ----------
    logits
        ``(n, n_indicators)``.
    thresholds
        ``(n_indicators,)`` probabilities; NaN decides "no".
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(logits >= np.log(thresholds) - np.log1p(-thresholds))


def as_often(logits: Scores, decided: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Decide "yes" for the highest logits, as many of each indicator as ``decided`` holds.

    For a model whose own operating thresholds nobody recorded.
    """
    counts = decided.sum(axis=0)
    places = np.argsort(np.argsort(-logits, axis=0, kind="stable"), axis=0)
    return np.asarray(places < counts)


def calibration_error(logits: Scores, labels: NDArray[np.integer[Any]]) -> Figures:
    """Return the expected calibration error over bins that hold equally many windows.

    Bins of equal width leave most windows of a rare finding in the first one; see Nixon et al.,
    Measuring Calibration in Deep Learning, CVPR Workshops 2019.

    Parameters
    ----------
    logits, labels
        ``(n, n_indicators)``, labels with -1 for not measured.

    Returns
    -------
    NDArray
        ``(n_indicators,)``, NaN with fewer than two measured labels a bin.
    """
    errors = np.full(logits.shape[1], np.nan)
    for column, (scores, truth) in enumerate(zip(logits.T, labels.T, strict=True)):
        known = truth >= 0
        n = int(known.sum())
        if n < _LEAST_PER_BIN * ECE_BINS:
            continue
        scores, truth = scores[known].astype(np.float64), truth[known]
        order = np.argsort(scores, kind="stable")
        gaps = np.exp(-np.logaddexp(0.0, -scores[order])) - truth[order]
        starts = np.arange(ECE_BINS) * n // ECE_BINS
        errors[column] = np.abs(np.add.reduceat(gaps, starts)).sum() / n
    return errors


def _ranks(scores: Scores) -> Figures:
    """Rank each column from 0; equal scores share their mean rank."""
    ranks = np.empty(scores.shape, np.float64)
    for column, values in enumerate(scores.T):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        ranks[:, column] = (np.cumsum(count) - (count + 1) / 2)[place]
    return ranks

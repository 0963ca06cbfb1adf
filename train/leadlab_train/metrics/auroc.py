"""AUROC per indicator over the labels that were measured."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def auroc(
    scores: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Probability that a positive scores above a negative, a tie counting one half.

    Parameters
    ----------
    scores
        ``(n, n_indicators)``, higher for abnormal. Any monotone scale.
    labels
        ``(n, n_indicators)``: 1 abnormal, 0 measured and not abnormal, -1 not measured.

    Returns
    -------
    NDArray
        ``(n_indicators,)`` float64, NaN where positives or negatives are absent.

    Raises
    ------
    ValueError
        Shapes differ, or a score of a measured label is NaN.
    """
    check_shapes(scores, labels)
    values = np.full(scores.shape[1], np.nan)
    for j, (column, label) in enumerate(zip(scores.T, labels.T, strict=True)):
        positives, negatives = column[label == 1], np.sort(column[label == 0])
        if len(positives) and len(negatives):
            below, not_above = negatives_below(positives, negatives)
            values[j] = (below.mean() + not_above.mean()) / (2 * len(negatives))
    return values


def check_shapes(scores: NDArray[Any], labels: NDArray[Any]) -> None:
    """Refuse scores and labels that do not describe the same thing."""
    if scores.ndim != 2 or scores.shape != labels.shape:
        raise ValueError(
            f"scores have shape {scores.shape}, labels {labels.shape}; both must be "
            "(n, n_indicators)"
        )
    if np.isnan(scores[labels >= 0]).any():
        raise ValueError("a score of a measured label is NaN; scores must be numbers")


def negatives_below(
    positives: NDArray[Any], negatives: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Count, for each positive, the sorted negatives strictly below it and those not above it."""
    return (
        np.searchsorted(negatives, positives, side="left"),
        np.searchsorted(negatives, positives, side="right"),
    )


def positive_patients(
    labels: NDArray[np.integer[Any]], patients: NDArray[np.integer[Any]]
) -> NDArray[np.intp]:
    """Count the distinct patients with at least one positive, per indicator.

    Parameters
    ----------
    labels
        ``(n, n_indicators)`` with 1 for abnormal.
    patients
        ``(n,)`` patient of each row.
    """
    _, patient = np.unique(patients, return_inverse=True)
    rows, indicators = np.nonzero(labels == 1)
    n_indicators = labels.shape[1]
    pairs = np.unique(patient[rows] * n_indicators + indicators)
    return np.bincount(pairs % n_indicators, minlength=n_indicators)

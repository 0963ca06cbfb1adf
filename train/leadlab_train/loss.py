"""The masked loss, and the logits from which it should start.

A blood draw says nothing about what was not measured in it.
"""

from typing import Any, Final

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

NOT_MEASURED: Final = -1


def masked_bce(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, total: float | None = None
) -> Tensor:
    """Binary cross-entropy averaged over the measured labels of the whole batch.

    ``sum(mask * BCE) / (sum(mask) + 1e-8)``, as in AnyECG-Lab (arXiv 2510.22301).

    Parameters
    ----------
    logits
        ``(batch, n_labels)`` float. What stands where nothing was measured has no effect.
    labels
        ``(batch, n_labels)``: 1 abnormal, 0 measured and not abnormal, -1 not measured.
    weights
        ``(n_labels,)`` weight of each indicator's labels; all alike by default.
    total
        What the sum is divided by; by default :func:`measured_weight` of these labels. Processes
        that share a batch give the total of all of them.

    Returns
    -------
    Tensor
        A scalar, 0 where nothing was measured.
    """
    measured = labels != NOT_MEASURED
    weight = measured.to(logits.dtype)
    if weights is not None:
        weight = weight * weights.to(logits)
    losses = F.binary_cross_entropy_with_logits(
        logits.masked_fill(~measured, 0.0),
        labels.clamp(min=0).to(logits.dtype),
        weight=weight,
        reduction="sum",
    )
    return losses / ((weight.sum() if total is None else total) + 1e-8)


def measured_weight(labels: Tensor, weights: Tensor | None = None) -> float:
    """Sum the weights of the measured labels, ``(batch, n_labels)``: what a mean divides by."""
    measured = labels != NOT_MEASURED
    if weights is None:
        return float(measured.sum())
    return float((measured.sum(0) * weights.cpu()).sum())


def indicator_weights(
    labels: NDArray[np.integer[Any]], balance: float, counts: NDArray[np.integer[Any]]
) -> NDArray[np.float32]:
    """Weigh indicators so that often measured ones do not drown the others.

    Parameters
    ----------
    labels
        ``(n, n_labels)`` training labels, -1 for not measured.
    balance
        0 weighs every label alike, as the study does; 1 gives every indicator the same say, however
        seldom it was measured.
    counts
        ``(n,)``: how many windows carry each row of labels.

    Returns
    -------
    NDArray
        ``(n_labels,)`` float32, 1 on average over the measured labels; 0 where none was measured.
    """
    measured = (counts @ (labels != NOT_MEASURED)).astype(np.float64)
    weights = np.where(measured > 0, np.maximum(measured, 1.0) ** -balance, 0.0)
    return np.asarray(weights * measured.sum() / (weights * measured).sum(), np.float32)


def prior_logits(
    labels: NDArray[np.integer[Any]], counts: NDArray[np.integer[Any]] | None = None
) -> NDArray[np.float32]:
    """Return the log-odds of each indicator: the bias that a head should start from.

    Rare findings sit several units below 0. Starting there, a short fit spends its steps on the
    ECG and not on prevalences (the prior of Lin et al., "Focal loss", ICCV 2017, section 3.3).

    Parameters
    ----------
    labels
        ``(n, n_labels)`` training labels, -1 for not measured. Half a positive and half a negative
        are added, so that the result is finite.
    counts
        ``(n,)``: how many windows carry each row of labels; one by default.

    Returns
    -------
    NDArray
        ``(n_labels,)`` float32.
    """
    weights = np.ones(len(labels), np.int64) if counts is None else counts
    positives, negatives = weights @ (labels == 1), weights @ (labels == 0)
    return np.asarray(np.log((positives + 0.5) / (negatives + 0.5)), np.float32)

"""The masked loss, and the logits from which it should start.

A blood draw says nothing about what was not measured in it.
"""

from typing import Any, Final

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

NOT_MEASURED: Final = -1


def masked_bce(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy averaged over the measured labels of the whole batch.

    ``sum(mask * BCE) / (sum(mask) + 1e-8)``, as in AnyECG-Lab (arXiv 2510.22301).

    Parameters
    ----------
    logits
        ``(batch, n_labels)`` float. What stands where nothing was measured has no effect.
    labels
        ``(batch, n_labels)``: 1 abnormal, 0 measured and not abnormal, -1 not measured.

    Returns
    -------
    Tensor
        A scalar, 0 where nothing was measured.
    """
    measured = labels != NOT_MEASURED
    total = F.binary_cross_entropy_with_logits(
        logits.masked_fill(~measured, 0.0),
        labels.clamp(min=0).to(logits.dtype),
        weight=measured.to(logits.dtype),
        reduction="sum",
    )
    return total / (measured.sum() + 1e-8)


def prior_logits(labels: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Return the log-odds of each indicator: the bias that a head should start from.

    Rare findings sit several units below 0. Starting there, a short fit spends its steps on the
    ECG and not on prevalences (the prior of Lin et al., "Focal loss", ICCV 2017, section 3.3).

    Parameters
    ----------
    labels
        ``(n, n_labels)`` training labels, -1 for not measured. Half a positive and half a negative
        are added, so that the result is finite.

    Returns
    -------
    NDArray
        ``(n_labels,)`` float32.
    """
    positives, negatives = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
    return np.asarray(np.log((positives + 0.5) / (negatives + 0.5)), np.float32)

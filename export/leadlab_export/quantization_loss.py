"""What a smaller precision costs: AUROC of its logits below that of float32, same windows."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from leadlab_train.metrics import auroc, positive_patients

MEAN_LIMIT: Final = 0.005
WORST_LIMIT: Final = 0.02
FEWEST_POSITIVES: Final = 50


@dataclass(frozen=True, slots=True)
class QuantizationLoss:
    """AUROC lost.

    Attributes
    ----------
    mean
        Over all indicators that have an AUROC; negative where the smaller precision scored better.
    worst
        Of one indicator, among those with enough patients with a positive; at least 0.
    """

    mean: float
    worst: float

    @property
    def too_large(self) -> bool:
        """Whether quantization-aware training is worth its time."""
        return self.mean > MEAN_LIMIT or self.worst > WORST_LIMIT


def quantization_loss(
    fp32: NDArray[np.float32],
    reduced: NDArray[np.float32],
    labels: NDArray[np.int8],
    patients: NDArray[np.integer[Any]],
) -> QuantizationLoss:
    """Compare logits of the same windows.

    Parameters
    ----------
    fp32, reduced
        ``(n, n_labels)`` logits.
    labels, patients
        ``(n, n_labels)``, -1 where not measured, and ``(n,)``.
    """
    lost = auroc(fp32, labels) - auroc(reduced, labels)
    counted = positive_patients(labels, patients) >= FEWEST_POSITIVES
    known = ~np.isnan(lost)
    return QuantizationLoss(
        mean=float(lost[known].mean()) if known.any() else 0.0,
        worst=float(lost[known & counted].max(initial=0.0)),
    )

"""What a teacher is worth: the same students with and without it, seed by seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from leadlab_export.errors import ExportError
from leadlab_train.metrics import PatientBootstrap, auroc, interval, positive_patients

FEWEST_PATIENTS: Final = 10  # with a positive, and with a negative, for an indicator to count
LEVEL: Final = 0.95

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Worth:
    """Macro AUROC of taught students less that of the same students alone.

    Attributes
    ----------
    difference
        Mean over the seeds.
    of_each_seed
        Seed by seed.
    over_seeds
        95 % interval of the mean over other seeds, the patients being as they are (Student's t);
        None for a single seed.
    over_patients
        95 % interval over other patients, the students being as they are (patient bootstrap).
    """

    difference: float
    of_each_seed: tuple[float, ...]
    over_seeds: tuple[float, float] | None
    over_patients: tuple[float, float]


def counted_indicators(
    labels: NDArray[np.int8], patients: NDArray[np.integer[Any]]
) -> NDArray[np.bool_]:
    """Tell which indicators have ten patients with a positive and ten with a negative.

    Raises
    ------
    ExportError
        None has.
    """
    counted = (positive_patients(labels, patients) >= FEWEST_PATIENTS) & (
        positive_patients((labels == 0).astype(np.int8), patients) >= FEWEST_PATIENTS
    )
    if not counted.any():
        raise ExportError(
            f"no indicator has {FEWEST_PATIENTS} validation patients with a positive and as many "
            f"with a negative, among {len(np.unique(patients))}; give a cohort with more of them"
        )
    return counted


def worth_of(
    taught: Sequence[Floats],
    alone: Sequence[Floats],
    labels: NDArray[np.int8],
    patients: NDArray[np.integer[Any]],
    n_resamples: int = 500,
) -> Worth:
    """Compare students seed by seed.

    Parameters
    ----------
    taught, alone
        Logits ``(n, n_indicators)`` of each seed's pair, on the same windows.
    labels
        ``(n, n_indicators)``, -1 for not measured.
    patients
        ``(n,)``: patient of each window.
    n_resamples
        Resamples of patients.
    """
    each = [
        float(np.nanmean(auroc(a, labels)) - np.nanmean(auroc(b, labels)))
        for a, b in zip(taught, alone, strict=True)
    ]
    bootstrap = PatientBootstrap(patients, n_resamples)
    resampled = np.mean(
        [
            np.nanmean(bootstrap.auroc(a, labels) - bootstrap.auroc(b, labels), axis=1)
            for a, b in zip(taught, alone, strict=True)
        ],
        axis=0,
    )
    mean = float(np.mean(each))
    over_patients = interval(mean, resampled, LEVEL)
    return Worth(
        difference=mean,
        of_each_seed=tuple(each),
        over_seeds=_over_seeds(each),
        over_patients=(float(over_patients.low), float(over_patients.high)),
    )


def _over_seeds(each: Sequence[float]) -> tuple[float, float] | None:
    n = len(each)
    if n < 2:
        return None
    reach = student_t.ppf((1 + LEVEL) / 2, n - 1) * np.std(each, ddof=1) / np.sqrt(n)
    mean = float(np.mean(each))
    return mean - float(reach), mean + float(reach)

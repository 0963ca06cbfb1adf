"""Front ends for hosts that cannot resample, and what that costs.

Straps sample at 125 to 130, 250 to 256 or 500 to 512 Hz. One body at 125 Hz serves all of them: a
front end for each family comes down from 125, 250 or 500 Hz. A host without a resampler hands on
the samples as they are, up to 4 % too many a second, and the ECG seems that much slower.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from leadlab_export.student import Student, student_logits, with_input_rate
from leadlab_export.windows import compact_windows
from leadlab_train.cohort import Cohort
from leadlab_train.metrics import auroc

STRAPS_HZ: Final = {125: 130.0, 250: 256.0, 500: 512.0}
"""Nominal rate of each family, and the fastest strap of it."""


@dataclass(frozen=True, slots=True)
class RateCost:
    """What a host loses that does not resample.

    Attributes
    ----------
    rate_hz
        Rate that the front end was designed for.
    strap_hz
        Rate at which the samples were taken that it was given.
    auroc_change
        Change of the mean AUROC against windows resampled to the body's rate.
    """

    rate_hz: int
    strap_hz: float
    auroc_change: float

    @property
    def tolerance(self) -> float:
        """How far off the rate was, as a fraction."""
        return self.strap_hz / self.rate_hz - 1


def unresampled_costs(
    student: Student,
    cohort: Cohort,
    rows: NDArray[np.integer[Any]],
    labels: NDArray[np.int8],
    counted: NDArray[np.bool_],
) -> tuple[RateCost, ...]:
    """Score windows sampled as each family's fastest strap does, handed on as they are.

    Parameters
    ----------
    student
        A trained student.
    cohort, rows
        ``(n,)`` window row numbers of patients that it did not learn from.
    labels, counted
        ``(n, n_labels)``, and which of them enter the mean.

    Returns
    -------
    tuple
        One for each family that the body can serve.
    """

    def score(network: Student, strap_hz: float) -> float:
        windows_mv = compact_windows(cohort, rows, strap_hz, network.n_samples)
        logits = student_logits(network, windows_mv)
        return float(auroc(logits[:, counted], labels[:, counted]).mean())

    resampled = score(student, student.rate_hz)
    return tuple(
        RateCost(rate, strap, score(with_input_rate(student, rate), strap) - resampled)
        for rate, strap in STRAPS_HZ.items()
        if rate % student.shape.rate_hz == 0
    )

"""The best that can be known from a simulated window: its true parameters, rightly weighed."""

from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leadlab_train.cohort import Cohort
from leadlab_train.errors import CohortError

Floats = NDArray[np.float64]


def oracle_scores(cohort: Cohort, rows: ArrayLike) -> Floats:
    """Return what each finding's standardised result is expected to be, knowing the parameters.

    No score ranks better on average. On the draws at hand it is the yardstick of
    efficiency = sum(AUROC - .5) / sum(oracle AUROC - .5). Findings without effect score 0.

    Parameters
    ----------
    cohort
        A simulated cohort.
    rows
        ``(n,)`` window row numbers.

    Returns
    -------
    ``(n, n_indicators) float64``.

    Raises
    ------
    CohortError
        If the cohort is not simulated.
    """
    loadings = cast("Floats", _simulated_array(cohort, "loadings"))
    return parameters(cohort, rows) @ loadings.T


def parameters(cohort: Cohort, rows: ArrayLike) -> Floats:
    """``(n, d)`` true ECG parameters of simulated windows, in the order of `effects.PARAMETERS`."""
    z = cast("NDArray[np.float32]", _simulated_array(cohort, "parameters"))
    return z[np.asarray(rows, np.int64)].astype(np.float64)


def ceilings(cohort: Cohort) -> Floats:
    """``(n_indicators,)``: closed-form AUROC of the oracle on infinitely many windows."""
    return cast("Floats", _simulated_array(cohort, "ceilings"))


def _simulated_array(cohort: Cohort, name: str) -> NDArray[np.generic]:
    if not cohort.simulated:
        raise CohortError(f"{cohort.path} is not simulated: nobody knows its {name}")
    return cohort.array(name)

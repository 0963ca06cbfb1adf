"""How much of what can be known a model knows. Only a simulated cohort can tell."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def efficiency(
    model_auroc: NDArray[np.floating[Any]],
    oracle_auroc: NDArray[np.floating[Any]],
    counted: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Ratio of sums of AUROC above chance, model to oracle, over the counted indicators.

    Parameters
    ----------
    model_auroc, oracle_auroc
        ``(..., n_indicators)``, scored on the same rows: with few positives, both err alike.
    counted
        ``(n_indicators,)``, usually those with a ceiling well above chance and enough positives.

    Returns
    -------
    NDArray
        ``(...)``; 1 is the oracle, 0 is chance.
    """
    above_chance = np.nansum(model_auroc[..., counted] - 0.5, axis=-1)
    return np.asarray(above_chance / np.nansum(oracle_auroc[..., counted] - 0.5, axis=-1))

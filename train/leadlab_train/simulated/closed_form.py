"""The best reachable AUROC of a threshold on a Gaussian, in closed form but for one integral.

A standard normal result y is positive where y > tau. A score s, standard normal too, has
correlation rho with it. No function of s ranks better than s itself, and its AUROC depends on rho
and the prevalence P(y > tau) alone.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

_S = np.linspace(-8.5, 8.5, 1701)
_DENSITY = np.exp(-0.5 * _S**2) / np.sqrt(2 * np.pi) * (_S[1] - _S[0])


def auroc_of(rho: ArrayLike, prevalence: ArrayLike) -> NDArray[np.float64]:
    """AUROC of a score with correlation ``rho`` to a result that is positive with ``prevalence``.

    Parameters
    ----------
    rho
        ``(...)``, within -1 and 1, both excluded.
    prevalence
        ``(...)``, within 0 and 1, both excluded; broadcast against ``rho``.

    Returns
    -------
    ``(...) float64``, exact to about 1e-6.
    """
    r, p = np.broadcast_arrays(np.asarray(rho, float), np.asarray(prevalence, float))
    r, p = r[..., None], p[..., None]
    positive = ndtr((r * _S + ndtri(p)) / np.sqrt(1 - r**2))
    in_positives = _DENSITY * positive / p
    in_negatives = _DENSITY * (1 - positive) / (1 - p)
    below = np.cumsum(in_negatives, axis=-1) - 0.5 * in_negatives
    return np.asarray((in_positives * below).sum(axis=-1))


def rho_for(auroc: ArrayLike, prevalence: ArrayLike, rho_max: float = 0.999) -> NDArray[np.float64]:
    """Correlation that gives ``auroc`` at ``prevalence``: the inverse of `auroc_of` from .5 up.

    What no correlation up to ``rho_max`` reaches gets ``rho_max``; what lies below .5 gets 0.
    """
    wanted, p = np.broadcast_arrays(np.asarray(auroc, float), np.asarray(prevalence, float))
    low, high = np.zeros(wanted.shape), np.full(wanted.shape, rho_max)
    for _ in range(40):
        middle = 0.5 * (low + high)
        reached = auroc_of(middle, p) >= wanted
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.asarray(np.where(wanted <= 0.5, 0.0, 0.5 * (low + high)))

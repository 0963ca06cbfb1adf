"""Laboratory values and ECG parameters as one linear-Gaussian model with known ceilings.

An ECG is ``d`` standard normal parameters z, each a sum of what lasts with the patient, the visit
and the draw, and of what differs from window to window. A result in the direction of finding j is

    y_j = rho_j * s_j + sqrt(1 - rho_j ** 2) * e_j,    positive where y_j > tau_j,

with s_j the projection of the draw's lasting parameters on the finding's effect direction, at unit
variance. tau comes from the study's prevalence. rho is such that the best score of one window, the
same projection of the window's own parameters, has the study's AUROC. The two directions of an
analyte have opposite s and opposite noise (e_low = -e_high), so that each keeps its own AUROC and a
draw is all but never high and low at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from leadlab_edge.indicators import Indicator
from leadlab_train.errors import CohortError
from leadlab_train.panel import Panel
from leadlab_train.simulated.closed_form import auroc_of, rho_for
from leadlab_train.simulated.effects import ANALYTES, FACTORS, PARAMETERS

Floats = NDArray[np.float64]

_RHO_MAX = 0.98
_FACTOR_SHARE = 0.4  # of an analyte's noise variance: common to the analytes of its main factor


@dataclass(frozen=True, slots=True)
class Shares:
    """How the variance of a quantity divides over the levels; the four add up to 1."""

    patient: float
    visit: float
    draw: float
    window: float

    def __post_init__(self) -> None:
        parts = (self.patient, self.visit, self.draw, self.window)
        if min(parts) < 0 or abs(sum(parts) - 1) > 1e-9 or self.window == 1:
            raise CohortError(
                f"variance shares {parts} must be >= 0 and add up to 1, window below 1"
            )


ECG_SHARES = Shares(patient=0.5, visit=0.2, draw=0.15, window=0.15)
LAB_SHARES = Shares(patient=0.5, visit=0.3, draw=0.2, window=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Physiology:
    """The model for one panel; make one with `build_physiology`.

    Attributes
    ----------
    panel
        Findings, in the order of every array here.
    directions
        ``(n_indicators, d)``, unit rows: where the parameters go as the finding becomes likelier.
    sign
        ``(n_indicators,)``: +1 for ">", -1 for "<".
    rho, tau
        ``(n_indicators,)``: correlation of a result with the draw's projection; its threshold.
    noise_loading
        ``(n_analytes, n_factors)``: what of each analyte's noise it shares with its kin.
    shares
        Variance shares of the ECG parameters.
    """

    panel: Panel
    directions: Floats
    sign: Floats
    rho: Floats
    tau: Floats
    noise_loading: Floats
    shares: Shares

    def loadings(self) -> Floats:
        """``(n_indicators, d)``: ``loadings @ z`` is E[y | parameters z of one window]."""
        return np.asarray((self.rho * np.sqrt(1 - self.shares.window))[:, None] * self.directions)

    def ceilings(self, n_windows: int = 1) -> Floats:
        """``(n_indicators,)``: best AUROC from the mean of ``n_windows`` windows of a draw."""
        lasting = 1 - self.shares.window
        reliability = lasting / (lasting + self.shares.window / n_windows)
        return auroc_of(self.rho * np.sqrt(reliability), self.panel.prevalence)

    def excess(self, z_draw: Floats, factor_noise: Floats, own_noise: Floats) -> Floats:
        """Draw results, as standard deviations beyond their thresholds.

        Parameters
        ----------
        z_draw
            ``(n_draws, d)``, unit variance: the draws' parameters without the window part.
        factor_noise, own_noise
            ``(n_draws, n_factors)`` and ``(n_draws, n_analytes)``, standard normal.

        Returns
        -------
        ``(n_draws, n_indicators) float64``.
        """
        own = np.sqrt(1 - (self.noise_loading**2).sum(axis=1))
        noise = factor_noise @ self.noise_loading.T + own_noise * own
        noise = noise[:, self.panel.analyte_index] * self.sign
        result = self.rho * (z_draw @ self.directions.T) + np.sqrt(1 - self.rho**2) * noise
        return np.asarray(result - self.tau)

    def labels(self, excess: Floats) -> NDArray[np.int8]:
        """``(n_draws, n_indicators)``: 1 where a result exceeds its threshold, else 0.

        Of two directions of one analyte the larger excess wins: none is high and low at once.
        """
        positive = excess > 0
        for analyte in range(len(self.panel.analytes)):
            columns = np.flatnonzero(self.panel.analyte_index == analyte)
            positive[:, columns] &= excess[:, columns] == excess[:, columns].max(axis=1)[:, None]
        return positive.astype(np.int8)


def build_physiology(
    panel: Panel, strength: float = 0.0, shares: Shares = ECG_SHARES
) -> Physiology:
    """Fit the model's correlations to a panel's prevalences and AUROCs.

    Parameters
    ----------
    panel
        Every finding needs the study's counts, AUROC and interval, and its analyte an entry in
        `effects.ANALYTES`.
    strength
        Window-level ceiling = .5 + (AUROC - .5) * (1 + strength), as far as a correlation below 1
        allows. Findings whose interval reaches .5 or below have no effect at all.
    shares
        Variance shares of the ECG parameters.

    Raises
    ------
    CohortError
        If the panel lacks a figure or names an analyte without effects, or ``strength`` is
        below -1.
    """
    if strength < -1:
        raise CohortError(f"strength is {strength}; give at least -1 (0: the study's AUROCs)")
    if unknown := [analyte for analyte in panel.analytes if analyte not in ANALYTES]:
        raise CohortError(f"no effects for {unknown}; add them to leadlab_train.simulated.effects")
    prevalence, auroc = panel.prevalence, np.array([_shown_auroc(i) for i in panel])
    if not ((prevalence > 0) & (prevalence < 1)).all():
        raise CohortError("a finding has no prevalence within 0 and 1; give n_all and n_positive")
    wanted = 0.5 + (auroc - 0.5) * (1 + strength)
    sign = np.array([1.0 if indicator.direction == ">" else -1.0 for indicator in panel])
    effects = np.array([_unit_vector(ANALYTES[analyte]) for analyte in panel.analytes])
    return Physiology(
        panel=panel,
        directions=effects[panel.analyte_index] * sign[:, None],
        sign=sign,
        rho=np.minimum(rho_for(wanted, prevalence) / np.sqrt(1 - shares.window), _RHO_MAX),
        tau=ndtri(1 - prevalence),
        noise_loading=np.array([_kinship(ANALYTES[analyte]) for analyte in panel.analytes]),
        shares=shares,
    )


def _shown_auroc(indicator: Indicator) -> float:
    """Return the study's AUROC, .5 where its interval reaches .5 or below."""
    if indicator.study_auroc is None or indicator.study_ci is None:
        raise CohortError(f"{indicator.name} needs auroc, ci_low and ci_high to be simulated")
    return indicator.study_auroc if indicator.study_ci[0] > 0.5 else 0.5


def _unit_vector(effects: dict[str, float]) -> Floats:
    """Add up loadings on factors and single parameters to a direction over `PARAMETERS`."""
    total = np.zeros(len(PARAMETERS))
    for name, size in effects.items():
        if name in FACTORS:
            total += size * _unit_vector(FACTORS[name])
        else:
            total[PARAMETERS.index(name)] += size
    return np.asarray(total / np.linalg.norm(total))


def _kinship(effects: dict[str, float]) -> Floats:
    """``(n_factors,)``: an analyte's noise loads on the factor that moves it most."""
    sizes = np.array([effects.get(factor, 0.0) for factor in FACTORS])
    is_main = np.arange(len(sizes)) == np.abs(sizes).argmax()
    return np.asarray(np.sqrt(_FACTOR_SHARE) * np.sign(sizes) * is_main)

"""What ECG parameters mean in seconds and in units of R, and where that places the waves of a beat.

Every parameter is scale-free (intervals, and amplitudes relative to R), because the network sees
z-scored windows: the gain is a nuisance. T, U and the ST segment scale with the square root of RR
(Bazett 1920), as they do in people.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadlab_train.simulated.effects import PARAMETERS

Floats = NDArray[np.float64]

RR_RANGE_S = (0.35, 1.8)
_Z_MAX = 3.5


@dataclass(frozen=True, slots=True, eq=False)
class Wave:
    """One wave in every beat of ``n`` windows.

    Attributes
    ----------
    part
        Index of the part of the beat whose amplitude varies as one: 0 QRS, 1 P, 2 ST-T-U.
    amplitude
        ``(n,)``, in units of R.
    centre_s
        ``(n,)``, relative to R.
    rise_s, fall_s
        ``(n,)``: sigma of the rising and of the falling side.
    """

    part: int
    amplitude: Floats
    centre_s: Floats
    rise_s: Floats
    fall_s: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Morphology:
    """The parameters of ``n`` windows in physical units, ``(n,)`` each.

    ``rr_cv`` is the coefficient of variation of RR; ``*_ratio``, ``*_amplitude`` and ``st_level``
    are in units of R; ``t_skew`` is half the log ratio of the T wave's rising and falling sigma.
    """

    rr_s: Floats
    rr_cv: Floats
    pr_s: Floats
    p_amplitude: Floats
    p_duration_s: Floats
    qrs_s: Floats
    q_ratio: Floats
    s_ratio: Floats
    st_length_s: Floats
    st_level: Floats
    t_amplitude: Floats
    t_width_s: Floats
    t_skew: Floats
    u_amplitude: Floats

    def waves(self) -> tuple[Wave, ...]:
        """Place P, Q, R, S, ST, T and U around R; P ends before the QRS, T begins after it."""
        qrs_onset, j_point = -0.45 * self.qrs_s, 0.5 * self.qrs_s
        p_sigma = self.p_duration_s / 5
        t_rise, t_fall = self.t_width_s * np.exp(self.t_skew), self.t_width_s * np.exp(-self.t_skew)
        t_peak = j_point + self.st_length_s + 2.0 * t_rise
        st_centre = j_point + 0.35 * self.st_length_s
        st_rise, st_fall = 0.2 * self.st_length_s, 0.7 * self.st_length_s
        u_centre = t_peak + 2.2 * t_fall + 0.06 * np.sqrt(self.rr_s)
        u_sigma = np.full_like(self.rr_s, 0.028)
        q_sigma, r_sigma, s_sigma = 0.085 * self.qrs_s, 0.105 * self.qrs_s, 0.1 * self.qrs_s
        p_centre = qrs_onset - self.pr_s + self.p_duration_s / 2
        return (
            Wave(1, self.p_amplitude, p_centre, p_sigma, p_sigma),
            Wave(0, -self.q_ratio, -0.3 * self.qrs_s, q_sigma, q_sigma),
            Wave(0, np.ones_like(self.rr_s), np.zeros_like(self.rr_s), r_sigma, r_sigma),
            Wave(0, -self.s_ratio, 0.31 * self.qrs_s, s_sigma, s_sigma),
            Wave(2, self.st_level, st_centre, st_rise, st_fall),
            Wave(2, self.t_amplitude, t_peak, t_rise, t_fall),
            Wave(2, self.u_amplitude, u_centre, u_sigma, u_sigma),
        )


def morphology(z: NDArray[np.floating]) -> Morphology:
    """Map standard normal parameters to physical ones, each of them monotone.

    Parameters
    ----------
    z
        ``(n, d)`` in the order of `effects.PARAMETERS`; clipped to +-3.5.
    """
    columns = np.clip(np.asarray(z, float), -_Z_MAX, _Z_MAX).T
    p = dict(zip(PARAMETERS, columns, strict=True))
    rr_s = np.clip(60 / (82 * np.exp(0.17 * p["hr"])), *RR_RANGE_S)
    bazett = np.sqrt(rr_s)
    pr_s = 0.17 * np.exp(0.16 * p["pr"]) * rr_s**0.25
    return Morphology(
        rr_s=rr_s,
        rr_cv=0.03 * np.exp(0.6 * p["hrv"]),
        pr_s=pr_s,
        p_amplitude=0.15 * np.exp(0.4 * p["p_amplitude"]),
        p_duration_s=np.minimum(0.085 * np.exp(0.2 * p["p_duration"]), 0.95 * pr_s),
        qrs_s=0.092 * np.exp(0.14 * p["qrs"]),
        q_ratio=0.12 * np.exp(0.5 * p["q_ratio"]),
        s_ratio=0.24 * np.exp(0.45 * p["s_ratio"]),
        st_length_s=0.1 * np.exp(0.32 * p["st_length"]) * bazett,
        st_level=0.06 * p["st_level"],
        t_amplitude=0.32 * np.exp(0.35 * p["t_amplitude"]),
        t_width_s=0.052 * np.exp(0.2 * p["t_width"]) * bazett,
        t_skew=0.2 + 0.26 * p["t_asymmetry"],
        u_amplitude=0.08 * np.exp(0.5 * p["u_amplitude"]),
    )

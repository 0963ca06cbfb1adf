"""A small synthetic ECG to stream where no recording is at hand."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

# Wave: time of its peak after the R peak (s), width (s, one standard deviation), height (uV).
# The sum-of-Gaussians description of a beat is that of McSharry et al., IEEE Trans. Biomed. Eng.
# 50(3):289-294, 2003.
_WAVES: Final = np.array(
    [
        (-0.160, 0.025, 120.0),  # P
        (-0.028, 0.010, -110.0),  # Q
        (0.000, 0.011, 1100.0),  # R
        (0.028, 0.012, -220.0),  # S
        (0.270, 0.045, 280.0),  # T
    ]
)
_T_WAVE: Final = 4


def simulate_ecg(
    duration_s: float = 90.0,
    rate_hz: float = 130.0,
    heart_rate_bpm: float = 66.0,
    seed: int = 0,
) -> NDArray[np.int32]:
    """Return a healthy-looking ECG that can be played in a loop without a seam.

    Beats differ in length (breathing and chance), T time and height; a slow baseline and a little
    noise lie over them.

    Returns
    -------
    ``(round(duration_s * rate_hz),) int32``, microvolts.
    """
    rng = np.random.default_rng(seed)
    n = round(duration_s * rate_hz)
    duration_s = n / rate_hz
    time_s = np.arange(n) / rate_hz
    breaths = max(1, round(duration_s / 4.0))

    n_beats = max(2, round(duration_s * heart_rate_bpm / 60.0))
    breathing = np.sin(2 * np.pi * breaths * np.arange(n_beats) / n_beats)
    rr_s = 1.0 + 0.03 * breathing + rng.normal(0, 0.02, n_beats)
    rr_s *= duration_s / rr_s.sum()
    r_s = np.cumsum(rr_s) - rr_s / 2

    peak_s = r_s[:, None] + _WAVES[:, 0]
    # Bazett: repolarisation follows the square root of the preceding interval.
    peak_s[:, _T_WAVE] = r_s + _WAVES[_T_WAVE, 0] * np.sqrt(np.roll(rr_s, 1))
    height_uv = _WAVES[:, 2] * rng.normal(1, 0.04, (n_beats, 1)) * rng.normal(1, 0.03, peak_s.shape)
    ecg_uv = _sum_of_waves(time_s, peak_s, height_uv, duration_s)
    ecg_uv += 40.0 * np.sin(2 * np.pi * breaths * time_s / duration_s)
    ecg_uv += rng.normal(0, 6.0, n)
    return np.round(ecg_uv).astype(np.int32)


def _sum_of_waves(
    time_s: NDArray[np.float64],
    peak_s: NDArray[np.float64],
    height_uv: NDArray[np.float64],
    duration_s: float,
) -> NDArray[np.float64]:
    """Add up waves ``(beats, 5)`` on a circle of ``duration_s`` seconds; ``(time,)`` uV."""
    # Only the beats just before and after a sample reach it.
    following = np.searchsorted(peak_s[:, 2], time_s)
    near = (following[:, None] + np.array([-1, 0])) % len(peak_s)
    away_s = time_s[:, None, None] - peak_s[near]
    away_s -= duration_s * np.round(away_s / duration_s)
    waves = height_uv[near] * np.exp(-0.5 * (away_s / _WAVES[:, 1]) ** 2)
    return np.asarray(waves.sum(axis=(1, 2)))

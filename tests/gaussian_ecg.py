"""An ECG for tests, known at any instant: a sum of Gaussian waves, so every rate has its truth."""

import numpy as np
from numpy.typing import NDArray

# Height in mV, time after the R peak in s, width in s: P, Q, R, S, T.
WAVES = (
    (0.12, -0.17, 0.024),
    (-0.10, -0.03, 0.010),
    (1.10, 0.00, 0.012),
    (-0.20, 0.03, 0.011),
    (0.30, 0.28, 0.050),
)


def gaussian_ecg_mv(t_s: NDArray[np.float64], beats_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ECG in mV at times ``t_s`` with R peaks at ``beats_s``."""
    ecg = np.zeros_like(t_s)
    for beat_s in beats_s:
        near = slice(*np.searchsorted(t_s, (beat_s - 0.4, beat_s + 0.7)))
        since = t_s[near] - beat_s
        for height, at, width in WAVES:
            ecg[near] += height * np.exp(-0.5 * ((since - at) / width) ** 2)
    return ecg


def steady_ecg_mv(fs_hz: float, seconds: float, rr_s: float = 0.83) -> NDArray[np.float64]:
    """Return ``seconds`` of ECG at ``fs_hz``, a beat every ``rr_s``."""
    return gaussian_ecg_mv(
        np.arange(round(seconds * fs_hz)) / fs_hz, np.arange(0.4 * rr_s, seconds + 1, rr_s)
    )

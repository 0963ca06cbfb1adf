"""A student of 4,000 parameters, and simulated windows with three findings that an ECG shows."""

import numpy as np

from leadlab_export.student import StudentShape
from leadlab_train.simulated.effects import PARAMETERS
from leadlab_train.simulated.waveform import render

RATE_HZ, N_SAMPLES, SPARE = 125, 1464, 20
TINY = StudentShape(stem=8, widths=(12, 16, 16), blocks=(1, 2, 1))
SHOWN = tuple(PARAMETERS.index(name) for name in ("hr", "t_amplitude", "qrs"))


def simulate(n: int, seed: int, spare: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return windows, mV @ 125 Hz, and labels: fast heart, tall T wave, long QRS complex."""
    z = np.random.default_rng(seed).standard_normal((n, len(PARAMETERS)))
    windows = render(
        z,
        [np.random.default_rng((seed, i)) for i in range(n)],
        rate_hz=RATE_HZ,
        duration_s=(N_SAMPLES + 2 * spare) / RATE_HZ,
    )
    return windows, (z[:, SHOWN] > 0.5).astype(np.int8)

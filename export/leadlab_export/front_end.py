"""The student's front end: raw millivolts to a normalised signal, inside the model graph.

A device hands over raw millivolts and nothing else; everything the network expects of its input
is part of the graph, so no host can filter, scale or pad differently from training.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

HIGH_PASS_BOX_S = 0.75  # two boxes of this length give -3 dB at 0.8 Hz
LOW_PASS_SPAN_S = 0.25
LOW_PASS_HZ = 40.0
KNEE = 8.0  # bound of the compressed signal, in units of its RMS
FLOOR_MV = 1e-3  # added to the RMS: a flat line stays flat instead of dividing by zero


def front_end_taps(rate_hz: float, step: int = 1) -> NDArray[np.float64]:
    """Return the linear-phase band pass of about 0.8 to 40 Hz.

    The high pass is a unit impulse minus two moving averages in a row (a triangle); the low pass
    is a Hamming-windowed sinc. Their convolution is one symmetric filter. Its length is odd or even
    like ``step``, so that the kept samples lie alike on both sides of the window's middle.

    Parameters
    ----------
    rate_hz
        Sampling rate in hertz, at least 100.
    step
        One of so many output samples will be kept.

    Returns
    -------
    NDArray[np.float64]
        Filter taps (215 at 125 Hz).
    """
    n_box = _below(HIGH_PASS_BOX_S * rate_hz, odd=True)
    box = np.full(n_box, 1 / n_box)
    high_pass = -np.convolve(box, box)
    high_pass[len(high_pass) // 2] += 1.0
    n_low = _below(LOW_PASS_SPAN_S * rate_hz, odd=step % 2 == 1)
    centred = np.arange(n_low) - (n_low - 1) / 2
    low_pass = np.sinc(2 * LOW_PASS_HZ / rate_hz * centred) * np.hamming(n_low)
    return np.convolve(high_pass, low_pass / low_pass.sum())


def _below(samples: float, odd: bool) -> int:
    """Return the largest odd or even number that is not above ``samples``."""
    whole = int(samples)
    return whole - (whole % 2 != odd)


class FrontEnd(nn.Module):
    """Mean removal, band pass, division by RMS, soft compression.

    The filter runs in "valid" mode: it consumes ``margin`` samples on each side, so no output
    sample ever sees an edge. It may keep every second or fourth sample: nothing above 40 Hz is
    left to fold back. Compression maps z to z / (1 + |z| / 8). It bounds the output
    without cutting off R peaks, which reach 8 to 11 times the RMS in real recordings and would be
    lopped off by a clamp, and it spends the steps of an int8 body on P, T and U waves.

    Parameters
    ----------
    rate_hz
        Sampling rate of the input in hertz.
    step
        Input samples per output sample.

    Attributes
    ----------
    margin
        Samples on each side of ``n * step`` from which ``n`` come out.
    """

    taps: Tensor

    def __init__(self, rate_hz: float, step: int = 1) -> None:
        super().__init__()
        taps = torch.from_numpy(front_end_taps(rate_hz, step)).float()
        self.step, self.margin = step, (len(taps) - step) // 2
        self.register_buffer("taps", taps.reshape(1, 1, 1, -1), persistent=False)

    def forward(self, raw_mv: Tensor) -> Tensor:
        """Map ``(batch, n * step + 2 * margin)`` mV to ``(batch, 1, 1, n)`` within -8 to 8."""
        # The mean goes first: an electrode offset of 300 mV would cost the filter its last digits.
        centred = raw_mv - raw_mv.mean(dim=-1, keepdim=True)
        band = nn.functional.conv2d(centred[:, None, None, :], self.taps, stride=(1, self.step))
        power = (band * band).mean(dim=-1, keepdim=True)
        z = band * torch.rsqrt(power + FLOOR_MV**2)
        return z / (z.abs() * (1 / KNEE) + 1.0)

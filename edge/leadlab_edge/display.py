"""The trace a person sees: a stream filter for eyes, never for the model."""

from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

HIGH_PASS_HZ = 0.5
LOW_PASS_HZ = 38.0
STOP_HZ = 49.0
_HAMMING_WIDTH = 3.3  # transition band times length, of a low-pass windowed by Hamming


class DisplayFilter:
    """Filters a stream of samples to about 0.5-40 Hz and keeps the newest seconds.

    A linear-phase low-pass with a fixed delay, whose stop band begins below 50 Hz and so takes the
    mains with it, then a first-order high-pass as on a bedside monitor. The result does not depend
    on how the stream is cut. Missing samples become NaN in the strip, and the filter starts anew.

    Parameters
    ----------
    fs_hz
        Sampling rate; nominal is good enough for eyes.
    strip_s
        How much of the result is kept.
    """

    def __init__(self, fs_hz: float, strip_s: float) -> None:
        self._taps = _low_pass(fs_hz)
        self._leak = float(np.exp(-2 * np.pi * HIGH_PASS_HZ / fs_hz))
        self._strip = np.full(round(strip_s * fs_hz), np.nan, np.float32)
        self._tail = np.empty(0)
        self._settling = 0
        self._baseline: float | None = None

    @property
    def delay(self) -> int:
        """Samples by which the newest value of the strip is older than the newest sample."""
        return self._taps.size // 2

    @property
    def strip_mv(self) -> NDArray[np.float32]:
        """Copy of the strip, ``(round(strip_s * fs_hz),) float32, mV``, newest last."""
        return self._strip.copy()

    def skip(self, missing: int) -> None:
        """Take note of ``missing`` samples: a hole in the strip, and a new start behind it."""
        self._push(np.full(min(missing, self._strip.size), np.nan))
        self._baseline = None

    def append(self, samples_uv: NDArray[np.float32]) -> None:
        """Filter the next samples into the strip."""
        bad = ~np.isfinite(samples_uv)
        if bad.any():
            edges = np.flatnonzero(np.diff(bad)) + 1
            for part in np.split(samples_uv, edges):
                if np.isfinite(part[0]):
                    self._append_finite(part)
                else:
                    self.skip(part.size)
        elif samples_uv.size:
            self._append_finite(samples_uv)

    def _append_finite(self, samples_uv: NDArray[np.float32]) -> None:
        x = samples_uv.astype(np.float64) / 1000.0
        if self._baseline is None:
            self._baseline = float(x[0])
            self._tail = np.full(self._taps.size - 1, x[0])
            self._settling = self.delay
        x = np.concatenate((self._tail, x))
        self._tail = x[1 - self._taps.size :]
        smooth = np.convolve(x, self._taps, mode="valid")
        leak = self._leak
        baseline = list(
            accumulate(smooth, lambda base, y: leak * base + (1 - leak) * y, initial=self._baseline)
        )
        self._baseline = baseline[-1]
        trace = smooth - baseline[1:]
        unsettled = min(self._settling, trace.size)  # these lie before the first sample
        trace[:unsettled] = np.nan
        self._settling -= unsettled
        self._push(trace)

    def _push(self, values: NDArray[np.float64]) -> None:
        values = values[-self._strip.size :]
        if values.size:
            self._strip[: -values.size] = self._strip[values.size :]
            self._strip[-values.size :] = values


def _low_pass(fs_hz: float) -> NDArray[np.float64]:
    """Return the taps of a low-pass from 38 Hz to 49 Hz, odd in number, of sum 1."""
    half = round(_HAMMING_WIDTH * fs_hz / (STOP_HZ - LOW_PASS_HZ) / 2)
    at = np.arange(-half, half + 1)
    middle_hz = (LOW_PASS_HZ + STOP_HZ) / 2
    taps = np.sinc(2 * middle_hz / fs_hz * at) * np.hamming(at.size)
    normalised: NDArray[np.float64] = taps / taps.sum()
    return normalised

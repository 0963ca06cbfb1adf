"""From a raw cut at the device's true rate to the window of the model."""

import numpy as np
import soxr
from numpy.typing import NDArray

from leadlab_edge.signal import SignalError

_SAME_RATE_SAMPLES = 0.05  # rates that drift apart by less than this over the cut are the same


def first_output(n_in: int, rate_in_hz: float, rate_out_hz: float, n_out: int) -> int:
    """Return where the window of ``n_out`` samples begins, in output samples since the cut began.

    Output sample 0 and input sample 0 fall together in time; the window is the one of all runs of
    ``n_out`` output samples whose middle is nearest the middle of the cut. So output sample ``j``
    of the window lies ``(first_output + j) / rate_out_hz`` after the first input sample, exactly.
    """
    return round(((n_in - 1) / rate_in_hz * rate_out_hz - (n_out - 1)) / 2)


def resample_window(
    raw_mv: NDArray[np.float32], rate_in_hz: float, rate_out_hz: float, n_out: int
) -> NDArray[np.float32]:
    """Resample the middle of a raw cut.

    The straight line from the first to the last sample is taken out before and put back after:
    a line needs no resampler, and without it an electrode offset would ring at the ends.

    Parameters
    ----------
    raw_mv
        ``(n,)``, mV @ ``rate_in_hz``, without gaps, with 0.3 s or more beyond the window each side.
    rate_in_hz
        True sampling rate.
    rate_out_hz, n_out
        What the model takes.

    Returns
    -------
    ``(n_out,) float32``, mV @ ``rate_out_hz``; the samples themselves where the rates are equal.

    Raises
    ------
    SignalError
        The cut is shorter than the window.
    """
    n_in = raw_mv.size
    first = first_output(n_in, rate_in_hz, rate_out_hz, n_out)
    if first < 0:
        raise SignalError(
            f"{n_in / rate_in_hz:.2f} s of signal cannot fill a window of"
            f" {n_out / rate_out_hz:.2f} s: cut longer stretches"
        )
    if abs(rate_out_hz / rate_in_hz - 1) * n_in < _SAME_RATE_SAMPLES:
        return raw_mv[first : first + n_out].astype(np.float32)
    x = raw_mv.astype(np.float64)
    slope = (x[-1] - x[0]) / max(1, n_in - 1)
    x -= x[0] + slope * np.arange(n_in)
    y = soxr.resample(x, rate_in_hz, rate_out_hz, quality="HQ")[first : first + n_out]
    y += raw_mv[0] + slope * rate_in_hz / rate_out_hz * np.arange(first, first + n_out)
    return np.asarray(y, np.float32)

"""The published preprocessing of ECGFounder, for networks that take filtered windows.

Compact packs carry their own front end inside the graph and never come here.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leadlab_bridge.errors import LeadlabError
from leadlab_edge.running_median import running_median

FS_HZ = 500.0
N_SAMPLES = 5000
_NOTCH_HZ, _NOTCH_Q = 50.0, 30.0
_BAND_HZ, _BAND_ORDER = (0.67, 40.0), 4
_MEDIAN_SAMPLES = 201  # 0.4 s
_BLOCK_ROWS = 8  # a block of windows and its intermediates stay in the second-level cache

_Floats = NDArray[np.float64]


class SignalError(LeadlabError, ValueError):
    """A window that the preprocessing does not accept."""


def ecgfounder_v1(raw_mv: ArrayLike) -> NDArray[np.float32]:
    """Filter and standardise 10-s windows exactly as ECGFounder's own code does.

    A 50 Hz notch (Q 30), a Butterworth band-pass 0.67-40 Hz of order 4, both forwards and
    backwards, minus the running median of 0.4 s (zeros beyond the ends), z-scored. Each window is
    a function of its own samples alone: alone or in a batch, the result is the same bit for bit.

    Parameters
    ----------
    raw_mv
        ``(..., 5000)``, mV @ 500 Hz; integers are cast. The unit cancels out.

    Returns
    -------
    ``(..., 5000) float32``, mean 0 and standard deviation 1 over the last axis.

    Raises
    ------
    SignalError
        The last axis is not 5000 long, or a value is NaN or infinite.

    Notes
    -----
    Li J. et al., "An Electrocardiogram Foundation Model Built on over 10 Million Recordings",
    NEJM AI 2025; PKUDigitalHealth/ECGFounder, ``util.py`` and ``dataset.py``. The published code
    filters in the dtype of its input and so truncates integers; here the filters are float64
    inside, and only the running median reads float32, which rounds it by 6e-8 at most.
    """
    raw = np.asarray(raw_mv)
    if raw.ndim == 0 or raw.shape[-1] != N_SAMPLES:
        raise SignalError(
            f"windows of shape {raw.shape}; the last axis must be {N_SAMPLES} samples"
            f" ({N_SAMPLES / FS_HZ:g} s @ {FS_HZ:g} Hz): resample and cut first"
        )
    if not np.isfinite(raw).all():
        raise SignalError(
            f"{np.count_nonzero(~np.isfinite(raw))} of {raw.size} samples are NaN or infinite;"
            " none may be: leave such windows out"
        )
    rows = raw.reshape(-1, N_SAMPLES)
    out = np.empty(rows.shape, np.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        out[block] = _chain(rows[block].astype(np.float64))
    return out.reshape(raw.shape)


def _chain(x: _Floats) -> _Floats:
    for b, a, zi in _filters():
        x = _forward_backward(b, a, zi, x)
    x = x - running_median(x.astype(np.float32), _MEDIAN_SAMPLES)
    x -= x.mean(axis=-1, keepdims=True)
    x /= np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) + 1e-8
    return x


@cache
def _filters() -> tuple[tuple[_Floats, _Floats, _Floats], ...]:
    """Return numerator, denominator and step-response state of the notch and the band-pass."""
    from scipy.signal import butter, iirnotch, lfilter_zi

    notch = iirnotch(_NOTCH_HZ, _NOTCH_Q, FS_HZ)
    band = butter(_BAND_ORDER, _BAND_HZ, "bandpass", fs=FS_HZ)
    return tuple((b, a, lfilter_zi(b, a)) for b, a in (notch, band))


def _forward_backward(b: _Floats, a: _Floats, zi: _Floats, x: _Floats) -> _Floats:
    """``scipy.signal.filtfilt`` with its default odd padding, less its overhead per call."""
    from scipy.signal import lfilter

    pad = 3 * len(a)
    head = 2 * x[:, :1] - x[:, pad:0:-1]
    tail = 2 * x[:, -1:] - x[:, -2 : -pad - 2 : -1]
    y = np.concatenate((head, x, tail), axis=-1)
    for _ in range(2):
        y = lfilter(b, a, y, zi=zi * y[:, :1])[0][:, ::-1]
    filtered: _Floats = y[:, pad:-pad]
    return filtered

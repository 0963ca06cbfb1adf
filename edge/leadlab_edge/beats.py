"""Heart beats in a stretch of ECG, for heart rate and quality; the model itself needs none.

In a band of about 8-25 Hz the slope is steep at a QRS complex and hardly anywhere else, whatever
the lead's polarity (after Pan and Tompkins, IEEE Trans Biomed Eng 1985). A stretch is judged as a
whole, so thresholds look both ways and nothing has to be learned first.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SMOOTH_S, _BASE_S = 0.03, 0.08  # two moving means; their difference is the band
_ENVELOPE_S = 0.08
_BLOCK_S, _BLOCKS = 1.5, 7  # the usual height of a beat: median of block maxima over 10 s
_FLOOR = 0.2  # of the height that is usual in the whole stretch
_THRESHOLD = 0.3  # of the height that is usual around a beat
_REFRACTORY_S = 0.25
_T_WAVE_S, _T_WAVE_HEIGHT = 0.5, 0.5  # what follows a beat so soon and so low is its T wave
_LOCATE_S = 0.08

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


def detect_beats(x_mv: ArrayLike, fs_hz: float) -> _Ints:
    """Find R peaks.

    Parameters
    ----------
    x_mv
        ``(n,)``, any unit and polarity @ ``fs_hz`` (100 Hz or more); NaN is bridged.
    fs_hz
        Sampling rate.

    Returns
    -------
    ``(n_beats,) int64``, ascending sample indices of the R peaks; of the S or Q peaks where most
    complexes point down.
    """
    band = _band(_bridged(np.asarray(x_mv, np.float64)), fs_hz)
    if band.size < 3:
        return np.empty(0, np.int64)
    slope = np.diff(band, append=band[-1:])
    envelope = np.sqrt(np.maximum(moving_mean(slope * slope, _ENVELOPE_S * fs_hz), 0.0))
    inner = envelope[1:-1]
    peaks = np.flatnonzero((inner > envelope[:-2]) & (inner >= envelope[2:])) + 1
    peaks = peaks[envelope[peaks] > _THRESHOLD * _usual_height(envelope, fs_hz)[peaks]]
    return _locate(band, _choose(peaks, envelope, fs_hz), fs_hz)


def heart_rate_bpm(beats: _Ints, fs_hz: float) -> float | None:
    """Return the mean heart rate between the first and the last beat, None for fewer than two."""
    if beats.size < 2:
        return None
    return float(60.0 * fs_hz * (beats.size - 1) / (beats[-1] - beats[0]))


def moving_mean(x: _Floats, width: float) -> _Floats:
    """Return the centred mean over ``width`` samples (rounded), the ends held beyond the edges."""
    n = max(1, round(width))
    before, after = n // 2, n - 1 - n // 2
    padded = np.concatenate((np.full(before + 1, x[0]), x, np.full(after, x[-1])))
    total = np.cumsum(padded)
    mean: _Floats = (total[n:] - total[:-n]) / n
    return mean


def _bridged(x: _Floats) -> _Floats:
    """Return ``x`` about its median, scaled to unit range, NaN and infinity interpolated."""
    good = np.isfinite(x)
    if not good.any():
        return np.empty(0)
    if not good.all():
        x = np.interp(np.arange(x.size), np.flatnonzero(good), x[good])
    spread = np.ptp(x)
    # A common scale keeps rounding, and so every comparison, independent of the unit.
    return (x - np.median(x)) / spread if spread > 0 else np.empty(0)


def _band(x: _Floats, fs_hz: float) -> _Floats:
    if not x.size:
        return x
    return moving_mean(x, _SMOOTH_S * fs_hz) - moving_mean(x, _BASE_S * fs_hz)


def _usual_height(envelope: _Floats, fs_hz: float) -> _Floats:
    """Return for each sample how high a beat's envelope is around it."""
    block = round(_BLOCK_S * fs_hz)
    starts = np.arange(0, envelope.size, block)
    maxima = np.maximum.reduceat(envelope, starts)
    width = min(_BLOCKS, maxima.size)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(maxima, width), axis=-1)
    nearest = np.clip(np.arange(maxima.size) - width // 2, 0, medians.size - 1)
    # Beside a long flat stretch the median would be that of nothing.
    heights = np.maximum(medians[nearest], _FLOOR * np.percentile(maxima, 75))
    return np.repeat(heights, block)[: envelope.size]


def _choose(peaks: _Ints, envelope: _Floats, fs_hz: float) -> list[int]:
    """Drop what comes too soon after a beat: the lower of two, and T waves."""
    beats: list[int] = []
    for peak, height in zip(peaks.tolist(), envelope[peaks].tolist(), strict=True):
        since_s = (peak - beats[-1]) / fs_hz if beats else np.inf
        if since_s < _REFRACTORY_S:
            if height > envelope[beats[-1]]:
                beats[-1] = peak
        elif since_s >= _T_WAVE_S or height >= _T_WAVE_HEIGHT * envelope[beats[-1]]:
            beats.append(peak)
    return beats


def _locate(band: _Floats, beats: list[int], fs_hz: float) -> _Ints:
    """Move each beat to the peak of its complex, all of the same polarity."""
    if not beats:
        return np.empty(0, np.int64)
    reach = round(_LOCATE_S * fs_hz)
    around = np.array(beats)[:, None] + np.arange(-reach, reach + 1)
    around = np.clip(around, 0, band.size - 1)
    complexes = band[around]
    if np.median(complexes.max(axis=1)) < np.median(-complexes.min(axis=1)):
        complexes = -complexes
    return np.unique(np.take_along_axis(around, complexes.argmax(axis=1)[:, None], axis=1))

"""Augmentation: what electrodes, patients and wearables do to an ECG before the filters see it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from math import inf, pi, tan

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.fft import dct, idct
from scipy.signal import lfilter

from leadlab_train.errors import TrainingError

BAND_HZ = (0.67, 40.0)  # what ecgfounder_v1 lets through
AXIS_HZ = 8.0  # T and P waves lie below, most of the QRS complex above
DEVICE_HZ = (125.0, 128.0, 130.0, 200.0, 250.0, 256.0, 300.0, 500.0, 512.0)  # rates of wearables
SLOWEST_HIGHPASS_HZ, FASTEST_LOWPASS_HZ = 0.05, 40.0
NOISE_HZ = 100.0  # of what lies above, ecgfounder_v1 leaves less than a 4000th
POSTURE_HZ, BREATH_HZ = (0.05, 0.15), (0.15, 0.5)
MAINS_HZ, MAINS_OFF_HZ = (50.0, 60.0), 0.2
MAINS_DRIFT, MAINS_DRIFT_HZ = 0.3, (0.02, 0.2)
FINEST_STEP = 1 / 16  # resolutions differ by 4 bits: 12 to 16

_Floats = NDArray[np.float32]


def _share() -> float:
    share: float = field(default=0.0, metadata={"min": 0.0, "max": 1.0})
    return share


def _size(default: float, low: float, high: float) -> float:
    size: float = field(default=default, metadata={"min": low, "max": high})
    return size


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Which share of the windows meets which disturbance, and how large it may be.

    A share of 0 turns a disturbance off, and all are off by default. The order is that of the way
    from the heart to the memory: electrodes, skin, amplifier, converter. Windows keep their place
    in time; a shift is up to who cuts them.

    Attributes
    ----------
    flip_share
        Electrodes reversed: the sign changes.
    gain_share, gain_db
        Body build and electrode distance: amplitudes change by up to ``gain_db`` either way. The
        network's input is standardised, so this matters only beside what comes in millivolts.
    axis_share, axis_db
        Another lead: QRS and T do not point the same way, so their ratio differs between leads. An
        approximation: what lies below 8 Hz (T, P) gains up to ``axis_db`` either way over what
        lies above (QRS), with zero phase. It cannot turn one wave over alone.
    noise_share, noise_low_db, noise_high_db
        Noise at a signal-to-noise ratio between the two, both powers taken over the network's
        0.67-40 Hz. A third each: white (amplifier), muscle (the spectrum of surface EMG, rising to
        65 Hz), electrode motion (level to 2 Hz, then falling with the third power of the frequency,
        like record "em" of the MIT-BIH Noise Stress Test Database; it resembles beats). From 18 dB
        waves can be measured, from 5 dB beats can be found (Smital et al. 2020).
    wander_share, wander_mv
        Baseline wander: a wave at 0.05-0.15 Hz (sweat, posture) and one at 0.15-0.5 Hz
        (breathing), up to ``wander_mv`` together.
    step_share, step_mv
        A slipping electrode: one step of the baseline, up to ``step_mv`` either way.
    mains_share, mains_mv
        50 or 60 Hz, up to 0.2 Hz off, up to ``mains_mv``, which slowly drifts by 30 % either way.
    band_share, highpass_hz, lowpass_hz
        The amplifier of a wearable: a single-pole high-pass between 0.05 Hz and ``highpass_hz``
        and a single-pole low-pass between ``lowpass_hz`` and 40 Hz. Inside 0.67-40 Hz they tilt ST
        segments and round off QRS complexes. What preceded the window counts as level.
    device_share, device_hz, resolution_uv
        The converter of a wearable: a rate of ``device_hz`` to 512 Hz and a resolution between
        ``resolution_uv`` and a 16th of it (8 uV: 12 bits over the 33 mV that electrode offsets
        need; the 16th: 16 bits), resampled to the rate of the window. A slower rate leaves more of
        the rounding noise below 40 Hz. The anti-aliasing filter is taken as perfect.
    """

    flip_share: float = _share()
    gain_share: float = _share()
    gain_db: float = _size(6.0, 0.0, 20.0)
    axis_share: float = _share()
    axis_db: float = _size(6.0, 0.0, 20.0)
    noise_share: float = _share()
    noise_low_db: float = _size(6.0, -20.0, 80.0)
    noise_high_db: float = _size(24.0, -20.0, 80.0)
    wander_share: float = _share()
    wander_mv: float = _size(0.5, 0.0, 10.0)
    step_share: float = _share()
    step_mv: float = _size(1.0, 0.0, 10.0)
    mains_share: float = _share()
    mains_mv: float = _size(0.1, 0.0, 10.0)
    band_share: float = _share()
    highpass_hz: float = _size(1.0, SLOWEST_HIGHPASS_HZ, 1.0)
    lowpass_hz: float = _size(25.0, 15.0, FASTEST_LOWPASS_HZ)
    device_share: float = _share()
    device_hz: float = _size(DEVICE_HZ[0], DEVICE_HZ[0], DEVICE_HZ[-1])
    resolution_uv: float = _size(8.0, 0.0, 100.0)

    @property
    def active(self) -> bool:
        """Whether any window may change."""
        return any(getattr(self, f.name) for f in fields(self) if f.name.endswith("_share"))

    def __call__(self, raw_mv: _Floats, fs_hz: float, rngs: Sequence[Generator]) -> _Floats:
        """Disturb each window by numbers from its own generator.

        A window's result depends on its own samples and generator alone, and each disturbance has
        numbers of its own: turning one on does not change how the others are drawn.

        Parameters
        ----------
        raw_mv
            ``(n, time) float32``, mV @ ``fs_hz``, before ``ecgfounder_v1``. Not overwritten.
        fs_hz
            Sampling rate.
        rngs
            ``n`` generators.

        Returns
        -------
        ``(n, time) float32``, mV @ ``fs_hz``.

        Raises
        ------
        TrainingError
            The number of generators is not that of the windows.
        """
        if len(rngs) != len(raw_mv):
            raise TrainingError(
                f"{len(rngs)} generators for {len(raw_mv)} windows; give each window its own"
            )
        if not self.active or not len(raw_mv):
            return raw_mv
        grid = _grid(raw_mv.shape[1], fs_hz)
        return np.stack([self._disturb(x, grid, g) for x, g in zip(raw_mv, rngs, strict=True)])

    def _disturb(self, x: _Floats, grid: "_Grid", rng: Generator) -> _Floats:
        """Return one window disturbed, ``(time,)``."""
        x = x.copy()
        flip, gain, axis, noise, wander, step, mains, band, device = rng.random((9, 8))
        if flip[0] < self.flip_share:
            x *= -1
        if gain[0] < self.gain_share:
            x *= _ratio(_between(-self.gain_db, self.gain_db, gain[1]))
        turned, noisy = axis[0] < self.axis_share, noise[0] < self.noise_share
        if turned or noisy:
            turn_db = _between(-self.axis_db, self.axis_db, axis[1]) if turned else 0.0
            snr_db = _between(self.noise_low_db, self.noise_high_db, noise[1]) if noisy else inf
            x = _pick_up(x, grid, turn_db, snr_db, grid.colours[int(3 * noise[2])], rng)
        if wander[0] < self.wander_share:
            x += _wander(grid, self.wander_mv * wander[1], wander[2:])
        if step[0] < self.step_share:
            x[int(len(x) * step[1]) :] += _between(-self.step_mv, self.step_mv, step[2])
        if mains[0] < self.mains_share:
            x += _mains(grid, self.mains_mv * mains[1], mains[2:])
        if band[0] < self.band_share:
            highpass_hz = _octaves(SLOWEST_HIGHPASS_HZ, self.highpass_hz, band[1])
            lowpass_hz = _octaves(self.lowpass_hz, FASTEST_LOWPASS_HZ, band[2])
            x = _amplify(x, grid.fs_hz, highpass_hz, lowpass_hz)
        if device[0] < self.device_share:
            rates_hz = [r for r in DEVICE_HZ if r >= self.device_hz]
            step_uv = self.resolution_uv * _octaves(FINEST_STEP, 1.0, device[1])
            x = _convert(x, grid, rates_hz[int(len(rates_hz) * device[2])], step_uv / 1000)
        return x


@dataclass(frozen=True, slots=True)
class _Grid:
    """Times and frequencies of a window, and what depends on nothing else.

    Frequencies are those of the cosine transform: it takes a window for mirrored at its ends, so
    that no jump from the last sample to the first rings through either.

    Attributes
    ----------
    fs_hz
        Sampling rate.
    t_s
        ``(time,)``.
    below
        ``(frequency,)``: the part of each frequency that counts as below ``AXIS_HZ``.
    in_band
        The frequencies of ``BAND_HZ``.
    colours
        ``(3, frequencies up to NOISE_HZ)``: amplitudes of the noises.
    """

    fs_hz: float
    t_s: _Floats
    below: _Floats
    in_band: slice
    colours: _Floats


@cache
def _grid(n: int, fs_hz: float) -> _Grid:
    all_hz = np.arange(n) * fs_hz / (2 * n)
    f_hz = all_hz[all_hz <= NOISE_HZ]
    white = (f_hz > 0).astype(np.float64)
    # Shwedyk E. et al., IEEE Trans. Biomed. Eng. 24, 1977: the spectrum of the surface EMG
    muscle = f_hz / np.sqrt(f_hz**2 + 60**2) / (f_hz**2 + 120**2)
    motion = white * (1 + (f_hz / 2) ** 2) ** -0.75
    first, beyond = np.searchsorted(f_hz, BAND_HZ[0]), np.searchsorted(f_hz, BAND_HZ[1], "right")
    return _Grid(
        fs_hz,
        (np.arange(n) / fs_hz).astype(np.float32),
        (1 / (1 + (all_hz / AXIS_HZ) ** 2)).astype(np.float32),
        slice(int(first), int(beyond)),
        np.stack([white, muscle, motion]).astype(np.float32),
    )


def _between(low: float, high: float, u: float) -> float:
    return low + (high - low) * u


def _octaves(low: float, high: float, u: float) -> float:
    """Return a number between ``low`` and ``high``, every octave as likely."""
    return float(low * (high / low) ** u)


def _ratio(db: float) -> float:
    """Return the ratio of amplitudes of so many decibels."""
    return float(10 ** (db / 20))


def _pick_up(
    x: _Floats, grid: _Grid, turn_db: float, snr_db: float, colour: _Floats, rng: Generator
) -> _Floats:
    """Amplify what lies below ``AXIS_HZ`` over the rest, then add noise of ``snr_db``."""
    spectrum = dct(x, norm="ortho")
    if turn_db:
        spectrum *= 1 + np.float32(_ratio(turn_db) - 1) * grid.below
    if snr_db < inf:
        noise = rng.standard_normal(len(colour), np.float32) * colour
        signal_size, noise_size = (np.linalg.norm(s[grid.in_band]) for s in (spectrum, noise))
        spectrum[: len(noise)] += noise * np.float32(signal_size / noise_size / _ratio(snr_db))
    picked_up: _Floats = idct(spectrum, norm="ortho")
    return picked_up


def _wave(grid: _Grid, f_hz: float, turns: float) -> _Floats:
    """Return a sine that starts ``turns`` of its period after its rise through zero."""
    wave: _Floats = np.sin(np.float32(2 * pi * f_hz) * grid.t_s + np.float32(2 * pi * turns))
    return wave


def _wander(grid: _Grid, peak_mv: float, u: NDArray[np.float64]) -> _Floats:
    posture = _wave(grid, _octaves(*POSTURE_HZ, u[0]), u[1])
    breath = _wave(grid, _octaves(*BREATH_HZ, u[2]), u[3])
    return np.float32(peak_mv / 2) * (posture + breath)


def _mains(grid: _Grid, size_mv: float, u: NDArray[np.float64]) -> _Floats:
    f_hz = MAINS_HZ[int(2 * u[0])] + _between(-MAINS_OFF_HZ, MAINS_OFF_HZ, u[1])
    drift = 1 + np.float32(MAINS_DRIFT) * _wave(grid, _octaves(*MAINS_DRIFT_HZ, u[2]), u[3])
    return np.float32(size_mv) * _wave(grid, f_hz, u[4]) * drift


def _amplify(x: _Floats, fs_hz: float, highpass_hz: float, lowpass_hz: float) -> _Floats:
    """Return what a single-pole high-pass and a single-pole low-pass leave."""
    high, low = tan(pi * highpass_hz / fs_hz), tan(pi * lowpass_hz / fs_hz)  # bilinear transform
    gain = low / ((1 + high) * (1 + low))
    a = np.convolve([1, (high - 1) / (high + 1)], [1, (low - 1) / (low + 1)])
    level = x.astype(np.float64) - x[0]
    amplified: _Floats = lfilter([gain, 0, -gain], a, level).astype(np.float32)
    return amplified


def _convert(x: _Floats, grid: _Grid, rate_hz: float, step_mv: float) -> _Floats:
    """Sample at ``rate_hz`` in steps of ``step_mv``, and return to the rate of the window."""
    n, m = len(x), round(len(x) * rate_hz / grid.fs_hz)
    sampled = idct(dct(x, norm="ortho"), n=m, norm="ortho") * np.float32(np.sqrt(m / n))
    if step_mv:
        sampled = np.rint(sampled / np.float32(step_mv)) * np.float32(step_mv)
    converted: _Floats = idct(dct(sampled, norm="ortho"), n=n, norm="ortho")
    return converted * np.float32(np.sqrt(n / m))

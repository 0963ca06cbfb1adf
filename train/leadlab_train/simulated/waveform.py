"""From ECG parameters to millivolts: a sum of asymmetric Gaussian waves at every beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadlab_train.simulated.morphology import RR_RANGE_S, Floats, Morphology, Wave, morphology

_LEAD_IN_S = 1.0  # beats before the first sample, whose T and U reach into the strip
_LEAD_OUT_S = 0.5  # beats after the last sample, whose P reaches back into it
_PAD_S = 3.0  # room on both sides for all of a beat
_REACH = 4.0  # a wave is evaluated within this many sigma
_KNOT_S = 0.1  # spacing of the baseline's support points
_GAIN_RANGE_MV = (0.4, 2.2)


@dataclass(frozen=True, slots=True)
class Nuisance:
    """What a recording adds that says nothing about the blood.

    Attributes
    ----------
    gain_sigma
        Log-normal spread of the R amplitude around 1 mV, from strip to strip.
    beat_sigma
        Relative spread of wave amplitudes from beat to beat.
    noise_uv
        White noise, RMS.
    wander_uv
        Respiratory and slower wander of the baseline, RMS.
    """

    gain_sigma: float = 0.3
    beat_sigma: float = 0.03
    noise_uv: float = 15.0
    wander_uv: float = 40.0


DEFAULT_NUISANCE = Nuisance()
CLEAN = Nuisance(gain_sigma=0, beat_sigma=0, noise_uv=0, wander_uv=0)


@dataclass(frozen=True, slots=True, eq=False)
class _Chance:
    """The random numbers of ``n`` strips; how many a strip draws depends on its length alone."""

    gain: Floats  # (n,) normal
    rr: Floats  # (n, n_beats) normal
    parts: Floats  # (n, 3, n_beats) normal: the beat, its P, its ST-T-U
    phase: Floats  # (n, 6) uniform

    @property
    def respiration_hz(self) -> Floats:
        return 0.2 + 0.15 * self.phase[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class _Beats:
    """All beats of ``n`` strips in one flat list, ``(n_beats_in_all,)`` each."""

    strip: NDArray[np.int64]
    number: NDArray[np.int64]
    r_time_s: Floats


def render(
    z: NDArray[np.floating],
    generators: Sequence[np.random.Generator],
    *,
    rate_hz: float = 500.0,
    duration_s: float = 10.0,
    nuisance: Nuisance = DEFAULT_NUISANCE,
) -> NDArray[np.float32]:
    """Render one strip for each row of ``z``.

    Parameters
    ----------
    z
        ``(n, d)`` ECG parameters, standard normal, in the order of `effects.PARAMETERS`.
    generators
        One for each strip, so that a strip does not depend on what is rendered beside it.
    rate_hz, duration_s
        Sampling rate and length. The heart behind a strip is the same at every rate.
    nuisance
        Gain, noise and baseline.

    Returns
    -------
    ``(n, round(duration_s * rate_hz)) float32``, mV @ ``rate_hz``.
    """
    form = morphology(z)
    n_samples, pad = round(duration_s * rate_hz), round(_PAD_S * rate_hz)
    chance = _draw(generators, duration_s)
    beats = _place_beats(form, chance, duration_s)
    r_mv = np.clip(np.exp(nuisance.gain_sigma * chance.gain), *_GAIN_RANGE_MV)
    parts = np.concatenate([chance.parts[:, :1], chance.parts[:, 1:] + chance.parts[:, :1]], axis=1)
    scale = r_mv[:, None, None] * (1 + nuisance.beat_sigma * parts)
    canvas = np.zeros((len(r_mv), n_samples + 2 * pad), np.float32)
    for wave in form.waves():
        height = wave.amplitude[beats.strip] * scale[beats.strip, wave.part, beats.number]
        for turn in range(3):  # a wave may reach into the next beat, not into the third
            pick = np.flatnonzero(beats.number % 3 == turn)
            _add_wave(canvas, wave, beats, height, pick, rate_hz, pad)
    strips = canvas[:, pad : pad + n_samples]
    if nuisance.wander_uv:
        strips += np.float32(nuisance.wander_uv * 1e-3) * _wander(chance, n_samples, rate_hz)
    if nuisance.noise_uv:
        for strip, generator in zip(strips, generators, strict=True):
            noise = generator.standard_normal(n_samples, np.float32)
            strip += np.float32(nuisance.noise_uv * 1e-3) * noise
    return strips


def _draw(generators: Sequence[np.random.Generator], duration_s: float) -> _Chance:
    n_beats = int((duration_s + _LEAD_IN_S + _LEAD_OUT_S) / RR_RANGE_S[0]) + 3
    normal = np.array([g.standard_normal(1 + 4 * n_beats) for g in generators])
    phase = np.array([g.random(6) for g in generators])
    by_beat = normal[:, 1:].reshape(-1, 4, n_beats)
    return _Chance(gain=normal[:, 0], rr=by_beat[:, 0], parts=by_beat[:, 1:], phase=phase)


def _place_beats(form: Morphology, chance: _Chance, duration_s: float) -> _Beats:
    """Lay beats from before the strip to after it, RR varying with respiration and at random.

    The variation of a strip is standardised, so that its mean RR and its SDNN are the parameters
    themselves and not a draw of a dozen beats around them.
    """
    number = np.arange(chance.rr.shape[1])
    span_s = duration_s + _LEAD_IN_S + _LEAD_OUT_S
    used = number < np.ceil(span_s / form.rr_s + 1)[:, None]
    breath = chance.respiration_hz[:, None] * number * form.rr_s[:, None] + chance.phase[:, 1:2]
    vary = 0.6 * np.sqrt(2) * np.sin(2 * np.pi * breath) + 0.8 * chance.rr
    mean = vary.mean(axis=1, where=used, keepdims=True)
    vary = (vary - mean) / vary.std(axis=1, where=used, keepdims=True)
    rr_s = np.clip(form.rr_s[:, None] * (1 + form.rr_cv[:, None] * vary), *RR_RANGE_S)
    first_s = -_LEAD_IN_S - chance.phase[:, 2] * form.rr_s
    time_s = first_s[:, None] + np.cumsum(rr_s, axis=1)
    strip, number = np.nonzero(time_s < duration_s + _LEAD_OUT_S)
    return _Beats(strip, number, time_s[strip, number])


def _add_wave(
    canvas: NDArray[np.float32],
    wave: Wave,
    beats: _Beats,
    height: Floats,
    pick: NDArray[np.int64],
    rate_hz: float,
    pad: int,
) -> None:
    """Add ``wave`` of the picked beats to the padded strips, within +-4 sigma of its centre."""
    strip = beats.strip[pick]
    centre = (beats.r_time_s[pick] + wave.centre_s[strip]) * rate_hz
    rise, fall = wave.rise_s[strip] * rate_hz, wave.fall_s[strip] * rate_hz
    first = np.ceil(centre - _REACH * rise).astype(np.int64)
    count = np.floor(centre + _REACH * fall).astype(np.int64) + 1 - first
    beat = np.repeat(np.arange(len(pick)), count)
    sample = np.arange(len(beat)) + np.repeat(first - np.cumsum(count) + count, count)
    distance = (sample - centre[beat]).astype(np.float32)
    per_sigma = np.stack([1 / rise, 1 / fall], axis=1).astype(np.float32)
    sigmas = distance * per_sigma[beat, (distance > 0).view(np.int8)]
    shape = np.exp(np.float32(-0.5) * sigmas * sigmas)
    shape *= height[pick].astype(np.float32)[beat]
    canvas.reshape(-1)[sample + (strip * canvas.shape[1] + pad)[beat]] += shape


def _wander(chance: _Chance, n_samples: int, rate_hz: float) -> NDArray[np.float32]:
    """``(n, n_samples)``, unit RMS: respiration and two slower swings, linear between knots."""
    step = max(1, round(_KNOT_S * rate_hz))
    time_s = np.arange(n_samples // step + 2) * (step / rate_hz)
    swing_hz = np.stack([chance.respiration_hz, *(0.04 + 0.1 * chance.phase[:, 3:5].T)])
    phase = chance.phase[:, (1, 4, 5)].T
    knots = np.sin(2 * np.pi * (swing_hz[..., None] * time_s + phase[..., None])).sum(axis=0)
    knots = (knots * np.sqrt(2 / 3)).astype(np.float32)[..., None]
    ramp = np.arange(step, dtype=np.float32) / np.float32(step)
    between = (knots[:, :-1] + np.diff(knots, axis=1) * ramp).reshape(len(knots), -1)
    return np.asarray(between[:, :n_samples])

"""The renderer: plausible beats, monotone parameters, and strips that depend on nothing else."""

import numpy as np
import pytest
from scipy.signal import find_peaks

from leadlab_train.simulated.effects import PARAMETERS
from leadlab_train.simulated.morphology import RR_RANGE_S, morphology
from leadlab_train.simulated.waveform import CLEAN, Nuisance, _draw, _place_beats, render

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((40, len(PARAMETERS)))


def generators(numbers) -> list[np.random.Generator]:
    return [np.random.default_rng([9, int(number)]) for number in numbers]


def single(**values: float) -> np.ndarray:
    return np.array([[values.get(name, 0.0) for name in PARAMETERS]])


def r_times_s(strip: np.ndarray, rate_hz: float) -> np.ndarray:
    peaks, _ = find_peaks(strip, height=0.6 * strip.max(), distance=int(0.3 * rate_hz))
    return peaks / rate_hz


def test_shape_and_dtype():
    strips = render(Z[:3], generators(range(3)), duration_s=12.4)
    assert strips.shape == (3, 6200)
    assert strips.dtype == np.float32
    assert np.isfinite(strips).all()


def test_a_strip_does_not_depend_on_its_neighbours():
    together = render(Z, generators(range(len(Z))))
    for rows in ([0], [7, 3], list(range(20, 40))):
        np.testing.assert_array_equal(render(Z[rows], generators(rows)), together[rows])


def test_a_strip_does_not_depend_on_extreme_neighbours():
    z = np.concatenate([3 * Z, 9.0 * RNG.choice([-1, 1], (60, len(PARAMETERS)))])
    together = render(z, generators(range(len(z))))
    for row in range(0, len(z), 7):
        np.testing.assert_array_equal(render(z[[row]], generators([row]))[0], together[row])


def test_strips_are_the_sum_of_all_waves_of_all_beats():
    """A fast heart with the widest waves: nothing is lost where they overlap."""
    z = np.concatenate([single(hr=3.5, hrv=3, t_width=3.5, t_asymmetry=v) for v in (-3.5, 0, 3.5)])
    form = morphology(z)
    strips = render(z, generators(range(3)), nuisance=CLEAN)
    beats = _place_beats(form, _draw(generators(range(3)), 10.0), 10.0)
    time_s = np.arange(5000) / 500
    expected = np.zeros((3, 5000))
    for strip, r_s in zip(beats.strip, beats.r_time_s, strict=True):
        for wave in form.waves():
            away = time_s - r_s - wave.centre_s[strip]
            sigma = np.where(away < 0, wave.rise_s[strip], wave.fall_s[strip])
            expected[strip] += wave.amplitude[strip] * np.exp(-0.5 * (away / sigma) ** 2)
    np.testing.assert_allclose(strips, expected, atol=2e-3)


def test_equal_seeds_give_equal_strips():
    once, again = (render(Z[:4], generators(range(4))) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, render(Z[:4], generators(range(4, 8))))


@pytest.mark.parametrize("rate_hz", [125.0, 250.0])
def test_the_heart_is_the_same_at_every_rate(rate_hz):
    fast = render(Z, generators(range(len(Z))), nuisance=CLEAN)
    slow = render(Z, generators(range(len(Z))), rate_hz=rate_hz, nuisance=CLEAN)
    np.testing.assert_allclose(slow, fast[:, :: round(500 / rate_hz)], atol=2e-3)


def test_odd_rates_have_the_right_length():
    assert render(Z[:1], generators([0]), rate_hz=130.163).shape == (1, 1302)


def test_extremes_stay_plausible():
    extremes = np.concatenate(
        [9.0 * RNG.choice([-1, 1], (500, len(PARAMETERS))), 2 * np.tile(Z, (9, 1))]
    )
    form = morphology(extremes)
    assert form.rr_s.min() >= RR_RANGE_S[0]
    assert form.rr_s.max() <= RR_RANGE_S[1]
    p, q, r, s, _, t, u = form.waves()
    for wave in form.waves():
        assert wave.rise_s.min() > 0
        assert wave.fall_s.min() > 0
    j_point = 0.5 * form.qrs_s
    assert (t.centre_s - 2 * t.rise_s >= j_point).all()
    assert (p.centre_s + 2.5 * p.fall_s <= -0.45 * form.qrs_s).all()
    assert (q.centre_s < r.centre_s).all()
    assert (r.centre_s < s.centre_s).all()
    assert (t.centre_s < u.centre_s).all()
    assert np.abs(render(extremes[:64], generators(range(64)))).max() < 10


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_is_monotone_and_moves_the_waveform(name):
    ladder = np.concatenate([single(**{name: v}) for v in np.linspace(-3, 3, 13)])
    form = morphology(ladder)
    moved = [
        np.asarray(getattr(form, field))
        for field in form.__dataclass_fields__
        if not np.allclose(getattr(form, field), getattr(form, field)[0])
    ]
    assert moved
    for values in moved:
        steps = np.diff(values)
        assert (steps > 0).all() or (steps < 0).all()
    low, high = render(
        np.concatenate([single(**{name: v}) for v in (-1.0, 1.0)]), generators([1, 1])
    )
    assert np.abs(high - low).max() > 0.02


@pytest.mark.parametrize("hr", [-2.0, 0.0, 2.0])
def test_heart_rate_is_the_parameters(hr):
    strip = render(single(hr=hr), generators([0]), nuisance=CLEAN, duration_s=30.0)[0]
    beats = r_times_s(strip, 500.0)
    assert np.diff(beats).mean() == pytest.approx(morphology(single(hr=hr)).rr_s[0], rel=0.03)


def test_hrv_parameter_sets_the_spread_of_rr():
    z = np.concatenate([single(hrv=v) for v in (-2.0, 0.0, 2.0)])
    strips = render(z, generators(range(3)), nuisance=CLEAN, duration_s=30.0)
    spreads = np.array([np.diff(r_times_s(strip, 500.0)) for strip in strips], dtype=object)
    cv = np.array([rr.std() / rr.mean() for rr in spreads])
    np.testing.assert_allclose(cv, morphology(z).rr_cv, rtol=0.25, atol=0.002)


def test_gain_is_a_nuisance_only():
    gain_only = Nuisance(gain_sigma=0.3, beat_sigma=0, noise_uv=0, wander_uv=0)
    plain = render(Z, generators(range(len(Z))), nuisance=CLEAN)
    scaled = render(Z, generators(range(len(Z))), nuisance=gain_only)
    peak = scaled.max(axis=1) / plain.max(axis=1)
    np.testing.assert_allclose(scaled, plain * peak[:, None], atol=1e-5)
    assert 0.1 < np.log(peak).std() < 0.6


def test_noise_and_wander_have_their_size():
    plain = render(Z, generators(range(len(Z))), nuisance=CLEAN, duration_s=60.0)
    for field in ("noise_uv", "wander_uv"):
        nuisance = Nuisance(
            **{**{"gain_sigma": 0, "beat_sigma": 0, "noise_uv": 0, "wander_uv": 0}, field: 50}
        )
        added = render(Z, generators(range(len(Z))), nuisance=nuisance, duration_s=60.0) - plain
        assert np.sqrt((added**2).mean()) == pytest.approx(0.05, rel=0.05)

"""Disturbances do what they say, to the windows they should, by each window's own numbers."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadlab_bridge import LeadlabError
from leadlab_edge.signal import ecgfounder_v1
from leadlab_train.augment import Augmentation

FS_HZ, N = 500.0, 5000
T_S = np.arange(N) / FS_HZ
F_HZ = np.fft.rfftfreq(N, 1 / FS_HZ)
IN_BAND = (F_HZ >= 0.67) & (F_HZ <= 40)
SHARES = [f.name for f in fields(Augmentation) if f.name.endswith("_share")]


def generators(numbers: Sequence[int]) -> list[np.random.Generator]:
    return [np.random.default_rng((7, k)) for k in numbers]


def augmented(raw_mv: np.ndarray, **settings: float) -> np.ndarray:
    return Augmentation(**settings)(raw_mv, FS_HZ, generators(range(len(raw_mv))))


def power(x: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return (np.abs(np.fft.rfft(x))[..., chosen] ** 2).sum(axis=-1)


def mirrored_power(x: np.ndarray) -> np.ndarray:
    """Return the power in the band of each window and its mirror image, which has no seam."""
    return power(np.concatenate([x, x[:, ::-1]], axis=1), np.repeat(IN_BAND, 2)[:-1])


def sines(n: int, *hz_and_mv: tuple[float, float]) -> np.ndarray:
    wave = sum(mv * np.sin(2 * np.pi * hz * T_S) for hz, mv in hz_and_mv)
    return np.tile(np.asarray(wave, np.float32), (n, 1))


@pytest.fixture(scope="module")
def ecg_mv() -> np.ndarray:
    """Return ``(48, 5000)`` of beats, each window with its own rate and level."""
    rng = np.random.default_rng(0)
    period_s, level_mv = rng.uniform(0.5, 1.2, (48, 1)), rng.normal(0, 0.5, (48, 1))
    since_s = T_S % period_s - 0.2
    qrs, t_wave = (np.exp(-0.5 * ((since_s - at) / w) ** 2) for at, w in ((0, 0.012), (0.2, 0.04)))
    return (qrs + 0.3 * t_wave + level_mv).astype(np.float32)


def test_off_is_the_identity(ecg_mv: np.ndarray) -> None:
    off = Augmentation()
    assert not off.active
    np.testing.assert_array_equal(off(ecg_mv, FS_HZ, generators(range(48))), ecg_mv)
    np.testing.assert_array_equal(augmented(ecg_mv, mains_mv=5.0, gain_db=20.0), ecg_mv)


@pytest.mark.parametrize("share", SHARES)
def test_each_is_active_alone_and_changes_its_windows(ecg_mv: np.ndarray, share: str) -> None:
    assert Augmentation(**{share: 0.1}).active
    before = ecg_mv.copy()
    changed = augmented(ecg_mv, **{share: 1.0})
    assert changed.dtype == np.float32
    assert changed.shape == ecg_mv.shape
    assert np.isfinite(changed).all()
    assert (changed != ecg_mv).any(axis=1).all()
    np.testing.assert_array_equal(ecg_mv, before)


@pytest.mark.parametrize("share", SHARES)
def test_a_share_of_the_windows_changes(share: str) -> None:
    windows = np.random.default_rng(1).normal(size=(2000, 60)).astype(np.float32)
    changed = augmented(windows, **{share: 0.3})
    assert (changed != windows).any(axis=1).mean() == pytest.approx(0.3, abs=0.04)


@given(
    st.lists(st.integers(0, 11), min_size=1, max_size=6),
    st.fixed_dictionaries({share: st.floats(0, 1) for share in SHARES}),
)
@settings(deadline=None, max_examples=30)
def test_a_window_is_the_same_in_any_batch(order: list[int], shares: dict[str, float]) -> None:
    windows = np.random.default_rng(2).normal(size=(12, 1000)).astype(np.float32)
    augmentation = Augmentation(**shares)
    whole = augmentation(windows, FS_HZ, generators(range(12)))
    some = augmentation(windows[order], FS_HZ, generators(order))
    np.testing.assert_array_equal(some, whole[order])


def test_turning_one_on_does_not_change_how_others_are_drawn(ecg_mv: np.ndarray) -> None:
    hum = augmented(ecg_mv, mains_share=0.5) - ecg_mv
    noisy = {"noise_share": 0.5, "wander_share": 0.5, "step_share": 0.5}
    hum_among_others = augmented(ecg_mv, mains_share=0.5, **noisy) - augmented(ecg_mv, **noisy)
    np.testing.assert_allclose(hum_among_others, hum, atol=1e-5)


def test_every_size_has_a_range_around_its_default() -> None:
    for f in fields(Augmentation):
        assert f.metadata["min"] <= f.default <= f.metadata["max"], f.name
        assert f.name not in SHARES or f.default == 0


def test_one_generator_for_each_window() -> None:
    with pytest.raises(LeadlabError, match="2 generators for 3 windows"):
        Augmentation()(np.zeros((3, 100), np.float32), FS_HZ, generators(range(2)))


def test_no_windows_at_all() -> None:
    assert augmented(np.zeros((0, N), np.float32), noise_share=1.0).shape == (0, N)


def test_gain_and_flip_scale_and_the_network_sees_the_sign_alone(ecg_mv: np.ndarray) -> None:
    louder = augmented(ecg_mv, gain_share=1.0, gain_db=6.0)
    gain_db = 20 * np.log10((louder / ecg_mv).mean(axis=1))
    np.testing.assert_allclose(louder, ecg_mv * 10 ** (gain_db[:, None] / 20), rtol=1e-5)
    assert np.abs(gain_db).max() <= 6.0
    assert gain_db.min() < -4
    assert gain_db.max() > 4
    np.testing.assert_allclose(ecgfounder_v1(louder), ecgfounder_v1(ecg_mv), atol=1e-3)
    np.testing.assert_array_equal(augmented(ecg_mv, flip_share=1.0), -ecg_mv)


def test_lead_axis_scales_slow_against_fast_without_delay() -> None:
    slow, fast = (np.isclose(F_HZ, hz) for hz in (1.0, 80.0))
    turned = augmented(sines(40, (1.0, 1.0), (80.0, 1.0)), axis_share=1.0, axis_db=6.0)
    ratio_db = 10 * np.log10(power(turned, slow) / power(turned, fast))
    assert -6.1 < ratio_db.min() < -4
    assert 4 < ratio_db.max() < 6.1
    pulse = np.exp(-0.5 * ((T_S - T_S[N // 2]) / 0.03) ** 2).astype(np.float32)
    turned = augmented(np.tile(pulse, (10, 1)), axis_share=1.0)
    np.testing.assert_allclose(turned[:, 1:], turned[:, :0:-1], atol=1e-5)


@pytest.mark.parametrize("snr_db", [0.0, 6.0, 24.0])
def test_noise_has_the_ratio_asked_for(ecg_mv: np.ndarray, snr_db: float) -> None:
    settings = {"noise_share": 1.0, "noise_low_db": snr_db, "noise_high_db": snr_db}
    noise = augmented(ecg_mv, **settings) - ecg_mv
    mirrored_db = 10 * np.log10(mirrored_power(ecg_mv) / mirrored_power(noise))
    np.testing.assert_allclose(mirrored_db, snr_db, atol=0.1)
    got_db = 10 * np.log10(power(ecg_mv, IN_BAND) / power(noise, IN_BAND))
    np.testing.assert_allclose(got_db, snr_db, atol=1.0)  # jumps from end to start count here
    assert np.median(got_db) == pytest.approx(snr_db, abs=0.05)
    drifting = ecg_mv + np.float32(0.5) * T_S.astype(np.float32)  # a drift is no signal
    change = augmented(drifting, **settings) - drifting - noise
    assert np.linalg.norm(change) < 0.02 * np.linalg.norm(noise)


def test_noise_ratios_fill_their_range(ecg_mv: np.ndarray) -> None:
    noise = augmented(ecg_mv, noise_share=1.0, noise_low_db=6.0, noise_high_db=24.0) - ecg_mv
    snr_db = 10 * np.log10(power(ecg_mv, IN_BAND) / power(noise, IN_BAND))
    assert 5 < snr_db.min() < 10
    assert 20 < snr_db.max() < 25


def test_noise_comes_in_three_colours() -> None:
    noise = augmented(sines(300, (5.0, 1.0)), noise_share=1.0) - sines(300, (5.0, 1.0))
    per_bin = [
        power(noise, (lo <= F_HZ) & (hi > F_HZ)) / (hi - lo) for lo, hi in ((1, 4), (20, 40))
    ]
    rise_db = 10 * np.log10(per_bin[1] / per_bin[0])
    motion, white, muscle = rise_db < -15, np.abs(rise_db) < 5, rise_db > 12
    assert (motion | white | muscle).all()
    for colour in (motion, white, muscle):
        assert colour.mean() == pytest.approx(1 / 3, abs=0.08)


def test_wander_is_slow_and_bounded_and_filtered_out(ecg_mv: np.ndarray) -> None:
    wander = augmented(ecg_mv, wander_share=1.0, wander_mv=2.0) - ecg_mv
    assert 1.0 < np.abs(wander).max() <= 2.0
    slow = power(wander * np.hanning(N), F_HZ <= 0.7)
    np.testing.assert_allclose(slow / power(wander * np.hanning(N), F_HZ >= 0), 1, atol=1e-3)


def test_a_step_is_one_jump(ecg_mv: np.ndarray) -> None:
    moved = augmented(ecg_mv, step_share=1.0, step_mv=1.5) - ecg_mv
    jumps = np.abs(np.diff(moved, axis=1)) > 1e-5
    assert (jumps.sum(axis=1) == 1).all()
    assert 1.2 < np.abs(moved).max() <= 1.5
    assert moved.min() < 0 < moved.max()


def test_mains_hums_at_its_frequency(ecg_mv: np.ndarray) -> None:
    hum = augmented(ecg_mv, mains_share=1.0, mains_mv=0.4) - ecg_mv
    padded_hz = np.fft.rfftfreq(8 * N, 1 / FS_HZ)
    peak_hz = padded_hz[np.abs(np.fft.rfft(hum * np.hanning(N), 8 * N)).argmax(axis=1)]
    off_hz = np.minimum(np.abs(peak_hz - 50), np.abs(peak_hz - 60))
    assert off_hz.max() < 0.25
    assert off_hz.max() > 0.1
    assert 0.3 < (peak_hz > 55).mean() < 0.7
    assert 0.3 < np.abs(hum).max() <= 0.4 * 1.3


@pytest.mark.parametrize("hz", [0.2, 2.0, 20.0])
def test_band_limits_are_single_poles(hz: float) -> None:
    """Corner frequencies lie between the two given and 0.05 and 40 Hz."""
    wave = sines(40, (hz, 1.0))
    second_half = T_S >= 5.0  # the high-pass settles in the first
    passed = augmented(wave, band_share=1.0, highpass_hz=0.4, lowpass_hz=25.0)[:, second_half]
    gain = np.sqrt(2) * passed.std(axis=1)
    widest, narrowest = (
        1 / np.hypot(1, highpass_hz / hz) / np.hypot(1, hz / lowpass_hz)
        for highpass_hz, lowpass_hz in ((0.05, 40.0), (0.4, 25.0))
    )
    assert narrowest - 0.01 <= gain.min() < gain.max() <= widest + 0.01
    assert gain.max() - gain.min() > 0.5 * (widest - narrowest)


def test_a_level_does_not_pass_the_band_limits() -> None:
    assert not augmented(np.full((8, N), 3.0, np.float32), band_share=1.0).any()


def test_a_slow_device_keeps_the_band_of_the_network() -> None:
    wave = sines(100, (30.0, 1.0), (110.0, 1.0))
    kept = augmented(wave, device_share=1.0, resolution_uv=0.0)
    np.testing.assert_allclose(power(kept, IN_BAND), power(wave, IN_BAND), rtol=1e-3)
    survives = power(kept, F_HZ == 110.0) > 0.5 * power(wave, F_HZ == 110.0)
    assert 0.3 < survives.mean() < 0.8  # at 250 Hz and faster
    fast = augmented(wave, device_share=1.0, device_hz=250.0, resolution_uv=0.0)
    np.testing.assert_allclose(fast[:, 500:-500], wave[:, 500:-500], atol=0.005)


def test_rounding_is_that_of_12_to_16_bits(ecg_mv: np.ndarray) -> None:
    settings = {"device_share": 1.0, "device_hz": 512.0}
    errors = augmented(ecg_mv, **settings, resolution_uv=100.0) - augmented(
        ecg_mv, **settings, resolution_uv=0.0
    )
    rms_uv = 1000 * errors.std(axis=1)
    assert 100 / 16 / np.sqrt(12) * 0.5 < rms_uv.min() < 10
    assert 15 < rms_uv.max() < 100 / np.sqrt(12) * 1.5


def test_a_slower_device_leaves_more_rounding_noise_in_the_band() -> None:
    rng = np.random.default_rng(3)
    x = np.cumsum(rng.normal(0, 0.05, (200, N)), axis=1).astype(np.float32)
    loss = [
        augmented(x, device_share=1.0, device_hz=hz, resolution_uv=100.0)
        - augmented(x, device_share=1.0, device_hz=hz, resolution_uv=0.0)
        for hz in (125.0, 512.0)
    ]
    slow, fast = (power(e, IN_BAND).mean() for e in loss)
    assert slow > 1.3 * fast

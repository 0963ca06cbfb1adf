"""Pack.predict: strips of any length and rate into windows, and what it refuses."""

import numpy as np
import pytest
import tiny_pack

from leadlab_edge.pack.strip import cut_windows
from leadlab_edge.signal import SignalError

RATE_HZ, N_SAMPLES, MARGIN = tiny_pack.RATE_HZ, tiny_pack.N_SAMPLES, tiny_pack.MARGIN
STRIP = np.random.default_rng(8).normal(size=345).astype(np.float32)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return tiny_pack.tiny_pack(tmp_path_factory.mktemp("pack"))


def slow_wave(times_s):
    return np.sin(2 * np.pi * 0.7 * times_s) + 0.3 * np.cos(2 * np.pi * 1.9 * times_s) + 40.0


def test_one_exact_window(pack):
    prediction = pack.predict(tiny_pack.WINDOWS[0])
    expected = tiny_pack.WINDOWS[:1] @ tiny_pack.WEIGHTS.T
    np.testing.assert_allclose(prediction.logits, expected, rtol=1e-5)
    np.testing.assert_allclose(prediction.probabilities, 1 / (1 + np.exp(-expected)), rtol=1e-5)
    assert prediction.starts_s.tolist() == [MARGIN / RATE_HZ]


def test_integers_and_lists_are_cast(pack):
    whole = np.round(tiny_pack.WINDOWS[0]).astype(int)
    as_floats = pack.predict(whole.astype(np.float32))
    for raw in (whole, whole.tolist()):
        np.testing.assert_array_equal(pack.predict(raw).logits, as_floats.logits)


def test_windows_at_the_own_rate_are_the_samples_themselves(pack):
    windows, starts_s = cut_windows(STRIP, RATE_HZ, pack.load())
    assert windows.shape == (3, N_SAMPLES)
    assert starts_s.tolist() == [0.0, 10.0, 20.0]
    for k, window in enumerate(windows):
        np.testing.assert_array_equal(window[MARGIN:-MARGIN], STRIP[100 * k : 100 * (k + 1)])
    np.testing.assert_array_equal(windows[1], STRIP[100 - MARGIN : 200 + MARGIN])
    np.testing.assert_array_equal(windows[0][:MARGIN], STRIP[MARGIN:0:-1])


@pytest.mark.parametrize("rate_hz", [9.98, 20.0, 26.03, 33.3, 50.0])
def test_windows_of_another_rate_lie_where_they_say(pack, rate_hz):
    n = int(31 * rate_hz)
    strip = slow_wave(np.arange(n) / rate_hz).astype(np.float32)
    windows, starts_s = cut_windows(strip, rate_hz, pack.load())
    assert starts_s == pytest.approx([0, 10, 20], abs=1 / RATE_HZ)
    times_s = starts_s[:, np.newaxis] + (np.arange(N_SAMPLES) - MARGIN) / RATE_HZ
    inner = slice(10, -10)
    np.testing.assert_allclose(windows[:, inner], slow_wave(times_s)[:, inner], atol=2e-2)
    prediction = pack.predict(strip, rate_hz)
    assert prediction.logits.shape == (3, len(tiny_pack.INDICATORS))
    np.testing.assert_array_equal(prediction.starts_s, starts_s)


@pytest.mark.parametrize(("n_samples", "n_windows"), [(100, 1), (199, 1), (200, 2), (345, 3)])
def test_ten_seconds_are_enough_and_a_remainder_is_left(pack, n_samples, n_windows):
    assert len(pack.predict(STRIP[:n_samples], RATE_HZ).logits) == n_windows


@pytest.mark.parametrize("rate_hz", [130.163, 256.31, 125.0, 499.99])
def test_a_strip_of_at_least_ten_seconds_is_never_too_short(pack, rate_hz):
    strip = np.zeros(int(np.ceil(10 * rate_hz)), np.float32)
    assert len(pack.predict(strip, rate_hz).logits) == 1
    assert len(cut_windows(np.tile(strip, 60), rate_hz, pack.load())[0]) == 60


@pytest.mark.parametrize(
    ("raw_mv", "rate_hz", "message"),
    [
        (STRIP, None, r"shape \(345,\); the model takes \(108,\) at 10 Hz. Give predict"),
        (STRIP[:99], RATE_HZ, r"strip lasts 9\.900 s; one window takes 10 s"),
        (STRIP[np.newaxis], RATE_HZ, r"shape \(1, 345\); give one lead"),
        ([], RATE_HZ, r"shape \(0,\)"),
        (np.r_[STRIP, np.nan], RATE_HZ, "1 of 346 samples are NaN or infinite, the first at 345"),
        (np.r_[np.inf, STRIP], RATE_HZ, "the first at 0"),
        (STRIP * 1000, RATE_HZ, r"raw_mv spans \d{4}; an ECG stays within 100 mV.*divide by 1000"),
        (STRIP, 0.0, "rate_hz is 0.0; it must be above 0"),
        (STRIP, float("nan"), "rate_hz is nan"),
    ],
)
def test_refusals(pack, raw_mv, rate_hz, message):
    with pytest.raises(SignalError, match=message):
        pack.predict(raw_mv, rate_hz)


def test_the_model_itself_refuses_missing_samples(pack):
    window = tiny_pack.WINDOWS[0].copy()
    window[3] = np.nan
    with pytest.raises(SignalError, match="1 samples that are not finite"):
        pack.load().logits(window)

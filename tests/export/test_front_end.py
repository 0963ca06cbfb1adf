"""The front end: what it passes, what it ignores, and that nothing makes it blow up."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leadlab_export.front_end import KNEE, FrontEnd, front_end_taps

RATE_HZ = 125.0
FRONT = FrontEnd(RATE_HZ)


def normalise(raw_mv: np.ndarray) -> np.ndarray:
    return FRONT(torch.from_numpy(raw_mv.astype(np.float32)))[:, 0, 0].numpy()


@pytest.mark.parametrize("rate_hz", [100.0, 125.0, 130.0, 250.0, 500.0])
def test_taps_are_a_linear_phase_band_pass(rate_hz: float) -> None:
    taps = front_end_taps(rate_hz)
    assert len(taps) % 2 == 1
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-12)
    n_fft = 1 << 16
    gain_db = 20 * np.log10(abs(np.fft.rfft(taps, n_fft)) + 1e-12)

    def at(hz: float) -> float:
        return float(gain_db[round(hz * n_fft / rate_hz)])

    assert at(0.0) < -100
    assert at(0.1) < -30
    assert at(0.8) == pytest.approx(-3, abs=0.6)
    assert all(abs(at(hz)) < 1 for hz in (2, 5, 10, 20, 30))
    assert at(40) == pytest.approx(-6, abs=0.5)
    assert rate_hz < 110 or at(50) < -40


@pytest.mark.parametrize(("rate_hz", "step"), [(250.0, 2), (500.0, 4)])
def test_coming_down_leaves_nothing_that_folds_back(rate_hz: float, step: int) -> None:
    taps = front_end_taps(rate_hz, step)
    assert len(taps) % 2 == 0
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-12)
    gain_db = 20 * np.log10(abs(np.fft.rfft(taps, 1 << 16)) + 1e-12)
    hz = np.fft.rfftfreq(1 << 16, 1 / rate_hz)
    assert gain_db[hz > rate_hz / step - 40].max() < -45


def test_margin_is_what_the_filter_consumes(windows_mv: np.ndarray) -> None:
    assert FRONT.margin == 107
    assert normalise(windows_mv).shape == (len(windows_mv), windows_mv.shape[1] - 2 * FRONT.margin)


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(0.2, 5.0), offset_mv=st.floats(-300.0, 300.0), invert=st.booleans())
def test_gain_and_electrode_offset_do_not_matter(
    gain: float, offset_mv: float, invert: bool, windows_mv: np.ndarray
) -> None:
    sign = -1 if invert else 1
    plain = normalise(windows_mv[:4])
    np.testing.assert_allclose(
        normalise(sign * gain * windows_mv[:4] + offset_mv), sign * plain, atol=5e-3
    )


@pytest.mark.parametrize("level_mv", [0.0, 0.3, -300.0, 1e4])
def test_flat_line_stays_flat(level_mv: float) -> None:
    flat = normalise(np.full((1, 1464), level_mv))
    np.testing.assert_allclose(flat, 0, atol=1e-2)


def test_any_spike_is_bounded_and_tall_peaks_stay_apart() -> None:
    spike = np.zeros((2, 1464))
    spike[:, 700] = 1e6
    assert abs(normalise(spike)).max() < KNEE
    beats = np.zeros((1, 1464))
    beats[0, 150::125] = 1.0
    beats[0, 275::250] = 1.2
    peaks = normalise(beats)[0]
    low, high = peaks[43 + 125 * 4], peaks[43 + 125 * 5]
    assert max(low, high) > 1.03 * min(low, high)

import numpy as np
import pytest
from gaussian_ecg import gaussian_ecg_mv

from leadlab_edge.resample import first_output, resample_window
from leadlab_edge.signal import SignalError

BEATS_S = np.arange(-2.0, 20.0, 0.83)


def snr_db(truth: np.ndarray, got: np.ndarray) -> float:
    return float(10 * np.log10(truth.var() / np.mean((got - truth) ** 2)))


@pytest.mark.parametrize("offset_mv", [0.0, 5.0])
@pytest.mark.parametrize(
    ("rate_in_hz", "rate_out_hz"),
    [
        (130.163, 125.0),
        (130.163, 500.0),
        (123.5, 125.0),
        (136.5, 125.0),
        (512.0, 125.0),
        (250.0, 500.0),
    ],
)
def test_follows_the_truth_to_the_edges(
    rate_in_hz: float, rate_out_hz: float, offset_mv: float
) -> None:
    def truth_mv(t_s: np.ndarray) -> np.ndarray:
        return gaussian_ecg_mv(t_s, BEATS_S) + offset_mv + 0.3 * np.sin(0.6 * t_s)

    n_in, n_out = round(12.8 * rate_in_hz), round(11.8 * rate_out_hz)
    raw = truth_mv(np.arange(n_in) / rate_in_hz).astype(np.float32)
    window = resample_window(raw, rate_in_hz, rate_out_hz, n_out)
    first = first_output(n_in, rate_in_hz, rate_out_hz, n_out)
    truth = truth_mv((first + np.arange(n_out)) / rate_out_hz)
    assert window.dtype == np.float32
    assert window.shape == (n_out,)
    assert snr_db(truth, window) > 80


def test_a_wrong_rate_would_be_seen() -> None:
    n_in, n_out = round(12.8 * 130.163), 1475
    raw = gaussian_ecg_mv(np.arange(n_in) / 130.163, BEATS_S).astype(np.float32)
    first = first_output(n_in, 130.163, 125.0, n_out)
    truth = gaussian_ecg_mv((first + np.arange(n_out)) / 125.0, BEATS_S)
    assert snr_db(truth, resample_window(raw, 130.0, 125.0, n_out)) < 20


@pytest.mark.parametrize("n_in", [1700, 1701])
def test_the_window_is_the_middle_of_the_cut(n_in: int) -> None:
    for rate_in_hz, rate_out_hz, n_out in ((130.163, 125.0, 1250), (130.0, 500.0, 5000)):
        first = first_output(n_in, rate_in_hz, rate_out_hz, n_out)
        middle_s = (first + (n_out - 1) / 2) / rate_out_hz
        assert middle_s == pytest.approx((n_in - 1) / 2 / rate_in_hz, abs=0.5 / rate_out_hz)


@pytest.mark.parametrize("rate_hz", [500.0, 500.0000004])
def test_equal_rates_pass_the_samples_through(rate_hz: float) -> None:
    raw = np.random.default_rng(0).normal(size=6001).astype(np.float32)
    np.testing.assert_array_equal(resample_window(raw, rate_hz, 500.0, 5001), raw[500:5501])


def test_a_constant_stays_constant() -> None:
    window = resample_window(np.full(1700, 300.0, np.float32), 130.163, 125.0, 1475)
    np.testing.assert_allclose(window, 300.0, atol=1e-4)


def test_too_short_a_cut_is_refused() -> None:
    with pytest.raises(SignalError, match=r"10\.00 s of signal cannot fill a window of 11\.80 s"):
        resample_window(np.zeros(1300, np.float32), 130.0, 125.0, 1475)

import numpy as np
import pytest

from leadlab_edge.trend import MAX_AGE_S, TrendMean


def half(logits: np.ndarray) -> np.ndarray:
    return logits / 2


def test_mean_is_weighted_by_quality() -> None:
    trend = TrendMean(10, half)
    assert trend.at(0.0) is None
    trend.add(10.0, 1.0, np.array([1.0, 0.0], np.float32))
    trend.add(15.0, 0.5, np.array([4.0, 3.0], np.float32))
    now = trend.at(18.0)
    assert now is not None
    np.testing.assert_allclose(now.logits, [2.0, 1.0])
    np.testing.assert_allclose(now.probabilities, [1.0, 0.5])
    assert now.logits.dtype == np.float32
    assert (now.windows, now.age_s) == (2, 3.0)


def test_keeps_the_last_windows_only() -> None:
    trend = TrendMean(3, half)
    for k in range(10):
        trend.add(5.0 * k, 0.9, np.array([k], np.float32))
    now = trend.at(45.0)
    assert now is not None
    assert now.windows == 3
    assert now.logits[0] == pytest.approx(8.0)


def test_old_windows_leave() -> None:
    trend = TrendMean(3, half)
    trend.add(0.0, 1.0, np.ones(1, np.float32))
    trend.add(MAX_AGE_S, 1.0, np.zeros(1, np.float32))
    now = trend.at(MAX_AGE_S + 1)
    assert now is not None
    assert (now.windows, now.logits[0]) == (1, 0.0)
    assert trend.at(3 * MAX_AGE_S) is None

"""Ranks, decisions and calibration of two models on the same windows, and their differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from leadlab_export.check.drift import drift_between
from leadlab_export.check.figures import (
    as_often,
    calibration_error,
    decisions,
    rank_correlation,
)


@given(st.integers(0, 1000), st.integers(2, 60), st.sampled_from([0, 1, 3]))
def test_ranks_correlate_as_scipy_has_it(seed: int, n: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n, 2)).round(decimals)
    b = (a + b).round(decimals)
    ours = rank_correlation(a, b)
    for column in range(2):
        if np.ptp(a[:, column]) == 0 or np.ptp(b[:, column]) == 0:
            assert np.isnan(ours[column])
        else:
            expected = spearmanr(a[:, column], b[:, column]).statistic
            assert ours[column] == pytest.approx(expected, abs=1e-12)


def test_ranks_see_no_monotone_change() -> None:
    a = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    np.testing.assert_allclose(rank_correlation(a, np.exp(a)), 1.0)
    np.testing.assert_allclose(rank_correlation(a, -a), -1.0)


def test_decisions_are_probabilities_at_or_above_the_threshold() -> None:
    logits = np.array([[-1.0, 0.0, 5.0, 5.0], [1.0, 0.1, 9.0, -50.0]])
    thresholds = np.array([0.5, 0.5, np.nan, 0.0])
    expected = [[False, True, False, True], [True, True, False, True]]
    np.testing.assert_array_equal(decisions(logits, thresholds), expected)


def test_a_model_without_thresholds_decides_as_often() -> None:
    rng = np.random.default_rng(0)
    logits, decided = rng.normal(size=(40, 3)), rng.random((40, 3)) < [0.0, 0.3, 1.0]
    same = as_often(logits, decided)
    np.testing.assert_array_equal(same.sum(axis=0), decided.sum(axis=0))
    for column in range(3):
        yes, no = logits[same[:, column], column], logits[~same[:, column], column]
        assert yes.min(initial=np.inf) >= no.max(initial=-np.inf)


def test_calibration_error_is_what_was_planted() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(-2.0, 1.0, size=(60_000, 3))
    chance = 1 / (1 + np.exp(-logits))
    truth = chance + np.array([0.0, 0.05, -1.0])
    labels = (rng.random(logits.shape) < truth).astype(np.int8)
    errors = calibration_error(logits, labels)
    assert errors[0] < 0.006
    assert errors[1] == pytest.approx(0.05, abs=0.005)
    assert errors[2] == pytest.approx(chance[:, 2].mean(), abs=1e-9)


def test_calibration_counts_measured_labels_only() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(400, 2))
    labels = (rng.random((400, 2)) < 0.3).astype(np.int8)
    labels[200:, 0], labels[20:, 1] = -1, -1
    errors = calibration_error(logits, labels)
    alone = calibration_error(logits[:200, :1], labels[:200, :1])
    assert errors[0] == alone[0]
    assert np.isnan(errors[1])


def test_drift_is_symmetric_and_zero_with_oneself() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(30, 4)).astype(np.float32)
    b = a + np.float32(0.25)
    drift = drift_between({"a": a, "b": b, "c": -a}, "here")
    np.testing.assert_array_equal(drift.max_abs, drift.max_abs.T)
    np.testing.assert_array_equal(np.diag(drift.rms), 0)
    assert drift.rms[0, 1] == pytest.approx(0.25)
    assert drift.rank[0].tolist() == pytest.approx([1.0, 1.0, -1.0])
    assert drift.largest_between(["a", "b"]) == pytest.approx(0.25, abs=1e-6)
    assert drift.largest_between(["a"]) == drift.largest_between([]) == 0
    assert np.isnan(drift_between({"a": a[:2], "b": b[:2]}, "two").rank[0, 1])

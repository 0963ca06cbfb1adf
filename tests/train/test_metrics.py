"""AUROC, its patient bootstrap and efficiency against definitions and scikit-learn."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from leadlab_train.metrics import (
    PatientBootstrap,
    auroc,
    efficiency,
    interval,
    positive_patients,
)


def panel(
    seed: int, n: int = 400, k: int = 6, tied: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, labels with a third missing, and patients with two rows each."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, 0, 0, 1], size=(n, k)).astype(np.int8)
    scores = rng.standard_normal((n, k)) + 0.5 * labels
    if tied:
        scores = np.round(scores)
    return scores.astype(np.float32), labels, np.arange(n) // 2


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(deadline=None, max_examples=25)
def test_auroc_is_scikit_learns(seed: int, tied: bool) -> None:
    scores, labels, _ = panel(seed, n=60, tied=tied)
    for j, value in enumerate(auroc(scores, labels)):
        measured = labels[:, j] >= 0
        assert value == pytest.approx(roc_auc_score(labels[measured, j], scores[measured, j]))


def test_auroc_depends_on_order_only() -> None:
    scores, labels, _ = panel(0)
    np.testing.assert_array_equal(auroc(scores, labels), auroc(np.tanh(scores / 9), labels))
    np.testing.assert_allclose(auroc(-scores, labels), 1 - auroc(scores, labels))


def test_auroc_without_a_class_is_nan() -> None:
    labels = np.array([[0, 1, -1], [0, 1, -1]], dtype=np.int8)
    assert np.isnan(auroc(np.zeros((2, 3)), labels)).all()


def test_nan_counts_only_where_measured() -> None:
    scores = np.array([[0.1], [0.2], [np.nan]])
    assert auroc(scores, np.array([[0], [1], [-1]])) == 1.0
    with pytest.raises(ValueError, match="NaN"):
        auroc(scores, np.array([[0], [1], [1]]))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\), labels \(3, 1\)"):
        auroc(np.zeros((3, 2)), np.zeros((3, 1), dtype=int))


@pytest.mark.parametrize("tied", [False, True])
def test_resamples_are_weighted_auroc(tied: bool) -> None:
    scores, labels, patients = panel(1, tied=tied)
    bootstrap = PatientBootstrap(patients, n_resamples=450, seed=3)
    resampled = bootstrap.auroc(scores, labels)
    assert resampled.shape == (450, 6)
    for resample in (0, 199, 200, 449):
        weight = bootstrap._drawn[patients, resample]
        for j in range(6):
            m = labels[:, j] >= 0
            expected = roc_auc_score(labels[m, j], scores[m, j], sample_weight=weight[m])
            assert resampled[resample, j] == pytest.approx(expected)


def test_resamples_are_paired_and_seeded() -> None:
    scores, labels, patients = panel(2)
    bootstrap = PatientBootstrap(patients, n_resamples=50, seed=1)
    first = bootstrap.auroc(scores, labels)
    np.testing.assert_array_equal(first, bootstrap.auroc(scores, labels))
    again = PatientBootstrap(patients + 1000, n_resamples=50, seed=1)
    np.testing.assert_array_equal(first, again.auroc(scores, labels))
    np.testing.assert_allclose(first + bootstrap.auroc(-scores, labels), 1.0)


def test_a_resample_without_positives_is_nan_and_left_out() -> None:
    labels = np.zeros((20, 1), dtype=np.int8)
    labels[0] = 1
    scores = np.arange(20.0)[:, None]
    resampled = PatientBootstrap(np.arange(20), n_resamples=100).auroc(scores, labels)
    assert 0 < np.isnan(resampled).sum() < 100
    low, high = interval(auroc(scores, labels), resampled)
    spread = np.nanstd(resampled, axis=0, ddof=1)
    np.testing.assert_allclose(high - low, 2 * 1.959964 * spread, rtol=1e-6)
    assert np.isnan(interval(np.nan, np.full((100, 1), np.nan))).all()


def test_clustered_interval_covers_and_is_wider_than_the_naive_one() -> None:
    """Ten identical rows per patient hold no more than one row does."""
    rng = np.random.default_rng(5)
    hits, ratios = [], []
    for _ in range(60):
        labels = (rng.random((150, 1)) < 0.3).astype(np.int8)
        scores = rng.standard_normal((150, 1)) + labels
        rows = np.repeat(np.arange(150), 10)
        estimate = auroc(scores, labels)
        clustered = PatientBootstrap(rows, 200).auroc(scores[rows], labels[rows])
        naive = PatientBootstrap(np.arange(1500), 200).auroc(scores[rows], labels[rows])
        low, high = interval(estimate, clustered)
        hits.append(low < 0.7602 < high)  # P(N(1, 1) > N(0, 1))
        ratios.append(np.std(clustered) / np.std(naive))
    assert np.mean(hits) >= 0.85
    assert np.mean(ratios) == pytest.approx(np.sqrt(10), rel=0.1)


def test_interval_widens_with_comparisons() -> None:
    resampled = np.random.default_rng(0).normal(0.5, 0.02, 1000)
    low, high = interval(0.5, resampled)
    assert high - low == pytest.approx(2 * 1.96 * 0.02, rel=0.1)
    wide = interval(0.5, resampled, comparisons=20)
    assert (wide.high - wide.low) / (high - low) == pytest.approx(3.023 / 1.960, rel=1e-3)


def test_panel_of_108_takes_seconds() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((3000, 108)) < rng.uniform(0.01, 0.5, 108)).astype(np.int8)
    scores = rng.standard_normal((3000, 108)).astype(np.float32)
    start = time.process_time()
    PatientBootstrap(np.arange(3000) // 2).auroc(scores, labels)
    assert time.process_time() - start < 10


def test_efficiency_counts_what_it_is_told() -> None:
    model = np.array([0.6, 0.7, 0.1, np.nan])
    oracle = np.array([0.7, 0.8, 0.9, np.nan])
    counted = np.array([True, True, False, True])
    assert efficiency(model, oracle, counted) == pytest.approx(0.3 / 0.5)
    assert efficiency(oracle, oracle, counted) == pytest.approx(1.0)
    both = efficiency(np.stack([model, oracle]), np.stack([oracle, oracle]), counted)
    np.testing.assert_allclose(both, [0.6, 1.0])


def test_positive_patients_are_distinct() -> None:
    labels = np.array([[1, 0, -1], [1, 1, -1], [0, 1, -1], [1, -1, 0]])
    assert positive_patients(labels, np.array([7, 7, 7, 9])).tolist() == [2, 1, 0]

"""The masked loss sees measured labels only."""

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from leadlab_train.loss import NOT_MEASURED, masked_bce, prior_logits

shapes = st.tuples(st.integers(1, 6), st.integers(1, 5))


@st.composite
def batches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shape = draw(shapes)
    floats = st.floats(-30, 30, width=32)
    logits = draw(arrays(np.float32, shape, elements=floats))
    other = draw(arrays(np.float32, shape, elements=floats))
    labels = draw(arrays(np.int8, shape, elements=st.sampled_from([-1, 0, 1])))
    return logits, other, labels


def value_and_gradient(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    leaf = torch.from_numpy(logits.copy()).requires_grad_()
    loss = masked_bce(leaf, torch.from_numpy(labels))
    loss.backward()
    assert leaf.grad is not None
    return loss.item(), leaf.grad.numpy()


@given(batches())
@settings(deadline=None)
def test_unmeasured_labels_have_no_say(batch: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    logits, other, labels = batch
    measured = labels != NOT_MEASURED
    value, gradient = value_and_gradient(logits, labels)
    changed, changed_gradient = value_and_gradient(np.where(measured, logits, other), labels)
    assert changed == value
    np.testing.assert_array_equal(changed_gradient, gradient)
    assert not gradient[~measured].any()


@given(batches())
@settings(deadline=None)
def test_equals_the_mean_over_measured_labels(
    batch: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    logits, _, labels = batch
    measured = labels != NOT_MEASURED
    expected = 0.0
    if measured.any():
        targets = torch.from_numpy(labels[measured].astype(np.float32))
        scores = torch.from_numpy(logits[measured])
        expected = F.binary_cross_entropy_with_logits(scores, targets).item()
    value, _ = value_and_gradient(logits, labels)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_a_nan_logit_where_nothing_was_measured_does_no_harm() -> None:
    logits = np.array([[0.3, np.nan]], dtype=np.float32)
    value, gradient = value_and_gradient(logits, np.array([[1, -1]], dtype=np.int8))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_prior_logits_are_log_odds_of_measured_labels() -> None:
    labels = np.array([[1, -1], [0, -1], [0, -1], [0, -1], [-1, -1]], dtype=np.int8)
    np.testing.assert_allclose(prior_logits(labels), [np.log(1.5 / 3.5), 0.0], rtol=1e-6)


def test_prior_logits_are_the_best_constant() -> None:
    labels = np.random.default_rng(0).choice([-1, 0, 0, 0, 1], size=(4000, 3)).astype(np.int8)
    bias = torch.from_numpy(prior_logits(labels)).requires_grad_()
    masked_bce(bias.expand(4000, 3), torch.from_numpy(labels)).backward()
    assert bias.grad is not None
    assert bias.grad.abs().max() < 1e-4

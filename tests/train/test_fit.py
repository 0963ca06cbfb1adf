"""The loop, its batches and scoring."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leadlab_train.batches import Crops, RandomCrops
from leadlab_train.errors import TrainingError
from leadlab_train.fit import FitSettings, fit
from leadlab_train.loss import masked_bce
from leadlab_train.net1d import ecgfounder
from leadlab_train.predict import predict


def waves(n: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return slow and fast sines, labelled by which they are; a second label is never measured."""
    rng = np.random.default_rng(seed)
    fast = rng.integers(2, size=n)
    time_s = np.arange(600) / 500
    phase = rng.uniform(0, 2 * np.pi, (n, 1))
    x = np.sin(2 * np.pi * (5 + 10 * fast[:, None]) * time_s + phase)
    labels = np.stack([fast, np.full(n, -1)], axis=1)
    return x.astype(np.float16), labels.astype(np.int8)


def batches_of(
    x: np.ndarray, labels: np.ndarray, batch: int, n_samples: int, seed: int = 0
) -> Callable[[int], Crops]:
    crops = RandomCrops(lambda _: x, labels.__getitem__, len(x), batch, n_samples, seed)
    return crops.__getitem__


def bce(model: nn.Module, batch: Crops) -> Tensor:
    return masked_bce(model(batch.x), batch.labels)


SETTINGS = FitSettings(steps=40, learning_rate=3e-3, warmup_steps=5, weight_decay=0.01)


def test_learns_and_scores_whole_windows() -> None:
    torch.manual_seed(0)
    x, labels = waves()
    model = ecgfounder(2, width="tiny", batch_norm=True)
    seen: list[tuple[int, int]] = []
    record = fit(
        model,
        batches_of(x, labels, batch=16, n_samples=400),
        bce,
        SETTINGS,
        on_step=lambda step, steps, _: seen.append((step, steps)),
    )
    assert len(record.losses) == 40
    assert record.losses[-1] < 0.3 < record.losses[0]
    assert seen == [(i + 1, 40) for i in range(40)]
    assert not model.training
    unseen, truth = waves(seed=1)
    logits = predict(model, unseen, batch=10)
    assert logits.dtype == np.float32
    assert logits.shape == (64, 2)
    assert ((logits[:, 0] > 0) == (truth[:, 0] == 1)).mean() > 0.95


def test_equal_seeds_give_equal_weights() -> None:
    x, labels = waves()
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        model = ecgfounder(2, width="tiny", batch_norm=True)
        batches = batches_of(x, labels, batch=8, n_samples=300, seed=5)
        fit(model, batches, bce, FitSettings(steps=4, learning_rate=1e-3))
        runs.append(model.state_dict())
    for name, tensor in runs[0].items():
        assert torch.equal(tensor, runs[1][name]), name


def test_weight_decay_spares_biases() -> None:
    model = nn.Linear(2, 2)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    settings = FitSettings(steps=3, learning_rate=0.1, weight_decay=0.5)
    fit(model, lambda step: step, lambda m, _: 0 * m(torch.ones(1, 2)).sum(), settings)
    assert (model.weight < 1).all()
    assert (model.bias == 1).all()


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    model = nn.Linear(1, 1)
    settings = FitSettings(steps=3, learning_rate=0.1)
    with pytest.raises(TrainingError, match="the loss is nan at step 0"):
        fit(model, lambda step: step, lambda m, _: m(torch.full((1, 1), torch.nan)).sum(), settings)


def test_predict_leaves_the_mode_and_reports_progress() -> None:
    model = ecgfounder(3, width="tiny", batch_norm=True).train()
    x = np.random.default_rng(0).standard_normal((7, 400)).astype(np.float32)
    seen: list[tuple[int, int]] = []
    whole = predict(model, x, batch=7)
    parts = predict(model, x, batch=3, on_progress=lambda done, n: seen.append((done, n)))
    assert model.training
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert seen == [(3, 7), (6, 7), (7, 7)]

"""Batches: functions of their step, whoever makes them."""

import numpy as np
import pytest
import torch

from leadlab_train.batches import RandomCrops, load_ahead
from leadlab_train.errors import TrainingError
from leadlab_train.world import World


class Same:
    """The same inputs in every epoch."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x

    def __call__(self, epoch: int) -> np.ndarray:
        assert epoch >= 0
        return self.x


class Rows:
    """Labels by row."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return self.labels[rows]


def crops(x: np.ndarray, labels: np.ndarray, **settings: object) -> RandomCrops:
    return RandomCrops(Same(x), Rows(labels), len(x), **settings)  # type: ignore[arg-type]


def numbered(n: int = 24, n_samples: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Return windows whose samples all are the number of the window, and that number as label."""
    x = np.repeat(np.arange(n, dtype=np.float32)[:, None], n_samples, axis=1)
    return x, np.arange(n)[:, None]


def noise(n: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 600)).astype(np.float16), rng.integers(-1, 2, (n, 3))


def test_a_batch_depends_on_its_step_only() -> None:
    x, labels = noise()
    forward, backward = (crops(x, labels, batch=10, n_samples=300, seed=1) for _ in "ab")
    batches = [forward[step] for step in range(14)]
    for step in reversed(range(14)):
        again = backward[step]
        assert torch.equal(again.x, batches[step].x)
        assert torch.equal(again.labels, batches[step].labels)
    other = crops(x, labels, batch=10, n_samples=300, seed=2)[0]
    assert not torch.equal(other.x, batches[0].x)


def test_an_epoch_meets_every_window_once_with_its_own_labels() -> None:
    batches = crops(*numbered(24), batch=6, n_samples=20)
    assert batches.steps_per_epoch == 4
    epochs = []
    for epoch in range(2):
        steps = [batches[epoch * 4 + i] for i in range(4)]
        epochs.append(torch.cat([s.labels for s in steps]).flatten().tolist())
        for s in steps:
            assert s.x.shape == (6, 1, 20)
            assert torch.equal(s.x, s.labels[:, :, None].float().expand(6, 1, 20))
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(24))
    assert epochs[0] != epochs[1]


def test_crops_reach_both_ends() -> None:
    x = np.tile(np.arange(12, dtype=np.float32), (8, 1))
    batches = crops(x, np.zeros((8, 1)), batch=8, n_samples=10)
    starts = {int(v) for step in range(8) for v in batches[step].x[:, 0, 0]}
    assert starts == {0, 1, 2}


@pytest.mark.parametrize("size", [2, 3, 7])
def test_processes_share_a_batch_without_overlap(size: int) -> None:
    x, labels = noise()
    whole = crops(x, labels, batch=10, n_samples=300)
    parts = [crops(x, labels, batch=10, n_samples=300, world=World(r, size)) for r in range(size)]
    for step in range(7):
        for name in ("x", "labels"):
            joined = torch.cat([getattr(part[step], name) for part in parts])
            assert torch.equal(joined, getattr(whole[step], name))
        lengths = [len(part[step].x) for part in parts]
        assert max(lengths) - min(lengths) <= 1


def test_workers_change_nothing() -> None:
    x, labels = noise()
    here, there = (
        list(load_ahead(crops(x, labels, batch=10, n_samples=300), 3, 9, workers))
        for workers in (0, 2)
    )
    assert len(here) == len(there) == 6
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.labels, other.labels)


def test_loading_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    list(load_ahead(crops(*noise(), batch=10, n_samples=300), 0, 2, 0))
    assert torch.equal(before, torch.get_rng_state())


def test_a_batch_larger_than_the_cohort_is_refused() -> None:
    with pytest.raises(TrainingError, match="batch of 9 exceeds the 8 training windows"):
        crops(*numbered(8), batch=9, n_samples=10)


def test_more_processes_than_windows_in_a_batch_are_refused() -> None:
    with pytest.raises(TrainingError, match="5 processes share a batch of 4"):
        crops(*numbered(8), batch=4, n_samples=10, world=World(0, 5))

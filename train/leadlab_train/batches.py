"""The batch of a step, a function of the step alone, and a loader that makes them ahead of time."""

import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from leadlab_train.errors import TrainingError
from leadlab_train.inputs import Inputs
from leadlab_train.streams import Purpose, stream
from leadlab_train.world import ALONE, World

PREFETCH = 4  # batches that each worker keeps ready


class Crops(NamedTuple):
    """Inputs ``(batch, 1, time)`` float32 and labels ``(batch, n_labels)``."""

    x: Tensor
    labels: Tensor


class RandomCrops(Dataset[Crops]):
    """Batches of random crops: every window once per epoch, in an order seeded by the epoch.

    Neither workers nor processes change a batch: each process makes its own part of it.

    Parameters
    ----------
    inputs_at
        The ``n`` preprocessed windows of an epoch.
    labels_of
        Targets ``(k, n_labels)`` of ``k`` windows by number.
    n
        Windows per epoch.
    batch
        Windows per batch, over all processes. What an epoch leaves over is dropped.
    n_samples
        Length of a crop; the network averages over time and scores longer windows as well.
    seed
        Seed of order and positions.
    world
        Who shares a batch.

    Raises
    ------
    TrainingError
        The batch exceeds the windows, or the processes the batch.
    """

    def __init__(
        self,
        inputs_at: Callable[[int], Inputs],
        labels_of: Callable[[NDArray[np.int64]], NDArray[Any]],
        n: int,
        batch: int,
        n_samples: int,
        seed: int = 0,
        world: World = ALONE,
    ):
        if batch > n:
            raise TrainingError(
                f"a batch of {batch} exceeds the {n} training windows; lower the batch"
            )
        if world.size > batch:
            raise TrainingError(
                f"{world.size} processes share a batch of {batch}; start at most {batch}"
            )
        self._inputs_at, self._labels_of, self._n = inputs_at, labels_of, n
        self._batch, self._n_samples, self._seed, self._world = batch, n_samples, seed, world
        self._epoch, self._order = -1, np.arange(0)
        self._inputs: Inputs

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of an epoch."""
        return self._n // self._batch

    def __getitem__(self, step: int) -> Crops:
        """Return our part of the batch of a step, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            rng = stream(Purpose.ORDER, self._seed, epoch)
            self._inputs = self._inputs_at(epoch)
            self._epoch, self._order = epoch, rng.permutation(self._n)
        rng = stream(Purpose.CROP, self._seed, epoch, place)
        rows = self._order[place * self._batch : (place + 1) * self._batch]
        ours = self._world.part(self._batch)
        windows = self._inputs[rows[ours]]
        last = windows.shape[-1] - self._n_samples
        starts = rng.integers(last, size=self._batch, endpoint=True)[ours]
        crops = [w[s : s + self._n_samples] for w, s in zip(windows, starts, strict=True)]
        x = torch.from_numpy(np.stack(crops)).float()  # five times as fast as numpy from float16
        return Crops(x.unsqueeze(1), torch.from_numpy(self._labels_of(rows[ours])))


def load_ahead(
    batches: Dataset[Any], start: int, stop: int, workers: int, pin: bool = False
) -> Iterator[Any]:
    """Yield the items ``start`` to ``stop`` of a data set in order, made by worker processes.

    Parameters
    ----------
    workers
        Processes that make items; 0 makes them in this one, when they are asked for.
    pin
        Put them into pinned memory, from where a GPU copies without waiting.

    Raises
    ------
    TrainingError
        A worker died.
    """
    loader = DataLoader(
        batches,
        sampler=range(start, stop),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=PREFETCH if workers else None,
        pin_memory=pin,
        worker_init_fn=_leave_signals_to_the_parent,
        generator=torch.Generator(),  # else the loader draws from the global one
    )
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise TrainingError(
            f"a process that reads windows died: {error}. Remedy: look whether the cohort is "
            "still there and memory is left, and start again with the same command"
        ) from error


def _leave_signals_to_the_parent(worker: int) -> None:
    """Ignore what a terminal or a scheduler sends to all processes of a job at once."""
    del worker
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)

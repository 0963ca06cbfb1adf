"""Windows through ``ecgfounder_v1``, ``(n, 5000)``, and batches of random crops of them."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadlab_edge.signal import ecgfounder_v1
from leadlab_train.cohort.store import Cohort
from leadlab_train.errors import TrainingError

CHUNK: Final = 256


class Inputs(Protocol):
    """Preprocessed windows by number: an array in memory, or :class:`CohortInputs`."""

    def __len__(self) -> int:
        """Return the number of windows."""

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return windows ``(k, time)`` for a slice or for an array of ``k`` numbers."""


class CohortInputs:
    """Preprocess windows of a cohort when they are asked for."""

    def __init__(self, cohort: Cohort, rows: NDArray[np.integer[Any]]):
        self._cohort, self._rows = cohort, rows

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._rows)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """Return windows ``(k, 5000)`` float32 for a slice or an array of ``k`` numbers."""
        return ecgfounder_v1(self._cohort.read_mv(self._rows[index]))

    def in_memory(
        self, on_progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float16]:
        """Preprocess all windows once, to be drawn from many times.

        float16 is fine enough for z-scored windows: below 8 standard deviations, the usual height
        of an R peak, it errs by 1/512 of one at most.

        Parameters
        ----------
        on_progress
            Called with windows done and windows in all.
        """
        chunks = []
        for start in range(0, len(self), CHUNK):
            chunks.append(self[start : start + CHUNK].astype(np.float16))
            if on_progress:
                on_progress(min(start + CHUNK, len(self)), len(self))
        return np.concatenate(chunks)


class Crops(NamedTuple):
    """Inputs ``(batch, 1, time)`` float32 and labels ``(batch, n_labels)``."""

    x: Tensor
    labels: Tensor


class RandomCrops:
    """Batches of random crops: every window once per epoch, in an order seeded by the epoch.

    Parameters
    ----------
    inputs
        ``n`` preprocessed windows, in memory or not.
    labels
        ``(n, n_labels)`` targets of the windows.
    batch
        Windows per batch. What an epoch leaves over is dropped.
    n_samples
        Length of a crop; the network averages over time and scores longer windows as well.
    seed
        Seed of order and positions.
    """

    def __init__(
        self, inputs: Inputs, labels: NDArray[Any], batch: int, n_samples: int, seed: int = 0
    ):
        if batch > len(inputs):
            raise TrainingError(
                f"a batch of {batch} exceeds the {len(inputs)} training windows; lower the batch"
            )
        self._inputs, self._labels = inputs, labels
        self._batch, self._n_samples, self._seed = batch, n_samples, seed
        self._epoch, self._order = -1, np.arange(0)

    def __call__(self, step: int) -> Crops:
        """Return the batch of a step."""
        epoch, place = divmod(step, len(self._inputs) // self._batch)
        if epoch != self._epoch:
            rng = np.random.default_rng((self._seed, epoch))
            self._epoch, self._order = epoch, rng.permutation(len(self._inputs))
        rows = self._order[place * self._batch : (place + 1) * self._batch]
        windows = self._inputs[rows]
        rng = np.random.default_rng((self._seed, epoch, place))
        starts = rng.integers(windows.shape[-1] - self._n_samples, size=len(rows), endpoint=True)
        crops = [w[s : s + self._n_samples] for w, s in zip(windows, starts, strict=True)]
        x = torch.from_numpy(np.stack(crops).astype(np.float32, copy=False))
        return Crops(x.unsqueeze(1), torch.from_numpy(self._labels[rows]))

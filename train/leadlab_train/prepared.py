"""Windows prepared once, to be read in every epoch: ``(n, 5000)`` float16 on disk.

float16 is fine enough for z-scored windows: below 8 standard deviations, the usual height of an R
peak, it errs by 1/512 of one at most.
"""

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from leadlab_edge.signal import N_SAMPLES
from leadlab_train.batches import load_ahead
from leadlab_train.cohort.training import TrainingCohort
from leadlab_train.cohort.windows import Windows
from leadlab_train.errors import TrainingError
from leadlab_train.grown_file import GrownFile, OnProgress
from leadlab_train.inputs import Inputs, TrainingInputs
from leadlab_train.world import ALONE, World

CHUNK: Final = 256
ROW_BYTES: Final = 2 * N_SAMPLES
FORMAT: Final = b"ecgfounder_v1 float16"


class PreparedInputs:
    """Preprocessed windows in a file, ``(n, 5000)`` float16, mapped into memory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._windows)

    def __getitem__(self, index: Any) -> NDArray[np.float16]:
        """Return windows ``(k, 5000)`` for a slice or an array of ``k`` numbers."""
        windows: NDArray[np.float16] = self._windows[index]
        return windows

    def __getstate__(self) -> dict[str, Path]:
        """Leave the map behind: a worker process maps the file itself."""
        return {"_path": self._path}

    @cached_property
    def _windows(self) -> NDArray[np.float16]:
        flat = np.asarray(np.memmap(self._path, np.float16, "r"))
        return flat.reshape(-1, N_SAMPLES)


def prepare(
    cohort: TrainingCohort,
    windows: Windows,
    folder: Path,
    workers: int = 0,
    on_progress: OnProgress | None = None,
    world: World = ALONE,
) -> PreparedInputs:
    """Preprocess windows into a file of ``folder``, or find them there from an earlier run.

    The file's name is a hash of cohort and windows, so that runs can share a folder. A preparation
    that was cut short goes on where it stopped.

    Parameters
    ----------
    workers
        Processes that filter; 0 filters in this one.
    on_progress
        Called with windows done and windows in all.
    world
        Its first process does the work, the others wait.

    Raises
    ------
    TrainingError
        The disk is too small or refuses, or another process is at work in the folder.
    """
    inputs = TrainingInputs(cohort, windows)
    file = GrownFile(
        folder / f"{_name(cohort, windows)}.f16",
        *(len(inputs), ROW_BYTES, CHUNK),
        TrainingError,
        "name a larger folder with --cache, lower windows.per_draw, or set windows.prepare = false "
        "to filter each window whenever it is read",
    )
    n_chunks = -(-len(inputs) // CHUNK)

    def chunks(first: int) -> Iterator[NDArray[Any]]:
        return (chunk.numpy() for chunk in load_ahead(_Chunks(inputs), first, n_chunks, workers))

    world.first(lambda: file.require(chunks, on_progress))
    return PreparedInputs(file.path)


class _Chunks(Dataset[Any]):
    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs

    def __getitem__(self, chunk: int) -> NDArray[np.float16]:
        return self._inputs[chunk * CHUNK : (chunk + 1) * CHUNK].astype(np.float16)


def _name(cohort: TrainingCohort, windows: Windows) -> str:
    digest = hashlib.sha256(FORMAT + cohort.content_sha256.encode())
    for places in (windows.strip, windows.start):
        digest.update(np.ascontiguousarray(places, "<i8").data)
    return digest.hexdigest()[:32]

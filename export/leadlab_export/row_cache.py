"""Rows computed once, to be read by many trainings: an array on disk that grows chunk by chunk."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from leadlab_export.errors import ExportError
from leadlab_train.grown_file import GrownFile, OnProgress

CHUNK: Final = 256

Compute = Callable[[int, int], NDArray[np.float32]]


def cache_name(what: str, *parts: str | NDArray[np.integer[Any]]) -> str:
    """Return a file name that changes with all that the rows depend on."""
    digest = hashlib.sha256(what.encode())
    for part in parts:
        plain = part.encode() if isinstance(part, str) else np.ascontiguousarray(part, "<i8").data
        digest.update(hashlib.sha256(plain).digest())
    return f"{what}-{digest.hexdigest()[:24]}.f32"


def cached_rows(
    path: Path, n: int, width: int, compute: Compute, on_progress: OnProgress | None = None
) -> NDArray[np.float32]:
    """Compute rows into a file, or find them there from an earlier run.

    What was cut short goes on where it stopped: the length of the file tells what is done.

    Parameters
    ----------
    path
        The file; give all that the rows depend on a part in its name, see :func:`cache_name`.
    n, width
        Shape of the array.
    compute
        Rows ``start`` to ``stop``, ``(stop - start, width)``.
    on_progress
        Called with rows done and rows in all.

    Returns
    -------
    NDArray
        ``(n, width) float32``, mapped into memory, read-only.

    Raises
    ------
    ExportError
        Another process is at work on this file, or the disk is too small or refuses.
    """
    remedy = "make room or name another folder with --cache"
    file = GrownFile(path, n, 4 * width, CHUNK, ExportError, remedy)

    def chunks(first: int) -> Iterator[NDArray[np.float32]]:
        for start in range(first * CHUNK, n, CHUNK):
            yield np.ascontiguousarray(compute(start, min(start + CHUNK, n)), np.float32)

    file.require(chunks, on_progress)
    return np.memmap(path, np.float32, "r", shape=(n, width))

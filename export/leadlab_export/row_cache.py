"""Rows computed once, to be read by many trainings: an array on disk that grows chunk by chunk."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from leadlab_export.errors import ExportError

CHUNK: Final = 256

Compute = Callable[[int, int], NDArray[np.float32]]
OnProgress = Callable[[int, int], None]


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
    if not path.exists():
        partial = path.with_suffix(".partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock"), timeout=0):
                _write(partial, n, width, compute, on_progress)
                partial.replace(path)
        except Timeout as error:
            raise ExportError(
                f"another process computes {path} at this moment. Remedy: wait for it, or name "
                "another folder with --cache"
            ) from error
        except OSError as error:
            raise ExportError(
                f"{partial} cannot be written: {error}. Remedy: make room or name another folder "
                "with --cache; what is computed stays and need not be done again"
            ) from error
    return np.memmap(path, np.float32, "r", shape=(n, width))


def _write(
    path: Path, n: int, width: int, compute: Compute, on_progress: OnProgress | None
) -> None:
    row_bytes = 4 * width
    done = path.stat().st_size // (CHUNK * row_bytes) * CHUNK if path.exists() else 0
    needed, free = (n - done) * row_bytes, shutil.disk_usage(path.parent).free
    if needed > free:
        raise ExportError(
            f"{path.name} takes {needed / 1e9:.1f} GB more and {path.parent} has "
            f"{free / 1e9:.1f} GB free. Remedy: make room or name another folder with --cache"
        )
    with path.open("r+b" if done else "wb") as file:
        file.truncate(done * row_bytes)
        file.seek(0, os.SEEK_END)
        for start in range(done, n, CHUNK):
            stop = min(start + CHUNK, n)
            file.write(np.ascontiguousarray(compute(start, stop), np.float32).data)
            if on_progress:
                on_progress(stop, n)
        file.flush()
        os.fsync(file.fileno())

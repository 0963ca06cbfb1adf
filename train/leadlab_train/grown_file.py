"""A file of rows computed once: it grows chunk by chunk, and its length tells what is done."""

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from numpy.typing import NDArray

from leadlab_bridge.errors import LeadlabError

Chunks = Callable[[int], Iterable[NDArray[Any]]]
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class GrownFile:
    """A file to be computed, or found whole from an earlier run.

    Attributes
    ----------
    path
        The file; while it grows, it ends in ``.partial``.
    n_rows, row_bytes, chunk_rows
        Its size, and how many rows are computed at a time.
    error
        What is raised.
    remedy
        What to do where the disk is too small.
    """

    path: Path
    n_rows: int
    row_bytes: int
    chunk_rows: int
    error: type[LeadlabError]
    remedy: str

    def require(self, chunks: Chunks, on_progress: OnProgress | None = None) -> None:
        """Compute the file unless it is there and whole; one that was cut short goes on.

        Parameters
        ----------
        chunks
            Yields the chunks from a number on; the last may be shorter.
        on_progress
            Called with rows done and rows in all.

        Raises
        ------
        LeadlabError
            Of class ``error``: another process is at work on it, or the disk is too small or
            refuses.
        """
        path, partial = self.path, self.path.with_suffix(".partial")
        if path.exists() and path.stat().st_size == self.n_rows * self.row_bytes:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock"), timeout=0):
                path.unlink(missing_ok=True)
                self._grow(partial, chunks, on_progress)
                partial.replace(path)
        except Timeout as error:
            raise self.error(
                f"another process makes {path} at this moment. Remedy: wait for it, or name "
                "another folder with --cache"
            ) from error
        except OSError as error:
            raise self.error(
                f"{partial} cannot be written: {error}. Remedy: make room or name another folder "
                "with --cache; what is done stays and need not be done again"
            ) from error

    def _grow(self, partial: Path, chunks: Chunks, on_progress: OnProgress | None) -> None:
        chunk_bytes = self.chunk_rows * self.row_bytes
        done = partial.stat().st_size // chunk_bytes if partial.exists() else 0
        needed = self.n_rows * self.row_bytes - done * chunk_bytes
        free = shutil.disk_usage(partial.parent).free
        if needed > free:
            raise self.error(
                f"{self.path.name} takes {needed / 1e9:.1f} GB more and {partial.parent} has "
                f"{free / 1e9:.1f} GB free. Remedy: {self.remedy}"
            )
        with partial.open("r+b" if done else "wb") as file:
            file.truncate(done * chunk_bytes)
            file.seek(0, os.SEEK_END)
            for chunk in chunks(done):
                file.write(chunk.data)
                done += 1
                if on_progress:
                    on_progress(min(done * self.chunk_rows, self.n_rows), self.n_rows)
            file.flush()
            os.fsync(file.fileno())

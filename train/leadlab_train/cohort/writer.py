"""Write a cohort: samples as they come, tables at the end, all of it or nothing."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from leadlab_train.cohort.manifest import FileEntry, Manifest, Setting, hash_file
from leadlab_train.cohort.store import Cohort
from leadlab_train.errors import CohortError
from leadlab_train.panel import Panel

_SHARD_SAMPLES = 1 << 29  # 1 GiB of int16


class CohortWriter:
    """Writes beside ``path`` and moves the cohort there when it is whole.

    ::

        with CohortWriter(path, panel, lead="II", rate_hz=500, simulated=False) as writer:
            for strip in strips:
                writer.add_strip(counts)
            cohort = writer.finish(patients, draws, strips, windows, labels)

    Raises
    ------
    CohortError
        If ``path`` exists already, or the disk refuses; what was written of it is removed.
    """

    def __init__(
        self,
        path: Path,
        panel: Panel,
        *,
        lead: str,
        rate_hz: float,
        simulated: bool,
        window_s: float = 10.0,
        provenance: Mapping[str, Setting] | None = None,
        shard_samples: int = _SHARD_SAMPLES,
    ) -> None:
        if path.exists():
            raise CohortError(f"{path} exists already; choose another folder or remove it first")
        self._path, self._panel = path, panel
        self._lead, self._rate_hz, self._window_s = lead, float(rate_hz), float(window_s)
        self._simulated, self._provenance = simulated, dict(provenance or {})
        self._shard_samples = shard_samples
        self._folder = path.with_name(path.name + ".partial")
        self._places: list[tuple[int, int, int]] = []  # shard, offset, length
        self._n_shards = 0
        self._shard: _Shard | None = None
        self._files: dict[str, FileEntry] = {}

    def __enter__(self) -> Self:
        shutil.rmtree(self._folder, ignore_errors=True)
        with _writing(self._folder):
            self._folder.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shard is not None:
            with suppress(OSError):  # on a full disk it still holds what it could not write
                self._shard.file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add_strip(self, counts: NDArray[np.int16]) -> None:
        """Append one strip: ``(length,) int16``, raw counts."""
        if counts.dtype != np.int16 or counts.ndim != 1 or not len(counts):
            raise CohortError(f"a strip is {counts.dtype} {counts.shape}; give int16 (length,)")
        with _writing(self._folder):
            if self._shard is None or self._shard.length + len(counts) > self._shard_samples:
                self._close_shard()
                self._shard = _Shard(self._folder / shard_name(self._n_shards))
                self._n_shards += 1
            self._places.append((self._n_shards - 1, self._shard.length, len(counts)))
            self._shard.append(counts)

    def finish(
        self,
        patients: pl.DataFrame,
        draws: pl.DataFrame,
        strips: pl.DataFrame,
        windows: pl.DataFrame,
        labels: NDArray[np.int8],
        *,
        truth: NDArray[np.int8] | None = None,
        arrays: Mapping[str, NDArray[np.generic]] | None = None,
    ) -> Cohort:
        """Write the tables, check the whole as `Cohort.open` does, and move it into place.

        Parameters
        ----------
        patients, draws, windows
            As `Cohort` describes them.
        strips
            The same, in the order of `add_strip`, without the columns shard, offset and length.
        labels, truth
            ``(n_draws, n_indicators) int8``.
        arrays
            Further arrays, each stored as ``NAME.npy``; see `Cohort.array`.
        """
        shard, offset, length = np.array(self._places, np.int64).reshape(-1, 3).T
        strips = strips.with_columns(shard=shard, offset=offset, length=length)
        tables = {"patients": patients, "draws": draws, "strips": strips, "windows": windows}
        with _writing(self._folder):
            self._close_shard()
            for name, table in tables.items():
                table.write_parquet(self._folder / f"{name}.parquet")
            for name, array in {"labels": labels, "truth": truth, **(arrays or {})}.items():
                if array is not None:
                    np.save(self._folder / f"{name}.npy", array)
            self._panel.write(self._folder / "panel.csv")
            self._write_manifest()
            Cohort.open(self._folder)
            self._folder.rename(self._path)
        return Cohort.open(self._path)

    def _write_manifest(self) -> None:
        for file in self._folder.iterdir():
            if file.name not in self._files:
                self._files[file.name] = hash_file(file)
        Manifest(
            simulated=self._simulated,
            lead=self._lead,
            rate_hz=self._rate_hz,
            window_s=self._window_s,
            software=f"leadlab {version('leadlab')}",
            provenance=self._provenance,
            files=self._files,
        ).write(self._folder)

    def _close_shard(self) -> None:
        if self._shard is not None:
            self._files[self._shard.path.name] = self._shard.close()
            self._shard = None


def shard_name(number: int) -> str:
    """File name of a shard of samples."""
    return f"strips-{number:05d}.npy"


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CohortError(
            f"{folder} cannot be written: {error}; make room or choose another folder"
        ) from error


class _Shard:
    """One flat int16 ``.npy`` that grows; NumPy's header leaves room for the final length."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = 0
        self.file: BinaryIO = path.open("wb")
        self._write_header()

    def append(self, counts: NDArray[np.int16]) -> None:
        self.file.write(np.ascontiguousarray(counts, "<i2").data)
        self.length += len(counts)

    def close(self) -> FileEntry:
        """Write the final length into the header and return size and hash."""
        self.file.seek(0)
        self._write_header()
        self.file.close()
        return hash_file(self.path)

    def _write_header(self) -> None:
        header = {"descr": "<i2", "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self.file, header)

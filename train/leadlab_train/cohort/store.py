"""Cohort: a folder of raw ECG strips, blood draws and labels, opened for random access.

::

    cohort.toml       what it is, where it came from, the hash of every file
    panel.csv         the findings, in the order of the label columns
    patients.parquet  patient, split ("train" | "val" | "test"); age and sex where known
    draws.parquet     draw, visit, patient, time
    strips.parquet    strip, shard, offset, length, gain_mv, lead, visit, patient
    windows.parquet   window, strip, start, draw, patient
    labels.npy        (n_draws, n_indicators) int8
    truth.npy         the same without gaps; simulated cohorts only
    strips-*.npy      flat int16 counts, memory-mapped; one count is gain_mv millivolts

``patient``, ``draw``, ``strip`` and ``window`` are row numbers of their tables; further columns are
free. A strip may be of any length and serve many windows; a window is ``window_s`` from sample
``start`` of its strip.
"""

from functools import cached_property
from pathlib import Path
from typing import Literal, Self, cast, get_args

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from leadlab_train.cohort.manifest import Manifest, hash_file, read_manifest
from leadlab_train.errors import CohortError
from leadlab_train.panel import Panel, load_panel

Split = Literal["train", "val", "test"]
Rows = NDArray[np.int64]

_COLUMNS = {
    "patients": ("patient", "split"),
    "draws": ("draw", "visit", "patient", "time"),
    "strips": ("strip", "shard", "offset", "length", "gain_mv", "lead", "visit", "patient"),
    "windows": ("window", "strip", "start", "draw", "patient"),
}


class Cohort:
    """A cohort on disk; make one with `Cohort.open`.

    Attributes
    ----------
    path, manifest
        The folder and what its `cohort.toml` says.
    panel
        The findings.
    rate_hz, lead, n_samples
        Sampling rate, lead and the length of one window in samples.
    labels
        ``(n_draws, n_indicators) int8``: 1 positive, 0 measured and not, -1 not measured.
    truth
        The labels without gaps, for scoring the patients of the test split and for nothing else;
        None unless the cohort is simulated.
    patients, draws, strips, windows
        The tables.
    """

    def __init__(self, path: Path, manifest: Manifest, panel: Panel) -> None:
        self.path, self.manifest, self.panel = path, manifest, panel
        self.rate_hz, self.lead = manifest.rate_hz, manifest.lead
        self.n_samples = round(manifest.window_s * manifest.rate_hz)
        self.patients, self.draws, self.strips, self.windows = (
            self._table(name) for name in _COLUMNS
        )
        self.labels = self._labels("labels", lowest=-1)
        self.truth = self._labels("truth", lowest=0) if "truth.npy" in manifest.files else None
        self._window_patient, self._window_draw, self._window_strip, self._window_start = (
            self._integers(self.windows, name) for name in ("patient", "draw", "strip", "start")
        )
        self._offset, self._length, self._shard = (
            self._integers(self.strips, name) for name in ("offset", "length", "shard")
        )
        self._gain_mv = self.strips["gain_mv"].to_numpy().astype(np.float32)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a cohort and check it: hashes of all tables, sizes of all shards, every reference.

        Raises
        ------
        CohortError
            If anything is missing, altered or contradicts itself.
        """
        manifest = read_manifest(path)
        for name, entry in manifest.files.items():
            file = path / name
            if not file.is_file():
                raise CohortError(f"{file} is missing; restore it or write the cohort anew")
            size = file.stat().st_size
            if size != entry.n_bytes:
                raise CohortError(f"{file} has {size} bytes, not {entry.n_bytes}; restore it")
            if not name.startswith("strips-") and hash_file(file) != entry:
                raise CohortError(f"{file} was altered: its SHA-256 does not match; restore it")
        cohort = cls(path, manifest, load_panel(path / "panel.csv"))
        cohort._check_references()
        return cohort

    def verify(self) -> None:
        """Hash every file, the samples too: reads the whole cohort once.

        Raises
        ------
        CohortError
            If a file was altered.
        """
        for name, entry in self.manifest.files.items():
            if hash_file(self.path / name) != entry:
                raise CohortError(f"{self.path / name} was altered: its SHA-256 does not match")

    @property
    def simulated(self) -> bool:
        """Whether everything here was drawn from a model."""
        return self.manifest.simulated

    def __len__(self) -> int:
        return len(self._window_draw)

    def rows(self, split: Split) -> Rows:
        """Window row numbers of one split, ascending."""
        if split not in get_args(Split):
            raise CohortError(f"no split {split!r}; use one of {get_args(Split)}")
        in_split = (self.patients["split"] == split).to_numpy()
        return np.flatnonzero(in_split[self._window_patient])

    def draw_of(self, rows: ArrayLike) -> Rows:
        """Draw of each window: the row of its labels."""
        return self._window_draw[_row_numbers(rows)]

    def patient_of(self, rows: ArrayLike) -> Rows:
        """Patient of each window, the unit of splits and of bootstraps."""
        return self._window_patient[_row_numbers(rows)]

    def read_mv(self, rows: ArrayLike, margin_s: float = 0.0) -> NDArray[np.float32]:
        """Read windows.

        Parameters
        ----------
        rows
            ``(n,)`` window row numbers.
        margin_s
            Real signal to read on both sides of each window, seconds.

        Returns
        -------
        ``(n, n_samples + 2 * round(margin_s * rate_hz)) float32``, mV @ ``rate_hz``.

        Raises
        ------
        CohortError
            If a row does not exist or a margin reaches beyond its strip.
        """
        numbers, margin = _row_numbers(rows), round(margin_s * self.rate_hz)
        self._check_rows(numbers, margin)
        n_samples = self.n_samples + 2 * margin
        strip = self._window_strip[numbers]
        begin = self._offset[strip] + self._window_start[numbers] - margin
        out = np.empty((len(numbers), n_samples), np.float32)
        for line, shard, start, gain_mv in zip(
            out, self._shard[strip].tolist(), begin.tolist(), self._gain_mv[strip], strict=True
        ):
            np.multiply(self._shards[shard][start : start + n_samples], gain_mv, out=line)
        return out

    def array(self, name: str) -> NDArray[np.generic]:
        """Read the further array ``name`` that the cohort was written with.

        Raises
        ------
        CohortError
            If there is none.
        """
        try:
            return cast("NDArray[np.generic]", np.load(self.path / f"{name}.npy"))
        except (OSError, ValueError) as error:
            raise CohortError(f"{self.path} holds no array {name!r}: {error}") from error

    @cached_property
    def _shards(self) -> list[NDArray[np.int16]]:
        names = sorted(name for name in self.manifest.files if name.startswith("strips-"))
        return [self._shard_of(self.path / name) for name in names]

    def __getstate__(self) -> dict[str, object]:
        """Leave the memory maps behind: a worker process maps the files itself."""
        return {key: value for key, value in self.__dict__.items() if key != "_shards"}

    def _shard_of(self, path: Path) -> NDArray[np.int16]:
        try:
            samples = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise CohortError(f"{path} cannot be mapped: {error}; restore it") from error
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise CohortError(f"{path} is {samples.dtype} {samples.shape}; it must be flat int16")
        return np.asarray(samples)  # a plain view: slicing a memmap object is slow

    def _table(self, name: str) -> pl.DataFrame:
        try:
            table = pl.read_parquet(self.path / f"{name}.parquet")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise CohortError(f"{self.path / name}.parquet cannot be read: {error}") from error
        if lacking := [column for column in _COLUMNS[name] if column not in table.columns]:
            raise CohortError(f"{self.path / name}.parquet lacks the columns {lacking}")
        if table.is_empty():
            raise CohortError(f"{self.path / name}.parquet is empty; a cohort needs at least a row")
        return table

    def _integers(self, table: pl.DataFrame, column: str) -> Rows:
        values = table[column]
        if not values.dtype.is_integer() or values.null_count():
            raise CohortError(f"{self.path}: column {column!r} must hold whole numbers, none empty")
        return values.cast(pl.Int64).to_numpy()

    def _labels(self, name: str, lowest: int) -> NDArray[np.int8]:
        labels = self.array(name)
        expected = (len(self.draws), len(self.panel))
        if labels.shape != expected or labels.dtype != np.int8:
            raise CohortError(f"{name}.npy is {labels.dtype} {labels.shape}, not int8 {expected}")
        if labels.min() < lowest or labels.max() > 1:
            raise CohortError(f"{name}.npy holds values outside {lowest}..1; write the cohort anew")
        return cast("NDArray[np.int8]", labels)

    def _check_rows(self, rows: Rows, margin: int) -> None:
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise CohortError(f"rows {rows.min()}..{rows.max()} reach outside 0..{len(self) - 1}")
        start, length = self._window_start[rows], self._length[self._window_strip[rows]]
        short = (start < margin) | (start + self.n_samples + margin > length)
        if short.any():
            row = rows[short.argmax()]
            raise CohortError(
                f"window {row} with a margin of {margin} samples reaches beyond its strip;"
                " ask for a smaller margin_s"
            )

    def _check_references(self) -> None:
        """Check row numbers, references, bounds, and that no window mixes two patients."""
        for name, columns in _COLUMNS.items():
            table = getattr(self, name)
            if not np.array_equal(self._integers(table, columns[0]), np.arange(len(table))):
                raise CohortError(f"{name}.parquet: {columns[0]!r} must be the row number")
        if unknown := set(self.patients["split"].unique()) - set(get_args(Split)):
            raise CohortError(f"patients.parquet has splits {unknown}; use {get_args(Split)}")
        if (leads := set(self.strips["lead"].unique())) != {self.lead}:
            raise CohortError(f"strips.parquet has leads {leads}; all must be {self.lead!r}")
        draw_patient = self._integers(self.draws, "patient")
        strip_patient = self._integers(self.strips, "patient")
        for what, values, n in (
            ("patient of a draw", draw_patient, len(self.patients)),
            ("patient of a strip", strip_patient, len(self.patients)),
            ("draw of a window", self._window_draw, len(self.draws)),
            ("strip of a window", self._window_strip, len(self.strips)),
            ("shard of a strip", self._shard, len(self._shards)),
        ):
            if not 0 <= values.min() <= values.max() < n:
                raise CohortError(
                    f"{what}: {values.min()}..{values.max()} reach outside 0..{n - 1}"
                )
        mixed = (draw_patient[self._window_draw] != self._window_patient) | (
            strip_patient[self._window_strip] != self._window_patient
        )
        if mixed.any():
            raise CohortError(
                f"{mixed.sum()} windows belong to another patient than their draw or strip;"
                " splits would share patients"
            )
        capacity = np.array([len(shard) for shard in self._shards])[self._shard]
        if (self._offset < 0).any() or (self._offset + self._length > capacity).any():
            raise CohortError("strips.parquet: a strip reaches outside its shard")
        self._check_rows(np.arange(len(self)), 0)


def _row_numbers(rows: ArrayLike) -> Rows:
    """Return ``(n,) int64``; a boolean mask is refused, it would be read as rows 0 and 1."""
    numbers = np.atleast_1d(np.asarray(rows))
    if numbers.ndim != 1 or not (np.issubdtype(numbers.dtype, np.integer) or not numbers.size):
        raise CohortError(f"rows are {numbers.dtype} {numbers.shape}; give window row numbers (n,)")
    return numbers.astype(np.int64, copy=False)

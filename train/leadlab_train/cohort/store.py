"""Cohort: a folder of raw ECG strips, blood draws and labels, opened for random access.

::

    cohort.toml       what it is, where it came from, the hash of every file
    panel.csv         the findings, in the order of the label columns
    patients.parquet  patient, split ("train" | "val" | "test"); age and sex where known
    draws.parquet     draw, visit, patient, time
    strips.parquet    strip, shard, offset, length, gain_mv, lead, visit, patient; time if known
    windows.parquet   window, strip, start, draw, patient
    labels.npy        (n_draws, n_indicators) int8
    truth.npy         the same without gaps; simulated cohorts only
    strips-*.npy      flat int16 counts, memory-mapped; one count is gain_mv millivolts

``patient``, ``draw``, ``strip`` and ``window`` are row numbers of their tables; ``visit`` is any
whole number of one patient; further columns are free. A strip may be of any length and serve many
windows; a window is ``window_s`` from sample ``start`` of its strip. ``time`` is when blood was
drawn and when a strip starts, on one clock.
"""

from functools import cached_property
from pathlib import Path
from typing import Literal, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leadlab_train.cohort.checks import SPLITS, check_sizes, check_tables
from leadlab_train.cohort.manifest import Manifest, hash_file, read_manifest
from leadlab_train.cohort.tables import (
    COLUMNS,
    Rows,
    check_within,
    integers,
    read_table,
    row_numbers,
)
from leadlab_train.errors import CohortError
from leadlab_train.panel import Panel, load_panel

Split = Literal["train", "val", "test"]


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
            read_table(path, name) for name in COLUMNS
        )
        self.labels = self._labels("labels", lowest=-1)
        self.truth = self._labels("truth", lowest=0) if "truth.npy" in manifest.files else None
        self._window_patient, self._window_draw, self._window_strip, self._window_start = (
            integers(self.windows, name) for name in ("patient", "draw", "strip", "start")
        )
        self._offset, self._length, self._shard = (
            integers(self.strips, name) for name in ("offset", "length", "shard")
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
        check_sizes(path, manifest)
        for name, entry in manifest.files.items():
            file = path / name
            if not name.startswith("strips-") and hash_file(file) != entry:
                raise CohortError(f"{file} was altered: its SHA-256 does not match; restore it")
        cohort = cls(path, manifest, load_panel(path / "panel.csv"))
        check_tables({name: getattr(cohort, name) for name in COLUMNS}, cohort.lead)
        cohort._check_bounds()
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

    def check_files(self) -> None:
        """Check that every file is still there with its size: a look at the folder, no reading.

        A process that reads a memory-mapped file which was cut short is killed by the system; a
        long run asks this now and then.

        Raises
        ------
        CohortError
            If a file is missing or has another size.
        """
        check_sizes(self.path, self.manifest)

    @property
    def simulated(self) -> bool:
        """Whether everything here was drawn from a model."""
        return self.manifest.simulated

    def __len__(self) -> int:
        return len(self._window_draw)

    def rows(self, split: Split) -> Rows:
        """Window row numbers of one split, ascending."""
        if split not in SPLITS:
            raise CohortError(f"no split {split!r}; use one of {SPLITS}")
        in_split = (self.patients["split"] == split).to_numpy()
        return np.flatnonzero(in_split[self._window_patient])

    def draw_of(self, rows: ArrayLike) -> Rows:
        """Draw of each window: the row of its labels."""
        return self._window_draw[row_numbers(rows)]

    def patient_of(self, rows: ArrayLike) -> Rows:
        """Patient of each window, the unit of splits and of bootstraps."""
        return self._window_patient[row_numbers(rows)]

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
        numbers, margin = row_numbers(rows), round(margin_s * self.rate_hz)
        self._check_rows(numbers, margin)
        return self.read_at_mv(
            self._window_strip[numbers],
            self._window_start[numbers] - margin,
            self.n_samples + 2 * margin,
        )

    def read_at_mv(
        self, strips: ArrayLike, starts: ArrayLike, n_samples: int | None = None
    ) -> NDArray[np.float32]:
        """Read from anywhere in the strips.

        Parameters
        ----------
        strips, starts
            ``(n,)`` strip row numbers, and the first sample to read of each.
        n_samples
            How many to read of each; None for a window.

        Returns
        -------
        ``(n, n_samples) float32``, mV @ ``rate_hz``.

        Raises
        ------
        CohortError
            If a strip does not exist or ends before the last sample.
        """
        strip, start = row_numbers(strips), row_numbers(starts)
        n_samples = self.n_samples if n_samples is None else n_samples
        self._check_spans(strip, start, n_samples)
        begin = self._offset[strip] + start
        out = np.empty((len(strip), n_samples), np.float32)
        for line, shard, first, gain_mv in zip(
            out, self._shard[strip].tolist(), begin.tolist(), self._gain_mv[strip], strict=True
        ):
            np.multiply(self._shards[shard][first : first + n_samples], gain_mv, out=line)
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

    def _labels(self, name: str, lowest: int) -> NDArray[np.int8]:
        labels = self.array(name)
        expected = (len(self.draws), len(self.panel))
        if labels.shape != expected or labels.dtype != np.int8:
            raise CohortError(f"{name}.npy is {labels.dtype} {labels.shape}, not int8 {expected}")
        if labels.min() < lowest or labels.max() > 1:
            raise CohortError(f"{name}.npy holds values outside {lowest}..1; write the cohort anew")
        return cast("NDArray[np.int8]", labels)

    def _check_rows(self, rows: Rows, margin: int) -> None:
        check_within("rows", rows, len(self))
        start, length = self._window_start[rows], self._length[self._window_strip[rows]]
        short = (start < margin) | (start > length - self.n_samples - margin)
        if short.any():
            row = rows[short.argmax()]
            raise CohortError(
                f"window {row} with a margin of {margin} samples reaches beyond its strip;"
                " ask for a smaller margin_s"
            )

    def _check_spans(self, strip: Rows, start: Rows, n_samples: int) -> None:
        if strip.shape != start.shape or n_samples < 1:
            raise CohortError(
                f"{len(strip)} strips, {len(start)} starts and {n_samples} samples each; give one"
                " start for each strip and at least one sample"
            )
        check_within("strips", strip, len(self._length))
        outside = (start < 0) | (start > self._length[strip] - n_samples)
        if outside.any():
            i = outside.argmax()
            raise CohortError(
                f"{n_samples} samples from sample {start[i]} reach outside strip {strip[i]}, which"
                f" has {self._length[strip[i]]}; start within it and read fewer"
            )

    def _check_bounds(self) -> None:
        """Check that strips lie within their shards and windows within their strips."""
        check_within("shard of a strip", self._shard, len(self._shards))
        capacity = np.array([len(shard) for shard in self._shards])[self._shard]
        within = (self._offset >= 0) & (self._length > 0) & (self._length <= capacity)
        if not (within & (self._offset <= capacity - self._length)).all():
            raise CohortError("strips.parquet: a strip reaches outside its shard")
        self._check_rows(np.arange(len(self)), 0)

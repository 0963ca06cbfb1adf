"""TrainingCohort: a cohort without the patients of its test split, for whatever learns from it."""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leadlab_train.cohort.store import Cohort
from leadlab_train.cohort.tables import Rows, check_within, integers, row_numbers, times_us
from leadlab_train.cohort.windows import Spans, Windows
from leadlab_train.errors import CohortError

TrainingSplit = Literal["train", "val"]

_US = 1e6


class TrainingCohort:
    """What training may see of a cohort: the patients of the splits train and val.

    A window, draw or strip of a test patient is refused wherever it is asked for, so that no
    mistake in a training loop can learn from one, or select a model by one.

    Parameters
    ----------
    cohort
        The whole cohort; no public attribute leads back to it.

    Attributes
    ----------
    panel, rate_hz, lead, n_samples, simulated, path
        As those of `Cohort`.
    content_sha256
        Hash of all that the cohort holds.
    """

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort
        self.panel, self.path, self.simulated = cohort.panel, cohort.path, cohort.simulated
        self.rate_hz, self.lead, self.n_samples = cohort.rate_hz, cohort.lead, cohort.n_samples
        self.content_sha256 = cohort.manifest.content_sha256
        splits = cohort.patients["split"].to_numpy()
        self._draw_patient = integers(cohort.draws, "patient")
        self._rows = {split: cohort.rows(split) for split in ("train", "val")}
        self._draws = {
            split: np.flatnonzero((splits == split)[self._draw_patient]) for split in self._rows
        }
        self._row_seen, self._draw_seen, self._strip_seen = (
            (splits != "test")[integers(table, "patient")]
            for table in (cohort.windows, cohort.draws, cohort.strips)
        )
        self._window_strip, self._window_start, self._window_draw = (
            integers(cohort.windows, name) for name in ("strip", "start", "draw")
        )
        self._draw_visit, self._strip_visit = (
            integers(table, "visit") for table in (cohort.draws, cohort.strips)
        )
        self._strip_length = integers(cohort.strips, "length")
        self._has_times = "time" in cohort.strips.columns
        self._draw_us, self._strip_us = (
            times_us(table) if self._has_times else np.empty(0, np.int64)
            for table in (cohort.draws, cohort.strips)
        )

    def rows(self, split: TrainingSplit) -> Rows:
        """Row numbers of the stored windows of one split, ascending."""
        return _of(split, self._rows)

    def draws(self, split: TrainingSplit) -> Rows:
        """Row numbers of the blood draws of one split, ascending."""
        return _of(split, self._draws)

    def labels(self, draws: ArrayLike) -> NDArray[np.int8]:
        """``(n, n_indicators) int8`` of draws: 1 positive, 0 measured and not, -1 not measured."""
        return self._cohort.labels[self._allowed("draw", draws, self._draw_seen)]

    def patients(self, draws: ArrayLike) -> Rows:
        """``(n,)``: patient of each draw, the unit of splits and of bootstraps."""
        return self._draw_patient[self._allowed("draw", draws, self._draw_seen)]

    def windows(self, rows: ArrayLike) -> Windows:
        """Look up stored windows by their row numbers."""
        numbers = self._allowed("window", rows, self._row_seen)
        return Windows(
            self._window_strip[numbers], self._window_start[numbers], self._window_draw[numbers]
        )

    def around(self, draws: ArrayLike, within_s: float) -> Spans:
        """Find where windows lie wholly within ``within_s`` before and after draws of their visit.

        As in AnyECG-Lab, a stretch of ECG that is close enough to two draws serves both. A draw
        without ECG close enough has no line.

        Parameters
        ----------
        draws
            ``(n,)`` draw row numbers; order and repetition do not matter.
        within_s
            Largest distance of either end of a window from the draw, seconds.

        Raises
        ------
        CohortError
            If the strips of this cohort have no times, or a draw is not training's to see.
        """
        if not self._has_times:
            raise CohortError(
                f"{self.path}: strips.parquet has no column 'time', so that no strip can be placed"
                " around a draw; write the cohort with the start of each strip, or train on its"
                " stored windows"
            )
        if not (math.isfinite(within_s) and within_s > 0):
            raise CohortError(f"within_s is {within_s}; give seconds above 0, such as 3600")
        draw, strip = self._same_visit(np.unique(self._allowed("draw", draws, self._draw_seen)))
        after_us = self._draw_us[draw] - self._strip_us[strip]
        reach_us = round(within_s * _US)
        first = np.ceil((after_us - reach_us) * self.rate_hz / _US).astype(np.int64)
        end = np.floor((after_us + reach_us) * self.rate_hz / _US).astype(np.int64)
        first = np.maximum(first, 0)
        last = np.minimum(end, self._strip_length[strip]) - self.n_samples
        some = first <= last
        return Spans(draw[some], strip[some], first[some], last[some])

    def read_mv(
        self, strips: ArrayLike, starts: ArrayLike, n_samples: int | None = None
    ) -> NDArray[np.float32]:
        """Read from anywhere in the strips; see `Cohort.read_at_mv`."""
        numbers = self._allowed("strip", strips, self._strip_seen)
        return self._cohort.read_at_mv(numbers, starts, n_samples)

    def check_files(self) -> None:
        """Check that the cohort is still there; see `Cohort.check_files`."""
        self._cohort.check_files()

    def _allowed(self, what: str, rows: ArrayLike, seen: NDArray[np.bool_]) -> Rows:
        numbers = row_numbers(rows)
        check_within(f"{what}s", numbers, len(seen))
        hidden = ~seen[numbers]
        if hidden.any():
            raise CohortError(
                f"{what} {numbers[hidden.argmax()]} belongs to a patient of the test split, which"
                " training must not see; take those of rows() and draws()"
            )
        return numbers

    def _same_visit(self, draws: Rows) -> tuple[Rows, Rows]:
        """Pair ascending draws with all strips of their visits: draw and strip of each pair."""
        order = np.argsort(self._strip_visit, kind="stable")
        visits, wanted = self._strip_visit[order], self._draw_visit[draws]
        begin = np.searchsorted(visits, wanted, "left")
        count = np.searchsorted(visits, wanted, "right") - begin
        place = np.arange(count.sum()) + np.repeat(begin - np.cumsum(count) + count, count)
        return np.repeat(draws, count), order[place]


def _of(split: str, rows: Mapping[str, Rows]) -> Rows:
    if split not in rows:
        raise CohortError(f"training sees the splits 'train' and 'val' only, not {split!r}")
    return rows[split].copy()

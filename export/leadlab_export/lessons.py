"""What a student learns from and is judged by: windows, labels, and a teacher's answers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from leadlab_export.answers import Answers, ask_teacher
from leadlab_export.distill import DistillSettings
from leadlab_export.distill_worth import counted_indicators
from leadlab_export.student import Student, StudentShape
from leadlab_export.teacher import TrainedTeacher
from leadlab_export.windows import cached_windows, compact_windows
from leadlab_train.cohort import Cohort
from leadlab_train.metrics import auroc


class Lessons:
    """Windows of training and validation patients; test patients are never read.

    Parameters
    ----------
    cohort, teacher
        Whose windows, and who is asked about them.
    shape, settings
        Which student, and how it learns.
    cache
        Folder of what is computed once.
    on_progress
        Called with what is being done, windows done and windows in all.

    Attributes
    ----------
    strips_mv, labels, answers
        Of training windows: ``(n, n_samples + 2 * spare)`` millivolts, ``(n, n_labels)`` labels,
        and the teacher's answers.
    val_rows, val_mv, val_labels, val_patients, val_answers
        Of validation windows: row numbers, ``(m, n_samples)`` millivolts, labels, patients,
        answers.
    counted
        ``(n_labels,)``: indicators with enough validation patients to judge by.

    Raises
    ------
    ExportError
        There are too few validation patients, or the cache cannot be written.
    """

    def __init__(
        self,
        cohort: Cohort,
        teacher: TrainedTeacher,
        shape: StudentShape,
        settings: DistillSettings,
        cache: Path,
        on_progress: Callable[[str, int, int], None],
    ) -> None:
        self.cohort, self.teacher, self.shape, self.settings = cohort, teacher, shape, settings
        self._cache, self._on_progress = cache, on_progress
        rows, self.val_rows = cohort.rows("train"), cohort.rows("val")
        self.labels, self.val_labels = (
            cohort.labels[cohort.draw_of(some)] for some in (rows, self.val_rows)
        )
        self.val_patients = cohort.patient_of(self.val_rows)
        self.counted = counted_indicators(self.val_labels, self.val_patients)
        model = self.new_student(0)
        spare = settings.augmentation.spare(model.n_samples)
        place = (model.rate_hz, model.n_samples)
        self.strips_mv = cached_windows(
            *(cohort, rows, *place, spare, cache), self._progress("resample windows")
        )
        self.val_mv = compact_windows(cohort, self.val_rows, *place)
        self.answers = self._ask(rows, "training")
        self.val_answers = self._ask(self.val_rows, "validation")

    def new_student(self, seed: int) -> Student:
        """Return a student with random weights of this seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Student(len(self.cohort.panel), self.shape)

    def score(self, logits: NDArray[np.float32]) -> float:
        """Return the macro AUROC over the counted indicators of validation patients."""
        return float(auroc(logits[:, self.counted], self.val_labels[:, self.counted]).mean())

    def _ask(self, rows: NDArray[np.int64], what: str) -> Answers:
        on_progress = self._progress(f"ask teacher, {what} windows")
        return ask_teacher(self.teacher, self.cohort, rows, self._cache, on_progress)

    def _progress(self, what: str) -> Callable[[int, int], None]:
        return lambda done, total: self._on_progress(what, done, total)

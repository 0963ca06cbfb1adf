"""One trial: train a candidate like all others, score it on validation patients, measure it."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from leadlab_edge.config import parse_record
from leadlab_export.distill import DistillSettings, distill
from leadlab_export.errors import ExportError
from leadlab_export.lessons import Lessons
from leadlab_export.search.candidates import Candidate
from leadlab_export.search.cost import Cost, cost_of
from leadlab_export.student import StudentShape, student_logits
from leadlab_train.files import replace_files

CALIBRATION_WINDOWS = 64
TUNED_HZ = 125  # the rate for which the augmentation's samples were meant


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one candidate.

    Attributes
    ----------
    name, axis, shape
        The candidate.
    steps
        Steps of its training.
    val_auroc
        Macro AUROC on the measured labels of validation patients.
    agreement
        Spearman correlation with the teacher over validation windows, mean of all indicators. It
        needs no label, and so resolves finer than an AUROC of few patients.
    train_s
        Wall time of the training.
    cost
        What it costs a device.
    """

    name: str
    axis: str
    shape: StudentShape
    steps: int
    val_auroc: float
    agreement: float
    train_s: float
    cost: Cost


def run_trial(candidate: Candidate, lessons: Lessons, micro_python: Path | None) -> Trial:
    """Train, score and measure one candidate.

    Parameters
    ----------
    candidate
        What to try.
    lessons
        What every candidate learns from, made for its shape.
    micro_python
        A Python that has ``tflite_micro``; None measures no arena.
    """
    settings = lessons.settings
    student = lessons.new_student(settings.seed)
    record = distill(student, lessons.strips_mv, lessons.labels, settings, lessons.answers.logits)
    logits = student_logits(student, lessons.val_mv)
    spare = settings.augmentation.spare(student.n_samples)
    few_mv = lessons.strips_mv[:CALIBRATION_WINDOWS, spare : spare + student.n_samples]
    return Trial(
        candidate.name,
        candidate.axis,
        candidate.shape,
        len(record.losses),
        lessons.score(logits),
        agreement(logits, lessons.val_answers.logits),
        record.seconds,
        cost_of(student, np.ascontiguousarray(few_mv), micro_python),
    )


def at_rate(settings: DistillSettings, rate_hz: float) -> DistillSettings:
    """Return settings whose shift is as many seconds as at 125 Hz."""
    moved = settings.augmentation
    shift = round(moved.shift * rate_hz / TUNED_HZ)
    return replace(settings, augmentation=replace(moved, shift=shift))


def agreement(logits: NDArray[np.float32], teacher: NDArray[np.float32]) -> float:
    """Return the mean over indicators of the rank correlation over windows."""
    a, b = (rankdata(values, axis=0) for values in (logits, teacher))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return float(np.mean((a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))))


def write_trials(path: Path, trials: Iterable[Trial], setting: dict[str, Any]) -> None:
    """Write the table of the search as JSON."""
    table = {"setting": setting, "trials": [asdict(trial) for trial in trials]}
    replace_files((path, (json.dumps(table, indent=1) + "\n").encode()))


def read_trials(path: Path) -> list[Trial]:
    """Read what :func:`write_trials` wrote; nothing from a file that is not there."""
    if not path.exists():
        return []
    table = json.loads(path.read_text(encoding="utf-8"))
    return [parse_record(Trial, trial, str(path), ExportError) for trial in table["trials"]]

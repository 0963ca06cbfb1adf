"""Distillation: a student learns from its teacher's probabilities and from observed labels.

The teacher says something about every finding of every window, the laboratory only about what was
ordered, so the student sees several times as many targets as it would alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from leadlab_export.augment import Augmentation
from leadlab_export.errors import ExportError
from leadlab_export.student import Student
from leadlab_train.fit import FitRecord, FitSettings, fit
from leadlab_train.loss import masked_bce, prior_logits


@dataclass(frozen=True, slots=True)
class DistillSettings:
    """How a student learns.

    Attributes
    ----------
    fit
        Steps and learning rate.
    batch
        Windows per step.
    temperature
        Divides the logits of teacher and student alike (Hinton et al., arXiv 1503.02531). At 1 the
        gradient of a finding shrinks with its prevalence; a high temperature weighs rare findings
        like frequent ones.
    teacher_share
        Weight of the teacher's targets; the rest goes to observed labels.
    augmentation
        What the windows undergo.
    seed
        Seed of order and augmentation.
    """

    fit: FitSettings
    batch: int = field(default=64, metadata={"min": 1})
    temperature: float = field(default=4.0, metadata={"min": 0.1, "max": 100.0})
    teacher_share: float = field(default=0.9, metadata={"min": 0.0, "max": 1.0})
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0


class Batch(NamedTuple):
    """Windows ``(batch, n_samples)`` mV, labels and teacher's logits ``(batch, n_labels)``."""

    raw_mv: Tensor
    labels: Tensor
    teacher: Tensor | None


def distill(
    student: Student,
    strips_mv: NDArray[np.float32],
    labels: NDArray[np.int8],
    settings: DistillSettings,
    teacher_logits: NDArray[np.float32] | None = None,
    on_step: Callable[[int, int, float], None] | None = None,
) -> FitRecord:
    """Fit a student in place, with a teacher or alone, and leave it in evaluation mode.

    Parameters
    ----------
    student
        A new student.
    strips_mv
        ``(n, n_samples + 2 * spare)`` millivolts @ 125 Hz of training patients. The spare samples
        give the augmentation room to shift and stretch.
    labels
        ``(n, n_labels)``: 1 abnormal, 0 measured and not abnormal, -1 not measured.
    settings
        How it learns.
    teacher_logits
        ``(n, n_labels)`` the teacher's logits of the same windows; None trains the student alone,
        on observed labels, through the same code.
    on_step
        Called after each step with steps done, steps in all and loss.

    Raises
    ------
    ExportError
        If the arrays do not describe the same windows.
    """
    _check(student, strips_mv, labels, settings, teacher_logits)
    start = prior_logits(labels) if teacher_logits is None else teacher_logits.mean(axis=0)
    with torch.no_grad():
        student.head.bias.copy_(torch.from_numpy(start))
    # Channels last, training is twice as fast on a CPU.
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = _Batches(strips_mv, labels, teacher_logits, student.n_samples, settings)

    def loss_of(model: Student, batch: Batch) -> Tensor:
        logits = model(batch.raw_mv)
        observed = masked_bce(logits, batch.labels)
        if batch.teacher is None:
            return observed
        taught = softened_bce(logits, batch.teacher, settings.temperature)
        return torch.lerp(observed, taught, settings.teacher_share)

    return fit(student, batches, loss_of, settings.fit, on_step)


def softened_bce(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross-entropy to the teacher's softened probabilities, scaled to keep its gradient's size."""
    target = torch.sigmoid(teacher / temperature)
    return F.binary_cross_entropy_with_logits(logits / temperature, target) * temperature**2


class _Batches:
    """The batch of a step, a function of the step alone: every window once per epoch."""

    def __init__(
        self,
        strips_mv: NDArray[np.float32],
        labels: NDArray[np.int8],
        teacher_logits: NDArray[np.float32] | None,
        n_samples: int,
        settings: DistillSettings,
    ) -> None:
        self._strips, self._labels = torch.from_numpy(strips_mv), torch.from_numpy(labels)
        self._teacher = None if teacher_logits is None else torch.from_numpy(teacher_logits)
        self._n_samples, self._settings = n_samples, settings
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __call__(self, step: int) -> Batch:
        size, seed = self._settings.batch, self._settings.seed
        epoch, place = divmod(step, len(self._strips) // size)
        if epoch != self._epoch:
            order = np.random.default_rng((seed, epoch)).permutation(len(self._strips))
            self._epoch, self._order = epoch, torch.from_numpy(order)
        rows = self._order[place * size : (place + 1) * size]
        generator = torch.Generator().manual_seed((seed << 32) + step)
        raw_mv = self._settings.augmentation(self._strips[rows], self._n_samples, generator)
        teacher = None if self._teacher is None else self._teacher[rows]
        return Batch(raw_mv, self._labels[rows], teacher)


def _check(
    student: Student,
    strips_mv: NDArray[np.float32],
    labels: NDArray[np.int8],
    settings: DistillSettings,
    teacher_logits: NDArray[np.float32] | None,
) -> None:
    """Refuse arrays that do not describe the same windows, or too few or too short ones."""
    if len(strips_mv) != len(labels) or len(strips_mv) < settings.batch:
        raise ExportError(
            f"{len(strips_mv)} strips and {len(labels)} rows of labels; they must be equally many, "
            f"and at least one batch of {settings.batch}"
        )
    if strips_mv.shape[1] < student.n_samples:
        raise ExportError(
            f"strips have {strips_mv.shape[1]} samples; the student takes {student.n_samples}"
        )
    if teacher_logits is not None and teacher_logits.shape != labels.shape:
        raise ExportError(
            f"teacher logits have shape {teacher_logits.shape}, labels {labels.shape}; "
            "score the same windows on the same panel"
        )

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
from torch import Tensor, nn

from leadlab_export.augment import Augmentation
from leadlab_export.errors import ExportError
from leadlab_export.student import Student
from leadlab_train.augment import Augmentation as WearableAugmentation
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
    feature_weight
        Weight of the distance between the teacher's features, standardised, and a linear map of the
        student's (FitNets, Romero et al., ICLR 2015, at the last layer); 0 matches none.
    wearable
        What lead, amplifier and converter of a wearable do to the windows; nothing by default.
    augmentation
        What the windows undergo then: shifts, rates that are off, movement.
    seed
        Seed of order and augmentation.
    """

    fit: FitSettings
    batch: int = field(default=64, metadata={"min": 1})
    temperature: float = field(default=4.0, metadata={"min": 0.1, "max": 100.0})
    teacher_share: float = field(default=0.9, metadata={"min": 0.0, "max": 1.0})
    feature_weight: float = field(default=0.0, metadata={"min": 0.0})
    wearable: WearableAugmentation = field(default_factory=WearableAugmentation)
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0


class Batch(NamedTuple):
    """Windows ``(batch, n_samples)`` mV, labels and teacher's logits ``(batch, n_labels)``."""

    raw_mv: Tensor
    labels: Tensor
    logits: Tensor | None
    features: Tensor | None


def distill(
    student: Student,
    strips_mv: NDArray[np.float32],
    labels: NDArray[np.int8],
    settings: DistillSettings,
    teacher_logits: NDArray[np.float32] | None = None,
    on_step: Callable[[int, int, float], None] | None = None,
    teacher_features: NDArray[np.float32] | None = None,
) -> FitRecord:
    """Fit a student in place, with a teacher or alone, and leave it in evaluation mode.

    Parameters
    ----------
    student
        A new student.
    strips_mv
        ``(n, n_samples + 2 * spare)`` millivolts at its input rate, of training patients; in memory
        or mapped. The spare samples give the augmentation room to shift and stretch.
    labels
        ``(n, n_labels)``: 1 abnormal, 0 measured and not abnormal, -1 not measured.
    settings
        How it learns.
    teacher_logits
        ``(n, n_labels)`` the teacher's logits of the same windows; None trains the student alone,
        on observed labels, through the same code.
    on_step
        Called after each step with steps done, steps in all and loss.
    teacher_features
        ``(n, channels)`` what the teacher's head sees of them; needed to match features only.

    Raises
    ------
    ExportError
        If the arrays do not describe the same windows.
    """
    _check(student, strips_mv, labels, settings, teacher_logits, teacher_features)
    start = prior_logits(labels) if teacher_logits is None else teacher_logits.mean(axis=0)
    with torch.no_grad():
        student.head.bias.copy_(torch.from_numpy(start))
    # Channels last, training is twice as fast on a CPU.
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = _Batches(student, strips_mv, labels, settings, teacher_logits, teacher_features)

    def loss_of_logits(logits: Tensor, batch: Batch) -> Tensor:
        observed = masked_bce(logits, batch.labels)
        if batch.logits is None:
            return observed
        taught = softened_bce(logits, batch.logits, settings.temperature)
        return torch.lerp(observed, taught, settings.teacher_share)

    if teacher_logits is None or teacher_features is None or not settings.feature_weight:

        def loss_of(model: Student, batch: Batch) -> Tensor:
            return loss_of_logits(model(batch.raw_mv), batch)

        return fit(student, batches, loss_of, settings.fit, on_step)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        matched = _Matched(student, teacher_features)

    def loss_with_features(model: _Matched, batch: Batch) -> Tensor:
        logits, distance = model(batch.raw_mv, batch.features)
        loss: Tensor = loss_of_logits(logits, batch) + settings.feature_weight * distance
        return loss

    return fit(matched, batches, loss_with_features, settings.fit, on_step)


class _Matched(nn.Module):
    """A student and a linear map from its features to the teacher's, thrown away after training."""

    mean: Tensor
    spread: Tensor

    def __init__(self, student: Student, features: NDArray[np.float32]) -> None:
        super().__init__()
        self.student = student
        self.projection = nn.Linear(student.head.in_features, features.shape[1])
        self.register_buffer("mean", torch.from_numpy(features.mean(axis=0)))
        self.register_buffer("spread", torch.from_numpy(features.std(axis=0) + 1e-6))

    def forward(self, raw_mv: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits, and the mean square distance to the teacher's standardised features."""
        own = self.student.features(self.student.front(raw_mv))
        target = (features - self.mean) / self.spread
        logits: Tensor = self.student.head(own)
        distance: Tensor = F.mse_loss(self.projection(own), target)
        return logits, distance


def softened_bce(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross-entropy to the teacher's softened probabilities, scaled to keep its gradient's size."""
    target = torch.sigmoid(teacher / temperature)
    return F.binary_cross_entropy_with_logits(logits / temperature, target) * temperature**2


class _Batches:
    """The batch of a step, a function of the step alone: every window once per epoch."""

    def __init__(
        self,
        student: Student,
        strips_mv: NDArray[np.float32],
        labels: NDArray[np.int8],
        settings: DistillSettings,
        teacher_logits: NDArray[np.float32] | None,
        teacher_features: NDArray[np.float32] | None,
    ) -> None:
        self._strips, self._labels, self._settings = strips_mv, labels, settings
        self._logits, self._features = teacher_logits, teacher_features
        self._rate_hz, self._n_samples = student.rate_hz, student.n_samples
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __call__(self, step: int) -> Batch:
        size, seed = self._settings.batch, self._settings.seed
        epoch, place = divmod(step, len(self._strips) // size)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng((seed, epoch)).permutation(len(self._strips))
        rows = self._order[place * size : (place + 1) * size]
        generator = torch.Generator().manual_seed((seed << 32) + step)
        strips = torch.from_numpy(self._worn(self._strips[rows], rows))
        raw_mv = self._settings.augmentation(strips, self._n_samples, generator)
        labels = torch.from_numpy(self._labels[rows])
        return Batch(raw_mv, labels, _some(self._logits, rows), _some(self._features, rows))

    def _worn(self, strips_mv: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return strips as wearables would give them; seed, epoch and window decide how."""
        if not self._settings.wearable.active:
            return strips_mv
        key = (self._settings.seed << 32) + self._epoch
        streams = [np.random.Generator(np.random.Philox(key=[key, row])) for row in rows]
        return self._settings.wearable(strips_mv, self._rate_hz, streams)


def _some(values: NDArray[np.float32] | None, rows: NDArray[np.int64]) -> Tensor | None:
    return None if values is None else torch.from_numpy(values[rows])


def _check(
    student: Student,
    strips_mv: NDArray[np.float32],
    labels: NDArray[np.int8],
    settings: DistillSettings,
    teacher_logits: NDArray[np.float32] | None,
    teacher_features: NDArray[np.float32] | None,
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
    if teacher_features is not None and len(teacher_features) != len(labels):
        raise ExportError(
            f"teacher features are of {len(teacher_features)} windows, labels of {len(labels)}; "
            "score the same windows"
        )
    if settings.feature_weight and teacher_logits is not None and teacher_features is None:
        raise ExportError(
            f"feature_weight is {settings.feature_weight:g} and no features are given; give "
            "teacher_features, or 0"
        )

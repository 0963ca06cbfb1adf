"""Distillation: what is learned from the teacher, what alone, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_student import SPARE, TINY, simulate

from leadlab_export.distill import DistillSettings, distill, softened_bce
from leadlab_export.errors import ExportError
from leadlab_export.student import Student, student_logits
from leadlab_train.augment import Augmentation as WearableAugmentation
from leadlab_train.fit import FitSettings
from leadlab_train.metrics import auroc

FIT = FitSettings(steps=60, learning_rate=1e-2, warmup_steps=5)
BRIEF = FitSettings(steps=5, learning_rate=1e-2)


def trained(
    strips: np.ndarray,
    labels: np.ndarray,
    teacher: np.ndarray | None = None,
    fit: FitSettings = FIT,
) -> Student:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    student = Student(labels.shape[1], TINY)
    distill(student, strips, labels, DistillSettings(fit, batch=32), teacher)
    return student


def test_teacher_fills_what_was_never_measured() -> None:
    strips, labels = simulate(256, seed=0, spare=SPARE)
    test_mv, test_labels = simulate(200, seed=5)
    teacher = np.where(labels == 1, 2.0, -2.0).astype(np.float32)
    unmeasured = np.where(np.arange(3) == 0, labels, -1).astype(np.int8)
    taught = auroc(student_logits(trained(strips, unmeasured, teacher), test_mv), test_labels)
    alone = auroc(student_logits(trained(strips, unmeasured), test_mv), test_labels)
    assert taught[0] > 0.9
    assert taught[1] > 0.75
    assert taught[1] > alone[1] + 0.1


def test_alone_missing_labels_teach_nothing() -> None:
    strips, labels = simulate(64, seed=0, spare=SPARE)
    labels[:, 1] = -1
    student = trained(strips, labels, fit=BRIEF)
    assert student.head.bias[1] == 0
    assert np.isfinite(student_logits(student, strips[:, SPARE:-SPARE])).all()


def test_equal_seeds_give_equal_students() -> None:
    strips, labels = simulate(64, seed=0, spare=SPARE)
    one, two = (trained(strips, labels, fit=BRIEF).state_dict() for _ in range(2))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_high_temperature_weighs_rare_findings_like_frequent_ones() -> None:
    teacher = torch.tensor([[0.0, -4.0]])  # one finding in two, one in fifty
    ratios = []
    for temperature in (1.0, 8.0):
        logits = (teacher + 0.5).requires_grad_()
        softened_bce(logits, teacher, temperature).backward()
        assert logits.grad is not None
        frequent, rare = logits.grad[0].tolist()
        ratios.append(rare / frequent)
    assert ratios[0] < 0.15
    assert ratios[1] > 0.9


def test_features_alone_teach_the_student_s_body() -> None:
    """With targets that say nothing, what the body learns can only come from the features."""
    strips, labels = simulate(256, seed=0, spare=SPARE)
    test_mv, test_labels = simulate(200, seed=5)
    features = (2.0 * labels + np.random.default_rng(0).normal(0, 0.1, labels.shape)).astype("f4")
    silent, unmeasured = np.zeros(labels.shape, np.float32), np.full_like(labels, -1)
    learned = []
    for weight in (0.0, 5.0):
        torch.manual_seed(0)
        student = Student(3, TINY)
        settings = DistillSettings(FIT, batch=32, feature_weight=weight)
        distill(student, strips, unmeasured, settings, silent, None, features)
        with torch.inference_mode():
            seen = [
                student.features(student.front(torch.from_numpy(mv))).numpy()
                for mv in (strips[:, SPARE:-SPARE], test_mv)
            ]
        seen = [np.column_stack([values, np.ones(len(values))]) for values in seen]
        readout = np.linalg.lstsq(seen[0], labels[:, 0].astype(float), rcond=None)[0]
        learned.append(auroc((seen[1] @ readout)[:, None], test_labels[:, :1])[0])
    assert learned[1] > max(0.9, learned[0])


def test_wearables_change_the_lesson_and_stay_reproducible() -> None:
    strips, labels = simulate(64, seed=0, spare=SPARE)
    worn = DistillSettings(BRIEF, batch=32, wearable=WearableAugmentation(band_share=1.0))

    def weights(settings: DistillSettings) -> torch.Tensor:
        torch.manual_seed(0)
        student = Student(3, TINY)
        distill(student, strips, labels, settings)
        return student.head.weight

    assert torch.equal(weights(worn), weights(worn))
    assert not torch.equal(weights(worn), weights(replace(worn, wearable=WearableAugmentation())))


def test_windows_may_stay_on_disk(tmp_path: Path) -> None:
    strips, labels = simulate(64, seed=0, spare=SPARE)
    np.save(tmp_path / "strips.npy", strips)
    one = trained(strips, labels, fit=BRIEF).state_dict()
    two = trained(np.load(tmp_path / "strips.npy", mmap_mode="r"), labels, fit=BRIEF).state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_refuses_features_that_do_not_belong_or_are_missing() -> None:
    strips, labels = simulate(32, seed=0)
    settings = DistillSettings(FIT, batch=32, feature_weight=1.0)
    logits = np.zeros(labels.shape, np.float32)
    with pytest.raises(ExportError, match="features are of 31 windows"):
        distill(Student(3, TINY), strips, labels, settings, logits, None, logits[:31])
    with pytest.raises(ExportError, match="feature_weight is 1 and no features"):
        distill(Student(3, TINY), strips, labels, settings, logits)


def test_refuses_arrays_that_do_not_belong_together() -> None:
    strips, labels = simulate(32, seed=0)
    settings = DistillSettings(FIT, batch=32)
    for strips_mv, targets, teacher in (
        (strips[:31], labels, None),
        (strips[:16], labels[:16], None),
        (strips[:, :1000], labels, None),
        (strips, labels, np.zeros((32, 4), np.float32)),
    ):
        with pytest.raises(ExportError):
            distill(Student(3, TINY), strips_mv, targets, settings, teacher)

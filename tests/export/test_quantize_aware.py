"""Quantization-aware training: it mends what post-training quantization breaks, and only then."""

import copy

import numpy as np
import pytest
import torch

from leadlab_export.qat import QatSettings, train_quantized
from leadlab_export.quantization_loss import quantization_loss
from leadlab_export.quantize_onnx import quantize_onnx
from leadlab_export.student import SeparableBlock, Student, folded, student_logits
from leadlab_export.to_onnx import to_onnx
from leadlab_export.verify import run_model
from leadlab_train.fit import FitSettings

FIT = FitSettings(learning_rate=1e-3, steps=60, warmup_steps=5)
SETTINGS = QatSettings(FIT, batch=20, calibration=40)


@pytest.fixture(scope="module")
def uneven(student: Student) -> Student:
    """Return a student that computes the same, with half the channels 8 times as weak as others."""
    uneven = copy.deepcopy(student)
    with torch.no_grad():
        for block in uneven.modules():
            if isinstance(block, SeparableBlock):
                block.depthwise.norm.weight[::2] /= 8
                block.depthwise.norm.bias[::2] /= 8
                block.pointwise.convolution.weight[:, ::2] *= 8
    return uneven


@pytest.fixture(scope="module")
def trained(uneven: Student, windows_mv: np.ndarray) -> Student:
    torch.set_num_threads(1)
    return train_quantized(uneven, windows_mv[:40], SETTINGS)


def error(student: Student, truth: np.ndarray, windows_mv: np.ndarray) -> float:
    """Return how far int8 is off on windows that neither training nor calibration has seen."""
    int8 = quantize_onnx(to_onnx(student), windows_mv[:40])
    return float(np.sqrt(np.mean((run_model(int8, "onnx", windows_mv[40:]) - truth) ** 2)))


def test_uneven_channels_survive_int8_only_after_training(
    uneven: Student, trained: Student, windows_mv: np.ndarray
) -> None:
    truth = student_logits(uneven, windows_mv[40:])
    before, after = (error(network, truth, windows_mv) for network in (uneven, trained))
    assert before > 0.05 * truth.std()
    assert after < before / 2


def test_the_weights_lie_on_steps_of_seven_bits(trained: Student) -> None:
    for module in folded(trained).modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            rows = module.weight.flatten(1)
            steps = rows / (rows.abs().amax(dim=1, keepdim=True) / 64)
            assert (steps - steps.round()).abs().max() < 1e-3


def test_the_student_is_left_as_it_is_and_the_result_is_the_same_twice(
    student: Student, windows_mv: np.ndarray
) -> None:
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    brief = QatSettings(FitSettings(learning_rate=1e-3, steps=2), batch=8, calibration=8)
    pair = [train_quantized(student, windows_mv, brief).state_dict() for _ in range(2)]
    assert all(torch.equal(before[name], tensor) for name, tensor in student.state_dict().items())
    assert all(torch.equal(pair[0][name], pair[1][name]) for name in before)
    assert not torch.equal(before["head.weight"], pair[0]["head.weight"])


def test_loss_counts_indicators_with_enough_patients() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((400, 3), np.int8)
    labels[:200, 0] = labels[:30, 1] = 1
    labels[:, 2] = -1
    fp32 = (labels + rng.normal(size=labels.shape)).astype(np.float32)
    same = quantization_loss(fp32, fp32, labels, np.arange(400))
    assert (same.mean, same.worst, same.too_large) == (0.0, 0.0, False)
    shuffled = fp32.copy()
    shuffled[:, 1] = rng.permutation(shuffled[:, 1])
    thin = quantization_loss(fp32, shuffled, labels, np.arange(400))
    assert thin.worst == 0  # 30 patients tell nothing
    assert thin.mean > 0.05
    assert thin.too_large
    one_patient = quantization_loss(fp32, fp32[::-1].copy(), labels, np.zeros(400, int))
    assert one_patient.worst == 0
    broken = quantization_loss(fp32, -fp32, labels, np.arange(400))
    assert broken.worst > 0.3

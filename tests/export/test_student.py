"""The compact networks: size, shapes, folding, front ends for other rates."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from leadlab_export.errors import ExportError
from leadlab_export.student import (
    FAMILY,
    NANO,
    SMALL,
    NormedConv,
    Student,
    StudentShape,
    folded,
    with_input_rate,
)


def test_default_student_is_small_and_takes_raw_millivolts() -> None:
    student = Student(108)
    assert 75_000 < sum(p.numel() for p in student.parameters()) < 105_000
    assert (student.rate_hz, student.n_samples, student.margin) == (125, 1464, 107)
    logits = student(torch.randn(2, student.n_samples))
    assert logits.shape == (2, 108)


def test_every_activation_is_bounded(student: Student, windows_mv: np.ndarray) -> None:
    seen: list[float] = []
    hooks = [
        module.register_forward_hook(lambda *call: seen.append(float(call[2].abs().max())))
        for module in student.modules()
        if isinstance(module, nn.ReLU6)
    ]
    with torch.inference_mode():
        student(torch.from_numpy(1000 * windows_mv))
    for hook in hooks:
        hook.remove()
    assert seen
    assert max(seen) <= 6


def test_folding_removes_batch_norm_and_changes_nothing(
    student: Student, windows_mv: np.ndarray
) -> None:
    before = copy.deepcopy(student.state_dict())
    clean = folded(student)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in clean.modules())
    x = torch.from_numpy(windows_mv[:8])
    torch.testing.assert_close(clean(x), student(x), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(folded(clean)(x), clean(x), atol=0, rtol=0)
    assert all(torch.equal(before[key], value) for key, value in student.state_dict().items())


def test_flat_and_extreme_input_gives_finite_logits(student: Student) -> None:
    x = torch.stack([torch.zeros(1464), torch.full((1464,), 300.0), torch.randn(1464) * 1e3])
    assert torch.isfinite(student(x)).all()


def test_nano_is_a_third_of_small() -> None:
    small, nano = (
        sum(p.numel() for p in Student(108, shape).parameters()) for shape in (SMALL, NANO)
    )
    assert set(FAMILY) == {"small", "nano"}
    assert nano < small / 3


@pytest.mark.parametrize("shape", [SMALL, NANO])
@pytest.mark.parametrize("rate_hz", [100, 125, 250, 500])
def test_every_padding_is_same_and_alike_on_both_sides(shape: StudentShape, rate_hz: int) -> None:
    student = Student(3, replace(shape, rate_hz=rate_hz)).eval()
    lengths: list[tuple[NormedConv, int, int]] = []
    for layer in student.modules():
        if isinstance(layer, NormedConv):
            layer.register_forward_hook(
                lambda own, taken, given: lengths.append((own, taken[0].shape[-1], given.shape[-1]))
            )
    assert student(torch.randn(2, student.n_samples)).shape == (2, 3)
    assert student.n_samples == 10 * rate_hz + 2 * student.margin
    for layer, length, produced in lengths:
        (_, stride), (_, kernel) = layer.convolution.stride, layer.convolution.kernel_size
        assert produced == -(-length // stride)
        assert 2 * layer.convolution.padding[1] == (produced - 1) * stride + kernel - length


@pytest.mark.parametrize("input_hz", [250, 500])
def test_a_front_end_for_another_rate_hears_the_same_ecg(input_hz: int) -> None:
    student = Student(3).eval()
    other = with_input_rate(student, input_hz)
    assert (other.rate_hz, other.n_samples) == (input_hz, 10 * input_hz + 2 * other.margin)

    def tones(n_samples: int, rate_hz: int) -> torch.Tensor:
        time_s = (np.arange(n_samples) - (n_samples - 1) / 2) / rate_hz
        wave = np.sin(2 * np.pi * 7 * time_s + 0.3) + 0.5 * np.sin(2 * np.pi * 21 * time_s + 1)
        return torch.from_numpy(wave.astype(np.float32))[None]

    own = student.front(tones(student.n_samples, 125))
    torch.testing.assert_close(
        other.front(tones(other.n_samples, input_hz)), own, atol=2e-4, rtol=0
    )
    torch.testing.assert_close(other.from_front(own), student.from_front(own), atol=0, rtol=0)


def test_impossible_shapes_and_rates_are_refused() -> None:
    with pytest.raises(ExportError, match="130 Hz; the body takes 125"):
        Student(3, input_hz=130)
    with pytest.raises(ValueError, match="2 stages and blocks 1"):
        StudentShape(8, (8, 8), (1,))
    with pytest.raises(ValueError, match="kernel is odd"):
        StudentShape(8, (8,), (1,), kernel=8)

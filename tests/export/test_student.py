"""The compact network: size, shapes, folding."""

import copy

import numpy as np
import torch
from torch import nn

from leadlab_export.student import Student, folded


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

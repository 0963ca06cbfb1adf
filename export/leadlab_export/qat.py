"""Quantization-aware training: a student learns to keep its own judgement in int8.

Its folded weights and its activations are rounded while it trains, as the int8 ONNX file will round
them, with gradients passed straight through (Jacob et al., arXiv 1712.05877). It imitates its own
float32 logits, so it needs no labels and no teacher. Out comes an ordinary student whose weights
lie on the steps of 7 bits: ONNX quantization finds them there, and the 8 bits of TFLite are finer.
The same converters and the same static quantization make all files from it, float32 included.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from leadlab_export.quantize_onnx import WEIGHT_LIMIT
from leadlab_export.student import NormedConv, SeparableBlock, Student, folded, student_logits
from leadlab_train.fit import FitSettings, fit

ACTIVATION_STEPS: Final = 255


@dataclass(frozen=True, slots=True)
class QatSettings:
    """How long and how fast a trained student learns once more.

    Attributes
    ----------
    fit
        Steps and learning rate, far below what it was trained with.
    batch
        Windows per step.
    calibration
        Windows that set the ranges of activations before the first step.
    seed
        Seed of the order of windows.
    """

    fit: FitSettings = field(
        default_factory=lambda: FitSettings(learning_rate=3e-4, steps=300, warmup_steps=20)
    )
    batch: int = field(default=64, metadata={"min": 1})
    calibration: int = field(default=256, metadata={"min": 1})
    seed: int = 0


class _Batch(NamedTuple):
    raw_mv: Tensor
    logits: Tensor


def train_quantized(
    student: Student,
    windows_mv: NDArray[np.float32],
    settings: QatSettings | None = None,
    on_step: Callable[[int, int, float], None] | None = None,
) -> Student:
    """Return a copy of a student that loses less when it is quantized.

    Parameters
    ----------
    student
        A trained student. It is left as it is.
    windows_mv
        ``(n, n_samples)`` millivolts of training patients.
    settings
        How it learns.
    on_step
        Called after each step with steps done, steps in all and loss.
    """
    settings = settings or QatSettings()
    windows, own = (
        torch.from_numpy(windows_mv),
        torch.from_numpy(student_logits(student, windows_mv)),
    )
    learner = folded(student).requires_grad_(True)
    roundings = _round_everything(learner)
    with torch.no_grad():
        learner(windows[: settings.calibration])
    for rounding in roundings:
        rounding.active = True

    size = min(settings.batch, len(windows))

    def batch_at(step: int) -> _Batch:
        rng = np.random.default_rng((settings.seed, step))
        rows = torch.from_numpy(rng.choice(len(windows), size, replace=False))
        return _Batch(windows[rows], own[rows])

    def loss_of(model: Student, batch: _Batch) -> Tensor:
        # Weighed alike for all indicators: in cross-entropy the rare ones would hardly count.
        return F.mse_loss(model(batch.raw_mv), batch.logits)

    fit(learner, batch_at, loss_of, settings.fit, on_step)
    return _unfolded(student, learner)


class _Rounding:
    """Of one tensor: first notes its extremes, then rounds it to 256 steps of them."""

    def __init__(self) -> None:
        self.low = self.high = 0.0
        self.active = False

    def __call__(self, tensor: Tensor) -> Tensor:
        if not self.active:
            self.low = min(self.low, float(tensor.min()))
            self.high = max(self.high, float(tensor.max()))
            return tensor
        scale = max(self.high - self.low, 1e-6) / ACTIVATION_STEPS
        zero = round(-self.low / scale)
        return torch.fake_quantize_per_tensor_affine(tensor, scale, zero, 0, ACTIVATION_STEPS)

    def after(self, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        """Round what a module gives: a forward hook."""
        return self(output)

    def before(self, _module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        """Round what a module takes: a forward pre-hook."""
        return self(inputs[0])


class _RoundedWeight(nn.Module):
    """A parametrization: the weight in steps of its output channel's largest magnitude."""

    def forward(self, weight: Tensor) -> Tensor:
        largest = weight.detach().flatten(1).abs().amax(dim=1).clamp_min(1e-9)
        zeros = torch.zeros(len(weight), dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(
            weight, largest / WEIGHT_LIMIT, zeros, 0, -WEIGHT_LIMIT, WEIGHT_LIMIT
        )


def _round_everything(student: Student) -> list[_Rounding]:
    """Round what an int8 file rounds: all weights, and each tensor that a kernel hands on."""
    for module in student.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            parametrize.register_parametrization(module, "weight", _RoundedWeight())
    roundings = []

    def rounding() -> _Rounding:
        roundings.append(_Rounding())
        return roundings[-1]

    blocks = [block for block in student.body if isinstance(block, SeparableBlock)]
    stem_activation = student.body[1]
    for module in (student.front, stem_activation, *blocks, student.pool):
        module.register_forward_hook(rounding().after)
    for block in blocks:
        block.pointwise.register_forward_pre_hook(rounding().before)
        if block.residual:  # elsewhere its result goes through the activation in the same kernel
            block.pointwise.register_forward_hook(rounding().after)
    return roundings


def _unfolded(student: Student, trained: Student) -> Student:
    """Return a student with the trained weights, whose batch norms fold to the same again."""
    result = copy.deepcopy(student).eval()
    with torch.no_grad():
        for name, module in result.named_modules():
            if isinstance(module, NormedConv):
                conv, norm = trained.get_submodule(name), module.norm
                module.convolution.weight.copy_(conv.weight)  # type: ignore[arg-type]
                norm.running_mean.zero_()  # type: ignore[union-attr]
                norm.running_var.fill_(1)  # type: ignore[union-attr]
                norm.weight.fill_((1 + norm.eps) ** 0.5)
                norm.bias.copy_(conv.bias)  # type: ignore[arg-type]
        result.head.weight.copy_(trained.head.weight)
        result.head.bias.copy_(trained.head.bias)
    return result

"""The compact network: a depthwise-separable convolutional net on raw millivolts at 125 Hz.

Made for int8 and for weak cores: bounded activations (ReLU6), no squeeze-excitation, no grouped
convolutions, residuals only where shapes agree, 1-D convolutions written as 2-D ones of height 1,
and paddings that every converter folds into SAME.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from leadlab_export.front_end import FrontEnd

RATE_HZ = 125
BODY_SAMPLES = 10 * RATE_HZ


@dataclass(frozen=True, slots=True)
class StudentShape:
    """Widths and depth of a student.

    Attributes
    ----------
    stem
        Channels of the first convolution.
    widths, blocks
        Channels and number of blocks of each stage; a stage begins by halving the time axis.
    kernel
        Taps of every depthwise convolution, odd.
    """

    stem: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    kernel: int = 9


SMALL = StudentShape(stem=24, widths=(32, 48, 64, 96, 128), blocks=(1, 2, 2, 2, 2))


class NormedConv(nn.Module):
    """Convolution along time with batch norm, padded alike on both sides to SAME length."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        padding = (0, (kernel - 1) // 2)
        self.convolution = nn.Conv2d(
            n_in, n_out, (1, kernel), (1, stride), padding, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, n_in, 1, time)`` to ``(batch, n_out, 1, ceil(time / stride))``."""
        y: Tensor = self.norm(self.convolution(x))
        return y

    def folded(self) -> nn.Conv2d:
        """Return one convolution that computes the same in evaluation mode."""
        return fuse_conv_bn_eval(self.convolution, self.norm)


class SeparableBlock(nn.Module):
    """Depthwise then pointwise convolution, with a residual where the shape allows it."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.depthwise = NormedConv(n_in, n_in, kernel, stride, groups=n_in)
        self.pointwise = NormedConv(n_in, n_out, 1)
        self.activation = nn.ReLU6()
        self.residual = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, n_in, 1, time)`` to ``(batch, n_out, 1, ceil(time / stride))``."""
        y = self.pointwise(self.activation(self.depthwise(x)))
        z: Tensor = self.activation(x + y if self.residual else y)
        return z


class Student(nn.Module):
    """Raw millivolts in, one logit for each indicator out.

    Parameters
    ----------
    n_labels
        Number of indicators.
    shape
        Widths and depth. Weights begin random: seed torch before.

    Attributes
    ----------
    rate_hz, margin, n_samples
        Input rate in hertz, extra samples on each side of the 10-s body that the front end's
        filter consumes, and input length with both margins.
    """

    def __init__(self, n_labels: int, shape: StudentShape = SMALL) -> None:
        super().__init__()
        self.rate_hz = RATE_HZ
        self.front = FrontEnd(RATE_HZ)
        self.margin = self.front.margin
        self.n_samples = BODY_SAMPLES + 2 * self.margin
        layers: list[nn.Module] = [NormedConv(1, shape.stem, 16, stride=2), nn.ReLU6()]
        width, length = shape.stem, BODY_SAMPLES // 2
        for stage_width, n_blocks in zip(shape.widths, shape.blocks, strict=True):
            # Halving an even length pads alike on both sides only if the kernel is even, too.
            halving = shape.kernel - (length % 2 == 0)
            layers.append(SeparableBlock(width, stage_width, halving, stride=2))
            for _ in range(n_blocks - 1):
                layers.append(SeparableBlock(stage_width, stage_width, shape.kernel, stride=1))
            width, length = stage_width, (length + 1) // 2
        self.body = nn.Sequential(*layers)
        self.pool = nn.AvgPool2d((1, length))  # unlike a mean, TFLite needs no transpose for it
        self.head = nn.Linear(width, n_labels)

    def forward(self, raw_mv: Tensor) -> Tensor:
        """Map ``(batch, n_samples)`` millivolts @ 125 Hz to ``(batch, n_labels)`` logits."""
        return self.from_front(self.front(raw_mv))

    def from_front(self, normalised: Tensor) -> Tensor:
        """Map the front end's ``(batch, 1, 1, 1250)`` output to ``(batch, n_labels)`` logits."""
        logits: Tensor = self.head(self.pool(self.body(normalised)).flatten(1))
        return logits


def student_logits(
    student: Student, raw_mv: NDArray[np.float32], batch: int = 256
) -> NDArray[np.float32]:
    """Score ``(n, n_samples)`` millivolts in evaluation mode; return ``(n, n_labels)`` logits."""
    clean = folded(student)
    with torch.inference_mode():
        batches = torch.split(torch.from_numpy(raw_mv), batch)
        logits = [clean(windows).numpy() for windows in batches]
    return np.concatenate(logits)


def folded(student: Student) -> Student:
    """Return an evaluation copy with every batch norm folded into the convolution before it."""
    clean = copy.deepcopy(student).eval().requires_grad_(False)
    for module in list(clean.modules()):
        for name, child in module.named_children():
            if isinstance(child, NormedConv):
                setattr(module, name, child.folded())
    # Training may have left the weights channels-last; a converter shall not see a difference.
    return clean.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]

"""The compact networks: depthwise-separable convolutional nets on raw millivolts at a low rate.

Made for int8 and for weak cores: bounded activations (ReLU6), no squeeze-excitation, no grouped
convolutions, residuals only where shapes agree, 1-D convolutions written as 2-D ones of height 1,
and paddings that every converter folds into SAME.
"""

import copy
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from leadlab_export.errors import ExportError
from leadlab_export.front_end import FrontEnd

BODY_S: Final = 10
STEM_KERNEL: Final = 16


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
    stem_stride
        Steps of the first convolution. Its output is the largest tensor of an int8 body.
    rate_hz
        Sampling rate of the body in hertz.
    """

    stem: int = field(metadata={"min": 1, "max": 1024})
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    kernel: int = field(default=9, metadata={"min": 3, "max": 63})
    stem_stride: int = field(default=2, metadata={"min": 1, "max": 16})
    rate_hz: int = field(default=125, metadata={"min": 100, "max": 500})

    def __post_init__(self) -> None:
        if not self.widths or len(self.widths) != len(self.blocks):
            raise ValueError(
                f"widths has {len(self.widths)} stages and blocks {len(self.blocks)}; give as many "
                "of each, at least one"
            )
        if min(*self.widths, *self.blocks) < 1 or self.kernel % 2 == 0:
            raise ValueError(
                f"widths are {self.widths}, blocks {self.blocks}, kernel {self.kernel}; widths and "
                "blocks are at least 1 and the kernel is odd"
            )


SMALL: Final = StudentShape(stem=24, widths=(32, 48, 64, 96, 128), blocks=(1, 2, 2, 2, 2))
NANO: Final = StudentShape(stem=16, widths=(24, 32, 48, 64), blocks=(1, 1, 1, 1))
FAMILY: Final = {"small": SMALL, "nano": NANO}


class NormedConv(nn.Module):
    """Convolution along time with batch norm, padded alike on both sides to SAME length."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1, pad: int = 0
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            n_in, n_out, (1, kernel), (1, stride), (0, pad), groups=groups, bias=False
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

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, length: int) -> None:
        super().__init__()
        taps, pad = _same(length, kernel, stride)
        self.depthwise = NormedConv(n_in, n_in, taps, stride, groups=n_in, pad=pad)
        self.pointwise = NormedConv(n_in, n_out, 1)
        self.activation = nn.ReLU6()
        self.residual = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, n_in, 1, time)`` to ``(batch, n_out, 1, ceil(time / stride))``."""
        y = self.pointwise(self.activation(self.depthwise(x)))
        z: Tensor = self.activation(x + y if self.residual else y)
        return z


def _same(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the taps, at most ``kernel``, that SAME pads alike on both sides, and that padding."""
    total = (-(-length // stride) - 1) * stride + kernel - length
    return kernel - total % 2, total // 2


class Student(nn.Module):
    """Raw millivolts in, one logit for each indicator out.

    Parameters
    ----------
    n_labels
        Number of indicators.
    shape
        Widths and depth. Weights begin random: seed torch before.
    input_hz
        Input rate in hertz, a multiple of the body's and by default that: the front end comes down
        to the body's rate.

    Attributes
    ----------
    rate_hz, margin, n_samples
        Input rate in hertz, extra samples on each side of the 10-s body that the front end's
        filter consumes, and input length with both margins.

    Raises
    ------
    ExportError
        ``input_hz`` is no multiple of the body's rate.
    """

    def __init__(
        self, n_labels: int, shape: StudentShape = SMALL, input_hz: int | None = None
    ) -> None:
        super().__init__()
        self.shape = shape
        self.rate_hz = input_hz or shape.rate_hz
        step, rest = divmod(self.rate_hz, shape.rate_hz)
        if rest:
            raise ExportError(
                f"input rate is {self.rate_hz} Hz; the body takes {shape.rate_hz} Hz and the front "
                f"end multiples of it, such as {2 * shape.rate_hz} Hz"
            )
        self.front = FrontEnd(self.rate_hz, step)
        self.margin = self.front.margin
        self.n_samples = BODY_S * self.rate_hz + 2 * self.margin
        width, length = shape.stem, BODY_S * shape.rate_hz
        taps, pad = _same(length, STEM_KERNEL, shape.stem_stride)
        layers: list[nn.Module] = [
            NormedConv(1, width, taps, shape.stem_stride, pad=pad),
            nn.ReLU6(),
        ]
        length = -(-length // shape.stem_stride)
        for stage_width, n_blocks in zip(shape.widths, shape.blocks, strict=True):
            layers.append(SeparableBlock(width, stage_width, shape.kernel, 2, length))
            width, length = stage_width, -(-length // 2)
            for _ in range(n_blocks - 1):
                layers.append(SeparableBlock(width, width, shape.kernel, 1, length))
        self.body = nn.Sequential(*layers)
        self.pool = nn.AvgPool2d((1, length))  # unlike a mean, TFLite needs no transpose for it
        self.head = nn.Linear(width, n_labels)

    def forward(self, raw_mv: Tensor) -> Tensor:
        """Map ``(batch, n_samples)`` millivolts @ ``rate_hz`` to ``(batch, n_labels)`` logits."""
        return self.from_front(self.front(raw_mv))

    def from_front(self, normalised: Tensor) -> Tensor:
        """Map the front end's ``(batch, 1, 1, time)`` output to ``(batch, n_labels)`` logits."""
        logits: Tensor = self.head(self.features(normalised))
        return logits

    def features(self, normalised: Tensor) -> Tensor:
        """Map the front end's output to what the head sees: ``(batch, channels)``, a mean."""
        pooled: Tensor = self.pool(self.body(normalised))
        return pooled.flatten(1)


def student_logits(
    student: Student, raw_mv: NDArray[np.float32], batch: int = 256
) -> NDArray[np.float32]:
    """Score ``(n, n_samples)`` millivolts in evaluation mode; return ``(n, n_labels)`` logits."""
    clean = folded(student)
    with torch.inference_mode():
        batches = torch.split(torch.from_numpy(raw_mv), batch)
        logits = [clean(windows).numpy() for windows in batches]
    return np.concatenate(logits)


def with_input_rate(student: Student, input_hz: int) -> Student:
    """Return an evaluation copy whose front end takes another rate; the body is the same.

    For hosts that cannot resample. The front end's filter is designed anew at that rate, and every
    ``input_hz / shape.rate_hz``-th sample of its output goes on.

    Raises
    ------
    ExportError
        ``input_hz`` is no multiple of the body's rate.
    """
    changed = Student(student.head.out_features, student.shape, input_hz)
    changed.load_state_dict(student.state_dict())
    return changed.eval()


def folded(student: Student) -> Student:
    """Return an evaluation copy with every batch norm folded into the convolution before it."""
    clean = copy.deepcopy(student).eval().requires_grad_(False)
    for module in list(clean.modules()):
        for name, child in module.named_children():
            if isinstance(child, NormedConv):
                setattr(module, name, child.folded())
    # Training may have left the weights channels-last; a converter shall not see a difference.
    return clean.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]

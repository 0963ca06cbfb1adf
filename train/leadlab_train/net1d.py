"""ECGFounder's network, Net1D: windows ``(batch, leads, time)`` z-scored @ 500 Hz to logits.

A pre-activation residual network of grouped convolutions with squeeze-excitation (Hong et al.,
HOLMES, KDD 2020; Li et al., ECGFounder, NEJM AI 2025, arXiv 2410.04133). Modules carry the names
of the published checkpoints, so that those load strictly. Three traits follow from that:

* batch norm modules exist, but the published weights never used them: they are applied on request;
* convolutions and pools pad as TensorFlow's SAME does, from the length met at run time;
* a shortcut grows channels by zeros, half of them before and the rest after.

Any length from 100 samples runs, because the features are a mean over time.
"""

from dataclasses import dataclass
from typing import Final, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNEL: Final = 16
SE_REDUCTION: Final = 2


@dataclass(frozen=True, slots=True)
class Width:
    """Channels of the stem and of each stage, blocks per stage, channels per convolution group."""

    stem: int
    stages: tuple[int, ...]
    blocks: tuple[int, ...]
    group: int = 16


WidthName = Literal["full", "small", "tiny"]
WIDTHS: Final[dict[WidthName, Width]] = {
    "full": Width(64, (64, 160, 160, 400, 400, 1024, 1024), (2, 2, 2, 3, 3, 4, 4)),
    "small": Width(16, (16, 32, 64, 128), (1, 1, 2, 2)),
    "tiny": Width(8, (16, 32), (1, 1)),
}


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros to put left and right so that the output has ``ceil(length / stride)`` samples."""
    total = max(0, (-(-length // stride) - 1) * stride + kernel - length)
    return total // 2, total - total // 2


class SameConv1d(nn.Module):
    """A convolution with SAME padding; the inner name ``conv`` is the checkpoints'."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = nn.Conv1d(n_in, n_out, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, n_in, time)`` to ``(batch, n_out, ceil(time / stride))``."""
        left, right = same_padding(x.shape[-1], self.kernel, self.stride)
        if left == right:
            return self._convolve(x, left)
        if self.stride == 1:  # one output too many costs less than a padded copy of the input
            return self._convolve(x, right)[..., 1:]
        return self._convolve(F.pad(x, (left, right)), 0)

    def _convolve(self, x: Tensor, padding: int) -> Tensor:
        conv = self.conv
        return F.conv1d(x, conv.weight, conv.bias, self.stride, padding, 1, conv.groups)


class Norm(nn.BatchNorm1d):
    """Batch norm that is always in the state dict and applied only where the network says so."""

    applied = True

    def train(self, mode: bool = True) -> Self:
        """Set the mode; one that does not learn keeps its statistics."""
        return super().train(mode and self.weight.requires_grad)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(batch, channels, time)``, or hand it on."""
        return super().forward(x) if self.applied else x


class Block(nn.Module):
    """Three pre-activated convolutions (1, 16 grouped, 1), squeeze-excitation, shortcut."""

    def __init__(self, n_in: int, n_out: int, group: int, *, stride: int, first: bool):
        super().__init__()
        self.first, self.stride, self.growth = first, stride, n_out - n_in
        self.bn1 = Norm(n_in)
        self.conv1 = SameConv1d(n_in, n_out, 1)
        self.bn2 = Norm(n_out)
        self.conv2 = SameConv1d(n_out, n_out, KERNEL, stride, groups=n_out // group)
        self.bn3 = Norm(n_out)
        self.conv3 = SameConv1d(n_out, n_out, 1)
        self.se_fc1 = nn.Linear(n_out, n_out // SE_REDUCTION)
        self.se_fc2 = nn.Linear(n_out // SE_REDUCTION, n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, n_in, time)`` to ``(batch, n_out, ceil(time / stride))``."""
        y: Tensor = (
            x if self.first else F.silu(self.bn1(x))
        )  # the stem has activated its own output
        y = self.conv1(y)
        y = self.conv2(F.silu(self.bn2(y)))
        y = self.conv3(F.silu(self.bn3(y)))
        gate = torch.sigmoid(self.se_fc2(F.silu(self.se_fc1(y.mean(-1)))))
        return y * gate.unsqueeze(-1) + self._shortcut(x)

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.stride == 2:  # an odd length is completed by a zero, which may be the maximum
            x = F.max_pool1d(F.pad(x, (0, x.shape[-1] % 2)), 2)
        if self.growth:
            x = F.pad(x, (0, 0, self.growth // 2, self.growth - self.growth // 2))
        return x


class Stage(nn.Module):
    """Blocks of one width. The first halves the rate."""

    def __init__(self, n_in: int, n_out: int, n_blocks: int, group: int, *, first: bool):
        super().__init__()
        self.block_list = nn.ModuleList([Block(n_in, n_out, group, stride=2, first=first)])
        for _ in range(n_blocks - 1):
            self.block_list.append(Block(n_out, n_out, group, stride=1, first=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(batch, n_in, time)`` to ``(batch, n_out, ceil(time / 2))``."""
        for block in self.block_list:
            x = block(x)
        return x


class Net1D(nn.Module):
    """ECGFounder's network at any width. Build it with :func:`ecgfounder`."""

    def __init__(self, n_labels: int, leads: int, width: Width, *, batch_norm: bool):
        super().__init__()
        self.first_conv = SameConv1d(leads, width.stem, KERNEL, 2)
        self.first_bn = Norm(width.stem)
        self.stage_list = nn.ModuleList()
        n_in = width.stem
        for n_out, n_blocks in zip(width.stages, width.blocks, strict=True):
            first = not self.stage_list
            self.stage_list.append(Stage(n_in, n_out, n_blocks, width.group, first=first))
            n_in = n_out
        self.dense = nn.Linear(n_in, n_labels)
        self.apply_batch_norm(batch_norm)

    def apply_batch_norm(self, applied: bool) -> None:
        """Apply the batch norm modules, or hand through what they are given."""
        for module in self.modules():
            if isinstance(module, Norm):
                module.applied = applied
                module.requires_grad_(applied)

    def forward_features(self, x: Tensor) -> Tensor:
        """Return the mean over time of the last stage.

        Parameters
        ----------
        x
            ``(batch, leads, time)`` float32, z-scored @ 500 Hz.

        Returns
        -------
        Tensor
            ``(batch, channels)`` float32; 1024 channels at full width.
        """
        x = F.silu(self.first_bn(self.first_conv(x)))
        for stage in self.stage_list:
            x = stage(x)
        return x.mean(-1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(batch, n_labels)`` of windows ``(batch, leads, time)``."""
        logits: Tensor = self.dense(self.forward_features(x))
        return logits


def ecgfounder(
    n_labels: int, leads: int = 1, width: WidthName = "full", batch_norm: bool = False
) -> Net1D:
    """Build ECGFounder's network with random weights.

    Parameters
    ----------
    n_labels
        Outputs; 150 in the published checkpoints.
    leads
        1 or 12 in the published checkpoints.
    width
        A name in :data:`WIDTHS`: ``"full"`` is the published network, the others are the same
        network for a CPU.
    batch_norm
        Apply the batch norm modules: False for published weights, True to train from nothing.

    Raises
    ------
    ValueError
        The width is unknown.
    """
    if width not in WIDTHS:
        raise ValueError(f"width {width!r} is unknown; choose one of {', '.join(WIDTHS)}")
    return Net1D(n_labels, leads, WIDTHS[width], batch_norm=batch_norm)

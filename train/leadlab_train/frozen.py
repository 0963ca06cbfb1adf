"""Net1D as a static graph for converters: the same weights, one length, no run-time shapes.

Time is the last axis of ``(batch, channels, 1, time)``, so that converters which know images only
need no transposes around a convolution; the linear layers of the squeeze-excitation are 1x1
convolutions. What the network works out at run time, its padding, is worked out here once.
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadlab_train.net1d import Block, Net1D, Norm, SameConv1d, same_padding

TIME: Final = -1


def freeze_for_export(model: Net1D, n_samples: int) -> nn.Module:
    """Copy a network into a static graph that computes the same logits.

    Parameters
    ----------
    model
        Any width, number of leads and labels. It is left as it is.
    n_samples
        Length of every window the copy will read; 5000 is 10 s @ 500 Hz.

    Returns
    -------
    nn.Module
        Maps windows ``(batch, leads, n_samples)`` float32 to logits ``(batch, n_labels)``, on the
        model's device, as the model does in evaluation mode; it cannot be trained. Calling or
        exporting it with windows of another shape raises ``ValueError``.

    Raises
    ------
    ValueError
        The length is not positive.
    """
    if n_samples < 1:
        raise ValueError(f"n_samples is {n_samples}; a window has at least 1 sample (10 s: 5000)")
    with torch.no_grad():
        return _FrozenNet1D(model, n_samples).requires_grad_(False).eval()


def _swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


class _FrozenNet1D(nn.Module):
    def __init__(self, model: Net1D, n_samples: int):
        super().__init__()
        self.window = (model.first_conv.conv.in_channels, n_samples)
        self.stem = _same_conv(model.first_conv, model.first_bn, n_samples)
        length = -(-n_samples // model.first_conv.stride)
        self.blocks = nn.Sequential()
        for block in model.modules():
            if isinstance(block, Block):
                self.blocks.append(_FrozenBlock(block, length))
                length = -(-length // block.stride)
        self.dense = _pointwise(model.dense)

    def forward(self, x: Tensor) -> Tensor:
        # Shapes are plain integers, also while exporting: the check leaves no trace in a graph.
        if tuple(x.shape[1:]) != self.window:
            raise ValueError(
                f"windows are {tuple(x.shape)}, frozen for (batch, {self.window[0]}, "
                f"{self.window[1]}); freeze the model for this length, or cut the windows"
            )
        x = _swish(self.stem(x.unsqueeze(2)))
        x = self.blocks(x)
        logits: Tensor = self.dense(x.mean(TIME, keepdim=True))
        return logits.flatten(1)


class _FrozenBlock(nn.Module):
    def __init__(self, block: Block, length: int):
        super().__init__()
        self.first = block.first
        normed = block.bn1.applied and not block.first
        self.norm = _depthwise(block.bn1) if normed else nn.Identity()
        self.conv1 = _same_conv(block.conv1, block.bn2, length)
        self.conv2 = _same_conv(block.conv2, block.bn3, length)
        self.conv3 = _pointwise(block.conv3.conv)
        self.se_fc1 = _pointwise(block.se_fc1)
        self.se_fc2 = _pointwise(block.se_fc2)
        self.halves, self.odd = block.stride == 2, length % 2
        self.grown = (block.growth // 2, block.growth - block.growth // 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x if self.first else _swish(self.norm(x))
        y = self.conv2(_swish(self.conv1(y)))
        y = self.conv3(_swish(y))
        gate = self.se_fc2(_swish(self.se_fc1(y.mean(TIME, keepdim=True))))
        return y * torch.sigmoid(gate) + self._shortcut(x)

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.halves:
            if self.odd:
                x = F.pad(x, (0, 1))
            x = F.max_pool2d(x, (1, 2))
        return F.pad(x, (0, 0, 0, 0, *self.grown)) if any(self.grown) else x


def _depthwise(norm: Norm) -> nn.Conv2d:
    """Convert a batch norm that no convolution precedes.

    A product with a tensor of constants would do, but makes LiteRT transpose on both sides of it.
    """
    scale, shift = _scale_and_shift(norm)
    return _conv2d(scale[:, None, None, None], shift, 1, 0, norm.num_features)


def _scale_and_shift(norm: Norm) -> tuple[Tensor, Tensor]:
    """Return a batch norm in evaluation mode as a factor and an offset, in float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.double() - norm.running_mean.double() * scale


def _same_conv(source: SameConv1d, norm: Norm, length: int) -> nn.Module:
    """Convert a convolution of ``length`` samples and the batch norm after it."""
    conv = source.conv
    weight, bias = conv.weight, conv.bias
    assert bias is not None
    if norm.applied:
        scale, shift = _scale_and_shift(norm)
        weight, bias = weight.double() * scale[:, None, None], bias.double() * scale + shift
    left, right = same_padding(length, source.kernel, source.stride)
    if left == right:
        return _conv2d(weight[:, :, None], bias, source.stride, left, conv.groups)
    padded = _conv2d(weight[:, :, None], bias, source.stride, 0, conv.groups)
    return nn.Sequential(nn.ZeroPad2d((left, right, 0, 0)), padded)


def _pointwise(source: nn.Conv1d | nn.Linear) -> nn.Conv2d:
    """Convert a linear map over channels to a 1x1 convolution."""
    assert source.bias is not None
    weight = source.weight
    return _conv2d(weight.reshape(*weight.shape[:2], 1, 1), source.bias, 1, 0, 1)


def _conv2d(weight: Tensor, bias: Tensor, stride: int, padding: int, groups: int) -> nn.Conv2d:
    """Return a convolution over time with copies of ``(out, in, 1, kernel)`` weights."""
    n_out, n_in, _, kernel = weight.shape
    conv = nn.Conv2d(
        n_in * groups,
        n_out,
        (1, kernel),
        (1, stride),
        (0, padding),
        groups=groups,
        device="meta",  # not worth drawing weights that are replaced at once
    )
    conv.weight = nn.Parameter(weight.float().clone())
    conv.bias = nn.Parameter(bias.float().clone())
    return conv

"""Three ways to compute the network's grouped convolutions, forwards and backwards, on one device.

    python benchmarks/grouped_conv.py [--device cpu|cuda] [--batch N]

Grouped convolutions are a fifth of the network's operations and can be most of its time: few of
their kernels use the matrix units of a GPU. Prints milliseconds per training step for every shape
of the full-width network, in float32 on a CPU and bfloat16 on a GPU, and how far results differ
from the first way, which is the network's own.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from roofline import best_s
from torch import Tensor, nn

from leadlab_train.net1d import SameConv1d, ecgfounder, same_padding

N_SAMPLES = 5000
BLOCK = 16  # outputs that one product computes

Convolution = Callable[[Tensor, Tensor, Tensor, int], Tensor]
Shape = tuple[int, int, int]  # channels, samples, stride


def padded(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """Pad, then convolve along time, as the network does."""
    x = F.pad(x, same_padding(x.shape[-1], weight.shape[-1], stride))
    return F.conv1d(x, weight, bias, stride, groups=x.shape[1] // weight.shape[1])


def channels_last(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """Convolve images one sample high whose channels are neighbours in memory."""
    x = F.pad(x, same_padding(x.shape[-1], weight.shape[-1], stride)).unsqueeze(2)
    x = x.contiguous(memory_format=torch.channels_last)
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(x, weight.unsqueeze(2), bias, (1, stride), groups=groups).squeeze(2)


def blocked(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """Multiply overlapping blocks of time by banded matrices: twice the operations, all products.

    The matrix of a group maps the samples under `BLOCK` outputs to these outputs; its bands are the
    weights, shifted by the stride from output to output.
    """
    batch, _, length = x.shape
    n_out, width, taps = weight.shape
    groups, n_steps = n_out // width, -(-length // stride)
    n_blocks, reach = -(-n_steps // BLOCK), (BLOCK - 1) * stride + taps
    left = same_padding(length, taps, stride)[0]
    right = (n_blocks - 1) * BLOCK * stride + reach - left - length
    patches = F.pad(x, (left, right)).unfold(-1, reach, BLOCK * stride)
    patches = patches.reshape(batch, groups, width, n_blocks, reach)
    patches = patches.permute(1, 0, 3, 2, 4).reshape(groups, batch * n_blocks, width * reach)
    # Rows of `reach` cut from a sequence of period `reach + stride` start `stride` later each.
    bands = F.pad(weight, (0, reach + stride - taps)).unsqueeze(-2).expand(-1, -1, BLOCK, -1)
    bands = bands.flatten(-2)[..., : BLOCK * reach].view(groups, width, width, BLOCK, reach)
    matrix = bands.permute(0, 2, 4, 1, 3).reshape(groups, width * reach, width * BLOCK)
    y = torch.bmm(patches, matrix).view(groups, batch, n_blocks, width, BLOCK)
    y = y.permute(1, 0, 3, 2, 4).reshape(batch, n_out, n_blocks * BLOCK)
    return y[..., :n_steps] + bias[:, None]


def shapes() -> Counter[Shape]:
    """Collect the grouped convolutions of the full-width network and how often each occurs."""
    found: Counter[Shape] = Counter()

    def note(module: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        assert isinstance(module, SameConv1d)
        if module.conv.groups > 1:
            found[module.conv.in_channels, inputs[0].shape[-1], module.stride] += 1

    network = ecgfounder(1)
    for module in network.modules():
        if isinstance(module, SameConv1d):
            module.register_forward_hook(note)
    network(torch.zeros(1, 1, N_SAMPLES))
    return found


def both_ways(
    way: Convolution, given: tuple[Tensor, Tensor, Tensor], stride: int, gradient: Tensor
) -> list[Tensor]:
    """Return the output and, from its gradient, those of input, weight and bias."""
    y = way(*given, stride)
    return [y.detach(), *torch.autograd.grad(y, given, gradient)]


def main() -> None:
    """Print a line for every shape, and the sums over a step."""
    parser = argparse.ArgumentParser(description="Ways to compute grouped convolutions.")
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=("cpu", "cuda"), default=default)
    parser.add_argument("--batch", type=int, help="8 on a CPU, 256 on a GPU")
    arguments = parser.parse_args()
    device, on_gpu = torch.device(arguments.device), arguments.device == "cuda"
    batch, dtype = arguments.batch or (256 if on_gpu else 8), torch.bfloat16 if on_gpu else None
    ways: tuple[Convolution, ...] = (padded, channels_last, blocked)
    if on_gpu:  # as in training
        ways = tuple(torch.compile(way, dynamic=False) for way in ways)
    totals = [0.0 for _ in ways]
    print(
        f"{'channels, samples, stride':28s}{'times':>6s}{'padded':>14s}{'channels last':>14s}"
        f"{'blocked':>14s}   largest difference"
    )
    for (channels, length, stride), times in shapes().items():
        torch.compiler.reset()  # else torch stops compiling after eight shapes
        sizes = ((batch, channels, length), (channels, 16, 16), (channels,))
        x, weight, bias = (
            torch.randn(size, device=device, dtype=dtype, requires_grad=True) for size in sizes
        )
        gradient = torch.randn(batch, channels, -(-length // stride), device=device, dtype=dtype)
        reference = both_ways(padded, (x, weight, bias), stride, gradient)
        spent, worst = [], 0.0
        for number, way in enumerate(ways):
            run = partial(both_ways, way, (x, weight, bias), stride, gradient)
            for ours, theirs in zip(run(), reference, strict=True):
                worst = max(worst, float((ours - theirs).abs().max() / theirs.abs().max()))
            spent.append(1e3 * times * best_s(run, device, 5))
            totals[number] += spent[-1]
        columns = "".join(f"{ms:11.2f} ms" for ms in spent)
        print(f"{f'{channels}, {length}, {stride}':28s}{times:6d}{columns}   {worst:.0e}")
    print(f"{'together':34s}" + "".join(f"{ms:11.2f} ms" for ms in totals))


if __name__ == "__main__":
    main()

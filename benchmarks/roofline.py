"""Operations and bytes of a training step, and what the machine could do at best."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

COPY_BYTES = {"cpu": 2**28, "cuda": 2**31}  # far beyond any cache
PRODUCT = {"cpu": 1536, "cuda": 8192}

aten = torch.ops.aten
# What moves no data although it returns a tensor that is no view.
_FREE = {aten._unsafe_view, aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty_strided}


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel of a step: operations (two per multiply-add) and bytes in and out."""

    name: str
    operations: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The machine's best: operations per second in a large product, bytes per second in a copy."""

    operations: float
    bytes: float

    def least_s(self, kernels: list[Kernel]) -> float:
        """Seconds of kernels one after the other, each held up by operations or by bytes."""
        return sum(max(k.operations / self.operations, k.bytes / self.bytes) for k in kernels)


class _Recorder(TorchDispatchMode):
    """Notes every operator that computes or moves something."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[Kernel] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if not (func.is_view or func.overloadpacket in _FREE):
            operations = _operations(func.overloadpacket, args, kwargs, out)
            n_bytes = _bytes_read(args, kwargs) + _bytes_written(func, args, kwargs, out)
            self.kernels.append(Kernel(str(func.overloadpacket), operations, n_bytes))
        return out


def kernels_of(step: Callable[[], object]) -> list[Kernel]:
    """Run a step operator by operator and return its kernels."""
    with _Recorder() as recorder:
        step()
    return recorder.kernels


def _operations(packet: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> int:
    if packet is aten.convolution_backward:
        # torch's own formula counts a grouped convolution's weights once for every group.
        grad_out, weight, wanted = args[0], args[2], args[10]
        return 2 * grad_out.numel() * prod(weight.shape[1:]) * sum(wanted[:2])
    if packet in flop_registry:
        return int(flop_registry[packet](*args, **kwargs, out_val=out))
    return 0


def _bytes_read(args: tuple[Any, ...], kwargs: Any) -> int:
    return sum(_size(leaf) for leaf in tree_leaves((args, kwargs)))


def _bytes_written(func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> int:
    """Sizes of new tensors and of arguments changed in place, which lists of tensors may be."""
    changed = [
        kwargs.get(argument.name, args[i] if i < len(args) else None)
        for i, argument in enumerate(func._schema.arguments)
        if argument.is_write
    ]
    return sum(_size(leaf) for leaf in tree_leaves(changed if changed else out))


def _size(leaf: object) -> int:
    if not isinstance(leaf, Tensor):
        return 0
    return min(leaf.numel() * leaf.itemsize, leaf.untyped_storage().nbytes())  # expanded tensors


def measure_ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    """Measure both ceilings, the best of several runs.

    Operations: the faster of a matrix product and of the same product as a 1x1 convolution, because
    on a CPU they come from different libraries. On a GPU float32 products may use TF32, as
    convolutions may by torch's defaults.
    """
    precision = torch.get_float32_matmul_precision()
    n = PRODUCT[device.type]
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    source = torch.empty(COPY_BYTES[device.type] // 4, device=device).normal_()
    target = torch.empty_like(source)
    signal = b.view(16, n // 16, n).transpose(1, 2).contiguous()  # (batch, channels, time)
    weight = a[:, :, None]
    try:
        if device.type == "cuda" and torch.backends.cudnn.allow_tf32:
            torch.set_float32_matmul_precision("high")
        product_s = min(
            best_s(lambda: a @ b, device),
            best_s(lambda: torch.nn.functional.conv1d(signal, weight), device),
        )
        copy_s = best_s(lambda: target.copy_(source), device)
    finally:
        torch.set_float32_matmul_precision(precision)
    return Ceilings(2 * n**3 / product_s, 2 * source.numel() * source.itemsize / copy_s)


def best_s(run: Callable[[], object], device: torch.device, repeats: int = 10) -> float:
    """Return the fastest of several runs in seconds."""
    times = []
    for _ in range(repeats):
        synchronize(device)
        start_s = time.perf_counter()
        run()
        synchronize(device)
        times.append(time.perf_counter() - start_s)
    return min(times)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def roofline_of(kernels: list[Kernel], ceilings: Ceilings, took_s: float) -> dict[str, float]:
    """Set what a step does against what the machine can do."""
    products = [kernel for kernel in kernels if kernel.operations]
    operations = sum(kernel.operations for kernel in kernels)
    n_bytes = sum(kernel.bytes for kernel in kernels)
    return {
        "operations, G": operations / 1e9,
        "bytes, GB": n_bytes / 1e9,
        "kernels": len(kernels),
        "a large product, G/s": ceilings.operations / 1e9,
        "a large copy, GB/s": ceilings.bytes / 1e9,
        "operations at that rate, ms": 1e3 * operations / ceilings.operations,
        "bytes at that rate, ms": 1e3 * n_bytes / ceilings.bytes,
        "convolutions and products, ms": 1e3 * ceilings.least_s(products),
        "kernel by kernel, ms": 1e3 * ceilings.least_s(kernels),
        "measured, ms": 1e3 * took_s,
        "share of the product's rate, %": 100 * operations / ceilings.operations / took_s,
    }


def report_rooflines(published: dict[str, float], ours: dict[str, float]) -> None:
    """Print both side by side."""
    print(f"\n{'a step of this batch':42s}{'published':>26s}{'leadlab':>26s}")
    for name in published:
        digits = 0 if published[name] >= 1000 else 1
        print(f"{name:42s}{published[name]:26,.{digits}f}{ours[name]:26,.{digits}f}")

"""What a student costs a device: operations, file, memory, time."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leadlab_edge.runtimes import Format, open_session
from leadlab_export.quantize_onnx import quantize_onnx
from leadlab_export.quantize_tflite import quantize_tflite
from leadlab_export.search.micro import run_micro
from leadlab_export.student import Student, folded
from leadlab_export.to_onnx import to_onnx
from leadlab_export.to_tflite import to_tflite

WARM_UP, RUNS = 20, 100


@dataclass(frozen=True, slots=True)
class Cost:
    """Figures of one student.

    Attributes
    ----------
    parameters, macs
        Weights that are learned, and multiplications for a window, front end included.
    onnx_bytes, tflite_bytes
        Int8 files.
    onnx_ms, tflite_ms
        Median CPU time of a window on one thread, int8.
    arena_bytes
        Tensor arena of TensorFlow Lite Micro, of the whole int8 file; None where it was not tried.
    """

    parameters: int
    macs: int
    onnx_bytes: int
    tflite_bytes: int
    onnx_ms: float
    tflite_ms: float
    arena_bytes: int | None


def cost_of(
    student: Student, windows_mv: NDArray[np.float32], micro_python: Path | None = None
) -> Cost:
    """Export a student to int8 and measure it.

    Parameters
    ----------
    student
        A trained student.
    windows_mv
        ``(n, n_samples)`` millivolts of training patients, for the int8 ranges.
    micro_python
        A Python that has ``tflite_micro``.
    """
    onnx = quantize_onnx(to_onnx(student), windows_mv)
    tflite = quantize_tflite(to_tflite(student), windows_mv)
    micro = None if micro_python is None else run_micro(micro_python, tflite, windows_mv[:1])
    return Cost(
        parameters=sum(p.numel() for p in student.parameters()),
        macs=count_macs(student),
        onnx_bytes=len(onnx),
        tflite_bytes=len(tflite),
        onnx_ms=cpu_ms(onnx, "onnx", windows_mv[:1]),
        tflite_ms=cpu_ms(tflite, "tflite", windows_mv[:1]),
        arena_bytes=None if micro is None else micro.arena_bytes,
    )


def cpu_ms(model: bytes, format: Format, window_mv: NDArray[np.float32]) -> float:
    """Return the median CPU time of one window on one thread, which other programs do not spoil."""
    session = open_session(model, format)
    times = []
    for _ in range(WARM_UP):
        session.run(window_mv)
    for _ in range(RUNS):
        begin = time.process_time()
        session.run(window_mv)
        times.append(time.process_time() - begin)
    return 1000 * float(np.median(times))


def count_macs(student: Student) -> int:
    """Count the multiplications of one window: the front end's filter, convolutions, head."""
    clean, total = folded(student), 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer.weight, Tensor)
        total += output[0].numel() * layer.weight[0].numel()

    for layer in clean.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        clean(torch.zeros(1, student.n_samples))
    n_taps = student.front.taps.shape[-1]
    return total + n_taps * (student.n_samples - 2 * student.margin) // student.front.step

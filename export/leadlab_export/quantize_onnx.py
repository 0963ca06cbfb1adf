"""Static int8 quantization of an ONNX file: QDQ, per channel, float at both ends."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from leadlab_export.quiet import quiet
from leadlab_export.to_onnx import front_nodes, tidy

WEIGHT_LIMIT = 64  # largest magnitude of a weight of reduced range


def quantize_onnx(model: bytes, calibration: NDArray[np.float32]) -> bytes:
    """Quantize the body of a network to int8; input, front end and logits stay float32.

    Logits of all indicators would share one int8 range, whose step costs as much accuracy as
    all the rest: the last layer takes int8 and gives float32.

    Weights always have the reduced range of 7 bits: the CPU is unknown at export, and on x86
    without VNNI the 8-bit products saturate silently and cost accuracy.

    Parameters
    ----------
    model
        Float32 ONNX file written by ``to_onnx``.
    calibration
        ``(n, n_samples)``, training windows as the graph takes them: they set the activations'
        ranges.

    Returns
    -------
    bytes
        Int8 ONNX file.
    """
    with tempfile.TemporaryDirectory() as folder, quiet():
        target = Path(folder) / "int8.onnx"
        parsed = onnx.load_from_string(model)
        quantize_static(
            parsed,
            target,
            CalibrationWindows(calibration, parsed.graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=front_nodes(parsed),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
        )
        return tidy(onnx.load(target))


class CalibrationWindows(CalibrationDataReader):  # type: ignore[misc]
    """Feeds windows one at a time, as the batch-1 graph takes them."""

    def __init__(self, windows: NDArray[np.float32], name: str) -> None:
        self._windows: Iterator[NDArray[np.float32]] = iter(windows)
        self._name = name

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next window as graph input, or None after the last."""
        window = next(self._windows, None)
        return None if window is None else {self._name: window[None]}

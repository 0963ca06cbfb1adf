"""One network, all its model files: formats by precisions, each verified when written."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.pack.manifest import ModelFile, Precision
from leadlab_edge.runtimes import Format
from leadlab_export.errors import ExportUnavailable
from leadlab_export.network import Network, graph_inputs
from leadlab_export.quantize_onnx import quantize_onnx
from leadlab_export.quantize_onnx_weights import onnx_dynamic, onnx_fp16
from leadlab_export.quantize_tflite import quantize_tflite, tflite_dynamic, tflite_fp16
from leadlab_export.to_onnx import to_onnx
from leadlab_export.to_tflite import to_tflite
from leadlab_export.verify import (
    Drift,
    Parity,
    check_drift,
    check_reduced_range,
    measure_drift,
    run_model,
    verify_fp32,
)

Floats = NDArray[np.float32]
Convert = Callable[[Network], bytes]
Reduce = Callable[[bytes, Floats], bytes]

CONVERT: Final[dict[Format, Convert]] = {"onnx": to_onnx, "tflite": to_tflite}
REDUCE: Final[dict[Format, dict[Precision, Reduce]]] = {
    "onnx": {
        "fp16": lambda model, _: onnx_fp16(model),
        "dynamic": lambda model, _: onnx_dynamic(model),
        "int8": quantize_onnx,
    },
    "tflite": {
        "fp16": lambda model, _: tflite_fp16(model),
        "dynamic": lambda model, _: tflite_dynamic(model),
        "int8": quantize_tflite,
    },
}
FORMATS: Final[tuple[Format, ...]] = tuple(CONVERT)
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)[::-1]
"""Largest file first, the one that the others are made from."""


@dataclass(frozen=True, slots=True)
class ModelSet:
    """Model files of one network.

    Attributes
    ----------
    files
        Bytes of each file, by its form.
    parity
        Float32 files beside PyTorch, by format.
    drift
        Files of smaller precision beside the float32 file of their format.
    missing
        Formats that could not be written here, with the reason.
    """

    files: Mapping[ModelFile, bytes]
    parity: Mapping[Format, Parity]
    drift: Mapping[ModelFile, Drift]
    missing: Mapping[Format, str]

    def of_precision(self, *precisions: Precision) -> Mapping[ModelFile, bytes]:
        """Return the files of some precisions only."""
        return {file: data for file, data in self.files.items() if file.precision in precisions}


def write_models(
    network: Network,
    calibration_mv: Floats,
    on_stage: Callable[[str], None] | None = None,
    *,
    precisions: Collection[Precision] = ("fp32", "int8"),
    formats: Collection[Format] = FORMATS,
    rate_hz: float | None = None,
) -> ModelSet:
    """Convert, verify and quantize a network in every format this platform can write.

    Parameters
    ----------
    network
        A trained student, or a teacher.
    calibration_mv
        ``(n, n_samples)`` millivolts of training patients: they set the int8 ranges, and the files
        are verified on them. None of them ends up in a file.
    on_stage
        Called with the name of each file before it is made.
    precisions, formats
        What to write. Float32 is made and verified in any case: the others come from it.
    rate_hz
        Where this is the front end for another rate: that rate, for the files' names.

    Raises
    ------
    ExportError
        If a file does not compute what the network computes.
    """
    inputs = graph_inputs(network, calibration_mv)
    files: dict[ModelFile, bytes] = {}
    parity: dict[Format, Parity] = {}
    drift: dict[ModelFile, Drift] = {}
    missing: dict[Format, str] = {}
    for format in [format for format in FORMATS if format in formats]:
        named = {p: ModelFile.of(format, p, rate_hz) for p in PRECISIONS}
        if on_stage:
            on_stage(named["fp32"].file)
        try:
            fp32 = CONVERT[format](network)
        except ExportUnavailable as error:
            missing[format] = str(error)
            continue
        parity[format] = verify_fp32(network, fp32, format, inputs)
        if "fp32" in precisions:
            files[named["fp32"]] = fp32
        expected = run_model(fp32, format, inputs)
        for precision in [p for p in PRECISIONS if p in precisions and p != "fp32"]:
            file = named[precision]
            if on_stage:
                on_stage(file.file)
            files[file] = REDUCE[format][precision](fp32, inputs)
            if format == "onnx":
                check_reduced_range(files[file])
            drift[file] = measure_drift(expected, run_model(files[file], format, inputs))
            check_drift(file, drift[file])
    return ModelSet(files, parity, drift, missing)

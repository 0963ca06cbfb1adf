"""One student, all its model files: formats by precisions, each verified when written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.pack.manifest import ModelFile, Precision
from leadlab_edge.runtimes import Format
from leadlab_export.errors import ExportUnavailable
from leadlab_export.quantize_onnx import quantize_onnx
from leadlab_export.quantize_tflite import quantize_tflite
from leadlab_export.student import Student
from leadlab_export.to_onnx import to_onnx
from leadlab_export.to_tflite import to_tflite
from leadlab_export.verify import (
    Drift,
    Parity,
    check_reduced_range,
    measure_drift,
    run_model,
    verify_fp32,
)

Convert = Callable[[Student], bytes]
Quantize = Callable[[bytes, NDArray[np.float32]], bytes]

TOOLS: dict[Format, tuple[Convert, Quantize]] = {
    "onnx": (to_onnx, quantize_onnx),
    "tflite": (to_tflite, quantize_tflite),
}


@dataclass(frozen=True, slots=True)
class ModelSet:
    """Model files of one student.

    Attributes
    ----------
    files
        Bytes of each file, by its form.
    parity
        Float32 files beside PyTorch, by format.
    drift
        Int8 files beside float32, by format.
    missing
        Formats that could not be written here, with the reason.
    """

    files: Mapping[ModelFile, bytes]
    parity: Mapping[Format, Parity]
    drift: Mapping[Format, Drift]
    missing: Mapping[Format, str]

    def of_precision(self, *precisions: Precision) -> Mapping[ModelFile, bytes]:
        """Return the files of some precisions only."""
        return {file: data for file, data in self.files.items() if file.precision in precisions}


def write_models(
    student: Student,
    calibration_mv: NDArray[np.float32],
    on_stage: Callable[[str], None] | None = None,
) -> ModelSet:
    """Convert, verify and quantize a student in every format this platform can write.

    Parameters
    ----------
    student
        A trained student.
    calibration_mv
        ``(n, n_samples)`` millivolts of training patients: they set the int8 ranges, and the files
        are verified on them. None of them ends up in a file.
    on_stage
        Called with the name of each file before it is made.

    Raises
    ------
    ExportError
        If a file does not compute what the student computes.
    """
    files: dict[ModelFile, bytes] = {}
    parity: dict[Format, Parity] = {}
    drift: dict[Format, Drift] = {}
    missing: dict[Format, str] = {}
    for format, (convert, quantize) in TOOLS.items():
        fp32, int8 = ModelFile.of(format, "fp32"), ModelFile.of(format, "int8")
        if on_stage:
            on_stage(fp32.file)
        try:
            files[fp32] = convert(student)
        except ExportUnavailable as error:
            missing[format] = str(error)
            continue
        parity[format] = verify_fp32(student, files[fp32], format, calibration_mv)
        if on_stage:
            on_stage(int8.file)
        files[int8] = quantize(files[fp32], calibration_mv)
        if format == "onnx":
            check_reduced_range(files[int8])
        drift[format] = measure_drift(
            run_model(files[fp32], format, calibration_mv),
            run_model(files[int8], format, calibration_mv),
        )
    return ModelSet(files, parity, drift, missing)

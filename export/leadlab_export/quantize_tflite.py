"""Static int8 quantization of a TFLite student: per channel, float at both ends."""

import numpy as np
from numpy.typing import NDArray

from leadlab_export.quiet import quiet
from leadlab_export.to_onnx import FRONT, INPUT
from leadlab_export.to_tflite import SIGNATURE, require_tflite_tools

_EVERYTHING = ".*"


def quantize_tflite(model: bytes, calibration_mv: NDArray[np.float32]) -> bytes:
    """Quantize the body of a TFLite student to int8; input, front end and head stay float32.

    Logits of all indicators would share one int8 range, whose step costs as much accuracy as
    all the rest. No portable kernel gives float from int8, so the whole last layer stays float.

    Calibration takes the extremes over all windows. The tool's own default is a moving average of
    each window's extremes, which clips.

    Parameters
    ----------
    model
        Float32 TFLite file written by ``to_tflite``.
    calibration_mv
        ``(n, n_samples)`` millivolts, training windows: they set the activations' ranges.

    Returns
    -------
    bytes
        Int8 TFLite file.

    Raises
    ------
    ExportUnavailable
        On platforms without the tools.
    """
    require_tflite_tools()
    with quiet():
        from ai_edge_quantizer import qtyping, quantizer, recipe_manager
        from ai_edge_quantizer.calibrator import Calibrator
        from ai_edge_quantizer.utils.qsv_utils import min_max_update

        operation = qtyping.TFLOperationName
        recipe = recipe_manager.RecipeManager()
        recipe.add_static_config(
            _EVERYTHING, operation.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8
        )
        for regex, kept_float in (
            (f"^{FRONT}/", operation.ALL_SUPPORTED),
            (_EVERYTHING, operation.INPUT),
            (_EVERYTHING, operation.FULLY_CONNECTED),
            (_EVERYTHING, operation.OUTPUT),
        ):
            recipe.add_quantization_config(regex, kept_float, algorithm_key="no_quantize")
        calibrator = Calibrator(model, num_threads=1, qsv_update_func=min_max_update)
        calibrator.calibrate(
            {SIGNATURE: [{INPUT: window[None]} for window in calibration_mv]}, recipe
        )
        quantized = quantizer.Quantizer(model, recipe.get_quantization_recipe()).quantize(
            calibrator.get_model_qsvs()
        )
        return bytes(quantized.quantized_model)

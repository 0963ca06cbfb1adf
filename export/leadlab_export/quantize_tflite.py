"""TFLite files of smaller precision: static int8, int8 weights, half precision weights.

Input, front end and logits stay float32 in all of them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadlab_export.quiet import quiet
from leadlab_export.to_onnx import FRONT
from leadlab_export.to_tflite import SIGNATURE, read_flatbuffer, require_tflite_tools

_EVERYTHING = ".*"


def quantize_tflite(model: bytes, calibration: NDArray[np.float32]) -> bytes:
    """Quantize the body of a network to int8; input, front end and head stay float32.

    Logits of all indicators would share one int8 range, whose step costs as much accuracy as
    all the rest. No portable kernel gives float from int8, so the whole last layer stays float.

    Calibration takes the extremes over all windows. The tool's own default is a moving average of
    each window's extremes, which clips.

    Parameters
    ----------
    model
        Float32 TFLite file written by ``to_tflite``.
    calibration
        ``(n, n_samples)``, training windows as the graph takes them: they set the activations'
        ranges.

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
        from ai_edge_quantizer import qtyping, recipe_manager
        from ai_edge_quantizer.calibrator import Calibrator
        from ai_edge_quantizer.utils.qsv_utils import min_max_update

        operation = qtyping.TFLOperationName
        recipe = recipe_manager.RecipeManager()
        recipe.add_static_config(
            _EVERYTHING, operation.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8
        )
        _spare_front(recipe)
        for kept_float in (operation.INPUT, operation.FULLY_CONNECTED, operation.OUTPUT):
            recipe.add_quantization_config(_EVERYTHING, kept_float, algorithm_key="no_quantize")
        calibrator = Calibrator(model, num_threads=1, qsv_update_func=min_max_update)
        name = read_flatbuffer(model).signatureDefs[0].inputs[0].name.decode()
        calibrator.calibrate({SIGNATURE: [{name: window[None]} for window in calibration]}, recipe)
        return _quantized(model, recipe, calibrator.get_model_qsvs())


def tflite_dynamic(model: bytes) -> bytes:
    """Store the weights of layers in 8 bits; activations are quantized when the file runs.

    Parameters
    ----------
    model
        Float32 TFLite file written by ``to_tflite``.

    Raises
    ------
    ExportUnavailable
        On platforms without the tools.
    """
    require_tflite_tools()
    with quiet():
        from ai_edge_quantizer import qtyping, recipe_manager

        recipe = recipe_manager.RecipeManager()
        everything = qtyping.TFLOperationName.ALL_SUPPORTED
        recipe.add_dynamic_config(_EVERYTHING, everything, num_bits=8)
        _spare_front(recipe)
        return _quantized(model, recipe)


def tflite_fp16(model: bytes) -> bytes:
    """Store the weights of layers in half precision; LiteRT computes in float32.

    Parameters
    ----------
    model
        Float32 TFLite file written by ``to_tflite``.

    Raises
    ------
    ExportUnavailable
        On platforms without the tools.
    """
    require_tflite_tools()
    with quiet():
        from ai_edge_quantizer import qtyping, recipe_manager
        from ai_edge_quantizer.algorithm_manager import AlgorithmName

        recipe = recipe_manager.RecipeManager()
        everything = qtyping.TFLOperationName.ALL_SUPPORTED
        recipe.add_weight_only_config(
            _EVERYTHING, everything, num_bits=16, algorithm_key=AlgorithmName.FLOAT_CASTING
        )
        _spare_front(recipe)
        return _quantized(model, recipe)


def _spare_front(recipe: Any) -> None:
    from ai_edge_quantizer import qtyping

    everything = qtyping.TFLOperationName.ALL_SUPPORTED
    recipe.add_quantization_config(f"^{FRONT}/", everything, algorithm_key="no_quantize")


def _quantized(model: bytes, recipe: Any, ranges: Any = None) -> bytes:
    from ai_edge_quantizer import quantizer

    result = quantizer.Quantizer(model, recipe.get_quantization_recipe()).quantize(ranges)
    return bytes(result.quantized_model)

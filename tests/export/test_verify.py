"""Verification refuses what does not compute what it should, and nothing else."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from leadlab_edge.pack.manifest import ModelFile
from leadlab_export.errors import ExportError
from leadlab_export.models import ModelSet
from leadlab_export.quantize_onnx_weights import onnx_dynamic
from leadlab_export.verify import Drift, check_drift, check_reduced_range

FULL_RANGE = np.full((4, 3), 100, np.int8)


def graph_with(*nodes: onnx.NodeProto, **tensors: np.ndarray) -> bytes:
    made = [numpy_helper.from_array(value, name) for name, value in tensors.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    graph = helper.make_graph(list(nodes), "g", ends[:1], ends[1:], made)
    return bytes(helper.make_model(graph).SerializeToString())


def dequantized(name: str) -> onnx.NodeProto:
    return helper.make_node("DequantizeLinear", [name, "s"], [f"{name}_wide"])


def test_full_range_is_refused_only_where_products_are_formed_in_8_bits() -> None:
    scale = np.float32(0.1)
    stored = graph_with(
        dequantized("w"),
        helper.make_node("MatMul", ["x", "w_wide"], ["y"]),
        w=FULL_RANGE,
        s=scale,
    )
    check_reduced_range(stored)
    multiplied = graph_with(
        dequantized("x8"),
        dequantized("w"),
        helper.make_node("MatMul", ["x8_wide", "w_wide"], ["y"]),
        w=FULL_RANGE,
        s=scale,
    )
    integer = graph_with(helper.make_node("MatMulInteger", ["x", "w"], ["y"]), w=FULL_RANGE)
    qlinear = graph_with(
        helper.make_node("QLinearMatMul", ["x", "s", "z", "w", "s", "z", "s", "z"], ["y"]),
        w=FULL_RANGE,
        s=scale,
    )
    for model in (multiplied, integer, qlinear):
        with pytest.raises(ExportError, match=r"weight w reaches 100; the limit is 64"):
            check_reduced_range(model)


def test_a_weight_that_is_not_stored_is_refused() -> None:
    model = graph_with(helper.make_node("MatMulInteger", ["x", "made_up"], ["y"]))
    with pytest.raises(ExportError, match="made_up is computed"):
        check_reduced_range(model)


def test_weights_that_meet_float_activations_may_use_all_bits(models: ModelSet) -> None:
    check_reduced_range(onnx_dynamic(models.files[ModelFile.of("onnx", "fp32")]))


@pytest.mark.parametrize(("precision", "kept"), [("fp16", 0.995), ("dynamic", 0.6), ("int8", 0.6)])
def test_a_file_at_chance_is_refused(precision: str, kept: float) -> None:
    file = ModelFile.of("onnx", precision)  # type: ignore[arg-type]
    check_drift(file, Drift(1.0, 0.1, kept, -0.5))
    for broken in (0.1, float("nan")):
        with pytest.raises(ExportError, match=rf"model\.{precision}\.onnx.*the limit is 0\.\d+"):
            check_drift(file, Drift(1.0, 0.1, broken, -0.5))

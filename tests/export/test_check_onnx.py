"""The ONNX walker: it reads what the onnx package wrote, in every encoding that files use."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from leadlab_export.check.onnx_graph import OnnxGraph, with_outputs

WEIGHTS = np.array([[3, -127], [64, 5]], np.int8)


def quantized(
    weights: np.ndarray = WEIGHTS, *, raw: bool = True, float_input: bool = False
) -> bytes:
    """Return a linear layer of int8 weights on inputs of uint8 (or of float32)."""
    kept = [numpy_helper.from_array(weights, "w")]
    if not raw:
        kept = [helper.make_tensor("w", TensorProto.INT8, weights.shape, weights.ravel().tolist())]
    kept += [
        helper.make_tensor("x_scale", TensorProto.FLOAT, [], [0.5]),
        numpy_helper.from_array(np.array(100, np.uint8), "x_zero"),
        numpy_helper.from_array(np.array([0.1, 0.2], np.float32), "w_scale"),
        numpy_helper.from_array(np.zeros(2, np.int8), "w_zero"),
    ]
    scale, zero = ["x_scale", "x_zero"], ["w_scale", "w_zero"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", *scale], ["x_q"]),
        helper.make_node("DequantizeLinear", ["x_q", *scale], ["x_d"]),
        helper.make_node("DequantizeLinear", ["w", *zero], ["w_d"], axis=0),
        helper.make_node("Gemm", ["x" if float_input else "x_d", "w_d"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        kept,
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("raw", [True, False])
def test_the_largest_weight_is_found(raw: bool) -> None:
    assert OnnxGraph.of(quantized(raw=raw)).largest_weight() == 127
    assert OnnxGraph.of(quantized(WEIGHTS // 2, raw=raw)).largest_weight() == 64
    assert OnnxGraph.of(quantized(np.full((2, 2), -128, np.int8), raw=raw)).largest_weight() == 128


def test_weights_that_meet_floats_may_use_all_their_bits() -> None:
    assert OnnxGraph.of(quantized(float_input=True)).largest_weight() == 0


def test_integer_operators_count_as_well() -> None:
    model = onnx.load_from_string(quantized(float_input=True))
    model.graph.node.append(helper.make_node("MatMulInteger", ["x_q", "w"], ["z"]))
    assert OnnxGraph.of(model.SerializeToString()).largest_weight() == 127


def test_ranges_are_those_of_scale_and_zero_point() -> None:
    assert OnnxGraph.of(quantized()).ranges() == {"x_q": (-50.0, 77.5)}


def test_added_outputs_are_read_by_the_runtime() -> None:
    shown = with_outputs(quantized(), ["x_q", "x_d"])
    session = onnxruntime.InferenceSession(shown, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["y", "x_q", "x_d"]
    x = np.array([[1.0, 1000.0]], np.float32)
    _, steps, values = session.run(None, {"x": x})
    np.testing.assert_array_equal(steps, [[102, 255]])
    np.testing.assert_array_equal(values, [[1.0, 77.5]])

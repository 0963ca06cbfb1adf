"""Files of narrow weights: what is narrowed, what is not, and what that does to the logits."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import onnx
import pytest

from leadlab_edge.pack.manifest import ModelFile
from leadlab_edge.pack.onnx_check import check_onnx
from leadlab_edge.pack.tflite_check import check_tflite
from leadlab_edge.runtimes import Format
from leadlab_export.models import ModelSet
from leadlab_export.quantize_onnx_weights import onnx_dynamic, onnx_fp16
from leadlab_export.quantize_tflite import tflite_dynamic, tflite_fp16
from leadlab_export.to_onnx import front_nodes
from leadlab_export.to_tflite import read_flatbuffer
from leadlab_export.verify import measure_drift, run_model

tflite_only = pytest.mark.skipif(
    find_spec("litert_torch") is None, reason="litert-torch has no wheel for this platform"
)
FORMS = [
    ("onnx", onnx_fp16, 0.999),
    ("onnx", onnx_dynamic, 0.99),
    pytest.param("tflite", tflite_fp16, 0.999, marks=tflite_only),
    pytest.param("tflite", tflite_dynamic, 0.99, marks=tflite_only),
]
Narrow = Callable[[bytes], bytes]


def fp32(models: ModelSet, format: Format) -> bytes:
    return models.files[ModelFile.of(format, "fp32")]


@pytest.mark.parametrize(("format", "narrow", "ranks"), FORMS)
def test_ranks_are_kept_and_something_changed(
    models: ModelSet,
    windows_mv: np.ndarray,
    format: Format,
    narrow: Narrow,
    ranks: float,
) -> None:
    original = fp32(models, format)
    file = narrow(original)
    drift = measure_drift(
        run_model(original, format, windows_mv), run_model(file, format, windows_mv)
    )
    assert drift.rank_min > ranks
    assert drift.max_abs > 0
    assert narrow(original) == file
    {"onnx": check_onnx, "tflite": check_tflite}[format](file)


def test_onnx_weights_are_narrow_and_the_front_end_is_not(models: ModelSet) -> None:
    for narrow, kind in ((onnx_fp16, "FLOAT16"), (onnx_dynamic, "INT8")):
        graph = onnx.load_from_string(narrow(fp32(models, "onnx"))).graph
        types = {tensor.name: tensor.data_type for tensor in graph.initializer}
        wide = {node.output[0]: node.input[0] for node in graph.node if node.name.endswith("widen")}
        front = set(front_nodes(onnx.load_from_string(fp32(models, "onnx"))))
        layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
        assert sum(node.name in front for node in layers) == 1
        for node in layers:
            if node.name in front:
                assert types[node.input[1]] == onnx.TensorProto.FLOAT
            else:
                assert types[wide[node.input[1]]] == getattr(onnx.TensorProto, kind)
                assert types[node.input[2]] == onnx.TensorProto.FLOAT
        held = {name for node in graph.node for name in node.input}
        assert set(types) <= held  # no float copy of a narrow weight is left


def test_each_channel_of_an_onnx_weight_uses_all_of_its_range(models: ModelSet) -> None:
    original = onnx.load_from_string(fp32(models, "onnx")).graph
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in original.initializer}
    graph = onnx.load_from_string(onnx_dynamic(fp32(models, "onnx"))).graph
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    narrowed = [name.removesuffix("_steps") for name in tensors if name.endswith("_steps")]
    assert len(narrowed) > 5
    for name in narrowed:
        steps, scale = tensors[f"{name}_steps"].astype(float), tensors[f"{name}_scale"]
        flat = steps.reshape(len(steps), -1)
        assert (np.abs(flat).max(axis=1) == 127).all()
        error = np.abs(flat * scale[:, None] - weights[name].reshape(len(steps), -1))
        assert (error <= scale[:, None] / 2 * 1.001).all()


@tflite_only
def test_tflite_weights_are_narrow_and_the_front_end_is_not(models: ModelSet) -> None:
    from ai_edge_litert.schema_py_generated import TensorType

    original = read_flatbuffer(fp32(models, "tflite")).subgraphs[0]
    front = {t.name for t in original.tensors if t.name.startswith(b"front/")}
    for narrow, kind in (
        (tflite_fp16, TensorType.FLOAT16),
        (tflite_dynamic, TensorType.INT8),
    ):
        (graph,) = read_flatbuffer(narrow(fp32(models, "tflite"))).subgraphs
        types = {tensor.name: tensor.type for tensor in graph.tensors}
        assert kind in types.values()
        assert {types[name] for name in front if name in types} <= {
            TensorType.FLOAT32,
            TensorType.INT32,
        }
        ends = [graph.tensors[i].type for i in (graph.inputs[0], graph.outputs[0])]
        assert ends == [TensorType.FLOAT32] * 2

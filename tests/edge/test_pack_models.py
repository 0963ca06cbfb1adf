"""What a model file in a pack may not do, found without onnx or TensorFlow on the device."""

import contextlib
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
import tiny_pack
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from leadlab_edge.errors import PackError
from leadlab_edge.pack import demo_pack, write_pack
from leadlab_edge.pack.onnx_check import check_onnx
from leadlab_edge.pack.tflite_check import check_tflite
from leadlab_edge.runtimes import open_session

ONNX, TFLITE = tiny_pack.onnx_bytes(), tiny_pack.tflite_bytes()
WEIGHTS = np.ones(3, np.float32)


def external(name="w"):
    tensor = onnx.numpy_helper.from_array(WEIGHTS, name)
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def edited(edit):
    model = onnx.load_from_string(ONNX)
    edit(model)
    return model.SerializeToString()


def subgraph(inner):
    """Put a graph into a node's attribute, as If and Loop do."""
    node = helper.make_node("If", ["c"], ["z"])
    node.attribute.append(helper.make_attribute("then_branch", inner))
    return lambda model: model.graph.node.append(node)


def graph_with(*nodes, tensors=()):
    return helper.make_graph(list(nodes), "inner", [], [], list(tensors))


CUSTOM = helper.make_node("Evil", ["x"], ["z"], domain="com.evil")
CONSTANT = helper.make_node("Constant", [], ["z"], value=external())
FUNCTION = helper.make_function("", "F", ["x"], ["z"], [CUSTOM], [helper.make_opsetid("", 17)])
SPARSE = helper.make_sparse_tensor(external(), onnx.numpy_helper.from_array(np.arange(3)), [9])


def attribute(kind, value):
    """Put something into a node's attribute, in the field called ``kind``."""
    node = helper.make_node("Constant", [], ["z"])
    held = getattr(node.attribute.add(name="value"), kind)
    held.append(value) if hasattr(held, "append") else held.CopyFrom(value)
    return lambda model: model.graph.node.append(node)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.graph.initializer.append(external("v")), "another file"),
        (lambda m: m.graph.sparse_initializer.append(SPARSE), "another file"),
        (lambda m: m.graph.node.append(CONSTANT), "another file"),
        (attribute("sparse_tensor", SPARSE), "another file"),
        (attribute("sparse_tensors", SPARSE), "another file"),
        (attribute("tensors", external()), "another file"),
        (attribute("graphs", graph_with(CUSTOM)), r"com\.evil"),
        (subgraph(graph_with(CONSTANT)), "another file"),
        (subgraph(graph_with(tensors=[external()])), "another file"),
        (lambda m: m.graph.node.append(CUSTOM), "'Evil' of domain 'com.evil'"),
        (subgraph(graph_with(CUSTOM)), "com.evil"),
        (lambda m: m.functions.append(FUNCTION), "com.evil"),
        (lambda m: m.training_info.add().algorithm.CopyFrom(graph_with(CUSTOM)), "com.evil"),
    ],
)
def test_an_onnx_file_reaches_for_nothing_beyond_itself(edit, message):
    check_onnx(ONNX)
    with pytest.raises(PackError, match=message):
        check_onnx(edited(edit))


def test_repeated_and_nested_fields_hide_nothing():
    """Protobuf merges a message given twice: both halves count."""
    evil = edited(lambda m: m.graph.node.append(CUSTOM))
    for joined in (ONNX + evil, evil + ONNX):
        with pytest.raises(PackError, match=r"com\.evil"):
            check_onnx(joined)
    graph = graph_with(helper.make_node("Relu", ["x"], ["y"]))
    for _ in range(9):
        node = helper.make_node("If", ["c"], ["z"])
        node.attribute.append(helper.make_attribute("then_branch", graph))
        graph = graph_with(node)
    with pytest.raises(PackError, match="more than 16 deep"):
        check_onnx(edited(subgraph(graph)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no operators"),
        (b"\x08\x0a", "no operators"),
        (b"xxxxORTM", "ONNX Runtime's own format"),
        (ONNX[:-1], "reaches past its end"),
        (b"\x3b", "wire type 3"),
        (b"\x08" + b"\xff" * 20, "cut short"),
        (b"\x08\xff", "cut short"),
        (b"\xba\x80\x80\x80\x10\x00", "field number out of range"),  # 7 for who reads 32 bits
        (b"\x08\x00" * 200_001, "more than 200000 fields"),
    ],
)
def test_what_is_no_onnx_file(data, message):
    with pytest.raises(PackError, match=message):
        check_onnx(data)


def test_the_runtimes_own_format_is_refused_by_check_and_runtime(tmp_path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(ONNX, options, providers=["CPUExecutionProvider"])
    data = (tmp_path / "model.ort").read_bytes()
    with pytest.raises(PackError, match="ONNX Runtime's own format"):
        check_onnx(data)
    with pytest.raises(PackError, match="refuses this onnx model"):
        open_session(data, "onnx")


def test_a_full_size_network_is_walked_at_once():
    big = onnx.numpy_helper.from_array(np.zeros(2**24, np.float32), "big")
    data = edited(lambda m: m.graph.initializer.append(big))
    start = time.process_time()
    check_onnx(data)
    assert time.process_time() - start < 1.0


def tflite(edit):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(TFLITE, 0))
    edit(model)
    builder = Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def operator_code(builtin, custom=None):
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode = builtin, min(builtin, 127)
    code.customCode = custom
    return code


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.operatorCodes.append(operator_code(32, b"FlexErf")), "custom operator"),
        (lambda m: m.operatorCodes.append(operator_code(32)), "custom operator"),
        (lambda m: m.operatorCodes.append(operator_code(3, b"Evil")), "custom operator"),
        (lambda m: m.operatorCodes.append(operator_code(173)), "STABLEHLO_CUSTOM_CALL"),
        (lambda m: setattr(m, "externalBuffers", [schema.ExternalBufferT()]), "another file"),
        (lambda m: setattr(m.buffers[1], "offset", 2**40), "buffer that ends at"),
        (lambda m: setattr(m, "subgraphs", []), "no graph"),
    ],
)
def test_a_tflite_file_reaches_for_nothing_beyond_itself(edit, message):
    check_tflite(tflite(lambda _: None))
    with pytest.raises(PackError, match=message):
        check_tflite(tflite(edit))


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0\0\0\0TFL3", b"\xff\xff\xff\xffTFL3", ONNX])
def test_what_is_no_tflite_file(data):
    with pytest.raises(PackError, match=r"not a TFLite file|is damaged|no graph"):
        check_tflite(data)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_models_give_pack_errors_or_pass(data):
    """Whatever the bytes, the walk ends, and ends in nothing but a PackError."""
    for model, check in ((ONNX, check_onnx), (TFLITE, check_tflite)):
        changed = bytearray(model)
        for _ in range(data.draw(st.integers(1, 8))):
            position = data.draw(st.integers(0, min(len(model), 600) - 1))
            if data.draw(st.booleans()):  # tables and vtables of the flatbuffer lie at both ends
                position = len(model) - 1 - position
            changed[position] = data.draw(st.integers(0, 255))
        with contextlib.suppress(PackError):
            check(bytes(changed))


def test_the_writer_refuses_such_models_and_names_the_file(tmp_path):
    evil = edited(lambda m: m.graph.node.append(CUSTOM))
    members = tiny_pack.members() | {"model.int8.onnx": evil}
    with pytest.raises(PackError, match=r"model\.int8\.onnx uses operator 'Evil'"):
        write_pack(tmp_path / "x.leadpack", tiny_pack.manifest(), members)


def test_the_checks_import_no_model_library():
    code = (
        "import leadlab, sys; leadlab.demo_pack(); print({'onnx', 'flatbuffers'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert demo_pack().manifest.models

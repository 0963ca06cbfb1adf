"""A pack of a few kilobytes: a linear model as ONNX and as TFLite, and everything around it."""

from functools import cache
from pathlib import Path

import numpy as np

from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import (
    InputSpec,
    Manifest,
    ModelFile,
    Pack,
    Provenance,
    read_pack,
    write_golden,
    write_pack,
)

RATE_HZ, MARGIN, N_SAMPLES = 10.0, 4, 108
INDICATORS = (
    Indicator.define("POTASSIUM", ">", 5.0, "mmol/L", 0.678, (0.677, 0.680)),
    Indicator.define("POTASSIUM", "<", 3.5, "mmol/L", 0.713, (0.712, 0.715)),
    Indicator.define("TRANSFERRIN SATURATION", "<", 20.0, "%", 0.455, (0.443, 0.467)),
)
WEIGHTS = np.random.default_rng(0).normal(size=(len(INDICATORS), N_SAMPLES)).astype(np.float32)
WINDOWS = np.random.default_rng(1).normal(size=(2, N_SAMPLES)).astype(np.float32)
CARD = b"# Tiny\n\nA linear model for tests. Simulated.\n"


@cache
def onnx_bytes(weights: bytes = WEIGHTS.tobytes(), n_samples: int = N_SAMPLES) -> bytes:
    """Return ``y = x W'`` as an ONNX file with a batch dimension left open."""
    from onnx import TensorProto, helper, numpy_helper

    matrix = np.frombuffer(weights, np.float32).reshape(-1, n_samples)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", n_samples])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", len(matrix)])],
        [numpy_helper.from_array(matrix, "w")],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


@cache
def tflite_bytes() -> bytes:
    """Return ``y = x W'`` as a TFLite file: one FULLY_CONNECTED, straight from the schema."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: bytes, shape: tuple[int, ...], buffer: int) -> schema.TensorT:
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name, list(shape), buffer
        made.type = schema.TensorType.FLOAT32
        return made

    graph = schema.SubGraphT()
    n_out, n_in = WEIGHTS.shape
    graph.tensors = [tensor(b"x", (1, n_in), 0), tensor(b"w", WEIGHTS.shape, 1)]
    graph.tensors.append(tensor(b"y", (1, n_out), 0))
    graph.inputs, graph.outputs = [0], [2]
    operator = schema.OperatorT()
    operator.inputs, operator.outputs, operator.opcodeIndex = [0, 1, -1], [2], 0
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators = [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = list(WEIGHTS.tobytes())
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def manifest(**changes: object) -> Manifest:
    """Return a manifest for the members below, with ``changes``."""
    fields: dict[str, object] = {
        "name": "tiny",
        "indicators": INDICATORS,
        "lead": "II",
        "input": InputSpec(RATE_HZ, N_SAMPLES, MARGIN),
        "models": (ModelFile.of("tflite", "fp32"), ModelFile.of("onnx", "int8")),
        "provenance": Provenance(simulated=True, cohort="tiny"),
        "created_by": "leadlab test",
    }
    return Manifest(**(fields | changes))  # type: ignore[arg-type]


def members() -> dict[str, bytes]:
    """Return the files of the tiny pack; "int8" is but a name here."""
    logits = WINDOWS @ WEIGHTS.T
    return {
        "model.fp32.tflite": tflite_bytes(),
        "model.int8.onnx": onnx_bytes(),
        "golden.npz": write_golden(
            WINDOWS, {"model.fp32.tflite": logits, "model.int8.onnx": logits}
        ),
        "card.md": CARD,
    }


def tiny_pack(folder: Path) -> Pack:
    """Write and read the tiny pack."""
    write_pack(folder / "tiny.leadpack", manifest(), members())
    return read_pack(folder / "tiny.leadpack")

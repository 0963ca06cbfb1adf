"""Verification: a written model file must compute what its PyTorch original computes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from leadlab_edge.pack.manifest import ModelFile, Precision
from leadlab_edge.runtimes import Format, open_session
from leadlab_export.errors import ExportError
from leadlab_export.network import Network
from leadlab_export.quantize_onnx import WEIGHT_LIMIT
from leadlab_export.quiet import quiet
from leadlab_export.student import Student, folded, student_logits
from leadlab_export.teacher import Teacher
from leadlab_export.to_onnx import FRONT, INPUT, OUTPUT, front_nodes
from leadlab_export.to_tflite import read_flatbuffer

Floats = NDArray[np.float32]

FROM_FRONT_LIMIT = 1e-4
FROM_RAW_LIMIT = 1e-3
RANK_LIMITS: dict[Precision, float] = {"fp16": 0.99, "dynamic": 0.5, "int8": 0.5}
"""Median Spearman correlation below which a file is broken; whether it is good, `check` says."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest difference in logits between a float32 file and PyTorch.

    Attributes
    ----------
    from_front
        Given the front end's output as the file itself computes it.
    from_raw
        Given raw millivolts. A teacher's front end is the host's, the same function for both: there
        the two are one.
    """

    from_front: float
    from_raw: float


@dataclass(frozen=True, slots=True)
class Drift:
    """What a smaller precision changed: its logits beside those of the float32 file.

    Attributes
    ----------
    max_abs, mean_abs
        Absolute difference over all windows and indicators.
    rank_median, rank_min
        Spearman correlation over windows: the median indicator and the worst.
    """

    max_abs: float
    mean_abs: float
    rank_median: float
    rank_min: float


def run_model(model: bytes, format: Format, inputs: Floats, runtime: str | None = None) -> Floats:
    """Run a model file on ``(n, n_samples)`` inputs of its graph; return ``(n, n_labels)`` logits.

    The inputs are raw millivolts, or filtered windows if the file is a teacher's.
    """
    session = open_session(model, format, runtime)
    return np.concatenate([session.run(window[None]).copy() for window in inputs])


def verify_fp32(network: Network, model: bytes, format: Format, inputs: Floats) -> Parity:
    """Compare a float32 file with the network it was made from.

    Parameters
    ----------
    network
        The original.
    model, format
        The file's bytes and whether they are "onnx" or "tflite".
    inputs
        ``(n, n_samples)``, what the graph takes, to compare on: raw millivolts, or filtered
        windows of a teacher.

    Raises
    ------
    ExportError
        If logits differ by more than 1e-4 given the front end's output, or 1e-3 given raw
        millivolts.
    """
    limits = {"raw millivolts": FROM_RAW_LIMIT}
    if isinstance(network, Teacher):
        difference = _max_abs(run_model(model, format, inputs) - _teacher_logits(network, inputs))
        parity = Parity(difference, difference)
    else:
        parity = _student_parity(network, model, format, inputs)
        limits = {"the front end's output": FROM_FRONT_LIMIT, **limits}
    for what, limit in limits.items():
        value = parity.from_raw if what == "raw millivolts" else parity.from_front
        if not value <= limit:
            raise ExportError(
                f"{format} differs from PyTorch by {value:.2g} given {what}; the limit is "
                f"{limit:g}. Export again; if it stays, this converter miscompiles the network"
            )
    return parity


def check_drift(file: ModelFile, drift: Drift) -> None:
    """Refuse a file of smaller precision that orders windows otherwise than its float32 original.

    Raises
    ------
    ExportError
        If the rank correlation of half the indicators is below the limit of the precision.
    """
    limit = RANK_LIMITS[file.precision]
    if not drift.rank_median >= limit:
        raise ExportError(
            f"{file.file} orders windows otherwise than float32: median rank correlation "
            f"{drift.rank_median:.3f}; the limit is {limit}. Give more calibration windows, or "
            "leave this precision out with --precisions"
        )


def check_reduced_range(model: bytes) -> None:
    """Refuse an ONNX file whose 8-bit products may saturate.

    Weights that are only stored in 8 bits, and meet float32 activations, may use them all.

    Raises
    ------
    ExportError
        If a weight that is multiplied in 8 bits exceeds 64 in magnitude: on x86 without VNNI its
        products would saturate.
    """
    graph = onnx.load_from_string(model).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for name in _int8_weights(graph):
        weight = tensors.get(name)
        if weight is None:
            raise ExportError(f"int8 weight {name} is computed, not stored; quantize anew")
        largest = int(np.abs(onnx.numpy_helper.to_array(weight).astype(np.int16)).max())
        if largest > WEIGHT_LIMIT:
            raise ExportError(
                f"int8 weight {name} reaches {largest}; the limit is {WEIGHT_LIMIT}: "
                "wider ones saturate on x86 without VNNI. Quantize with reduced range"
            )


def _int8_weights(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the 8-bit weights of layers whose input is in 8 bits, too."""
    widened = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    for node in graph.node:
        if node.op_type in ("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"):
            yield node.input[3 if node.op_type.startswith("QLinear") else 1]
        elif node.op_type in ("Conv", "Gemm", "MatMul") and widened.keys() >= set(node.input[:2]):
            yield widened[node.input[1]]


def measure_drift(reference: Floats, logits: Floats) -> Drift:
    """Compare ``(n, n_labels)`` logits of a file with those of its float32 original."""
    difference = np.abs(logits - reference)
    ranks, reference_ranks = rankdata(logits, axis=0), rankdata(reference, axis=0)
    ranks -= ranks.mean(axis=0)
    reference_ranks -= reference_ranks.mean(axis=0)
    norm = np.sqrt((ranks**2).sum(axis=0) * (reference_ranks**2).sum(axis=0))
    spearman = (ranks * reference_ranks).sum(axis=0) / np.maximum(norm, 1e-12)
    return Drift(
        max_abs=float(difference.max()),
        mean_abs=float(difference.mean()),
        rank_median=float(np.median(spearman)),
        rank_min=float(spearman.min()),
    )


def _student_parity(student: Student, model: bytes, format: Format, raw_mv: Floats) -> Parity:
    run = _onnx_with_front(model) if format == "onnx" else _tflite_with_front(model)
    results = [run(window[None]) for window in raw_mv]
    logits = np.concatenate([result[0] for result in results])
    front = np.concatenate([result[1].reshape(1, 1, 1, -1) for result in results])
    original = folded(student)
    with torch.inference_mode():
        given_front = original.from_front(torch.from_numpy(front)).numpy()
    given_raw = student_logits(original, raw_mv)
    return Parity(_max_abs(logits - given_front), _max_abs(logits - given_raw))


def _teacher_logits(teacher: Teacher, inputs: Floats) -> Floats:
    with torch.inference_mode():
        return np.concatenate(
            [teacher(window[None]).numpy() for window in torch.from_numpy(inputs)]
        )


def _max_abs(difference: Floats) -> float:
    return float(np.abs(difference).max())


def _onnx_with_front(model: bytes) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return a function from raw millivolts to logits and front end's output."""
    parsed = onnx.load_from_string(model)
    last = front_nodes(parsed)[-1]
    (front,) = (node.output[0] for node in parsed.graph.node if node.name == last)
    parsed.graph.output.append(onnx.ValueInfoProto(name=front))
    session = onnxruntime.InferenceSession(
        parsed.SerializeToString(), providers=["CPUExecutionProvider"]
    )

    def run(raw_mv: Floats) -> tuple[Floats, Floats]:
        logits, normalised = session.run([OUTPUT, front], {INPUT: raw_mv})
        return logits, normalised

    return run


def _tflite_with_front(model: bytes) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return a function from raw millivolts to logits and front end's output."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    parsed = read_flatbuffer(model)
    (graph,) = parsed.subgraphs
    made = [int(operator.outputs[0]) for operator in graph.operators]
    front = [i for i in made if graph.tensors[i].name.startswith(f"{FRONT}/".encode())][-1]
    output, graph.outputs = graph.outputs[0], [graph.outputs[0], front]
    with quiet():
        interpreter = Interpreter(
            model_content=bytes(convert_object_to_bytearray(parsed)), num_threads=1
        )
        interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()

    def run(raw_mv: Floats) -> tuple[Floats, Floats]:
        interpreter.set_tensor(source["index"], raw_mv)
        interpreter.invoke()
        return interpreter.get_tensor(output), interpreter.get_tensor(front)

    return run

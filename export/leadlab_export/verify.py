"""Verification: a written model file must compute what its PyTorch original computes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from leadlab_edge.runtimes import Format, open_session
from leadlab_export.errors import ExportError
from leadlab_export.quantize_onnx import WEIGHT_LIMIT
from leadlab_export.quiet import quiet
from leadlab_export.student import Student, folded, student_logits
from leadlab_export.to_onnx import FRONT, INPUT, OUTPUT, front_nodes
from leadlab_export.to_tflite import read_flatbuffer

Floats = NDArray[np.float32]

FROM_FRONT_LIMIT = 1e-4
FROM_RAW_LIMIT = 1e-3


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest difference in logits between a float32 file and PyTorch.

    Attributes
    ----------
    from_front
        Given the front end's output as the file itself computes it.
    from_raw
        Given raw millivolts.
    """

    from_front: float
    from_raw: float


@dataclass(frozen=True, slots=True)
class Drift:
    """What quantization changed: logits of an int8 file beside those of the float32 model.

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


def run_model(model: bytes, format: Format, raw_mv: Floats, runtime: str | None = None) -> Floats:
    """Run a model file on ``(n, n_samples)`` millivolts; return ``(n, n_labels)`` logits."""
    session = open_session(model, format, runtime)
    return np.concatenate([session.run(window[None]).copy() for window in raw_mv])


def verify_fp32(student: Student, model: bytes, format: Format, raw_mv: Floats) -> Parity:
    """Compare a float32 file with the student it was made from.

    Parameters
    ----------
    student
        The original.
    model, format
        The file's bytes and whether they are "onnx" or "tflite".
    raw_mv
        ``(n, n_samples)`` millivolts to compare on.

    Raises
    ------
    ExportError
        If logits differ by more than 1e-4 given the front end's output, or 1e-3 given raw
        millivolts.
    """
    run = _onnx_with_front(model) if format == "onnx" else _tflite_with_front(model)
    results = [run(window[None]) for window in raw_mv]
    logits = np.concatenate([result[0] for result in results])
    front = np.concatenate([result[1].reshape(1, 1, 1, -1) for result in results])
    original = folded(student)
    with torch.inference_mode():
        given_front = original.from_front(torch.from_numpy(front)).numpy()
    given_raw = student_logits(original, raw_mv)
    parity = Parity(_max_abs(logits - given_front), _max_abs(logits - given_raw))
    for what, value, limit in (
        ("the front end's output", parity.from_front, FROM_FRONT_LIMIT),
        ("raw millivolts", parity.from_raw, FROM_RAW_LIMIT),
    ):
        if not value <= limit:
            raise ExportError(
                f"{format} differs from PyTorch by {value:.2g} given {what}; the limit is "
                f"{limit:g}. Export again; if it stays, this converter miscompiles the student"
            )
    return parity


def check_reduced_range(model: bytes) -> None:
    """Refuse an int8 ONNX file whose weights use more than 7 bits.

    Raises
    ------
    ExportError
        If a convolution's or linear layer's weight exceeds 64 in magnitude: on x86 without VNNI
        its products would saturate.
    """
    for tensor in onnx.load_from_string(model).graph.initializer:
        if tensor.data_type != onnx.TensorProto.INT8 or len(tensor.dims) < 2:
            continue
        largest = int(np.abs(onnx.numpy_helper.to_array(tensor).astype(np.int16)).max())
        if largest > WEIGHT_LIMIT:
            raise ExportError(
                f"int8 weight {tensor.name} reaches {largest}; the limit is {WEIGHT_LIMIT}: "
                "wider ones saturate on x86 without VNNI. Quantize with reduced range"
            )


def measure_drift(reference: Floats, logits: Floats) -> Drift:
    """Compare ``(n, n_labels)`` logits of an int8 file with those of its float32 original."""
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

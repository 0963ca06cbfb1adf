"""Whether int8 files do what their bits can: no saturating products, no ranges that clip.

Both faults are silent, and both may cost too little AUROC on one cohort to be seen there:

- ONNX Runtime multiplies uint8 by int8 in pairs that saturate on x86 without VNNI, unless the
  weights keep to 7 bits. The weights are looked at everywhere; what the kernels of this machine
  make of them is measured against the same file in float arithmetic.
- A calibration by moving averages of the windows' extremes gives ranges that most windows exceed.
  Activations then pile up at the ends of their range, which are counted.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.pack import Pack
from leadlab_edge.pack.manifest import ModelFile
from leadlab_edge.runtimes import available
from leadlab_export.check.onnx_graph import REDUCED_RANGE, OnnxGraph, with_outputs

Windows = NDArray[np.float32]
Range = tuple[float, ...]

_LITERTS: Final = ("ai_edge_litert", "tflite_runtime")
# Values that an activation function stops at: no sign of clipping by calibration.
_FLOORS: Final = (0.0, -0.2785)  # ReLU and sigmoid; SiLU
_CEILINGS: Final = (6.0, 1.0)  # ReLU6; sigmoid
_NEAR: Final = 0.01
_ERRORS_ONLY: Final = 3


@dataclass(frozen=True, slots=True)
class Int8Row:
    """One int8 file on this machine.

    Attributes
    ----------
    file
        Its name.
    largest_weight
        Magnitude of its largest weight that meets 8-bit inputs; None where any is safe.
    saturation
        Root mean square difference between integer kernels and float arithmetic on the same file,
        as a share of the spread of its logits; None where that cannot be told.
    clipped_share
        Share of activations at an end of their range, median over tensors: small ones may well
        exceed what calibration saw. None where the runtime that shows them is not installed.
    """

    file: str
    largest_weight: int | None
    saturation: float | None
    clipped_share: float | None

    @property
    def reduced_range(self) -> bool:
        """Whether no product of two of its 8-bit numbers can saturate."""
        return self.largest_weight is None or self.largest_weight <= REDUCED_RANGE


def int8_rows(pack: Pack, windows: dict[float | None, Windows]) -> Iterator[Int8Row]:
    """Examine every int8 file of a pack.

    Parameters
    ----------
    pack
        A verified pack.
    windows
        ``(n, n_samples)`` inputs of its graphs by the rate of the model file: raw millivolts, or
        filtered windows if the front end is not in the graph.
    """
    for file in pack.manifest.models:
        if file.precision == "int8":
            yield _examine(file, pack.members[file.file], windows[file.rate_hz])


def _examine(file: ModelFile, model: bytes, windows: Windows) -> Int8Row:
    if file.format == "tflite":
        runtime = next((name for name in _LITERTS if name in available()), None)
        clipped = None if runtime is None else _clipped_tflite(model, windows, runtime)
        return Int8Row(file.file, None, None, clipped)
    graph = OnnxGraph.of(model)
    largest = graph.largest_weight()
    if "onnxruntime" not in available():
        return Int8Row(file.file, largest, None, None)
    return Int8Row(
        file.file, largest, _saturation(model, windows), _clipped_onnx(model, graph, windows)
    )


def _saturation(model: bytes, windows: Windows) -> float:
    integer, exact = (_run_onnx(model, windows, optimized)[0] for optimized in (True, False))
    spread = float(np.std(exact, axis=0).mean())
    difference = float(np.sqrt(np.mean((integer - exact) ** 2)))
    return difference / spread if spread > 0 else 0.0


def _clipped_onnx(model: bytes, graph: OnnxGraph, windows: Windows) -> float:
    ranges = graph.ranges()
    names = list(ranges)
    shown = _run_onnx(with_outputs(model, names), windows, optimized=False)[1:]
    shares = [
        _share_at_ends(values, ranges[name]) for name, values in zip(names, shown, strict=True)
    ]
    return float(np.median(shares)) if shares else 0.0


def _run_onnx(model: bytes, windows: Windows, optimized: bool) -> list[NDArray[Any]]:
    """Return every output for all windows. Unoptimized, 8-bit layers are computed in float."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    runs = [session.run(None, {source.name: window[None]}) for window in windows]
    return [np.concatenate(values) for values in zip(*runs, strict=True)]


def _clipped_tflite(model: bytes, windows: Windows, runtime: str) -> float:
    interpreter_module = importlib.import_module(f"{runtime}.interpreter")
    interpreter = interpreter_module.Interpreter(
        model_content=model,
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=(
            interpreter_module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    ranges = _tflite_ranges(interpreter)
    shares: dict[int, list[float]] = {index: [] for index in ranges}
    for window in windows:
        interpreter.set_tensor(source["index"], window[None])
        interpreter.invoke()
        for index, real in ranges.items():
            shares[index].append(_share_at_ends(interpreter.get_tensor(index), real))
    return float(np.median([np.mean(found) for found in shares.values()])) if shares else 0.0


def _tflite_ranges(interpreter: Any) -> dict[int, Range]:
    """Return the real lowest and highest value of each int8 tensor with a single range."""
    found = {}
    for tensor in interpreter.get_tensor_details():
        scales = tensor["quantization_parameters"]["scales"]
        if tensor["dtype"] == np.int8 and len(scales) == 1:
            zero = int(tensor["quantization_parameters"]["zero_points"][0])
            found[tensor["index"]] = tuple((end - zero) * float(scales[0]) for end in (-128, 127))
    return found


def _share_at_ends(values: NDArray[Any], real: Range) -> float:
    """Return the share of values at an end of their range where no activation function stops."""
    low, high = real
    near = _NEAR * (high - low)
    ends = np.iinfo(values.dtype)
    at_end = np.zeros(values.shape, bool)
    if all(abs(low - floor) > near for floor in _FLOORS):
        at_end |= values == ends.min
    if all(abs(high - ceiling) > near for ceiling in _CEILINGS):
        at_end |= values == ends.max
    return float(at_end.mean())

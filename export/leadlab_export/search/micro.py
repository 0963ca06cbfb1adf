"""TensorFlow Lite Micro's host interpreter, in a Python of its own.

The package `tflite-micro` is published as development builds only, so that leadlab does not depend
on it: `pip install --pre tflite-micro` into any environment and name its Python.
"""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from leadlab_export.errors import ExportError, ExportUnavailable
from leadlab_export.quiet import quiet
from leadlab_export.to_tflite import read_flatbuffer

TIMEOUT_S: Final = 300
_ARENA = re.compile(r"Arena allocation total (\d+) bytes")
_PROGRAM: Final = """
import sys
import numpy as np
from tflite_micro import runtime
model, inputs, outputs = sys.argv[1:]
interpreter = runtime.Interpreter.from_file(
    model, intrepreter_config=runtime.InterpreterConfig.kAllocationRecording
)
results = []
for line in np.load(inputs):
    interpreter.set_input(line[None], 0)
    interpreter.invoke()
    results.append(interpreter.get_output(0)[0])
np.save(outputs, np.stack(results))
interpreter.print_allocations()
"""


@dataclass(frozen=True, slots=True, eq=False)
class Micro:
    """What TensorFlow Lite Micro made of a file.

    Attributes
    ----------
    outputs
        ``(n, ...)``, one for each input.
    arena_bytes
        Memory for tensors and bookkeeping. A 32-bit microcontroller needs somewhat less: the
        bookkeeping holds pointers.
    """

    outputs: NDArray[Any]
    arena_bytes: int


def run_micro(python: Path, model: bytes, inputs: NDArray[Any]) -> Micro:
    """Run a TFLite file on TensorFlow Lite Micro.

    Parameters
    ----------
    python
        A Python that has ``tflite_micro``.
    model
        The file.
    inputs
        ``(n, ...)`` in the type of the file's input.

    Raises
    ------
    ExportUnavailable
        That Python has no ``tflite_micro``.
    ExportError
        The interpreter refuses the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("model.tflite", "inputs.npy", "outputs.npy")]
        paths[0].write_bytes(model)
        np.save(paths[1], inputs)
        done = subprocess.run(
            [python, "-c", _PROGRAM, *paths],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        said = done.stdout + done.stderr
        if "No module named 'tflite_micro'" in said:
            raise ExportUnavailable(
                f"{python} has no tflite_micro. Remedy: pip install --pre tflite-micro there"
            )
        arena = _ARENA.search(said)
        if done.returncode or arena is None:
            raise ExportError(
                f"TensorFlow Lite Micro refuses the file of {len(model)} bytes: {said[-500:]}"
            )
        return Micro(np.load(paths[2]), int(arena.group(1)))


def run_litert(model: bytes, inputs: NDArray[Any]) -> NDArray[Any]:
    """Run a TFLite file of any types on LiteRT, as :func:`run_micro` does; return the outputs."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(model_content=model, num_threads=1)
        interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for line in inputs:
        interpreter.set_tensor(source["index"], line[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(target["index"])[0].copy())
    return np.stack(outputs)


def steps_apart(python: Path, model: bytes, windows_mv: NDArray[np.float32]) -> tuple[float, float]:
    """Compare TensorFlow Lite Micro with LiteRT on an int8 file of a student.

    Returns
    -------
    tuple
        Largest difference of the int8 body on random input, in its own steps, and of the logits of
        ``(n, n_samples)`` millivolts, in steps of a 255th of their range.
    """
    body = int8_body(model)
    (shape,) = {tuple(t.shape) for t in _inputs(body)}
    random = np.random.default_rng(0).integers(-128, 128, (len(windows_mv), *shape[1:]))
    noise = random.astype(np.int8)
    body_steps = run_micro(python, body, noise).outputs.astype(int) - run_litert(body, noise)
    logits = run_litert(model, windows_mv)
    whole = run_micro(python, model, windows_mv).outputs - logits
    step = (logits.max() - logits.min()) / 255
    return float(np.abs(body_steps).max()), float(np.abs(whole).max() / step)


def _inputs(model: bytes) -> list[Any]:
    (graph,) = read_flatbuffer(model).subgraphs
    return [graph.tensors[index] for index in graph.inputs]


def int8_body(model: bytes) -> bytes:
    """Cut the int8 part out of an int8 file: from its QUANTIZE to its DEQUANTIZE operator.

    The float parts before and after round alike nowhere; between them two interpreters can be held
    to whole steps.

    Raises
    ------
    ExportError
        The file has no such part.
    """
    from ai_edge_litert.schema_py_generated import BuiltinOperator
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    parsed = read_flatbuffer(model)
    (graph,) = parsed.subgraphs
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in parsed.operatorCodes]
    kinds = [codes[operator.opcodeIndex] for operator in graph.operators]
    try:
        begin = kinds.index(BuiltinOperator.QUANTIZE)
        end = kinds.index(BuiltinOperator.DEQUANTIZE, begin)
    except ValueError as error:
        raise ExportError("the file has no int8 body; quantize it first") from error
    graph.inputs, graph.outputs = graph.operators[begin].outputs, graph.operators[end].inputs
    graph.operators = graph.operators[begin + 1 : end]
    parsed.signatureDefs = []
    return bytes(convert_object_to_bytearray(parsed))

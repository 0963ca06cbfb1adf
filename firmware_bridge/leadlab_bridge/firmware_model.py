"""A model as C source for a microcontroller: bytes and metadata in, the text of two files out.

The C is C99, allocates nothing and needs no header but float.h.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from leadlab_bridge.errors import FrameError
from leadlab_bridge.firmware_c import HEADER, SOURCE
from leadlab_bridge.firmware_tflite import Tensor, TfliteSummary, summarize_tflite

# The demo pack's int8 file on TFLite Micro is up to 0.026 off its golden logits, as are the
# reference kernels of LiteRT; four times that is still far below what a wrong graph gives.
TOLERANCE: Final = 0.1
_NEVER: Final = "FLT_MAX"
_BYTES_A_LINE: Final = 20
_FLOATS_A_LINE: Final = 8


@dataclass(frozen=True, slots=True)
class FirmwareOutput:
    """One output of a model, in its order.

    Attributes
    ----------
    name, label
        Slug and text for people: ``"potassium_high"``, ``"Potassium > 5 mmol/L"``.
    threshold
        Probability at and above which the finding is reported; None never reports it.
    shown
        Whether a device shows it by default.
    """

    name: str
    label: str
    threshold: float | None
    shown: bool


@dataclass(frozen=True, slots=True, eq=False)
class FirmwareModel:
    """A model and all that its firmware must know.

    Attributes
    ----------
    name
        Short name; becomes the prefix of every C name.
    tflite
        The model file: float32 at both ends.
    pack_id, lead, licence, intended_use, simulated
        As the pack says.
    rate_hz, n_samples, margin
        Its input: ``n_samples`` of raw millivolts, ``margin`` of them on each side of the window.
    temperature
        Probability = sigmoid(logit / temperature).
    outputs
        One for each logit.
    golden_mv, golden_logits
        ``(n, n_samples) float32`` and ``(n, n_outputs) float32``, simulated.
    arena_bytes
        TFLite Micro's arena as measured at export; None where it was not.
    """

    name: str
    tflite: bytes
    pack_id: str
    lead: str
    licence: str
    intended_use: str
    simulated: bool
    rate_hz: float
    n_samples: int
    margin: int
    temperature: float
    outputs: tuple[FirmwareOutput, ...]
    golden_mv: NDArray[np.float32]
    golden_logits: NDArray[np.float32]
    arena_bytes: int | None = None


def model_to_c(model: FirmwareModel) -> dict[str, str]:
    """Return C file names and their texts: ``NAME_model.h`` and ``NAME_model.c``.

    Raises
    ------
    FrameError
        The model file is not TFLite, or is not what the metadata says it is.
    """
    summary = summarize_tflite(model.tflite)
    _check_ends(model, summary)
    prefix = c_prefix(model.name)
    values = _values(model, summary, prefix)
    return {
        f"{prefix}_model.h": _fill(HEADER, values),
        f"{prefix}_model.c": _fill(SOURCE, values),
    }


def c_prefix(name: str) -> str:
    """Return a model's name as a C identifier: ``"My model 2"`` is ``"my_model_2"``."""
    words = "_".join(re.findall(r"[a-z0-9]+", name.lower()))
    return words if words[:1].isalpha() else f"model_{words}".rstrip("_")


def _check_ends(model: FirmwareModel, summary: TfliteSummary) -> None:
    expected = (1, model.n_samples), (1, len(model.outputs))
    golden = (len(model.golden_mv), model.n_samples), (len(model.golden_mv), len(model.outputs))
    found = [(tensor.shape, tensor.type) for tensor in summary.inputs + summary.outputs]
    if found != [(shape, "float32") for shape in expected]:
        raise FrameError(
            f"model ends are {found}; the pack says float32 {expected}. Remedy: export it anew"
        )
    if (model.golden_mv.shape, model.golden_logits.shape) != golden or not len(model.golden_mv):
        raise FrameError(
            f"golden vectors are {model.golden_mv.shape} and {model.golden_logits.shape}; they "
            f"must be {golden}, one window or more. Remedy: write the pack anew"
        )


def _values(model: FirmwareModel, summary: TfliteSummary, prefix: str) -> dict[str, str]:
    return {
        "prefix": prefix,
        "PREFIX": prefix.upper(),
        "name": _comment(model.name),
        "pack_id": _comment(model.pack_id),
        "lead_comment": _comment(model.lead),
        "lead": _string(model.lead),
        "licence": _comment(model.licence or "none given"),
        "intended_use": _comment(model.intended_use),
        "simulated": "1" if model.simulated else "0",
        "simulated_note": "What it learnt is simulated. " if model.simulated else "",
        "n_bytes": str(len(model.tflite)),
        "rate": _float(model.rate_hz),
        "rate_comment": f"{model.rate_hz:g}",
        "n_samples": str(model.n_samples),
        "margin": str(model.margin),
        "n_outputs": str(len(model.outputs)),
        "n_golden": str(len(model.golden_mv)),
        "temperature": _float(model.temperature),
        "tolerance": _float(TOLERANCE),
        "arena": str(model.arena_bytes or 0),
        "arena_note": _arena_note(model.arena_bytes),
        "operators": "\n".join(f" *   {name}" for name in summary.operators),
        "n_operators": str(len(summary.operators)),
        "quantized": "\n".join(_quantization(summary)),
        "bytes": "\n".join(_byte_lines(model.tflite)),
        "outputs": "\n".join(_output(output, model.temperature) for output in model.outputs),
        "golden_mv": "\n".join(_rows(model.golden_mv)),
        "golden_logits": "\n".join(_rows(model.golden_logits)),
    }


def _fill(template: str, values: dict[str, str]) -> str:
    return re.sub(r"@(\w+)@", lambda match: values[match[1]], template)


def _arena_note(arena_bytes: int | None) -> str:
    if arena_bytes is None:
        return "0: not measured; let TFLite Micro print arena_used_bytes() once"
    return "as measured at export, with TFLite Micro on the exporting machine"


def _quantization(summary: TfliteSummary) -> Iterator[str]:
    """Yield one comment line for each tensor where the graph enters or leaves int8."""
    for what, tensors in (("enters", summary.quantized), ("leaves", summary.dequantized)):
        for tensor in tensors:
            yield f" *   {what} int8 in {_shape(tensor)}: {_parameters(tensor)}"
    if not summary.quantized:
        yield " *   none: the graph has no int8 part"


def _shape(tensor: Tensor) -> str:
    return " x ".join(str(size) for size in tensor.shape)


def _parameters(tensor: Tensor) -> str:
    return f"scale {tensor.scale:.9g}, zero point {tensor.zero_point}"


def _byte_lines(data: bytes) -> Iterator[str]:
    for at in range(0, len(data), _BYTES_A_LINE):
        yield "    " + ",".join(str(byte) for byte in data[at : at + _BYTES_A_LINE]) + ","


def _output(output: FirmwareOutput, temperature: float) -> str:
    texts = f"{_string(output.name)}, {_string(output.label)}"
    return f"    {{{texts}, {_logit(output.threshold, temperature)}, {int(output.shown)}}},"


def _logit(threshold: float | None, temperature: float) -> str:
    """Return the logit of a probability as C: comparing logits needs no exponential."""
    if threshold is None or threshold >= 1:
        return _NEVER
    if threshold <= 0:
        return f"-{_NEVER}"
    return _float(temperature * math.log(threshold / (1 - threshold)))


def _rows(array: NDArray[np.float32]) -> Iterator[str]:
    for row in array:
        yield "    {"
        for at in range(0, len(row), _FLOATS_A_LINE):
            yield "        " + " ".join(
                f"{_float(value)}," for value in row[at : at + _FLOATS_A_LINE]
            )
        yield "    },"


def _float(value: float) -> str:
    """Return a float literal that reads back as the same float32."""
    if not math.isfinite(value):
        raise FrameError(
            f"a number of the model is {value}; it must be finite. Remedy: export anew"
        )
    return f"{np.float32(value)!s}f"


def _string(text: str) -> str:
    """Return a C string literal of UTF-8, with nothing but printable ASCII in it."""
    return '"' + "".join(_escaped(byte) for byte in text.encode()) + '"'


def _escaped(byte: int) -> str:
    # A question mark could begin a trigraph; three octal digits end where they should.
    plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
    return chr(byte) if plain else f"\\{byte:03o}"


def _comment(text: str) -> str:
    """Return text that cannot end a comment: one line of ASCII, no ``*/``, no backslash."""
    ascii_text = text.encode("ascii", "replace").decode()
    return re.sub(r"[^ -~]+", " ", ascii_text).replace("*", "").replace("\\", "/").replace("?", "")

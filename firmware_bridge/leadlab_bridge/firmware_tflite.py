"""What a microcontroller must know of a TFLite file: its ends, its operators, where int8 begins.

A reader of just these tables, so that writing firmware needs no runtime. Sources: the TensorFlow
Lite schema (``schema.fbs``, version 3), and the FlatBuffers internals page on tables and vtables.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from leadlab_bridge.errors import FrameError

_IDENTIFIER: Final = b"TFL3"
_TYPES: Final = {
    0: "float32",
    1: "float16",
    2: "int32",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
}
_QUANTIZE, _DEQUANTIZE = 114, 6
# By BuiltinOperator; what compact 1-D networks are made of.
_OPERATORS: Final = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    21: "RELU6",
    22: "RESHAPE",
    25: "SOFTMAX",
    28: "TANH",
    34: "PAD",
    36: "GATHER",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    42: "DIV",
    43: "SQUEEZE",
    45: "STRIDED_SLICE",
    55: "MAXIMUM",
    57: "MINIMUM",
    65: "SLICE",
    70: "EXPAND_DIMS",
    74: "SUM",
    75: "SQRT",
    76: "RSQRT",
    78: "POW",
    92: "SQUARE",
    101: "ABS",
    114: "QUANTIZE",
    117: "HARD_SWISH",
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor.

    Attributes
    ----------
    name, shape, type
        As in the file; the type by name.
    scale, zero_point
        ``value = scale * (code - zero_point)``; 0.0 and 0 for a tensor that is not quantized.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class TfliteSummary:
    """The parts of a model that its firmware depends on.

    Attributes
    ----------
    inputs, outputs
        The tensors at its ends.
    quantized, dequantized
        The int8 tensors where the graph changes from float to int8, and back.
    operators
        Names of the operators that occur, in order of first use.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    quantized: tuple[Tensor, ...]
    dequantized: tuple[Tensor, ...]
    operators: tuple[str, ...]


def summarize_tflite(model: bytes) -> TfliteSummary:
    """Read a TFLite file of one graph.

    Raises
    ------
    FrameError
        Not a TFLite file, or one whose tables point outside it.
    """
    if model[4:8] != _IDENTIFIER:
        raise FrameError(
            f"model holds {model[4:8]!r} at byte 4; a TFLite file holds {_IDENTIFIER!r}. "
            "Remedy: give the model.int8.tflite of a pack"
        )
    try:
        return _summarize(_Table(model, _u32(model, 0)))
    except (struct.error, IndexError, UnicodeDecodeError) as cause:
        raise FrameError(
            f"model of {len(model)} bytes is damaged: {cause}. Remedy: export it anew"
        ) from None


def _summarize(root: "_Table") -> TfliteSummary:
    codes = [_operator_code(table) for table in root.tables(1)]
    graph = next(root.tables(2), None)
    if graph is None:
        raise IndexError("it holds no graph")
    tensors = list(graph.tables(0))
    operators = [(codes[op.number(0, "<I")], op) for op in graph.tables(3)]

    def named(indices: Iterator[int]) -> tuple[Tensor, ...]:
        return tuple(_tensor(tensors[index]) for index in indices)

    return TfliteSummary(
        inputs=named(graph.numbers(1, "<i")),
        outputs=named(graph.numbers(2, "<i")),
        quantized=named(i for c, op in operators if c == _QUANTIZE for i in op.numbers(2)),
        dequantized=named(i for c, op in operators if c == _DEQUANTIZE for i in op.numbers(1)),
        operators=tuple(dict.fromkeys(_OPERATORS.get(c, f"builtin {c}") for c, _ in operators)),
    )


def _operator_code(table: "_Table") -> int:
    return max(table.number(0, "<b"), table.number(3, "<i"))


def _tensor(table: "_Table") -> Tensor:
    scale, zero_point = 0.0, 0
    for quantization in table.optional_table(4):
        scale = next(quantization.numbers(2, "<f"), 0.0)
        zero_point = next(quantization.numbers(3, "<q"), 0)
    kind = table.number(1, "<b")
    shape = tuple(table.numbers(0, "<i"))
    return Tensor(table.text(3), shape, _TYPES.get(kind, f"type {kind}"), scale, zero_point)


class _Table:
    """A FlatBuffers table: fields by their number in the schema, absent ones at their default."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._vtable = at - _number(data, at, "<i")
        self._vtable_bytes = _number(data, self._vtable, "<H")

    def _field(self, number: int) -> int:
        """Return where a field is, 0 if it is absent."""
        slot = 4 + 2 * number
        if slot >= self._vtable_bytes:
            return 0
        offset = _number(self._data, self._vtable + slot, "<H")
        return int(self._at + offset) if offset else 0

    def number(self, number: int, format: str) -> int:
        """Return a whole number; 0 if absent."""
        at = self._field(number)
        return int(_number(self._data, at, format)) if at else 0

    def numbers(self, number: int, format: str = "<i") -> Iterator[Any]:
        """Yield the numbers of a vector; none if absent."""
        size = struct.calcsize(format)
        start, count = self._vector(number)
        for at in range(start, start + count * size, size):
            yield _number(self._data, at, format)

    def tables(self, number: int) -> Iterator["_Table"]:
        """Yield the tables of a vector; none if absent."""
        start, count = self._vector(number)
        for at in range(start, start + 4 * count, 4):
            yield _Table(self._data, at + _u32(self._data, at))

    def optional_table(self, number: int) -> Iterator["_Table"]:
        """Yield a table, or nothing if absent."""
        at = self._field(number)
        if at:
            yield _Table(self._data, at + _u32(self._data, at))

    def text(self, number: int) -> str:
        """Return a text; empty if absent."""
        start, count = self._vector(number)
        return self._data[start : start + count].decode()

    def _vector(self, number: int) -> tuple[int, int]:
        """Return where the elements of a vector start, and how many there are."""
        at = self._field(number)
        if not at:
            return 0, 0
        start = at + _u32(self._data, at)
        count = _u32(self._data, start)
        if count > len(self._data):
            raise IndexError(f"a vector of {count} elements at byte {start}")
        return start + 4, count


def _number(data: bytes, at: int, format: str) -> Any:
    if at < 0:
        raise IndexError(f"a table points to byte {at}")
    return struct.unpack_from(format, data, at)[0]


def _u32(data: bytes, at: int) -> int:
    return int(_number(data, at, "<I"))

"""What an int8 ONNX file does with its 8 bits, found by walking its protobuf: no onnx package here.

The pack reader has verified the bytes before; this only has to find its way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

REDUCED_RANGE: Final = 64  # largest magnitude of a weight of 7 bits

# Field numbers from onnx.proto.
_GRAPH, _NODE, _INITIALIZER, _OUTPUT = 7, 1, 5, 12
_NODE_INPUT, _NODE_OUTPUT, _OP_TYPE = 1, 2, 4
_DATA_TYPE, _FLOATS, _INTEGERS, _NAME, _RAW = 2, 4, 5, 8, 9
_FLOAT, _UINT8, _INT8 = 1, 2, 3
_KINDS: Final[Mapping[int, np.dtype[Any]]] = {
    _FLOAT: np.dtype("<f4"),
    _UINT8: np.dtype("u1"),
    _INT8: np.dtype("i1"),
}
_LAYERS = ("Conv", "Gemm", "MatMul")

Fields = dict[int, list[Any]]


@dataclass(frozen=True, slots=True)
class Node:
    """One operator."""

    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class OnnxGraph:
    """Operators and stored tensors of an ONNX file.

    Attributes
    ----------
    nodes
        In the file's order.
    tensors
        Stored tensors of float32, uint8 and int8, flat, by name.
    """

    nodes: tuple[Node, ...]
    tensors: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, model: bytes) -> "OnnxGraph":
        """Read the graph of an ONNX file."""
        graph = _fields(_fields(memoryview(model))[_GRAPH][0])
        nodes = [_fields(node) for node in graph.get(_NODE, [])]
        tensors = [_fields(tensor) for tensor in graph.get(_INITIALIZER, [])]
        return cls(
            tuple(
                Node(
                    _text(node[_OP_TYPE][0]),
                    tuple(map(_text, node.get(_NODE_INPUT, []))),
                    tuple(map(_text, node.get(_NODE_OUTPUT, []))),
                )
                for node in nodes
            ),
            {
                _text(tensor[_NAME][0]): _values(tensor)
                for tensor in tensors
                if tensor[_DATA_TYPE][0] in _KINDS
            },
        )

    def largest_weight(self) -> int:
        """Return the largest magnitude of the int8 weights that meet 8-bit inputs; 0 without any.

        On x86 without VNNI, sums of two products of full 8 bits saturate.
        """
        weights = [self.tensors[name] for name in self._weights() if name in self.tensors]
        int8 = [w for w in weights if w.dtype == np.int8 and w.size]
        return max((int(np.abs(w.astype(np.int16)).max()) for w in int8), default=0)

    def _weights(self) -> Iterator[str]:
        widened = {n.outputs[0]: n.inputs[0] for n in self.nodes if n.op_type == "DequantizeLinear"}
        for node in self.nodes:
            if node.op_type in ("ConvInteger", "MatMulInteger"):
                yield node.inputs[1]
            elif node.op_type in ("QLinearConv", "QLinearMatMul"):
                yield node.inputs[3]
            elif node.op_type in _LAYERS and widened.keys() >= set(node.inputs[:2]):
                yield widened[node.inputs[1]]

    def ranges(self) -> dict[str, tuple[float, ...]]:
        """Return the real lowest and highest value of each tensor that is quantized to 8 bits."""
        found: dict[str, tuple[float, ...]] = {}
        for node in self.nodes:
            if node.op_type == "QuantizeLinear" and len(node.inputs) == 3:
                scale, zero = (self.tensors.get(name) for name in node.inputs[1:])
                if scale is not None and zero is not None and scale.size == zero.size == 1:
                    ends, step = np.iinfo(zero.dtype), float(scale[0])
                    found[node.outputs[0]] = tuple(
                        (end - int(zero[0])) * step for end in (ends.min, ends.max)
                    )
        return found


def with_outputs(model: bytes, names: list[str]) -> bytes:
    """Return the model with further outputs; protobuf merges a second part of the same message."""
    outputs = b"".join(_field(_OUTPUT, _field(1, name.encode())) for name in names)
    return model + _field(_GRAPH, outputs)


def _values(tensor: Fields) -> NDArray[Any]:
    kind = _KINDS[tensor[_DATA_TYPE][0]]
    if _RAW in tensor:
        return np.frombuffer(tensor[_RAW][0], kind)
    if tensor[_DATA_TYPE][0] == _FLOAT:
        packed = tensor.get(_FLOATS, [])
        return np.frombuffer(b"".join(map(bytes, packed)), kind)
    numbers = [n for part in tensor.get(_INTEGERS, []) for n in _integers(part)]
    return np.array(numbers, np.uint64).astype(kind)


def _integers(part: Any) -> Iterator[int]:
    if isinstance(part, int):
        yield part
        return
    position = 0
    while position < len(part):
        number, position = _varint(part, position)
        yield number


def _text(value: Any) -> str:
    return bytes(value).decode()


def _fields(data: memoryview) -> Fields:
    """Return the content of each field by number: bytes, or an integer."""
    found: Fields = {}
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        value: Any
        if wire == 0:
            value, position = _varint(data, position)
        else:
            if wire == 2:
                length, position = _varint(data, position)
            else:
                length = 8 if wire == 1 else 4
            value = data[position : position + length]
            position += length
        found.setdefault(number, []).append(value)
    return found


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _field(number: int, content: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(content)) + content


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])

"""What an ONNX file may not do, found by walking its protobuf: no onnx package on the device.

An ONNX file may name other files that hold its weights, and operators that are not in the
standard. Both reach beyond the bytes that were verified, so packs may have neither.
"""

from collections.abc import Iterator
from typing import Literal

from leadlab_edge.errors import PackError

Message = Literal["model", "graph", "node", "attribute", "tensor", "sparse", "function", "training"]

# Field numbers of the messages that can hold a node or a tensor, from onnx.proto.
_NESTED: dict[Message, dict[int, Message]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_OP_TYPE, _DOMAIN = 4, 7  # of a node
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_STANDARD = (b"", b"ai.onnx")

_MAX_DEPTH = 16
_MAX_FIELDS = 200_000  # a network of a thousand nodes has some ten thousand


def check_onnx(model: bytes) -> None:
    """Refuse an ONNX file that needs other files or operators of its own.

    Raises
    ------
    PackError
        External data, an operator outside the standard domain, or not a protobuf message.
    """
    if model[4:8] == b"ORTM":
        raise PackError("is in ONNX Runtime's own format; packs hold standard ONNX: export it anew")
    pending: list[tuple[Message, memoryview, int]] = [("model", memoryview(model), 0)]
    n_fields = n_nodes = 0
    while pending:
        kind, data, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise PackError(f"is nested more than {_MAX_DEPTH} deep; simplify the graph")
        n_nodes += kind == "node"
        op_type = domain = b""
        for number, value in _fields(data):
            n_fields += 1
            if n_fields > _MAX_FIELDS:
                raise PackError(f"has more than {_MAX_FIELDS} fields; store tensors as raw data")
            if kind == "tensor":
                _check_tensor_field(number, value)
            elif isinstance(value, memoryview):
                if number in _NESTED[kind]:
                    pending.append((_NESTED[kind][number], value, depth + 1))
                elif kind == "node" and number == _OP_TYPE:
                    op_type = bytes(value[:80])
                elif kind == "node" and number == _DOMAIN:
                    domain = bytes(value[:80])
        if domain not in _STANDARD:
            raise PackError(
                f"uses operator {op_type.decode(errors='replace')!r} of domain"
                f" {domain.decode(errors='replace')!r}; packs hold standard operators only"
            )
    if n_nodes == 0:
        raise PackError("has no operators; it is not an ONNX model")


def _check_tensor_field(number: int, value: memoryview | int) -> None:
    external = isinstance(value, memoryview) and number == _EXTERNAL_DATA
    if external or (value != 0 and isinstance(value, int) and number == _DATA_LOCATION):
        raise PackError("keeps a tensor in another file; export with external_data=False")


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield number and content of each field: bytes, or an integer. Fixed-size numbers as 0."""
    position, end = 0, len(data)
    while position < end:
        key, position = _varint(data, position)
        if key >> 32:
            raise PackError("is damaged: a field number out of range")
        number, wire = key >> 3, key & 7
        value: memoryview | int = 0
        if wire == 0:
            value, position = _varint(data, position)
        elif wire == 2:
            length, position = _varint(data, position)
            value = data[position : position + length]
            position += length
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            raise PackError(f"is damaged: field of wire type {wire}")
        if position > end:
            raise PackError("is damaged: a field reaches past its end")
        yield number, value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return an unsigned integer of 7 bits a byte, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position + shift // 7 >= len(data):
            break
        byte = data[position + shift // 7]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + shift // 7 + 1
    raise PackError("is damaged: a number is cut short")

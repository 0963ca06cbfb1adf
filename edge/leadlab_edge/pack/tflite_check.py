"""What a TFLite file may not do, found by walking its flatbuffer: no TensorFlow on the device.

A TFLite file may name custom operators, and in its newest schema other files that hold its weights.
Both reach beyond the bytes that were verified, so packs may have neither.
"""

import struct
from dataclasses import dataclass

from leadlab_edge.errors import PackError

# Slots of the tables that matter here, from schema.fbs.
_OPERATOR_CODES, _SUBGRAPHS, _BUFFERS, _EXTERNAL = 1, 2, 4, (8, 9)
_OLD_CODE, _CUSTOM_CODE, _CODE = 0, 1, 3  # of an operator code
_BUFFER_OFFSET, _BUFFER_SIZE = 1, 2  # of a buffer that lies behind the flatbuffer
_FOREIGN = {32: "CUSTOM", 51: "DELEGATE", 173: "STABLEHLO_CUSTOM_CALL"}
_MAX_ENTRIES = 100_000


def check_tflite(model: bytes) -> None:
    """Refuse a TFLite file that needs other files or operators of its own.

    Raises
    ------
    PackError
        External buffers, a custom operator, or not a TFLite flatbuffer.
    """
    if model[4:8] != b"TFL3":
        raise PackError("is not a TFLite file: its identifier is missing")
    try:
        _check(_Table.root(model))
    except (struct.error, IndexError) as cause:
        raise PackError(f"is damaged: {cause}") from None


def _check(model: "_Table") -> None:
    if any(model.has(slot) for slot in _EXTERNAL):
        raise PackError("keeps tensors in another file; convert it into a single one")
    if not model.tables(_SUBGRAPHS):
        raise PackError("has no graph; it is not a TFLite model")
    for code in model.tables(_OPERATOR_CODES):
        builtin = max(code.number(_OLD_CODE, "b"), code.number(_CODE, "i"))
        if code.has(_CUSTOM_CODE) or builtin in _FOREIGN:
            raise PackError(
                f"uses a custom operator ({_FOREIGN.get(builtin, builtin)});"
                " packs hold built-in operators only"
            )
    for buffer in model.tables(_BUFFERS):
        start, size = buffer.number(_BUFFER_OFFSET, "Q"), buffer.number(_BUFFER_SIZE, "Q")
        if start + size > len(model.data):
            raise PackError(f"has a buffer that ends at {start + size} of {len(model.data)} bytes")


@dataclass(frozen=True, slots=True)
class _Table:
    """A flatbuffer table; every access is checked against the file's ends."""

    data: bytes
    position: int

    @classmethod
    def root(cls, data: bytes) -> "_Table":
        return cls(data, _read(data, "I", 0))

    def has(self, slot: int) -> bool:
        return self._place(slot) is not None

    def number(self, slot: int, kind: str) -> int:
        place = self._place(slot)
        return 0 if place is None else _read(self.data, kind, place)

    def tables(self, slot: int) -> list["_Table"]:
        """Return the tables of a vector."""
        place = self._place(slot)
        if place is None:
            return []
        vector = place + _read(self.data, "I", place)
        count = _read(self.data, "I", vector)
        if count > _MAX_ENTRIES:
            raise PackError(f"has {count} entries in one list; the limit is {_MAX_ENTRIES}")
        places = range(vector + 4, vector + 4 + 4 * count, 4)
        return [_Table(self.data, place + _read(self.data, "I", place)) for place in places]

    def _place(self, slot: int) -> int | None:
        """Return where a field lies, None where it is left out."""
        vtable = self.position - _read(self.data, "i", self.position)
        entry = 4 + 2 * slot
        if entry + 2 > _read(self.data, "H", vtable):
            return None
        offset = _read(self.data, "H", vtable + entry)
        return self.position + offset if offset else None


def _read(data: bytes, kind: str, position: int) -> int:
    if position < 0:
        raise IndexError("an offset points before the file")
    value: int = struct.unpack_from(f"<{kind}", data, position)[0]
    return value

"""The schema of the open profile: ``oecg_v1.toml`` as records, checked."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = Path(__file__).with_name("oecg_v1.toml")
SIZES: Final = {"u8": 1, "u16": 2, "u32": 4}


@dataclass(frozen=True, slots=True)
class Field:
    """One integer of a message, little-endian, ``at`` bytes from its start."""

    name: str
    type: str
    at: int
    doc: str
    min: int
    max: int

    @property
    def size(self) -> int:
        """Bytes."""
        return SIZES[self.type]

    @property
    def type_max(self) -> int:
        """Largest value of the type."""
        return int(256**self.size - 1)

    @property
    def limited(self) -> bool:
        """Whether some values of the type are refused."""
        return self.min > 0 or self.max < self.type_max


@dataclass(frozen=True, slots=True)
class MessageSpec:
    """The fixed part of a message and what follows it: ``"samples"`` or ``"tlvs"``."""

    name: str
    doc: str
    tail: str
    fields: tuple[Field, ...]

    @property
    def size(self) -> int:
        """Bytes of the fixed part."""
        return self.fields[-1].at + self.fields[-1].size


@dataclass(frozen=True, slots=True)
class Value:
    """One named code."""

    name: str
    code: int
    doc: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Codes:
    """A set of named codes: an enumeration, or the bits of a field."""

    name: str
    doc: str
    bits: bool
    values: tuple[Value, ...]


class Schema:
    """All that the schema file says.

    Raises
    ------
    ValueError
        A field is off its natural boundary, or a name is missing.
    """

    def __init__(self, path: Path = SCHEMA) -> None:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        self.name: str = table["profile"]["name"]
        self.major: int = table["profile"]["major"]
        self.minor: int = table["profile"]["minor"]
        self.max_message_bytes: int = table["profile"]["max_message_bytes"]
        self.uuid: str = table["service"]["uuid"]
        self.characteristics: list[dict[str, Any]] = table["service"]["characteristics"]
        self.crc: Mapping[str, Any] = table["crc"]
        self.codes = {name: _codes(name, codes) for name, codes in table["enums"].items()}
        self.messages = {name: _message(name, spec) for name, spec in table["messages"].items()}
        self.vectors: list[dict[str, Any]] = table["vectors"]
        self.refused: list[dict[str, Any]] = table["refused"]

    @cached_property
    def sample_bytes(self) -> Mapping[str, int]:
        """Bytes of a sample for each kind of frame, from its name."""
        kinds = (value.name for value in self.codes["kind"].values)
        return {name: int(name[6:]) // 8 for name in kinds if name.startswith("data_s")}


def _codes(name: str, table: Mapping[str, Any]) -> Codes:
    values = tuple(Value(**value) for value in table["values"])
    return Codes(name, table["doc"], table.get("bits", False), values)


def _message(name: str, table: Mapping[str, Any]) -> MessageSpec:
    fields: list[Field] = []
    at = 0
    for row in table["fields"]:
        size = SIZES[row["type"]]
        if at % size:
            raise ValueError(f"{name}.{row['name']} is at {at}; it must be at a multiple of {size}")
        limits = {"min": row.get("min", 0), "max": row.get("max", 256**size - 1)}
        fields.append(Field(row["name"], row["type"], at, row["doc"], **limits))
        at += size
    widest = max(field.size for field in fields)
    if at % widest:
        raise ValueError(f"{name} has {at} bytes; a C struct of it needs a multiple of {widest}")
    return MessageSpec(name, table["doc"], table["tail"], tuple(fields))

"""Manifest: what a pack says about its model, as one frozen record and as canonical JSON."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from leadlab_edge.config import parse_record
from leadlab_edge.errors import PackError
from leadlab_edge.indicators import Indicator
from leadlab_edge.runtimes import Format

SCHEMA_VERSION = "1.0"

Precision = Literal["fp32", "int8"]
FrontEnd = Literal["in-graph", "ecgfounder_v1"]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a model takes: ``n_samples`` of raw millivolts at ``rate_hz``.

    ``n_samples`` includes ``margin`` samples on each side of the 10-s body, for the front end.
    """

    rate_hz: float = field(metadata={"min": 1.0, "max": 10_000.0})
    n_samples: int = field(metadata={"min": 1, "max": 1_000_000})
    margin: int = field(default=0, metadata={"min": 0, "max": 100_000})
    unit: Literal["mV"] = "mV"

    def __post_init__(self) -> None:
        if 2 * self.margin >= self.n_samples:
            raise PackError(
                f"margin is {self.margin} of {self.n_samples} samples; two must leave a body"
            )


ECGFOUNDER_INPUT = InputSpec(rate_hz=500.0, n_samples=5000)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One executable form of the model; digests are in ``Manifest.members``."""

    file: str
    format: Format
    precision: Precision

    @classmethod
    def of(cls, format: Format, precision: Precision) -> Self:
        """Return the model file of this form under its one legal name."""
        return cls(f"model.{precision}.{format}", format, precision)

    def __post_init__(self) -> None:
        if self.file != f"model.{self.precision}.{self.format}":
            raise PackError(
                f"model file is {self.file!r}; it must be model.{self.precision}.{self.format}"
            )


@dataclass(frozen=True, slots=True)
class Calibration:
    """How logits become probabilities: ``sigmoid(logits / value)``."""

    kind: Literal["none", "temperature"] = "none"
    value: float = field(default=1.0, metadata={"min": 0.01, "max": 100.0})

    def __post_init__(self) -> None:
        if self.kind == "none" and self.value != 1.0:
            raise PackError(f"calibration kind is 'none' with value {self.value}; it must be 1.0")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model comes from. ``simulated`` is repeated on every screen and report."""

    simulated: bool
    cohort: str = ""
    recipe: str = ""
    panel: str = ""
    teacher: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """Digest and size of one file in the pack."""

    sha256: str
    size: int = field(metadata={"min": 0})

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Describe ``data``."""
        return cls(hashlib.sha256(data).hexdigest(), len(data))


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that a pack says about itself. ``members`` is filled in by the writer.

    Attributes
    ----------
    name
        Short name of the model, for people.
    indicators
        One per output of the model, in order.
    lead
        Lead the model was trained on: ``"II"``.
    front_end
        ``"in-graph"``: the graph takes raw millivolts. ``"ecgfounder_v1"``: the host filters first.
    quantization
        How the int8 files were made, in words.
    """

    name: str
    indicators: tuple[Indicator, ...]
    lead: str
    input: InputSpec
    models: tuple[ModelFile, ...]
    provenance: Provenance
    front_end: FrontEnd = "in-graph"
    calibration: Calibration = Calibration()
    quantization: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    intended_use: str = "Research only. Not a medical device."
    created_by: str = ""
    members: Mapping[str, Member] = field(default_factory=dict)
    schema_version: str = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if not self.indicators or not self.models:
            raise PackError("a pack needs at least one indicator and one model file")
        _refuse_repeats("indicator", [indicator.name for indicator in self.indicators])
        _refuse_repeats("model file", [model.file for model in self.models])
        if self.front_end == "ecgfounder_v1" and self.input != ECGFOUNDER_INPUT:
            raise PackError(
                f"front end ecgfounder_v1 is defined for {ECGFOUNDER_INPUT}; input is {self.input}"
            )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse a manifest strictly.

        Raises
        ------
        PackError
            Not canonical JSON, a newer schema, or a key or value that the schema does not know.
        """
        try:
            table = json.loads(data)
            canonical = _encode(table) == data
        except (ValueError, RecursionError) as cause:
            raise PackError(f"manifest.json is not canonical JSON: {cause}") from cause
        if not canonical or not isinstance(table, dict):
            raise PackError(
                "manifest.json is not canonical JSON (keys sorted, no spaces, newline at the end);"
                " write packs with leadlab_edge.pack.write_pack"
            )
        _check_schema(table.get("schema_version"))
        table["indicators"] = _rows_to_tables(table.get("indicators"))
        return parse_record(cls, table, error=PackError)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON of this manifest: equal manifests give equal bytes.

        Raises
        ------
        PackError
            A value has the wrong type or lies out of range.
        """
        table = dataclasses.asdict(
            parse_record(type(self), dataclasses.asdict(self), error=PackError)
        )
        rows = table["indicators"]
        table["indicators"] = {
            "columns": list(rows[0]),
            "rows": [list(row.values()) for row in rows],
        }
        return _encode(table)


def _encode(table: Any) -> bytes:
    text = json.dumps(
        table, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode() + b"\n"


def _check_schema(version: Any) -> None:
    major = str(version).partition(".")[0]
    if major != SCHEMA_VERSION.partition(".")[0]:
        raise PackError(
            f"pack schema is {version!r}; this leadlab reads {SCHEMA_VERSION}."
            " Update leadlab, or write the pack anew"
        )


def _rows_to_tables(table: Any) -> list[dict[str, Any]]:
    """Undo the columns-and-rows form in which indicators are stored."""
    try:
        columns, rows = table["columns"], table["rows"]
        if sorted(table) == ["columns", "rows"] and len(set(columns)) == len(columns):
            return [dict(zip(columns, row, strict=True)) for row in rows]
    except (TypeError, KeyError, ValueError):
        pass
    raise PackError("indicators must be columns and rows, each row as long as the columns")


def _refuse_repeats(what: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise PackError(f"{what} {name!r} occurs {count} times; names must be unique")

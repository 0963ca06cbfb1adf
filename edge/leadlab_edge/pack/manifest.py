"""Manifest: what a pack says about its model, as one frozen record and as canonical JSON."""

import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from leadlab_edge.config import parse_record
from leadlab_edge.errors import PackError
from leadlab_edge.indicators import Indicator
from leadlab_edge.runtimes import Format

SCHEMA_VERSION = "1.1"

Precision = Literal["int8", "dynamic", "fp16", "fp32"]
"""Smallest file first. ``dynamic``: int8 weights, float activations."""
FrontEnd = Literal["in-graph", "ecgfounder_v1"]

_MAJOR, _MINOR = map(int, SCHEMA_VERSION.split("."))


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a model takes: ``n_samples`` of raw millivolts at ``rate_hz``.

    ``n_samples`` includes ``margin`` samples on each side of the 10-s body, for the front end.

    Attributes
    ----------
    unresampled_tolerance
        How far off ``rate_hz``, as a share of it, a true rate may be for a host that cannot
        resample; 0 where that was not tried.
    unresampled_auroc_change
        Change of the mean AUROC measured at that tolerance; None where it was not.
    """

    rate_hz: float = field(metadata={"min": 1.0, "max": 10_000.0})
    n_samples: int = field(metadata={"min": 1, "max": 1_000_000})
    margin: int = field(default=0, metadata={"min": 0, "max": 100_000})
    unit: Literal["mV"] = "mV"
    unresampled_tolerance: float = field(default=0.0, metadata={"min": 0.0, "max": 0.1})
    unresampled_auroc_change: float | None = field(default=None, metadata={"min": -1.0, "max": 1.0})

    def __post_init__(self) -> None:
        if 2 * self.margin >= self.n_samples:
            raise PackError(
                f"margin is {self.margin} of {self.n_samples} samples; two must leave a body"
            )


ECGFOUNDER_INPUT = InputSpec(rate_hz=500.0, n_samples=5000)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One executable form of the model; digests are in ``Manifest.members``.

    Attributes
    ----------
    rate_hz
        None: it takes ``Manifest.input``. Else the one of ``Manifest.other_inputs`` that it takes:
        the same body under a front end for another rate.
    """

    file: str
    format: Format
    precision: Precision
    rate_hz: float | None = None

    @classmethod
    def of(cls, format: Format, precision: Precision, rate_hz: float | None = None) -> Self:
        """Return the model file of this form under its one legal name."""
        return cls(_file_name(format, precision, rate_hz), format, precision, rate_hz)

    def __post_init__(self) -> None:
        legal = _file_name(self.format, self.precision, self.rate_hz)
        if self.file != legal:
            raise PackError(f"model file is {self.file!r}; it must be {legal}")


def rate_tag(rate_hz: float | None) -> str:
    """Return what a rate adds to a file's name: ``".250hz"``, nothing for the main input."""
    return "" if rate_hz is None else f".{rate_hz:g}hz"


def _file_name(format: Format, precision: Precision, rate_hz: float | None) -> str:
    return f"model.{precision}{rate_tag(rate_hz)}.{format}"


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
    input
        What the model takes. A host that resamples needs no other.
    other_inputs
        Further inputs, each with model files of its own, for hosts that cannot resample.
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
    other_inputs: tuple[InputSpec, ...] = ()
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
        rates = [spec.rate_hz for spec in self.other_inputs]
        used = {model.rate_hz for model in self.models} - {None}
        if used != set(rates):
            raise PackError(
                f"other_inputs are for {rates or 'no'} Hz, model files for {used or 'none'};"
                " each other input needs a model file, and each such file its input"
            )
        _refuse_repeats("input rate", [f"{rate:g} Hz" for rate in (self.input.rate_hz, *rates)])
        if self.front_end == "ecgfounder_v1" and (self.input, rates) != (ECGFOUNDER_INPUT, []):
            raise PackError(
                f"front end ecgfounder_v1 is defined for {ECGFOUNDER_INPUT} alone;"
                f" input is {self.input}, others are for {rates or 'no'} Hz"
            )

    def input_of(self, model: ModelFile) -> InputSpec:
        """Return what a model file takes."""
        by_rate = {spec.rate_hz: spec for spec in self.other_inputs}
        return self.input if model.rate_hz is None else by_rate[model.rate_hz]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Parse a manifest strictly.

        Raises
        ------
        PackError
            Not canonical JSON, a newer major schema, or a key or value that the schema does not
            know. Keys that a newer minor version brings are ignored.
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
        minor = _check_schema(table.get("schema_version"))
        table["indicators"] = _rows_to_tables(table.get("indicators"))
        if minor > _MINOR:
            table = _known_part(cls, table)
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


def _check_schema(version: Any) -> int:
    """Return the minor version; refuse another major."""
    parts = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", str(version))
    if parts is None or int(parts[1]) != _MAJOR:
        raise PackError(
            f"pack schema is {version!r}; this leadlab reads {SCHEMA_VERSION}."
            " Update leadlab, or write the pack anew"
        )
    return int(parts[2])


def _known_part(kind: Any, value: Any) -> Any:
    """Leave out the keys that no field of ``kind`` has, at any depth."""
    origin, args = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        hints = get_type_hints(kind)
        return {key: _known_part(hints[key], part) for key, part in value.items() if key in hints}
    if origin is tuple and isinstance(value, list):
        return [_known_part(args[0], part) for part in value]
    if origin is Mapping and isinstance(value, dict):
        return {key: _known_part(args[1], part) for key, part in value.items()}
    return value


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

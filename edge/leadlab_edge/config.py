"""Strict loading of TOML, JSON or dicts into frozen dataclasses; what is not known is refused.

A setting is a dataclass field. Its annotation is its type; its metadata may give a closed range:
``hop_s: float = field(default=5.0, metadata={"min": 1.0, "max": 60.0})``. A key that no field
has is refused with the nearest legal name.
"""

import contextlib
import dataclasses
import difflib
import functools
import math
import numbers
import reprlib
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from leadlab_bridge.errors import LeadlabError
from leadlab_edge.errors import ConfigError

T = TypeVar("T")


def load_settings(
    cls: type[T], source: Mapping[str, Any] | str | Path, section: str | None = None
) -> T:
    """Load a frozen dataclass from a mapping or a TOML file.

    Parameters
    ----------
    cls
        Dataclass whose fields are the legal keys.
    source
        Mapping, or path of a TOML file.
    section
        Dotted name of the table to read, ``"run.quality"``; absent, all defaults apply.

    Raises
    ------
    ConfigError
        File missing or not TOML; a key unknown, absent without default, of the wrong type or out
        of range. The message states key, value and limit.
    """
    table: Any = source if isinstance(source, Mapping) else _read_toml(Path(source))
    where = ""
    for part in section.split(".") if section else ():
        where = f"{where}.{part}" if where else part
        table = table.get(part, {})
        if not isinstance(table, Mapping):
            raise ConfigError(f"{where} is {reprlib.repr(table)}; it must be a table")
    return parse_record(cls, table, where)


def parse_record(
    cls: type[T],
    table: Mapping[str, Any],
    where: str = "",
    error: type[LeadlabError] = ConfigError,
) -> T:
    """Build dataclass ``cls`` from ``table``; ``where`` names the table in messages.

    Raises
    ------
    LeadlabError
        Of class ``error``, at the first key that is unknown, absent, mistyped or out of range.
    """
    return _Parser(error).record(cls, table, where)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; give the path of a TOML file") from None
    except (OSError, ValueError) as cause:
        raise ConfigError(f"{path} is not readable TOML: {cause}") from cause


@dataclasses.dataclass(frozen=True, slots=True)
class _Parser:
    """One pass over a table; ``error`` is what it raises."""

    error: type[LeadlabError]

    def record(self, cls: type[T], table: Any, where: str) -> T:
        if not isinstance(table, Mapping):
            raise self.error(
                f"{where or cls.__name__} is {reprlib.repr(table)}; it must be a table"
            )
        fields, hints = _fields(cls)  # type: ignore[arg-type]
        for key in table:
            if key not in fields:
                raise self._unknown_key(_join(where, key), key, fields)
        values = {}
        for name, field in fields.items():
            key = _join(where, name)
            if name in table:
                values[name] = self.value(hints[name], table[name], key)
                self._check_range(values[name], field.metadata, key)
            elif field.default is field.default_factory is dataclasses.MISSING:
                raise self.error(f"{key} is missing; it has no default")
        try:
            return cls(**values)
        except ValueError as cause:  # a record's own __post_init__
            raise self.error(f"{where}: {cause}" if where else str(cause)) from cause

    def value(self, kind: Any, value: Any, key: str) -> Any:
        """Return ``value`` as the annotation ``kind`` wants it, or raise."""
        origin, args = get_origin(kind), get_args(kind)
        if dataclasses.is_dataclass(kind):
            return self.record(typing.cast(type[Any], kind), value, key)
        if origin in (Union, types.UnionType):
            return self._union(args, value, key)
        if origin is Literal:
            if value in args and type(value) in {type(choice) for choice in args}:
                return value
            raise self._not(value, "one of " + ", ".join(map(repr, args)), key, args)
        if origin is tuple:
            return self._tuple(args, value, key)
        if origin in (Mapping, dict):
            if not isinstance(value, Mapping):
                raise self._not(value, "a table", key)
            return {name: self.value(args[1], v, _join(key, name)) for name, v in value.items()}
        return self._scalar(kind, value, key)

    def _scalar(self, kind: Any, value: Any, key: str) -> Any:
        is_bool = isinstance(value, bool)
        if kind is float and isinstance(value, numbers.Real) and not is_bool:
            with contextlib.suppress(OverflowError):
                if math.isfinite(number := float(value)):
                    return number
            raise self._not(value, "a finite number", key)
        if kind is int and isinstance(value, numbers.Integral) and not is_bool:
            return int(value)
        if kind is Path and isinstance(value, str | Path):
            return Path(value).expanduser()
        if isinstance(kind, type) and type(value) is kind:
            return value
        names = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}
        raise self._not(value, names.get(kind, getattr(kind, "__name__", str(kind))), key)

    def _union(self, args: tuple[Any, ...], value: Any, key: str) -> Any:
        if value is None and type(None) in args:
            return None
        kinds = [kind for kind in args if kind is not type(None)]
        for kind in kinds[:-1]:
            try:
                return self.value(kind, value, key)
            except self.error:
                continue
        return self.value(kinds[-1], value, key)

    def _tuple(self, args: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise self._not(value, "a list", key)
        if args[-1] is Ellipsis:
            args = (args[0],) * len(value)
        if len(value) != len(args):
            raise self._not(value, f"a list of {len(args)}", key)
        return tuple(
            self.value(kind, item, f"{key}[{i}]")
            for i, (kind, item) in enumerate(zip(args, value, strict=True))
        )

    def _check_range(self, value: Any, limits: Mapping[str, Any], key: str) -> None:
        if value is None:
            return
        if "min" in limits and value < limits["min"]:
            raise self._not(value, f"at least {limits['min']}", key)
        if "max" in limits and value > limits["max"]:
            raise self._not(value, f"at most {limits['max']}", key)

    def _not(self, value: Any, wanted: str, key: str, choices: Any = ()) -> LeadlabError:
        hint = _nearest(value, choices)
        return self.error(f"{key} is {reprlib.repr(value)}; it must be {wanted}{hint}")

    def _unknown_key(self, path: str, key: Any, legal: Any) -> LeadlabError:
        hint = _nearest(key, legal) or f"; legal names are {', '.join(legal)}"
        return self.error(f"{path} is not a known name{hint}")


@functools.cache
def _fields(cls: Any) -> tuple[dict[str, dataclasses.Field[Any]], dict[str, Any]]:
    """Return fields and their resolved annotations, by name."""
    return {f.name: f for f in dataclasses.fields(cls) if f.init}, get_type_hints(cls)


def _join(where: str, name: Any) -> str:
    return f"{where}.{name}" if where else str(name)


def _nearest(value: Any, choices: Any) -> str:
    close = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
    return f"; did you mean {close[0]}?" if close else ""

"""Pins: which file, runtime and threads this user's machine runs a pack with."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from leadlab_edge.config import parse_record
from leadlab_edge.errors import ConfigError
from leadlab_edge.pack.manifest import Precision

_MAX_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Pin:
    """What ``leadlab bench --pin`` found fastest."""

    runtime: str
    precision: Precision
    threads: int = field(metadata={"min": 1, "max": 64})


@dataclass(frozen=True, slots=True)
class _Pins:
    """Content of the pins file: pins by pack id."""

    pins: Mapping[str, Pin] = field(default_factory=dict)


def user_folder() -> Path:
    """Return the folder of this user's leadlab settings; it need not exist.

    ``LEADLAB_CONFIG_DIR`` where it is set, else what the operating system uses for settings.
    """
    if chosen := os.environ.get("LEADLAB_CONFIG_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path("~").expanduser()) / "leadlab"
    if sys.platform == "darwin":
        return Path("~/Library/Application Support/leadlab").expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()) / "leadlab"


def pins_file() -> Path:
    """Return where pins are kept."""
    return user_folder() / "pins.json"


def pin_of(pack_id: str) -> Pin | None:
    """Return the pin of a pack, None without one.

    Raises
    ------
    ConfigError
        The file of pins is damaged.
    """
    return _read().get(pack_id)


def store_pin(pack_id: str, pin: Pin | None) -> Path:
    """Pin a pack, or unpin it by None; return the file that says so.

    Raises
    ------
    ConfigError
        The file of pins is damaged or cannot be written.
    """
    from leadlab_edge.pack.writer import write_atomically

    file = pins_file()
    pins = {**_read(), pack_id: pin}
    table = {key: asdict(kept) for key, kept in sorted(pins.items()) if kept is not None}
    try:
        write_atomically(file, (json.dumps({"pins": table}, indent=2) + "\n").encode())
    except OSError as cause:
        raise ConfigError(
            f"{file} cannot be written: {cause.strerror or cause}. Remedy: make its folder"
            " writable, or name another by LEADLAB_CONFIG_DIR"
        ) from cause
    return file


def _read() -> Mapping[str, Pin]:
    try:
        file = pins_file()
        with file.open("rb") as content:
            data = content.read(_MAX_BYTES + 1)
    except (OSError, RuntimeError):  # no file, or a service without a home
        return {}
    try:
        if len(data) > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES} bytes")
        return parse_record(_Pins, json.loads(data)).pins
    except (ValueError, RecursionError, ConfigError) as cause:
        raise ConfigError(f"{file} is damaged: {cause}. Remedy: delete it and pin anew") from cause

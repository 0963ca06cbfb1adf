"""Captures: what passed between this machine and a wearable, byte for byte, in a file.

JSON lines. The first says what the device showed, each further one what happened::

    {"capture": 1, "name": "Polar H10 ...", "driver": "Polar H10", "began": "2026-...", "services":
     {"fb005c80-...": {"fb005c81-...": ["read", "write", "indicate"], ...}, ...}}
    {"t": 0.0143, "op": "write", "uuid": "fb005c81-...", "hex": "0100"}
    {"t": 0.0872, "op": "notify", "uuid": "fb005c81-...", "hex": "f00100000000018200..."}

``t`` is in seconds since the connection, ``op`` read, write, subscribe or notify. A line is written
when it happens; what ends the program or the power cuts off at most the last one.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self, get_args

from leadlab_bridge.devices import sig
from leadlab_bridge.devices.base import uuid16
from leadlab_bridge.simulated.exchange import Exchange, Op
from leadlab_bridge.simulated.wearable import Characteristic, Property, Service
from leadlab_bridge.timing import Clock, SystemClock
from leadlab_edge.errors import RecordingError, SourceError
from leadlab_edge.sources.base import Services

SUFFIX: Final = ".capture.jsonl"
VERSION: Final = 1
MAX_BYTES: Final = 256 * 2**20
_MAX_LINE: Final = 64 * 2**10
_MAX_VALUE_BYTES: Final = 4096
# Generic Access and Generic Attribute: every Bluetooth stack has its own.
_OF_THE_STACK: Final = (uuid16(0x1800), uuid16(0x1801))
_SIG_UUID: Final = re.compile(r"0000[0-9a-f]{4}-0000-1000-8000-00805f9b34fb")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class CaptureWriter:
    """Writes a capture; a :class:`leadlab_edge.sources.ble.Tap`.

    Parameters
    ----------
    path
        File to make; it must not exist. It goes again if nothing is written.
    max_bytes
        Size at which it stops writing.
    clock
        Host clock that times the exchanges; real time by default.

    Attributes
    ----------
    notifications
        How many were written.
    full
        Whether the file has reached its size.
    failure
        Why writing failed, None while it works.

    Raises
    ------
    SourceError
        The file exists, or cannot be made.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, clock: Clock | None = None) -> None:
        self.notifications = 0
        self.full = False
        self.failure: OSError | None = None
        self._path = path
        self._max_bytes = max_bytes
        self._clock = clock or SystemClock()
        self._began_s = 0.0
        self._bytes = 0
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise SourceError(
                f"{path} cannot be made ({error.strerror}). Remedy: name another file by --out"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self.sync()
        self._file.close()
        if self._bytes == 0:  # no device was found
            self._path.unlink(missing_ok=True)

    def opened(self, name: str, driver: str, services: Services) -> None:
        """Write what the device showed."""
        self._began_s = self._clock.now()
        self._write(
            {
                "capture": VERSION,
                "name": name,
                "driver": driver,
                "began": datetime.now(UTC).isoformat(timespec="seconds"),
                "services": {
                    service: {uuid: list(properties) for uuid, properties in inner.items()}
                    for service, inner in services.items()
                },
            }
        )

    def passed(self, op: Op, uuid: str, data: bytes) -> None:
        """Write one exchange, unless the file is full or broken."""
        time_s = round(self._clock.now() - self._began_s, 6)
        written = self._write({"t": time_s, "op": op, "uuid": uuid, "hex": data.hex()})
        self.notifications += written and op == "notify"

    def sync(self) -> None:
        """Have the disk hold what was written so far."""
        os.fsync(self._file.fileno())

    def _write(self, line: dict[str, Any]) -> bool:
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        self.full = self.full or self._bytes + len(data) > self._max_bytes
        if self.full or self.failure is not None:
            return False
        try:
            self._file.write(data)
        except OSError as error:
            self.failure = error
            return False
        self._bytes += len(data)
        return True


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture in memory.

    Attributes
    ----------
    name
        Name of the device.
    driver
        Name of the driver that started its stream.
    began
        When, as ISO 8601.
    services
        What the device showed, less what every Bluetooth stack has.
    exchanges
        What passed, in order of time.
    """

    name: str
    driver: str
    began: str
    services: tuple[Service, ...]
    exchanges: tuple[Exchange, ...]

    @property
    def advertised(self) -> tuple[str, ...]:
        """Services by which it may be recognised; the capture does not hold what was on air."""
        uuids = [service.uuid for service in self.services]
        own = [uuid for uuid in uuids if not _SIG_UUID.fullmatch(uuid)]
        return tuple([uuid for uuid in uuids if uuid == sig.HEART_RATE_SERVICE] + own[:1])


def read_capture(path: Path) -> Capture:
    """Read a capture; a last line that was cut off is left out.

    Raises
    ------
    RecordingError
        Not a capture, too large, or damaged; the message names the line.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RecordingError(
                f"{path}: {size} bytes; a capture has at most {MAX_BYTES}. Remedy: cut it, keeping "
                "the first line"
            )
        lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last line end was cut off
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}. Remedy: check the path") from error
    header = _header(path, lines)
    exchanges = tuple(_exchanges(path, lines))
    return Capture(
        name=header["name"],
        driver=header["driver"],
        began=header["began"],
        services=_services(path, header),
        exchanges=exchanges,
    )


def _header(path: Path, lines: list[bytes]) -> dict[str, Any]:
    header = _parsed(path, 1, lines[0]) if lines else {}
    if header.get("capture") != VERSION:
        raise RecordingError(
            f"{path}: line 1 is no capture of version {VERSION}. Remedy: give a file that `leadlab "
            "capture` wrote"
        )
    for key in ("name", "driver", "began"):
        if not isinstance(header.get(key), str):
            raise RecordingError(f"{path}: line 1 has no {key}. Remedy: capture again")
    return header


def _services(path: Path, header: dict[str, Any]) -> tuple[Service, ...]:
    known = get_args(Property)
    try:
        return tuple(
            Service(
                _uuid(service),
                tuple(
                    Characteristic(_uuid(uuid), tuple(p for p in properties if p in known))
                    for uuid, properties in characteristics.items()
                ),
            )
            for service, characteristics in header["services"].items()
            if service not in _OF_THE_STACK
        )
    except (KeyError, AttributeError, TypeError, ValueError):
        raise RecordingError(
            f"{path}: line 1 lists no services with characteristics and their properties. "
            "Remedy: capture again"
        ) from None


def _exchanges(path: Path, lines: list[bytes]) -> Iterator[Exchange]:
    for number, line in enumerate(lines[1:], 2):
        parsed = _parsed(path, number, line)
        try:
            data = bytes.fromhex(parsed["hex"])
            time_s, op = float(parsed["t"]), parsed["op"]
            if op not in get_args(Op) or not time_s >= 0 or len(data) > _MAX_VALUE_BYTES:
                raise ValueError
            yield Exchange(time_s, op, _uuid(parsed["uuid"]), data)
        except (KeyError, TypeError, ValueError):
            raise RecordingError(
                f"{path}: line {number} is no exchange: it needs t >= 0, op of "
                f"{', '.join(get_args(Op))}, uuid, and hex of up to {_MAX_VALUE_BYTES} bytes. "
                "Remedy: take the line out"
            ) from None


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        if len(line) > _MAX_LINE:
            raise ValueError
        parsed = json.loads(line)
        if not isinstance(parsed, dict):
            raise TypeError
    except (ValueError, TypeError, RecursionError):
        raise RecordingError(
            f"{path}: line {number} is no JSON object of up to {_MAX_LINE} bytes. Remedy: take the "
            "line out"
        ) from None
    return parsed


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise ValueError(text)
    return text

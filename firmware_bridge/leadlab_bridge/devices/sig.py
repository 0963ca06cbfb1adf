"""Bluetooth SIG services beside an ECG: heart rate, battery, device information. All little-endian.

Sources: Bluetooth SIG, Heart Rate Service 1.0, Battery Service 1.0, Device Information Service 1.1.

None of them carries ECG: they have records of their own.

Heart rate measurement::

    0       u8    flags: 0 heart rate is u16, 1 contact, 2 contact supported, 3 energy, 4 RR
    1..     u8 or u16   heart rate, bpm
    ..      u16   energy expended, kJ, where bit 3 is set
    ..      u16   RR intervals, 1/1024 s, oldest first, where bit 4 is set
"""

import math
import struct
from dataclasses import dataclass, fields
from typing import Final

from leadlab_bridge.devices.base import GattLink, deadline, uuid16
from leadlab_bridge.devices.wire import MAX_NOTIFICATION_BYTES, require_range
from leadlab_bridge.errors import FrameError

HEART_RATE_SERVICE: Final = uuid16(0x180D)
HEART_RATE: Final = uuid16(0x2A37)
BATTERY_SERVICE: Final = uuid16(0x180F)
BATTERY: Final = uuid16(0x2A19)
INFORMATION_SERVICE: Final = uuid16(0x180A)

_RR_PER_S: Final = 1024
_WIDE, _CONTACT, _CONTACT_SUPPORTED, _ENERGY, _RR = (1 << bit for bit in range(5))
_MAX_RR: Final = 9  # RR intervals that fit into the default MTU of 23 beside all other fields
_INFORMATION: Final = {
    "model": uuid16(0x2A24),
    "serial": uuid16(0x2A25),
    "firmware": uuid16(0x2A26),
    "hardware": uuid16(0x2A27),
    "software": uuid16(0x2A28),
    "maker": uuid16(0x2A29),
}


@dataclass(frozen=True, slots=True)
class HeartRate:
    """One heart rate measurement.

    Attributes
    ----------
    bpm
        Heart rate; 0 where the device has none.
    rr_s
        RR intervals since the last measurement, seconds, oldest first.
    contact
        Whether electrodes touch skin, None where the device cannot tell.
    energy_kj
        Energy expended since it was reset, None where not sent.
    """

    bpm: int
    rr_s: tuple[float, ...] = ()
    contact: bool | None = None
    energy_kj: int | None = None


def decode_heart_rate(data: bytes) -> HeartRate:
    """Decode a heart rate measurement. Reserved flags are ignored.

    Raises
    ------
    FrameError
        Shorter than its flags say, or with bytes that they do not announce.
    """
    flags = data[0] if data else 0
    wide, energy = bool(flags & _WIDE), bool(flags & _ENERGY)
    rr_at = 2 + wide + 2 * energy
    rr_bytes = len(data) - rr_at
    if rr_bytes < 0 or rr_bytes % 2 or (rr_bytes and not flags & _RR):
        raise FrameError(
            f"heart rate measurement {data[:8].hex() or 'empty'} has {len(data)} bytes; its flags "
            f"announce {rr_at}{' and pairs' if flags & _RR else ''}. Remedy: none here, the link "
            "cut it short or the device breaks the specification; it is dropped"
        )
    if len(data) > MAX_NOTIFICATION_BYTES:
        raise FrameError(
            f"heart rate measurement has {len(data)} bytes; a notification carries at most "
            f"{MAX_NOTIFICATION_BYTES}. Remedy: pass one notification at a time"
        )
    values = struct.unpack_from(f"<{'H' if wide else 'B'}{'H' * energy}{rr_bytes // 2}H", data, 1)
    return HeartRate(
        bpm=values[0],
        rr_s=tuple(rr / _RR_PER_S for rr in values[1 + energy :]),
        contact=bool(flags & _CONTACT) if flags & _CONTACT_SUPPORTED else None,
        energy_kj=values[1] if energy else None,
    )


def encode_heart_rate(heart_rate: HeartRate) -> bytes:
    """Encode a heart rate measurement; RR intervals round to 1/1024 s.

    Raises
    ------
    FrameError
        A value does not fit its field, or more than 9 RR intervals.
    """
    if len(heart_rate.rr_s) > _MAX_RR or not all(map(math.isfinite, heart_rate.rr_s)):
        raise FrameError(
            f"RR intervals are {heart_rate.rr_s}; a measurement carries at most {_MAX_RR} finite "
            "ones. Remedy: send the others with the next one"
        )
    wide = require_range("heart rate", heart_rate.bpm, 0xFFFF) > 0xFF
    flags = wide * _WIDE
    if heart_rate.contact is not None:
        flags |= _CONTACT_SUPPORTED | heart_rate.contact * _CONTACT
    tail = b""
    if heart_rate.energy_kj is not None:
        flags |= _ENERGY
        tail += struct.pack("<H", require_range("energy", heart_rate.energy_kj, 0xFFFF))
    if heart_rate.rr_s:
        flags |= _RR
        ticks = (round(rr_s * _RR_PER_S) for rr_s in heart_rate.rr_s)
        tail += b"".join(struct.pack("<H", require_range("RR", rr, 0xFFFF)) for rr in ticks)
    return bytes([flags]) + heart_rate.bpm.to_bytes(2 if wide else 1, "little") + tail


def decode_battery(data: bytes) -> int:
    """Return the battery level, percent.

    Raises
    ------
    FrameError
        Not one byte of 0 to 100.
    """
    if len(data) != 1 or data[0] > 100:
        raise FrameError(
            f"battery level is {data[:8].hex() or 'empty'}; it is one byte of 0 to 100. "
            "Remedy: read it again"
        )
    return data[0]


def encode_battery(percent: int) -> bytes:
    """Return a battery level as the characteristic holds it."""
    return bytes([require_range("battery level", percent, 100)])


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """What a device says of itself; None where it does not say."""

    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    hardware: str | None = None
    software: str | None = None
    maker: str | None = None


def decode_text(data: bytes) -> str:
    """Return a string of the Device Information Service, free of padding and control characters."""
    text = data[:MAX_NOTIFICATION_BYTES].split(b"\0")[0].decode("utf-8", "replace")
    return "".join(char for char in text if char.isprintable()).strip()


def encode_information(information: DeviceInformation) -> dict[str, bytes]:
    """Return the value of each characteristic that is present, by UUID."""
    texts = ((_INFORMATION[f.name], getattr(information, f.name)) for f in fields(information))
    return {uuid: text.encode() for uuid, text in texts if text is not None}


async def read_information(link: GattLink, timeout_s: float = 10.0) -> DeviceInformation:
    """Read what the device has of the Device Information Service.

    Raises
    ------
    DeviceError
        No answer in time.
    """
    texts = {}
    for name, uuid in _INFORMATION.items():
        if "read" in link.characteristics.get(uuid, ()):
            async with deadline(f"read {name}", timeout_s):
                texts[name] = decode_text(await link.read(uuid))
    return DeviceInformation(**texts)

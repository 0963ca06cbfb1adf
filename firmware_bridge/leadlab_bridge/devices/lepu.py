"""Lepu (Viatom, Wellue) ER1, ER2 and DuoEK: packets, real-time data, device info. Codec only.

Source: viatom-develop/LepuBle, the maker's demonstration app. Little-endian.

Packet, both ways; notifications cut it anywhere::

    0       a5
    1, 2    u8    command, and its complement
    3       u8    type: 0 request, 1 reply
    4       u8    sequence number
    5..6    u16   length of the payload
    7..     payload
    last    u8    CRC-8 of all bytes before it (polynomial 0x07, initial value 0)

Payload of real-time data::

    0..1    u16   heart rate, bpm            3     u8    battery, percent
    2       u8    system flags               4..7  u32   length of the recording, s
    8       u8    status in the low nibble   9..19 reserved
    20..21  u16   number of samples
    22..    s16   codes of 2.46722 uV; 7fff is no sample
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from leadlab_bridge.devices.beside import LOW_BATTERY_PERCENT
from leadlab_bridge.devices.sig import decode_text
from leadlab_bridge.devices.wire import require_range, to_codes, to_microvolts
from leadlab_bridge.errors import FrameError
from leadlab_bridge.frame import EcgFrame, FrameFlag

SERVICE: Final = "14839ac4-7d7e-415c-9a42-167340cf2339"
WRITE: Final = "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3"
NOTIFY: Final = "0734594a-a8e7-4b1a-a6b1-cd5243059a57"

RATE_HZ: Final = 125.0
UV_PER_CODE: Final = 1e3 * 1.0035 * 1800 / (4096 * 178.74)
# Eight seconds of samples: a length beyond it is not a header but chance.
MAX_PAYLOAD_BYTES: Final = 2048

_START: Final = 0xA5
_HEADER: Final = struct.Struct("<BBBBBH")
_REAL_TIME: Final = struct.Struct("<HBBIB11xH")
_INVALID: Final = 0x7FFF
_LOWEST, _HIGHEST = -(1 << 15), _INVALID - 1
_MAX_SAMPLES: Final = (MAX_PAYLOAD_BYTES - _REAL_TIME.size) // 2
_INFO_BYTES: Final = 38


def _crc8_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte << 1 ^ (0x07 if byte & 0x80 else 0)) & 0xFF
    return byte


_CRC8: Final = bytes(_crc8_of(byte) for byte in range(256))


def crc8(data: bytes) -> int:
    """Return the CRC-8 of ``data``: polynomial 0x07, initial value 0, no reflection."""
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


class Command(IntEnum):
    """Second byte of a packet."""

    REAL_TIME = 0x03
    INFO = 0xE1


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet.

    Attributes
    ----------
    command
        Command, or that which is answered.
    payload
        Its content.
    kind
        0 for a request, 1 for a reply.
    sequence
        Sequence number.
    """

    command: int
    payload: bytes = b""
    kind: int = 0
    sequence: int = 0


def encode_packet(packet: Packet) -> bytes:
    """Return the bytes of a packet.

    Raises
    ------
    FrameError
        A value does not fit its field.
    """
    command = require_range("command", packet.command, 0xFF)
    head = _HEADER.pack(
        _START,
        command,
        command ^ 0xFF,
        require_range("packet type", packet.kind, 0xFF),
        require_range("sequence number", packet.sequence, 0xFF),
        require_range("payload length", len(packet.payload), MAX_PAYLOAD_BYTES),
    )
    body = head + packet.payload
    return body + bytes([crc8(body)])


GET_INFO: Final = encode_packet(Packet(Command.INFO))
GET_REAL_TIME: Final = encode_packet(Packet(Command.REAL_TIME, bytes([round(RATE_HZ)])))


class PacketAssembler:
    """Finds the packets in a byte stream.

    Attributes
    ----------
    skipped_bytes
        Bytes that belonged to no packet.
    """

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._rest = b""

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that these bytes complete; how they are cut changes nothing."""
        stream = self._rest + data
        packets: list[Packet] = []
        at = 0
        while (begin := stream.find(_START, at)) >= 0:
            self.skipped_bytes += begin - at
            at = begin
            if len(stream) - at < _HEADER.size:
                break
            _, command, complement, kind, sequence, length = _HEADER.unpack_from(stream, at)
            end = at + _HEADER.size + length
            plausible = complement == command ^ 0xFF and length <= MAX_PAYLOAD_BYTES
            if plausible and end >= len(stream):
                break
            if plausible and crc8(stream[at:end]) == stream[end]:
                payload = stream[at + _HEADER.size : end]
                packets.append(Packet(command, payload, kind, sequence))
                at = end + 1
            else:
                self.skipped_bytes += 1
                at += 1
        else:
            self.skipped_bytes += len(stream) - at
            at = len(stream)
        self._rest = stream[at:]
        return packets

    def reset(self) -> None:
        """Forget the beginning of a packet whose end will not come."""
        self.skipped_bytes += len(self._rest)
        self._rest = b""


class Status(IntEnum):
    """Low nibble of the status byte; 3 to 5 store a recording."""

    IDLE = 0
    PREPARING = 1
    RECORDING = 2
    LEAD_OFF = 7


@dataclass(frozen=True, slots=True, eq=False)
class RealTime:
    """A reply with real-time data.

    Attributes
    ----------
    frame
        Its samples, which may be none.
    heart_rate_bpm
        Heart rate by the device; 0 where it has none.
    battery_percent
        Battery level.
    record_s
        Length of the running recording.
    status
        See :class:`Status`.
    """

    frame: EcgFrame
    heart_rate_bpm: int
    battery_percent: int
    record_s: int
    status: int


def decode_real_time(payload: bytes, lead: str) -> RealTime:
    """Decode the payload of a reply to REAL_TIME.

    The number of samples is what the payload holds, as in the maker's app: the CRC has proved it
    whole, and firmware is known to state another one.

    Returns
    -------
    RealTime
        With ``(n,) float32`` microvolts, NaN where invalid; no time, no index. LEAD_OFF while idle
        or disconnected from skin, LOW_BATTERY below 20 %.

    Raises
    ------
    FrameError
        Too short or too long, or half a sample.
    """
    size = len(payload)
    if not _REAL_TIME.size <= size <= MAX_PAYLOAD_BYTES or (size - _REAL_TIME.size) % 2:
        raise FrameError(
            f"Lepu real-time data has {size} bytes; it needs {_REAL_TIME.size} + 2 for each sample "
            f"and at most {MAX_PAYLOAD_BYTES}. Remedy: none here, it is dropped"
        )
    bpm, _system, battery, record_s, status, _stated = _REAL_TIME.unpack_from(payload)
    status &= 0x0F
    flags = FrameFlag.NONE
    if status == Status.IDLE or status & 0x07 == Status.LEAD_OFF:
        flags |= FrameFlag.LEAD_OFF
    if battery < LOW_BATTERY_PERCENT:
        flags |= FrameFlag.LOW_BATTERY
    codes = np.frombuffer(payload, "<i2", offset=_REAL_TIME.size)
    frame = EcgFrame(to_microvolts(codes, UV_PER_CODE, _INVALID), RATE_HZ, lead, flags=flags)
    return RealTime(frame, bpm, battery, record_s, status)


def encode_real_time(
    samples_uv: ArrayLike,
    *,
    heart_rate_bpm: int = 0,
    battery_percent: int = 100,
    record_s: int = 0,
    status: int = Status.RECORDING,
) -> bytes:
    """Encode the payload of a reply to REAL_TIME.

    Parameters
    ----------
    samples_uv
        ``(n,)`` microvolts, none to 1013; NaN is sent as invalid.

    Raises
    ------
    FrameError
        A value does not fit its field.
    """
    codes = np.zeros(0, dtype=np.int64)
    if np.size(samples_uv):
        codes = to_codes(
            samples_uv, UV_PER_CODE, _LOWEST, _HIGHEST, invalid=_INVALID, most=_MAX_SAMPLES
        )
    head = _REAL_TIME.pack(
        require_range("heart rate", heart_rate_bpm, 0xFFFF),
        0,
        require_range("battery", battery_percent, 0xFF),
        require_range("recording", record_s, 0xFFFFFFFF),
        require_range("status", status, 0x0F),
        codes.size,
    )
    return head + codes.astype("<i2").tobytes()


@dataclass(frozen=True, slots=True)
class Info:
    """What a device says of itself.

    Attributes
    ----------
    firmware
        Version, as in ``1.0.0.2``.
    device_type
        The maker's number of the product.
    serial
        Serial number.
    """

    firmware: str
    device_type: int
    serial: str


def decode_info(payload: bytes) -> Info:
    """Decode the payload of a reply to INFO.

    Raises
    ------
    FrameError
        Shorter than the fields that are read.
    """
    if len(payload) < _INFO_BYTES or len(payload) < _INFO_BYTES + payload[_INFO_BYTES - 1]:
        raise FrameError(
            f"Lepu info has {len(payload)} bytes; it needs {_INFO_BYTES} and those of the serial "
            "number. Remedy: ask for it again"
        )
    firmware = ".".join(str(byte) for byte in payload[4:0:-1])
    device_type = int.from_bytes(payload[20:22], "little")
    serial = payload[_INFO_BYTES : _INFO_BYTES + payload[_INFO_BYTES - 1]]
    return Info(firmware, device_type, decode_text(serial))


def encode_info(info: Info) -> bytes:
    """Encode the payload of a reply to INFO; what :class:`Info` lacks is 0.

    Raises
    ------
    FrameError
        A value does not fit its field.
    """
    payload = bytearray(_INFO_BYTES)
    version = [int(part) for part in info.firmware.split(".") if part.isdecimal()]
    if len(version) != 4 or max(version) > 0xFF:
        raise FrameError(
            f"firmware is '{info.firmware}'; it has four numbers of 0 to 255. "
            "Remedy: write it as in 1.0.0.2"
        )
    payload[4:0:-1] = bytes(version)
    payload[20:22] = require_range("device type", info.device_type, 0xFFFF).to_bytes(2, "little")
    serial = info.serial.encode()
    payload[_INFO_BYTES - 1] = require_range("serial number's length", len(serial), 18)
    return bytes(payload) + serial

"""Movesense, stock firmware: the GATT sensor data protocol. Bytes <-> frames, commands, replies.

Source: Movesense device library, sample ``gatt_sensordata_app``. Little-endian.

Command: ``u8 code | u8 reference (1..255) | payload``. What comes back::

    0       u8    1 reply to a command, 2 data of a stream, 3 rest of data that 2 could not hold
    1       u8    reference of the command
    2..     reply: u16 HTTP-like status (a HELLO has none), then data
            data:  u32 ms, then s32 codes of 0.381469726563 uV

The clock counts milliseconds: at 512 Hz its grain is half a sample. Whether it marks the first or
the last sample of a frame is not settled; all frames hold 16, so that it makes no difference to
rates and gaps.
"""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from leadlab_bridge.devices.wire import (
    count_samples,
    max_samples,
    require_range,
    to_codes,
    to_microvolts,
)
from leadlab_bridge.errors import FrameError
from leadlab_bridge.frame import EcgFrame

SERVICE: Final = "34802252-7185-4d5d-b431-630e7050e8f0"
COMMAND: Final = "34800001-7185-4d5d-b431-630e7050e8f0"
DATA: Final = "34800002-7185-4d5d-b431-630e7050e8f0"

HELLO: Final = 0
SUBSCRIBE: Final = 1
UNSUBSCRIBE: Final = 2
REPLY: Final = 1
STREAM: Final = 2
STREAM_REST: Final = 3

UV_PER_CODE: Final = 0.381469726563
RATES_HZ: Final = (125, 128, 200, 250, 256, 500, 512)
SAMPLES_PER_FRAME: Final = 16
LEAD: Final = "chest"

_HEADER: Final = struct.Struct("<BBI")
_SAMPLE_BYTES: Final = 4
_MAX_SAMPLES: Final = max_samples(_HEADER.size, _SAMPLE_BYTES)
_WHOLE: Final = _HEADER.size + SAMPLES_PER_FRAME * _SAMPLE_BYTES
_S32: Final = (-(1 << 31), (1 << 31) - 1)


def ecg_path(rate_hz: int) -> str:
    """Return the resource to subscribe to for ECG at a rate.

    Raises
    ------
    FrameError
        The sensor has no such rate.
    """
    if rate_hz not in RATES_HZ:
        raise FrameError(
            f"rate is {rate_hz} Hz; a Movesense has {RATES_HZ} Hz. Remedy: choose one of them"
        )
    return f"/Meas/ECG/{rate_hz}"


def encode_command(code: int, reference: int, payload: bytes = b"") -> bytes:
    """Return a command; the payload of SUBSCRIBE is the resource's path."""
    return bytes([code, require_range("reference", reference, 255)]) + payload


def decode_ecg(data: bytes, rate_hz: float) -> EcgFrame:
    """Decode one whole data message.

    Parameters
    ----------
    data
        Message of type 2, with any number of whole samples.
    rate_hz
        Rate that was subscribed to; the message does not tell.

    Returns
    -------
    EcgFrame
        ``(n,) float32`` microvolts with the device's time.

    Raises
    ------
    FrameError
        Not such a message.
    """
    n = count_samples("Movesense data", len(data), _HEADER.size, _SAMPLE_BYTES)
    kind, _reference, time_ms = _HEADER.unpack_from(data)
    if kind != STREAM:
        raise FrameError(
            f"Movesense message is of type {kind}; ECG comes as type {STREAM}. "
            "Remedy: subscribe to the ECG alone"
        )
    codes = np.frombuffer(data, "<i4", n, _HEADER.size)
    return EcgFrame(
        to_microvolts(codes, UV_PER_CODE), rate_hz, LEAD, device_time_ns=time_ms * 1_000_000
    )


def encode_ecg(samples_uv: ArrayLike, time_ms: int, reference: int = 1) -> bytes:
    """Encode one data message; the clock wraps at 32 bits, as in the device.

    Parameters
    ----------
    samples_uv
        ``(n,)`` microvolts, 16 in a real device.

    Raises
    ------
    FrameError
        The samples do not fit a message.
    """
    codes = to_codes(samples_uv, UV_PER_CODE, *_S32, most=_MAX_SAMPLES)
    head = _HEADER.pack(STREAM, require_range("reference", reference, 255), time_ms & 0xFFFFFFFF)
    return head + codes.astype("<i4").tobytes()


def split(message: bytes, notification_bytes: int) -> tuple[bytes, ...]:
    """Return a data message as the one or two notifications that carry it.

    Raises
    ------
    FrameError
        Two do not hold it.
    """
    if len(message) <= notification_bytes:
        return (message,)
    rest = bytes([STREAM_REST, message[1]]) + message[notification_bytes:]
    if len(rest) > notification_bytes:
        raise FrameError(
            f"message has {len(message)} bytes; two notifications of {notification_bytes} are the "
            "most it may take. Remedy: grant a larger MTU"
        )
    return message[:notification_bytes], rest


class EcgAssembler:
    """Puts frames together that came in two notifications.

    Parameters
    ----------
    rate_hz
        Rate that was subscribed to.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._first = b""

    def feed(self, data: bytes) -> list[EcgFrame | FrameError]:
        """Return the frame that a notification of type 2 or 3 completes, if it does.

        Before it comes the error of a half that nothing completed.

        Raises
        ------
        FrameError
            The notification is of no use.
        """
        first, self._first = self._first, b""
        if data[:1] == bytes([STREAM_REST]):
            if first[1:2] != data[1:2]:
                raise FrameError(
                    f"Movesense rest {data[:8].hex()} follows {first[:8].hex() or 'nothing'}; it "
                    "must follow the data that it completes. Remedy: none here, the link lost half "
                    "a frame; the other half is dropped"
                )
            return [decode_ecg(first + data[2:], self._rate_hz)]
        found: list[EcgFrame | FrameError] = []
        if first:
            found.append(
                FrameError(
                    f"Movesense data {first[:8].hex()} has {len(first)} bytes and was never "
                    f"completed to {_WHOLE}. Remedy: none here, the link lost half a frame; the "
                    "other half is dropped"
                )
            )
        if data[:1] == bytes([STREAM]) and len(data) < _WHOLE:
            self._first = bytes(data)
        else:
            found.append(decode_ecg(data, self._rate_hz))
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply to a command.

    Attributes
    ----------
    reference
        Reference of the command.
    status
        HTTP-like status, None where the reply has none.
    data
        What follows.
    """

    reference: int
    status: int | None
    data: bytes = b""

    @property
    def refused(self) -> bool:
        """Whether the status is an error."""
        return self.status is not None and self.status >= 400


def parse_reply(data: bytes, hello: bool = False) -> Reply:
    """Read a message of type 1.

    Parameters
    ----------
    hello
        It answers a HELLO, and thus has no status.

    Raises
    ------
    FrameError
        Not a reply, or cut short.
    """
    if len(data) < (2 if hello else 4) or data[0] != REPLY:
        raise FrameError(
            f"Movesense reply is {data[:8].hex() or 'empty'}; it must start with 01 and have "
            f"{2 if hello else 4} bytes or more. Remedy: send the command again"
        )
    if hello:
        return Reply(data[1], None, bytes(data[2:]))
    # The sample firmware sends 507 high byte first, others low byte first.
    low_first, high_first = (int.from_bytes(data[2:4], order) for order in ("little", "big"))
    status = low_first if 100 <= low_first < 600 else high_first
    return Reply(data[1], status, bytes(data[4:]))


def encode_reply(reply: Reply) -> bytes:
    """Return the bytes of a reply, its status low byte first.

    Raises
    ------
    FrameError
        Reference or status does not fit its field.
    """
    head = bytes([REPLY, require_range("reference", reply.reference, 255)])
    if reply.status is not None:
        head += struct.pack("<H", require_range("status", reply.status, 0xFFFF))
    return head + reply.data

"""OECG over a byte stream: a message and its CRC-16, COBS-encoded, ended by a zero byte.

The same form keeps messages in files. Sources: CRC-16/CCITT-FALSE (ITU-T V.41 polynomial, initial
value 0xFFFF); S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions
on Networking 7(2), 1999.
"""

import binascii
from typing import Final

from leadlab_bridge.errors import FrameError
from leadlab_bridge.oecg.layout import CRC_INIT, MAX_MESSAGE_BYTES

_CRC_BYTES: Final = 2
_BLOCK: Final = 254
_MAX_DECODED: Final = MAX_MESSAGE_BYTES + _CRC_BYTES
# One code byte, one more a whole block, and one that some encoders add behind a whole last block.
_MAX_ENCODED: Final = _MAX_DECODED + 2 + _MAX_DECODED // _BLOCK


def crc16(data: bytes) -> int:
    """Return the CRC-16/CCITT-FALSE of ``data``; that of ``b"123456789"`` is 0x29B1."""
    return binascii.crc_hqx(data, CRC_INIT)


def cobs_encode(data: bytes) -> bytes:
    """Return ``data`` without zero bytes, at most one byte longer for each 254 begun."""
    encoded = bytearray()
    parts = data.split(b"\0")
    for number, part in enumerate(parts, 1):
        whole = len(part) // _BLOCK * _BLOCK
        for at in range(0, whole, _BLOCK):
            encoded += b"\xff" + part[at : at + _BLOCK]
        rest = part[whole:]
        if rest or not whole or number < len(parts):
            encoded.append(len(rest) + 1)
            encoded += rest
    return bytes(encoded)


def cobs_decode(encoded: bytes) -> bytes:
    """Undo :func:`cobs_encode`.

    Raises
    ------
    FrameError
        A zero byte inside, a block cut short, or nothing at all.
    """
    if not encoded or 0 in encoded:
        raise FrameError(
            f"COBS block {encoded[:8].hex() or 'empty'} holds no data or a zero byte; it must hold "
            "1 byte or more, none of them 0. Remedy: split the stream at its zero bytes"
        )
    pieces = []
    at, end = 0, len(encoded)
    while at < end:
        code = encoded[at]
        pieces.append(encoded[at + 1 : at + code])
        at += code
        if code <= _BLOCK and at < end:
            pieces.append(b"\0")
    if at > end:
        raise FrameError(
            f"COBS block has {end} bytes; its last code points to byte {at}. "
            "Remedy: none here, bytes were lost on the line; the frame is dropped"
        )
    return b"".join(pieces)


def to_serial(message: bytes) -> bytes:
    """Return a message as it goes over a byte stream; it ends with the only zero byte."""
    return cobs_encode(message + crc16(message).to_bytes(_CRC_BYTES, "little")) + b"\0"


def from_serial(encoded: bytes) -> bytes:
    """Return the message between two zero bytes of a stream.

    Raises
    ------
    FrameError
        Not COBS, too long, too short, or the CRC differs.
    """
    if len(encoded) > _MAX_ENCODED:
        raise _too_long(len(encoded))
    decoded = cobs_decode(encoded)
    if len(decoded) > _MAX_DECODED:
        raise _too_long(len(decoded))
    message, tail = decoded[:-_CRC_BYTES], decoded[-_CRC_BYTES:]
    expected, found = crc16(message), int.from_bytes(tail, "little")
    if not message or found != expected:
        raise FrameError(
            f"serial frame of {len(decoded)} bytes ends with CRC {found:#06x}; its bytes give "
            f"{expected:#06x}. Remedy: none here, the line changed it; it is dropped"
        )
    return message


class Deframer:
    """Cuts a byte stream into messages, however the stream is chunked.

    After damage it is in step again at the next zero byte. What precedes the first zero byte of a
    stream may be the end of a frame that began before.
    """

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[bytes | FrameError]:
        """Return the messages that ``data`` completes, with an error for each that is damaged.

        Parameters
        ----------
        data
            The next bytes of the stream, any number of them.
        """
        *whole, pending = (self._pending + data).split(b"\0")
        # One byte above the limit is kept: enough to know that the frame is too long.
        self._pending = pending[: _MAX_ENCODED + 1]
        return [_message_or_error(encoded) for encoded in whole if encoded]


def _message_or_error(encoded: bytes) -> bytes | FrameError:
    try:
        return from_serial(encoded)
    except FrameError as error:
        return error


def _too_long(n_bytes: int) -> FrameError:
    return FrameError(
        f"serial frame has {n_bytes} bytes or more; the limit is {_MAX_DECODED}, {_MAX_ENCODED} "
        "encoded. Remedy: none here, a zero byte was lost on the line; the frame is dropped"
    )

"""BITalino (r)evolution over Bluetooth LE: codec and driver, one analog channel at 100 samples/s.

Source: BITalino firmware for the BT121 module; ECG sensor data sheet (3.3 V, 10 bits, gain 1100).

With one channel on, every sample is a frame of three bytes::

    0       bits 7..2   A, bits 5..0
    1       bits 3..0   A, bits 9..6; bits 7..4 digital inputs and outputs
    2       bits 7..4   sequence number, modulo 16; bits 3..0 CRC-4, polynomial x^4 + x + 1

Frames come as a byte stream. A loss of a multiple of 16 samples does not show in the sequence
number, and a frame that came twice reads as 15 lost.
"""

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from leadlab_bridge.devices.base import GattLink, OnError, OnFrame, deadline, forward
from leadlab_bridge.devices.wire import require_range, saturation, to_codes, to_microvolts
from leadlab_bridge.errors import FrameError
from leadlab_bridge.frame import EcgFrame

SERVICE: Final = "c566488a-0882-4e1b-a6d0-0b717e652234"
COMMANDS: Final = "4051eb11-bf0a-4c74-8730-a48f4193fcea"
FRAMES: Final = "40fdba6b-672e-47c4-808a-e529adff3633"

RATE_HZ: Final = 100.0
SAMPLES_PER_FRAME: Final = 10
UV_PER_CODE: Final = 3.3e6 / 1100 / 1024
STOP: Final = bytes([0])

_RATES_HZ: Final = (1, 10, 100, 1000)
_CENTRE: Final = 512
_RANGE: Final = (-_CENTRE, _CENTRE - 1)
_BYTES: Final = 3
_MODULUS: Final = 16
# Four more bits multiply the remainder by x^4, which is x + 1 modulo the polynomial.
_CRC4: Final = tuple(n << 1 ^ n ^ (0x13 if n >> 3 else 0) for n in range(16))


def rate_command(rate_hz: int) -> bytes:
    """Return the command that sets the rate: 1, 10, 100 or 1000 Hz (too much for the radio).

    Raises
    ------
    FrameError
        Another rate.
    """
    if rate_hz not in _RATES_HZ:
        raise FrameError(
            f"rate is {rate_hz} Hz; a BITalino has {_RATES_HZ} Hz. Remedy: choose one of them"
        )
    return bytes([_RATES_HZ.index(rate_hz) << 6 | 0x03])


def start_command(channel: int) -> bytes:
    """Return the command that starts one analog channel, 1 to 6.

    Raises
    ------
    FrameError
        No such channel.
    """
    return bytes([1 << require_range("channel", channel - 1, 5) << 2 | 0x01])


def decode_sample(data: bytes) -> tuple[int, int]:
    """Return sequence number and 10-bit code of one frame of three bytes.

    Raises
    ------
    FrameError
        Wrong length or CRC.
    """
    found = _read(data, 0) if len(data) == _BYTES else None
    if found is None:
        raise FrameError(
            f"BITalino frame is {data[:8].hex() or 'empty'}; it has {_BYTES} bytes that end in "
            "their CRC-4. Remedy: none here, it is dropped"
        )
    return found


def encode_sample(sequence: int, code: int) -> bytes:
    """Return one frame of three bytes; digital inputs and outputs are 0.

    Raises
    ------
    FrameError
        The code has more than 10 bits.
    """
    require_range("code", code, 0x3FF)
    first, second, last = (code & 0x3F) << 2, code >> 6, sequence % _MODULUS << 4
    return bytes([first, second, last | _crc4(first, second, last)])


def encode_ecg(samples_uv: ArrayLike, sample_index: int) -> bytes:
    """Return the frames of ``(n,)`` microvolts, the first of them number ``sample_index``.

    Raises
    ------
    FrameError
        The samples are not a list of finite numbers.
    """
    codes = to_codes(samples_uv, UV_PER_CODE, *_RANGE, most=np.size(samples_uv)) + _CENTRE
    return b"".join(encode_sample(sample_index + i, int(code)) for i, code in enumerate(codes))


class EcgAssembler:
    """Finds the frames in a byte stream and puts ten samples together.

    Where it is out of step it moves on byte by byte, until two frames in a row have the right CRC
    and sequence number: a CRC of four bits alone fits one time in sixteen by chance.

    Parameters
    ----------
    lead
        Lead that the electrodes make.

    Attributes
    ----------
    skipped_bytes
        Bytes that belonged to no frame.
    """

    def __init__(self, lead: str) -> None:
        self.skipped_bytes = 0
        self._lead = lead
        self._rest = b""
        self._in_step = False
        self._codes: list[int] = []
        self._first_index = self._next_index = 0
        self._next_sequence: int | None = None

    def feed(self, data: bytes) -> list[EcgFrame]:
        """Return the frames that these bytes complete; how they are cut changes nothing."""
        stream = self._rest + data
        frames: list[EcgFrame] = []
        at = 0
        while at + (_BYTES if self._in_step else 2 * _BYTES) <= len(stream):
            found = _read(stream, at)
            if found is not None and not self._in_step:
                sequence, following = found[0], _read(stream, at + _BYTES)
                self._in_step = following is not None and following[0] == (sequence + 1) % _MODULUS
            if found is None or not self._in_step:
                self._in_step = False
                self.skipped_bytes += 1
                at += 1
                continue
            frames += self._add(*found)
            at += _BYTES
        self._rest = stream[at:]
        return frames

    def _add(self, sequence: int, code: int) -> list[EcgFrame]:
        frames: list[EcgFrame] = []
        if self._next_sequence is not None:
            lost = (sequence - self._next_sequence) % _MODULUS
            if lost and self._codes:
                frames.append(self._flush())
            self._next_index += lost
        self._next_sequence = (sequence + 1) % _MODULUS
        if not self._codes:
            self._first_index = self._next_index
        self._codes.append(code)
        self._next_index += 1
        if len(self._codes) == SAMPLES_PER_FRAME:
            frames.append(self._flush())
        return frames

    def _flush(self) -> EcgFrame:
        codes = np.array(self._codes) - _CENTRE
        self._codes.clear()
        return EcgFrame(
            to_microvolts(codes, UV_PER_CODE),
            RATE_HZ,
            self._lead,
            sample_index=self._first_index,
            flags=saturation(codes, *_RANGE),
        )


def _read(data: bytes, at: int) -> tuple[int, int] | None:
    """Return sequence number and code of the frame at ``at``, None where the CRC is wrong."""
    first, second, last = data[at : at + _BYTES]
    if _crc4(first, second, last & 0xF0) != last & 0x0F:
        return None
    return last >> 4, (second & 0x0F) << 6 | first >> 2


def _crc4(first: int, second: int, last: int) -> int:
    remainder = 0
    for byte in (first, second, last):
        remainder = _CRC4[remainder] ^ byte >> 4
        remainder = _CRC4[remainder] ^ byte & 0x0F
    return remainder


class BITalino:
    """BITalino (r)evolution with Bluetooth LE and its ECG sensor.

    Parameters
    ----------
    timeout_s
        Longest wait, in seconds of the wall, for any one answer of the device.
    channel
        Analog input of the ECG sensor, 1 to 6; on the assembled board it is 2.
    lead
        Lead that the electrodes make.
    """

    name: Final = "BITalino"
    rate_hz: Final = RATE_HZ

    def __init__(self, timeout_s: float = 10.0, channel: int = 2, lead: str = "I") -> None:
        self.lead = lead
        self._timeout_s = timeout_s
        self._start = start_command(channel)
        self._assembler = EcgAssembler(lead)

    def recognises(self, name: str | None, service_uuids: Collection[str]) -> bool:
        """Tell by the name it advertises, or by the service."""
        return (name or "").lower().startswith("bitalino") or SERVICE in service_uuids

    async def start(self, link: GattLink, on_frame: OnFrame, on_error: OnError) -> None:
        """Start the ECG stream; see :meth:`Driver.start`. The rate is set before the start."""

        def decode(data: bytes) -> list[EcgFrame]:
            skipped = self._assembler.skipped_bytes
            frames = self._assembler.feed(data)
            if self._assembler.skipped_bytes != skipped:
                on_error(
                    FrameError(
                        f"{self._assembler.skipped_bytes - skipped} bytes from the {self.name} "
                        "belong to no frame; all should. Remedy: bring the device closer"
                    )
                )
            return frames

        async with deadline(f"{self.name}, start", self._timeout_s):
            await link.subscribe(FRAMES, forward(decode, on_frame, on_error))
            await link.write(COMMANDS, rate_command(round(RATE_HZ)))
            await link.write(COMMANDS, self._start)

    async def stop(self, link: GattLink) -> None:
        """Stop the stream; see :meth:`Driver.stop`."""
        async with deadline(f"{self.name}, stop", self._timeout_s):
            await link.write(COMMANDS, STOP)
            await link.unsubscribe(FRAMES)

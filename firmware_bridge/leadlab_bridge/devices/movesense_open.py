"""Movesense, open firmware "movesense-ble-ecg-firmware" of J. Primbs: bytes <-> frames.

Source: that firmware's ``ble-ecg`` folder. Little-endian. Its 16-bit UUIDs are not its own: the
Bluetooth SIG gave them to other things, so that the device must be known by its name too.

ECG notification::

    0..3    u32   ms, time of the last sample
    4..     s16   16 codes of 0.381469726563 uV; -32768 is a sample that did not fit 16 bits
"""

import struct
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from leadlab_bridge.devices.base import uuid16
from leadlab_bridge.devices.movesense_gsp import LEAD, UV_PER_CODE
from leadlab_bridge.devices.wire import (
    count_samples,
    max_samples,
    require_range,
    to_codes,
    to_microvolts,
)
from leadlab_bridge.errors import FrameError
from leadlab_bridge.frame import EcgFrame

SERVICE: Final = uuid16(0x1859)
ECG: Final = uuid16(0x2BF1)  # from version 0.8
CONFIGURATION: Final = uuid16(0x2BF3)
ECG_BEFORE_0_8: Final = uuid16(0x2BDD)
INTERVAL_BEFORE_0_8: Final = uuid16(0x2BE3)

_INVALID: Final = -(1 << 15)
_LOWEST, _HIGHEST = -(1 << 15) + 1, (1 << 15) - 1
_TIME: Final = struct.Struct("<I")
_SAMPLE_BYTES: Final = 2
_MAX_SAMPLES: Final = max_samples(_TIME.size, _SAMPLE_BYTES)


def decode_ecg(data: bytes, rate_hz: float) -> EcgFrame:
    """Decode one ECG notification.

    Returns
    -------
    EcgFrame
        ``(n,) float32`` microvolts, NaN where invalid, with the time of the last sample.

    Raises
    ------
    FrameError
        Not a clock and whole samples.
    """
    n = count_samples("Movesense ECG", len(data), _TIME.size, _SAMPLE_BYTES)
    (time_ms,) = _TIME.unpack_from(data)
    codes = np.frombuffer(data, "<i2", n, _TIME.size)
    return EcgFrame(
        to_microvolts(codes, UV_PER_CODE, _INVALID),
        rate_hz,
        LEAD,
        device_time_ns=time_ms * 1_000_000,
    )


def encode_ecg(samples_uv: ArrayLike, time_ms: int) -> bytes:
    """Encode one ECG notification; NaN, and what does not fit 16 bits, is sent as invalid.

    Raises
    ------
    FrameError
        The samples do not fit a notification.
    """
    fitting = np.array(samples_uv, dtype=np.float64)
    fitting[np.abs(fitting) >= (_HIGHEST + 0.5) * UV_PER_CODE] = np.nan
    codes = to_codes(fitting, UV_PER_CODE, _LOWEST, _HIGHEST, invalid=_INVALID, most=_MAX_SAMPLES)
    return _TIME.pack(time_ms & 0xFFFFFFFF) + codes.astype("<i2").tobytes()


def encode_interval(interval_ms: int) -> bytes:
    """Return the value of the interval characteristic of versions before 0.8."""
    return struct.pack("<H", require_range("interval", interval_ms, 0xFFFF))


def parse_interval(data: bytes) -> int:
    """Return the interval between samples, ms, of versions before 0.8.

    Raises
    ------
    FrameError
        Not two bytes.
    """
    if len(data) != 2:
        raise FrameError(
            f"Movesense interval is {data[:8].hex() or 'empty'}; it has 2 bytes. "
            "Remedy: read it again"
        )
    return int.from_bytes(data, "little")


def parse_configuration(data: bytes) -> int:
    """Return the interval between samples, ms, that a configuration (from 0.8) holds.

    Raises
    ------
    FrameError
        Not 16 bytes.
    """
    if len(data) != 16:
        raise FrameError(
            f"Movesense configuration is {data[:16].hex() or 'empty'}; it has 16 bytes. "
            "Remedy: read it again, or report the firmware's version"
        )
    return data[0]


def with_interval(configuration: bytes, interval_ms: int) -> bytes:
    """Return a configuration (from 0.8) with another interval."""
    return bytes([require_range("interval", interval_ms, 255)]) + configuration[1:]

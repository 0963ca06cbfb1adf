"""card10 badge, ECG app: codec and driver. Codes of a MAX30001, 128 or 256 samples/s.

Sources: card10 firmware, ECG app and ``epicardium/modules/max30001.c``.

ECG notification, **big**-endian::

    0..1    u16   index of the first sample since notifications were enabled, modulo 65536
    2..     s16   upper 16 of the converter's 18 bits, gain 20, sign already turned
"""

import struct
from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from leadlab_bridge.devices.base import GattLink, OnError, OnFrame, deadline, forward
from leadlab_bridge.devices.wire import (
    count_samples,
    max_samples,
    saturation,
    to_codes,
    to_microvolts,
    unwrap,
)
from leadlab_bridge.frame import EcgFrame

SERVICE: Final = "42230300-2342-2342-2342-234223422342"
ECG: Final = "42230301-2342-2342-2342-234223422342"
LEAD: Final = "I"

# 1 V reference, the upper 16 of 18 bits, gain 20.
UV_PER_CODE: Final = 1e6 / (1 << 15) / 20
_COUNTER: Final = struct.Struct(">H")
_MODULUS: Final = 1 << 16
_SAMPLE_BYTES: Final = 2
_MAX_SAMPLES: Final = max_samples(_COUNTER.size, _SAMPLE_BYTES)
_S16: Final = (-(1 << 15), (1 << 15) - 1)


def decode_ecg(data: bytes, rate_hz: float = 128.0, near_index: int = 0) -> EcgFrame:
    """Decode one ECG notification.

    Parameters
    ----------
    rate_hz
        Rate set on the badge; the notification does not tell.
    near_index
        Index about which the first sample is expected; the counter has 16 bits.

    Returns
    -------
    EcgFrame
        ``(n,) float32`` microvolts with the index of the first sample; SATURATED at the ends of
        the range.

    Raises
    ------
    FrameError
        Not a counter and whole samples.
    """
    n = count_samples("card10 ECG", len(data), _COUNTER.size, _SAMPLE_BYTES)
    (counter,) = _COUNTER.unpack_from(data)
    codes = np.frombuffer(data, ">i2", n, _COUNTER.size)
    return EcgFrame(
        to_microvolts(codes, UV_PER_CODE),
        rate_hz,
        LEAD,
        sample_index=unwrap(counter, near_index, _MODULUS),
        flags=saturation(codes, *_S16),
    )


def encode_ecg(samples_uv: ArrayLike, sample_index: int) -> bytes:
    """Encode one ECG notification.

    Raises
    ------
    FrameError
        The samples do not fit a notification.
    """
    codes = to_codes(samples_uv, UV_PER_CODE, *_S16, most=_MAX_SAMPLES)
    return _COUNTER.pack(sample_index % _MODULUS) + codes.astype(">i2").tobytes()


class Card10:
    """card10 badge with its ECG app open.

    Parameters
    ----------
    timeout_s
        Longest wait, in seconds of the wall, for any one answer of the device.
    rate_hz
        Rate set on the badge: 128 or 256.
    """

    name: Final = "card10"
    lead: Final = LEAD

    def __init__(self, timeout_s: float = 10.0, rate_hz: float = 128.0) -> None:
        self.rate_hz = rate_hz
        self._timeout_s = timeout_s
        self._next_index = 0

    def recognises(self, name: str | None, service_uuids: Collection[str]) -> bool:
        """Tell by the name it advertises, or by the ECG service."""
        return (name or "").startswith(self.name) or SERVICE in service_uuids

    async def start(self, link: GattLink, on_frame: OnFrame, on_error: OnError) -> None:
        """Start the ECG stream; see :meth:`Driver.start`. Subscribing restarts the counter."""
        self._next_index = 0
        async with deadline(f"{self.name}, subscribe", self._timeout_s):
            await link.subscribe(ECG, forward(self._decode, on_frame, on_error))

    async def stop(self, link: GattLink) -> None:
        """Stop the stream; see :meth:`Driver.stop`."""
        async with deadline(f"{self.name}, unsubscribe", self._timeout_s):
            await link.unsubscribe(ECG)

    def _decode(self, data: bytes) -> list[EcgFrame]:
        frame = decode_ecg(data, self.rate_hz, self._next_index)
        assert frame.sample_index is not None
        self._next_index = frame.sample_index + frame.samples_uv.size
        return [frame]

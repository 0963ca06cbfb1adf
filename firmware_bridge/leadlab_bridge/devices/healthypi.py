"""HealthyPi 5 and HealthyPi Move: codec and driver. Boards with a MAX30001, 128 samples/s.

Sources: Protocentral/protocentral_healthypi5_zephyr and Protocentral/healthypi-move-fw.

ECG notification: s32 little-endian converter codes, nothing else. No clock, no counter, no scale,
no lead-off flag.

Known defects of shipped firmware, none of which the bytes show:

- HealthyPi 5 throws every ninth sample away: 113.8 of 128 samples/s arrive. The measured rate says
  so.
- A notification that finds no buffer is dropped without a trace.
- HealthyPi Move has its lead-off check switched off.
- The microvolts in a code depend on a gain register, and on how far a revision shifts the code.
"""

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from leadlab_bridge.devices.base import GattLink, OnError, OnFrame, deadline, forward, uuid16
from leadlab_bridge.devices.beside import Beside
from leadlab_bridge.devices.wire import count_samples, max_samples, to_codes, to_microvolts
from leadlab_bridge.frame import EcgFrame

SERVICE: Final = uuid16(0x1122)
ECG: Final = uuid16(0x1424)
RATE_HZ: Final = 128.0
LEAD: Final = "I"
SAMPLES_PER_FRAME: Final = 8

# 1 V reference, 18 bits, gain 20: what a comment in the firmware converts with.
UV_PER_CODE: Final = 1e6 / (1 << 17) / 20
_SAMPLE_BYTES: Final = 4
_MAX_SAMPLES: Final = max_samples(0, _SAMPLE_BYTES)
_S32: Final = (-(1 << 31), (1 << 31) - 1)


def decode_ecg(data: bytes, uv_per_code: float = UV_PER_CODE) -> EcgFrame:
    """Decode one ECG notification.

    Returns
    -------
    EcgFrame
        ``(n,) float32`` microvolts, as far as ``uv_per_code`` holds; no time, no index.

    Raises
    ------
    FrameError
        Not whole samples.
    """
    n = count_samples("HealthyPi ECG", len(data), 0, _SAMPLE_BYTES)
    return EcgFrame(to_microvolts(np.frombuffer(data, "<i4", n), uv_per_code), RATE_HZ, LEAD)


def encode_ecg(samples_uv: ArrayLike, uv_per_code: float = UV_PER_CODE) -> bytes:
    """Encode one ECG notification.

    Raises
    ------
    FrameError
        The samples do not fit a notification.
    """
    return to_codes(samples_uv, uv_per_code, *_S32, most=_MAX_SAMPLES).astype("<i4").tobytes()


class HealthyPi:
    """HealthyPi 5 or HealthyPi Move.

    Parameters
    ----------
    timeout_s
        Longest wait, in seconds of the wall, for any one answer of the device.
    uv_per_code
        Microvolts in a converter code of the firmware at hand.
    """

    name: Final = "HealthyPi"
    rate_hz: Final = RATE_HZ
    lead: Final = LEAD

    def __init__(self, timeout_s: float = 10.0, uv_per_code: float = UV_PER_CODE) -> None:
        self.beside = Beside()
        self._timeout_s = timeout_s
        self._uv_per_code = uv_per_code

    def recognises(self, name: str | None, service_uuids: Collection[str]) -> bool:
        """Tell by the name it advertises, or by the ECG service, which it does not."""
        return (name or "").lower().startswith("healthypi") or SERVICE in service_uuids

    async def start(self, link: GattLink, on_frame: OnFrame, on_error: OnError) -> None:
        """Start the ECG stream; see :meth:`Driver.start`. Subscribing is all it takes."""
        on_data = forward(
            lambda data: [self.beside.flag(decode_ecg(data, self._uv_per_code))],
            on_frame,
            on_error,
        )
        async with deadline(f"{self.name}, subscribe", self._timeout_s):
            await link.subscribe(ECG, on_data)
        await self.beside.start(link)

    async def stop(self, link: GattLink) -> None:
        """Stop the stream; see :meth:`Driver.stop`."""
        async with deadline(f"{self.name}, unsubscribe", self._timeout_s):
            await link.unsubscribe(ECG)
        await self.beside.stop(link)

"""What a wearable tells beside its ECG: heart rate, skin contact, battery. All of it optional."""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from leadlab_bridge.devices import sig
from leadlab_bridge.devices.base import GattLink, deadline
from leadlab_bridge.errors import FrameError, LeadlabError
from leadlab_bridge.frame import EcgFrame, FrameFlag

LOW_BATTERY_PERCENT: Final = 20
_TIMEOUT_S: Final = 2.0


class Beside:
    """The SIG services of a connected wearable, followed where it has them.

    Attributes
    ----------
    heart_rate
        Latest measurement, None before the first.
    battery_percent
        Latest battery level, None while unknown.
    """

    def __init__(self) -> None:
        self.heart_rate: sig.HeartRate | None = None
        self.battery_percent: int | None = None
        self._subscribed: list[str] = []

    async def start(self, link: GattLink) -> None:
        """Follow heart rate and battery. What the device lacks or withholds is no error."""
        battery = link.characteristics.get(sig.BATTERY, ())
        with suppress(LeadlabError):
            if sig.HEART_RATE in link.characteristics:
                await self._subscribe(link, sig.HEART_RATE)
        with suppress(LeadlabError):
            if "read" in battery:
                async with deadline("read battery", _TIMEOUT_S):
                    self._on_battery(await link.read(sig.BATTERY))
        with suppress(LeadlabError):
            if "notify" in battery:
                await self._subscribe(link, sig.BATTERY)

    async def stop(self, link: GattLink) -> None:
        """End what was followed."""
        while self._subscribed:
            with suppress(LeadlabError):
                async with deadline("unsubscribe", _TIMEOUT_S):
                    await link.unsubscribe(self._subscribed.pop())

    def flag(self, frame: EcgFrame) -> EcgFrame:
        """Return the frame with LEAD_OFF and LOW_BATTERY where these services say so."""
        flags = frame.flags
        if self.heart_rate is not None and self.heart_rate.contact is False:
            flags |= FrameFlag.LEAD_OFF
        if self.battery_percent is not None and self.battery_percent < LOW_BATTERY_PERCENT:
            flags |= FrameFlag.LOW_BATTERY
        return frame if flags == frame.flags else replace(frame, flags=flags)

    async def _subscribe(self, link: GattLink, uuid: str) -> None:
        on_data = self._on_heart_rate if uuid == sig.HEART_RATE else self._on_battery
        async with deadline("subscribe", _TIMEOUT_S):
            await link.subscribe(uuid, on_data)
        self._subscribed.append(uuid)

    def _on_heart_rate(self, data: bytes) -> None:
        # A message that cannot be read says nothing about the ECG: the last one stands.
        with suppress(FrameError):
            self.heart_rate = sig.decode_heart_rate(data)

    def _on_battery(self, data: bytes) -> None:
        with suppress(FrameError):
            self.battery_percent = sig.decode_battery(data)

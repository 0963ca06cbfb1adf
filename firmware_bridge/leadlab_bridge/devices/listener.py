"""No driver at all: hear everything that a device says of itself, and read none of it.

For recording a device that is not known yet.
"""

from collections.abc import Collection
from typing import Final

from leadlab_bridge.devices.base import GattLink, OnError, OnFrame, deadline
from leadlab_bridge.errors import DeviceError

_SAYS: Final = ("notify", "indicate")


class Listener:
    """Subscribes to every characteristic that can notify, and commands nothing.

    Many devices say nothing until they are told to; the device page of its maker knows the words.
    """

    name: Final = "unknown"
    rate_hz: Final = 1.0
    lead: Final = "unknown"

    def __init__(self, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._heard: list[str] = []

    def recognises(self, name: str | None, service_uuids: Collection[str]) -> bool:
        """Recognise nothing: this one is asked for."""
        del name, service_uuids
        return False

    async def start(self, link: GattLink, on_frame: OnFrame, on_error: OnError) -> None:
        """Subscribe to all that can be subscribed to; nothing is decoded.

        Raises
        ------
        DeviceError
            Nothing here notifies, or a subscription was refused.
        """
        del on_frame, on_error
        can = {uuid: set(how) for uuid, how in link.characteristics.items()}
        self._heard = [uuid for uuid, how in can.items() if how.intersection(_SAYS)]
        if not self._heard:
            raise DeviceError(
                f"none of its {len(can)} characteristics notifies. Remedy: pair with it first, "
                "or choose another device"
            )
        for uuid in self._heard:
            async with deadline(f"subscribe to {uuid}", self._timeout_s):
                await link.subscribe(uuid, lambda _: None)

    async def stop(self, link: GattLink) -> None:
        """End the subscriptions; see :meth:`Driver.stop`."""
        for uuid in self._heard:
            async with deadline(f"unsubscribe from {uuid}", self._timeout_s):
                await link.unsubscribe(uuid)

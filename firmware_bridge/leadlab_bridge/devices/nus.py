"""Nordic UART Service: a byte stream over two characteristics. It frames nothing.

Zephyr calls 0002 the one to write and 0003 the one that notifies; pages of the old nRF5 SDK name
them the other way round. They are told apart by their properties.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Self

from leadlab_bridge.devices.base import GattLink, deadline
from leadlab_bridge.errors import DeviceError

SERVICE: Final = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
CHARACTERISTICS: Final = (
    "6e400002-b5a3-f393-e0a9-e50e24dcca9e",
    "6e400003-b5a3-f393-e0a9-e50e24dcca9e",
)
# What one write carries at the default MTU of 23, the only one that every host grants.
WRITE_BYTES: Final = 20
_UNCONFIRMED: Final = "write-without-response"


@dataclass(frozen=True, slots=True)
class NordicUart:
    """The two directions of the stream.

    Attributes
    ----------
    to_device, from_device
        UUIDs of the characteristic that is written and of the one that notifies.
    """

    to_device: str
    from_device: str

    @classmethod
    def find(cls, characteristics: Mapping[str, Collection[str]]) -> Self:
        """Tell the two characteristics apart.

        Raises
        ------
        DeviceError
            One of them is missing.
        """
        properties = {uuid: set(characteristics.get(uuid, ())) for uuid in CHARACTERISTICS}
        to_device = [u for u in CHARACTERISTICS if properties[u] & {"write", _UNCONFIRMED}]
        from_device = [u for u in CHARACTERISTICS if properties[u] & {"notify", "indicate"}]
        if not to_device or not from_device:
            raise DeviceError(
                f"Nordic UART offers {properties}; one characteristic must be writable, the other "
                "notify. Remedy: add both to the device's firmware"
            )
        return cls(to_device[0], from_device[-1])

    async def open(
        self, link: GattLink, on_bytes: Callable[[bytes], None], timeout_s: float = 10.0
    ) -> None:
        """Receive: ``on_bytes`` gets the stream in pieces that end anywhere.

        Raises
        ------
        DeviceError
            No answer in time.
        """
        async with deadline("Nordic UART, subscribe", timeout_s):
            await link.subscribe(self.from_device, on_bytes)

    async def send(self, link: GattLink, data: bytes, timeout_s: float = 10.0) -> None:
        """Send bytes, 20 a write.

        Raises
        ------
        DeviceError
            No answer in time.
        """
        async with deadline("Nordic UART, write", timeout_s):
            for start in range(0, len(data), WRITE_BYTES):
                await link.write(self.to_device, data[start : start + WRITE_BYTES])

    async def close(self, link: GattLink, timeout_s: float = 10.0) -> None:
        """Stop receiving.

        Raises
        ------
        DeviceError
            No answer in time.
        """
        async with deadline("Nordic UART, unsubscribe", timeout_s):
            await link.unsubscribe(self.from_device)

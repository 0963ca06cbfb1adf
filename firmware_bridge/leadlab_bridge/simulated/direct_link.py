"""A simulated wearable connected to a driver in this process, without Bluetooth."""

from collections.abc import Callable, Collection, Mapping

from leadlab_bridge.errors import DeviceError
from leadlab_bridge.simulated.wearable import Wearable

_MAX_NOTIFICATION = 514


class DirectLink:
    """Both ends at once: a host to the wearable, a GATT link to the driver.

    Parameters
    ----------
    wearable
        The device.
    on_disconnect
        Called when the device drops the connection.
    """

    max_notification = _MAX_NOTIFICATION

    def __init__(self, wearable: Wearable, on_disconnect: Callable[[], None]) -> None:
        self._wearable = wearable
        self._on_disconnect = on_disconnect
        self._callbacks: dict[str, Callable[[bytes], None]] = {}
        self._up = True
        wearable.attach(self)

    @property
    def characteristics(self) -> Mapping[str, Collection[str]]:
        """What the device has, and the properties of each."""
        return {c.uuid: c.properties for c in self._wearable.characteristics()}

    async def read(self, uuid: str) -> bytes:
        """Read a value."""
        self._require_link("read", uuid)
        return self._wearable.read(uuid)

    async def write(self, uuid: str, data: bytes) -> None:
        """Write a value."""
        self._require_link("write", uuid)
        self._wearable.write(uuid, data)

    async def subscribe(self, uuid: str, callback: Callable[[bytes], None]) -> None:
        """Call ``callback`` with every notification or indication."""
        self._require_link("subscribe to", uuid)
        self._callbacks[uuid] = callback
        self._wearable.subscribed(uuid, True)

    async def unsubscribe(self, uuid: str) -> None:
        """End a subscription."""
        self._require_link("unsubscribe from", uuid)
        del self._callbacks[uuid]
        self._wearable.subscribed(uuid, False)

    async def notify(self, uuid: str, data: bytes) -> None:
        """Pass a notification to the driver."""
        callback = self._callbacks.get(uuid)
        if self._up and callback is not None:
            callback(data)

    async def disconnect(self) -> None:
        """Be dropped by the device."""
        if self._up:
            self.close()
            self._on_disconnect()

    def vanish(self) -> None:
        """Be left by the device without a word."""
        self._callbacks.clear()

    def close(self) -> None:
        """End the connection from the driver's side."""
        self._up = False
        self._wearable.detach()

    def _require_link(self, what: str, uuid: str) -> None:
        if not self._up:
            raise DeviceError(
                f"could not {what} {uuid}: the device has disconnected. Remedy: connect again"
            )

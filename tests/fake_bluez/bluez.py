"""The service: one adapter, one remote device, whatever agent registers."""

import asyncio
from types import TracebackType
from typing import Self

from dbus_fast import Message, MessageType, RequestNameReply
from dbus_fast.aio import MessageBus

from fake_bluez.device import ADAPTER, Adapter, AgentManager, Device
from fake_bluez.gatt import GattCharacteristic, GattService
from leadlab_bridge.simulated.wearable import Wearable

PASSKEY = 123456


class FakeBlueZ:
    """Serves one wearable on the bus at ``bus_address``, for an ``async with``.

    Attributes
    ----------
    hanging
        Names of D-Bus methods that are never answered.
    failing_connects
        How many connection attempts fail first.
    mtu
        ATT MTU of the link.
    agent
        Sender and path of the registered pairing agent.
    asked
        What the agent was asked, by method name.
    """

    def __init__(
        self, bus_address: str, wearable: Wearable, address: str = "A0:9E:1A:00:00:01"
    ) -> None:
        self.wearable, self.address = wearable, address
        self.hanging: set[str] = set()
        self.failing_connects = 0
        self.mtu = 517
        self.agent: tuple[str, str] | None = None
        self.capability = ""
        self.asked: list[str] = []
        self.pairing_method = "RequestAuthorization"
        self.paired = self.connected = False
        self.link_lost = asyncio.Event()
        self._bus_address = bus_address
        self._path = f"{ADAPTER}/dev_{address.replace(':', '_')}"
        self._characteristics: dict[str, GattCharacteristic] = {}
        self._device: Device | None = None

    async def __aenter__(self) -> Self:
        self._bus = await MessageBus(
            bus_address=self._bus_address, negotiate_unix_fd=True
        ).connect()
        self._bus.add_message_handler(self._note_agent)
        self._bus.export("/org/bluez", AgentManager(self))
        self._bus.export(ADAPTER, Adapter(self))
        assert await self._bus.request_name("org.bluez") == RequestNameReply.PRIMARY_OWNER
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drop()
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()

    @property
    def max_notification(self) -> int:
        return self.mtu - 3

    async def notify(self, uuid: str, data: bytes) -> None:
        if self.connected:
            self._characteristics[uuid].push(data[: self.max_notification])
            await asyncio.sleep(0)

    async def disconnect(self) -> None:
        self.drop()

    def vanish(self) -> None:
        """Say nothing: BlueZ notices a silent death late or never."""

    def advertise(self) -> None:
        """Let the adapter hear the device."""
        if self._device is None:
            self._device = Device(self)
            self._bus.export(self._path, self._device)
        else:
            self._device.heard()

    def attach(self) -> None:
        self.connected = True
        self.link_lost = asyncio.Event()
        self.wearable.attach(self)

    def drop(self) -> None:
        """End the connection."""
        if not self.connected:
            return
        for characteristic in self._characteristics.values():
            characteristic.silence()
        self.connected = False
        self.link_lost.set()
        self.wearable.detach()
        if self._device is not None:
            self._device.lost()

    def forget(self) -> None:
        """Remove the device with its bond."""
        self.drop()
        self.paired = False
        self._bus.unexport(self._path)
        self._device = None

    def export_services(self) -> None:
        if self._characteristics:
            return
        for number, service in enumerate(self.wearable.services):
            path = f"{self._path}/service{number * 0x20 + 0x10:04x}"
            self._bus.export(path, GattService(service.uuid, self._path))
            for place, described in enumerate(service.characteristics):
                characteristic = GattCharacteristic(self, described, path)
                self._characteristics[described.uuid] = characteristic
                handle = number * 0x20 + 0x11 + 3 * place
                self._bus.export(f"{path}/char{handle:04x}", characteristic)

    async def bond(self) -> bool:
        """Pair if need be; tell whether the link is bonded."""
        if not self.paired and self.agent is not None:
            self.paired = await self._ask_agent()
            if self.paired and self._device is not None:
                self._device.emit_properties_changed({"Paired": True})
        return self.paired

    async def _ask_agent(self) -> bool:
        assert self.agent is not None
        sender, path = self.agent
        self.asked.append(self.pairing_method)
        signature, body = {
            "RequestAuthorization": ("o", [self._path]),
            "RequestConfirmation": ("ou", [self._path, PASSKEY]),
            "RequestPasskey": ("o", [self._path]),
            "DisplayPasskey": ("ouq", [self._path, PASSKEY, 0]),
        }[self.pairing_method]
        reply = await self._bus.call(
            Message(
                destination=sender,
                path=path,
                interface="org.bluez.Agent1",
                member=self.pairing_method,
                signature=signature,
                body=body,
            )
        )
        assert reply is not None
        agreed = reply.message_type is MessageType.METHOD_RETURN
        if agreed and self.pairing_method == "RequestPasskey":
            return reply.body == [PASSKEY]
        return agreed

    def _note_agent(self, message: Message) -> None:
        if message.member == "RegisterAgent" and message.sender is not None:
            self.agent = message.sender, message.body[0]

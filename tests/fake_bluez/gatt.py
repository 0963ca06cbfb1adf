"""GATT services and characteristics as objects of org.bluez."""
# The names of arguments are those of D-Bus.
# ruff: noqa: ARG002

import socket
from typing import TYPE_CHECKING, Annotated

from dbus_fast import DBusError, PropertyAccess
from dbus_fast.annotations import (
    DBusBool,
    DBusBytes,
    DBusDict,
    DBusObjectPath,
    DBusSignature,
    DBusStr,
    DBusUInt16,
)
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from leadlab_bridge.simulated.wearable import Characteristic

if TYPE_CHECKING:
    from fake_bluez.bluez import FakeBlueZ

READ = PropertyAccess.READ
Strings = Annotated[list[str], DBusSignature("as")]


class GattService(ServiceInterface):
    def __init__(self, uuid: str, device: str) -> None:
        super().__init__("org.bluez.GattService1")
        self._uuid, self._device = uuid, device

    @dbus_property(READ)
    def UUID(self) -> DBusStr:
        return self._uuid

    @dbus_property(READ)
    def Primary(self) -> DBusBool:
        return True

    @dbus_property(READ)
    def Device(self) -> DBusObjectPath:
        return self._device


class GattCharacteristic(ServiceInterface):
    def __init__(self, bluez: "FakeBlueZ", described: Characteristic, service: str) -> None:
        super().__init__("org.bluez.GattCharacteristic1")
        self._bluez, self._described, self._service = bluez, described, service
        self._value = b""
        self._notifying = False
        self._socket: socket.socket | None = None

    @dbus_property(READ)
    def UUID(self) -> DBusStr:
        return self._described.uuid

    @dbus_property(READ)
    def Service(self) -> DBusObjectPath:
        return self._service

    @dbus_property(READ)
    def Flags(self) -> Strings:
        return list(self._described.properties)

    @dbus_property(READ)
    def Notifying(self) -> DBusBool:
        return self._notifying

    @dbus_property(READ)
    def NotifyAcquired(self) -> DBusBool:
        return self._socket is not None

    @dbus_property(READ)
    def MTU(self) -> DBusUInt16:
        return self._bluez.mtu

    @dbus_property(READ)
    def Value(self) -> DBusBytes:
        return self._value

    @dbus_method()
    async def ReadValue(self, options: DBusDict) -> DBusBytes:
        await self._permitted("ReadValue")
        return self._bluez.wearable.read(self._described.uuid)

    @dbus_method()
    async def WriteValue(self, value: DBusBytes, options: DBusDict) -> None:
        await self._permitted("WriteValue")
        self._bluez.wearable.write(self._described.uuid, bytes(value))

    @dbus_method()
    async def StartNotify(self) -> None:
        await self._permitted("StartNotify")
        self._notifying = True
        self.emit_properties_changed({"Notifying": True})
        self._bluez.wearable.subscribed(self._described.uuid, True)

    @dbus_method()
    async def StopNotify(self) -> None:
        await self._permitted("StopNotify")
        self.silence()
        self._bluez.wearable.subscribed(self._described.uuid, False)

    @dbus_method()
    async def AcquireNotify(self, options: DBusDict) -> Annotated[list[int], DBusSignature("hq")]:
        await self._permitted("AcquireNotify")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._socket, self._sent = ours, theirs
        self.emit_properties_changed({"NotifyAcquired": True})
        self._bluez.wearable.subscribed(self._described.uuid, True)
        return [theirs.fileno(), self._bluez.mtu]

    def push(self, data: bytes) -> None:
        """Deliver a notification to a host that subscribed."""
        self._value = data
        if self._socket is not None:
            self._socket.send(data)
        elif self._notifying:
            self.emit_properties_changed({"Value": data})

    def silence(self) -> None:
        """End the subscription."""
        if self._socket is not None:
            self._socket.close()
            self._sent.close()  # our copy of what the host was given
            self._socket = None
            self.emit_properties_changed({"NotifyAcquired": False})
        if self._notifying:
            self._notifying = False
            self.emit_properties_changed({"Notifying": False})

    async def _permitted(self, method: str) -> None:
        """Wait as BlueZ does: for pairing where it is needed, for ever where the test says so."""
        if not self._bluez.connected:
            raise DBusError("org.bluez.Error.Failed", "Not connected")
        if method in self._bluez.hanging or (
            self._described.encrypted and not await self._bluez.bond()
        ):
            await self._bluez.link_lost.wait()
            raise DBusError("org.bluez.Error.Failed", "Operation failed with ATT error: 0x0e")

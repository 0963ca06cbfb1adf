"""Adapter, agent manager and remote device as objects of org.bluez."""
# The names of arguments are those of D-Bus.
# ruff: noqa: ARG002

import asyncio
from typing import TYPE_CHECKING, Annotated

from dbus_fast import DBusError, PropertyAccess
from dbus_fast.annotations import (
    DBusBool,
    DBusDict,
    DBusInt16,
    DBusObjectPath,
    DBusSignature,
    DBusStr,
)
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

if TYPE_CHECKING:
    from fake_bluez.bluez import FakeBlueZ

READ = PropertyAccess.READ
ADAPTER = "/org/bluez/hci0"
Strings = Annotated[list[str], DBusSignature("as")]


class Adapter(ServiceInterface):
    def __init__(self, bluez: "FakeBlueZ") -> None:
        super().__init__("org.bluez.Adapter1")
        self._bluez, self._discovering = bluez, False

    @dbus_property(READ)
    def Address(self) -> DBusStr:
        return "00:00:00:00:00:01"

    @dbus_property(READ)
    def Powered(self) -> DBusBool:
        return True

    @dbus_property(READ)
    def Discovering(self) -> DBusBool:
        return self._discovering

    @dbus_property(READ)
    def Roles(self) -> Strings:
        return ["central"]

    @dbus_method()
    def SetDiscoveryFilter(self, properties: DBusDict) -> None:
        pass

    @dbus_method()
    async def StartDiscovery(self) -> None:
        if "StartDiscovery" in self._bluez.hanging:
            await asyncio.Event().wait()
        self._discovering = True
        self.emit_properties_changed({"Discovering": True})
        self._hearing = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        while self._discovering:
            self._bluez.advertise()
            await asyncio.sleep(0.02)

    @dbus_method()
    def StopDiscovery(self) -> None:
        self._discovering = False
        self.emit_properties_changed({"Discovering": False})

    @dbus_method()
    def RemoveDevice(self, device: DBusObjectPath) -> None:
        self._bluez.forget()


class AgentManager(ServiceInterface):
    """Registering is noted by the bus, which alone sees who calls."""

    def __init__(self, bluez: "FakeBlueZ") -> None:
        super().__init__("org.bluez.AgentManager1")
        self._bluez = bluez

    @dbus_method()
    def RegisterAgent(self, agent: DBusObjectPath, capability: DBusStr) -> None:
        self._bluez.capability = capability

    @dbus_method()
    def RequestDefaultAgent(self, agent: DBusObjectPath) -> None:
        pass

    @dbus_method()
    def UnregisterAgent(self, agent: DBusObjectPath) -> None:
        self._bluez.agent = None


class Device(ServiceInterface):
    def __init__(self, bluez: "FakeBlueZ") -> None:
        super().__init__("org.bluez.Device1")
        self._bluez = bluez
        self._rssi = -60
        self._resolved = self._trusted = False

    @dbus_property(READ)
    def Address(self) -> DBusStr:
        return self._bluez.address

    @dbus_property(READ)
    def AddressType(self) -> DBusStr:
        return "random"

    @dbus_property(READ)
    def Name(self) -> DBusStr:
        return self._bluez.wearable.name

    @dbus_property(READ)
    def Alias(self) -> DBusStr:
        return self._bluez.wearable.name

    @dbus_property(READ)
    def Adapter(self) -> DBusObjectPath:
        return ADAPTER

    @dbus_property(READ)
    def UUIDs(self) -> Strings:
        return list(self._bluez.wearable.advertised)

    @dbus_property(READ)
    def RSSI(self) -> DBusInt16:
        return self._rssi

    @dbus_property(READ)
    def Paired(self) -> DBusBool:
        return self._bluez.paired

    @dbus_property()
    def Trusted(self) -> DBusBool:
        return self._trusted

    @Trusted.setter
    def Trusted(self, value: DBusBool) -> None:
        self._trusted = value

    @dbus_property(READ)
    def Connected(self) -> DBusBool:
        return self._bluez.connected

    @dbus_property(READ)
    def ServicesResolved(self) -> DBusBool:
        return self._resolved

    @dbus_method()
    async def Connect(self) -> None:
        if "Connect" in self._bluez.hanging:
            await asyncio.Event().wait()
        if self._bluez.failing_connects:
            self._bluez.failing_connects -= 1
            await self._abort()
        self._connect()

    @dbus_method()
    async def Disconnect(self) -> None:
        self._bluez.drop()

    @dbus_method()
    async def Pair(self) -> None:
        if not self._bluez.connected:
            self._connect()
        if "Pair" in self._bluez.hanging:
            await asyncio.Event().wait()
        if not await self._bluez.bond():
            raise DBusError("org.bluez.Error.AuthenticationFailed", "Authentication Failed")

    def heard(self) -> None:
        """Report another advertisement."""
        self._rssi = -60 if self._rssi != -60 else -61
        self.emit_properties_changed({"RSSI": self._rssi})

    def lost(self) -> None:
        """Report the end of the connection."""
        self._resolved = False
        self.emit_properties_changed({"ServicesResolved": False, "Connected": False})

    def _connect(self) -> None:
        self._bluez.attach()
        self.emit_properties_changed({"Connected": True})
        self._bluez.export_services()
        self._resolved = True
        self.emit_properties_changed({"ServicesResolved": True})

    async def _abort(self) -> None:
        """Fail as BlueZ does: connected for a moment, which clients wait to see end."""
        self.emit_properties_changed({"Connected": True})
        await asyncio.sleep(0.01)
        self.emit_properties_changed({"Connected": False})
        raise DBusError("org.bluez.Error.Failed", "le-connection-abort-by-local")

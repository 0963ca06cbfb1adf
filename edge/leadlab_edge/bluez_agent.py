"""A pairing agent for BlueZ: who answers when a device wants to be paired.

Linux only. Imports dbus-fast, which bleak depends on there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from dbus_fast import BusType, DBusError, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusObjectPath, DBusStr, DBusUInt16, DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_method

from leadlab_edge.errors import SourceError

_PATH: Final = "/leadlab/agent"
_BLUEZ: Final = "org.bluez"
_REJECTED: Final = "org.bluez.Error.Rejected"
_ANSWER_S: Final = 5.0


class Person(Protocol):
    """Somebody who can compare and type numbers."""

    async def show(self, passkey: int) -> None:
        """Show a number to be typed on the device."""
        ...

    async def confirm(self, passkey: int) -> bool:
        """Ask whether the device shows this number."""
        ...

    async def passkey(self) -> int:
        """Ask for the number that the device shows."""
        ...


@asynccontextmanager
async def pairing_agent(address: str, person: Person | None = None) -> AsyncIterator[None]:
    """Answer BlueZ's questions about one device while inside.

    Parameters
    ----------
    address
        Radio address of the device; any other device is rejected.
    person
        Who compares numbers. Without one, only devices are paired that have neither screen nor
        keys ("just works"), as ECG straps do: safe from listeners who come later, not from one
        who takes part in the pairing.

    Raises
    ------
    SourceError
        BlueZ cannot be reached, or does not take the agent.
    """
    capability = "NoInputNoOutput" if person is None else "KeyboardDisplay"
    bus = MessageBus(bus_type=BusType.SYSTEM)
    try:
        async with asyncio.timeout(_ANSWER_S):
            await bus.connect()
            bus.export(_PATH, _Agent(address, person))
            await _call(bus, "RegisterAgent", "os", [_PATH, capability])
            await _call(bus, "RequestDefaultAgent", "o", [_PATH])
    except (OSError, EOFError, TimeoutError, DBusError) as error:
        bus.disconnect()
        raise SourceError(
            f"BlueZ took no pairing agent ({type(error).__name__}: {error}). Remedy: start it "
            "(systemctl start bluetooth) and allow this user to use it (group bluetooth)"
        ) from error
    try:
        yield
    finally:
        # The agent goes with the connection; asking nicely first spares BlueZ a warning.
        try:
            async with asyncio.timeout(_ANSWER_S):
                await _call(bus, "UnregisterAgent", "o", [_PATH])
        except (EOFError, TimeoutError, DBusError):
            pass
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def _call(bus: MessageBus, member: str, signature: str, body: list[Any]) -> None:
    reply = await bus.call(
        Message(
            destination=_BLUEZ,
            path="/org/bluez",
            interface="org.bluez.AgentManager1",
            member=member,
            signature=signature,
            body=body,
        )
    )
    if reply is None or reply.message_type is MessageType.ERROR:
        name = "no reply" if reply is None else reply.error_name or "error"
        raise DBusError(name, f"{member} failed")


class _Agent(ServiceInterface):
    """org.bluez.Agent1; method and argument names are BlueZ's."""

    def __init__(self, address: str, person: Person | None) -> None:
        super().__init__("org.bluez.Agent1")
        self._tail = "dev_" + address.upper().replace(":", "_")
        self._person = person

    @dbus_method()
    def Release(self) -> None:
        """Take notice that BlueZ needs the agent no more."""

    @dbus_method()
    def Cancel(self) -> None:
        """Take notice that a question is withdrawn."""

    @dbus_method()
    def RequestAuthorization(self, device: DBusObjectPath) -> None:
        """Let the device be paired without comparing anything."""
        self._require(device)

    @dbus_method()
    async def RequestConfirmation(self, device: DBusObjectPath, passkey: DBusUInt32) -> None:
        """Let the device be paired if it shows the same number."""
        self._require(device)
        if not await self._asked().confirm(passkey):
            raise DBusError(_REJECTED, "the numbers differ")

    @dbus_method()
    async def RequestPasskey(self, device: DBusObjectPath) -> DBusUInt32:
        """Return the number that the device shows."""
        self._require(device)
        return await self._asked().passkey()

    @dbus_method()
    async def DisplayPasskey(
        self, device: DBusObjectPath, passkey: DBusUInt32, entered: DBusUInt16
    ) -> None:
        """Show a number to be typed on the device."""
        self._require(device)
        if entered == 0:
            await self._asked().show(passkey)

    @dbus_method()
    def AuthorizeService(self, device: DBusObjectPath, uuid: DBusStr) -> None:
        """Let the paired device use a service."""
        del uuid
        self._require(device)

    def _require(self, device: str) -> None:
        if not device.endswith(self._tail):
            raise DBusError(_REJECTED, f"{device} is not the device that is being paired")

    def _asked(self) -> Person:
        if self._person is None:
            raise DBusError(_REJECTED, "nobody is here to compare numbers")
        return self._person

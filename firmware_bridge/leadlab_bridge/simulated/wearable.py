"""What a simulated wearable is: GATT services and what they do, whatever carries them.

The same object is served by a bumble host (:mod:`.gatt_server`), by a direct link in this process
(:mod:`.direct_link`), or by whatever else can pass reads, writes and notifications on.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from leadlab_bridge.devices import sig
from leadlab_bridge.errors import DeviceError
from leadlab_bridge.simulated.player import PeerVanished, Player

Property = Literal["read", "write", "write-without-response", "notify", "indicate"]

FULL_PERCENT: Final = 87
LOW_PERCENT: Final = 9


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One characteristic of a service.

    Attributes
    ----------
    uuid
        Lower case, in full; unique within a wearable.
    properties
        By the names that BlueZ and bleak use.
    value
        What reading it gives until the wearable says otherwise.
    encrypted
        Whether it is for a paired host only.
    """

    uuid: str
    properties: tuple[Property, ...]
    value: bytes = b""
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """A primary service."""

    uuid: str
    characteristics: tuple[Characteristic, ...]


class Host(Protocol):
    """The connected host, as a wearable sees it."""

    @property
    def max_notification(self) -> int:
        """Bytes that one notification can carry."""
        ...

    async def notify(self, uuid: str, data: bytes) -> None:
        """Notify or indicate, where the host subscribed; longer data goes out as it is."""
        ...

    async def disconnect(self) -> None:
        """Drop the connection."""
        ...

    def vanish(self) -> None:
        """Leave the air without a word."""
        ...


class Wearable:
    """Base of all simulated wearables: says what it offers, obeys nothing.

    Parameters
    ----------
    name
        Name it advertises.
    advertised
        UUIDs of the services it advertises.
    services
        What a connected host discovers.

    Attributes
    ----------
    commands
        Every value written to it, in order.
    finished
        Set when it has nothing left to send.
    """

    def __init__(
        self, name: str, advertised: tuple[str, ...], services: tuple[Service, ...]
    ) -> None:
        self.name = name
        self.advertised = advertised
        self.services = services
        self.commands: list[bytes] = []
        self.finished = asyncio.Event()
        self._values = {c.uuid: c.value for c in self.characteristics()}
        self._host: Host | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def characteristics(self) -> Iterator[Characteristic]:
        """Yield the characteristics of all services."""
        for service in self.services:
            yield from service.characteristics

    @property
    def connected(self) -> bool:
        """Whether a host is connected."""
        return self._host is not None

    def attach(self, host: Host) -> None:
        """Take notice of a new connection."""
        self._host = host
        self.finished.clear()

    def detach(self) -> None:
        """Take notice that the connection is gone."""
        self._host = None
        for task in self._tasks:
            task.cancel()

    def read(self, uuid: str) -> bytes:
        """Return a characteristic's value."""
        return self._values[uuid]

    def write(self, uuid: str, data: bytes) -> None:
        """Obey what the host wrote."""
        del uuid
        self.commands.append(data)

    def subscribed(self, uuid: str, on: bool) -> None:
        """Take notice that the host subscribed, or ended a subscription."""

    async def notify(self, uuid: str, data: bytes) -> None:
        """Notify or indicate, if there is a host."""
        if self._host is not None:
            await self._host.notify(uuid, data)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class StreamingWearable(Wearable):
    """A wearable that plays a recording on one characteristic while it is told to.

    Parameters
    ----------
    player
        What it streams; every start plays it from its beginning.
    data_uuid
        Characteristic that notifies.
    """

    def __init__(
        self,
        name: str,
        advertised: tuple[str, ...],
        services: tuple[Service, ...],
        player: Player,
        data_uuid: str,
    ) -> None:
        super().__init__(name, advertised, services)
        self.player = player
        self._data_uuid = data_uuid
        self._stream: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._contact = True

    @property
    def streaming(self) -> bool:
        """Whether ECG is being sent."""
        return self._stream is not None

    def start_streaming(self) -> None:
        """Send the recording from its beginning; one stream runs at a time."""
        if self._stream is None:
            self.finished.clear()
            self._stream = self._spawn(self._send())

    def stop_streaming(self) -> None:
        """Fall silent at once, without telling the host."""
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    def detach(self) -> None:
        """Take notice that the connection is gone."""
        self.stop_streaming()
        super().detach()

    async def ended(self) -> None:
        """Tell the host that the recording is over, where the profile has a way to."""

    async def _send(self) -> None:
        host = self._host
        assert host is not None
        try:
            async for data in self.player.notifications():
                await self._tell_beside()
                await host.notify(self._data_uuid, data)
        except PeerVanished:
            host.vanish()
        except DeviceError:
            asyncio.get_running_loop().call_soon(self._drop, host)
        else:
            self._stream = None
            self.finished.set()
            await self.ended()

    def _drop(self, host: Host) -> None:
        """Disconnect from outside the stream, which the disconnection cancels."""
        if self._host is host:
            self._leaving = asyncio.create_task(host.disconnect())

    async def _tell_beside(self) -> None:
        """Tell of skin contact and battery when they change, where the host can hear of it."""
        frame, faults = self.player.number, self.player.faults
        contact = frame not in faults.lead_off
        if contact != self._contact and sig.HEART_RATE in self._values:
            measured = sig.HeartRate(bpm=0, contact=contact)
            await self.notify(sig.HEART_RATE, sig.encode_heart_rate(measured))
        self._contact = contact
        charge = sig.encode_battery(LOW_PERCENT if faults.low_battery(frame) else FULL_PERCENT)
        if self._values.get(sig.BATTERY, charge) != charge:
            self._values[sig.BATTERY] = charge
            await self.notify(sig.BATTERY, charge)


def heart_rate_service() -> Service:
    """Return a heart rate service, which is there for its contact flag."""
    measurement = Characteristic(sig.HEART_RATE, ("notify",))
    return Service(sig.HEART_RATE_SERVICE, (measurement,))


def battery_service() -> Service:
    """Return a battery service, charged."""
    charge = sig.encode_battery(FULL_PERCENT)
    return Service(sig.BATTERY_SERVICE, (Characteristic(sig.BATTERY, ("read", "notify"), charge),))


def information_service(model: str) -> Service:
    """Return a device information service that hides nothing."""
    values = sig.encode_information(
        sig.DeviceInformation(maker="leadlab", model=f"simulated {model}")
    )
    return Service(
        sig.INFORMATION_SERVICE,
        tuple(Characteristic(uuid, ("read",), value) for uuid, value in values.items() if value),
    )

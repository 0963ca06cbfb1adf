"""A Bluetooth wearable as a source, through the public API of bleak.

Imports bleak: load this module where Bluetooth is meant, not before.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Protocol, Self

from bleak import BleakClient
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner

from leadlab_bridge import DeviceError, EcgFrame, FrameError, LeadlabError
from leadlab_bridge.devices import DRIVERS, Driver, driver_for
from leadlab_bridge.devices.base import deadline
from leadlab_bridge.simulated.exchange import Op
from leadlab_bridge.timing import Clock, SystemClock
from leadlab_edge.errors import SourceError
from leadlab_edge.printable import printable
from leadlab_edge.scan import bluetooth, find
from leadlab_edge.sources.base import Arrival, Services, SourceInfo

_log = logging.getLogger(__name__)

_CLOSER: Final = "bring the device within a few metres, disconnect it from other apps, start again"
_CLOSER_OR_PAIR: Final = f"pair it if it wants that (`leadlab pair`), or {_CLOSER}"
_MOISTEN: Final = "moisten the electrodes, bring the strap within a few metres and start again"
FIRST_FRAME_S: Final = 35.0
_MIN_STALL_S: Final = 2.0
_OPERATION_S: Final = 8.0  # less than a driver waits, whose message knows less
_STALL_PERIODS: Final = 3
_TICKS: Final = 8


class Tap(Protocol):
    """What wants to know of everything that passes between the host and a wearable."""

    def opened(self, name: str, driver: str, services: Services) -> None:
        """Take notice of a connection, before the stream is started; raise to end it."""
        ...

    def passed(self, op: Op, uuid: str, data: bytes) -> None:
        """Take notice of one operation; must not block or raise."""
        ...


class BleSource:
    """A wearable that streams over Bluetooth Low Energy. An instance serves one connection.

    Parameters
    ----------
    device
        Its address, its whole advertised name, or what a bleak scan returned for it. Names are not
        unique and anyone can take one; an address is the safer choice.
    clock
        Host clock that stamps the arrivals; real time by default.
    scanner_backend, client_backend
        Bleak backends; the platform's own by default.
    scan_timeout_s, connect_timeout_s
        Longest search and longest connection attempt, in seconds of the wall.
    first_frame_timeout_s
        Longest silence after the start, in seconds of ``clock``; some straps take half a minute.
        Later the limit is three frame periods, at least 2 s.
    release_timeout_s
        Longest wait for the stream to stop, and again for the device to disconnect, on the way out.
    operation_timeout_s
        Longest wait for any one read, write or subscription. A characteristic that is for paired
        hosts only may never answer.
    queue_frames
        Frames kept for a slow reader; beyond them the oldest is dropped.
    tap
        Told of everything that passes between the host and the device.
    driver
        What speaks to it; by default the driver that recognises it.

    Attributes
    ----------
    bad_frames
        Notifications that could not be decoded.
    overflowed
        Frames dropped because the reader was too slow.
    """

    def __init__(
        self,
        device: str | BLEDevice,
        *,
        clock: Clock | None = None,
        scanner_backend: type[BaseBleakScanner] | None = None,
        client_backend: type[BaseBleakClient] | None = None,
        scan_timeout_s: float = 10.0,
        connect_timeout_s: float = 30.0,
        first_frame_timeout_s: float = FIRST_FRAME_S,
        release_timeout_s: float = 5.0,
        operation_timeout_s: float = _OPERATION_S,
        queue_frames: int = 64,
        tap: Tap | None = None,
        driver: Driver | None = None,
    ) -> None:
        self.bad_frames = 0
        self.overflowed = 0
        self._device = device
        self._clock = clock or SystemClock()
        self._scanner_backend = scanner_backend
        self._client_backend = client_backend
        self._scan_timeout_s = scan_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._first_frame_timeout_s = first_frame_timeout_s
        self._release_timeout_s = release_timeout_s
        self._operation_timeout_s = operation_timeout_s
        self._tap = tap
        self._driver = driver
        self._queue: asyncio.Queue[Arrival | SourceError] = asyncio.Queue(queue_frames)
        self._received = 0
        self._frame_s = 0.0
        self._info: SourceInfo | None = None
        self._resources = AsyncExitStack()

    @property
    def info(self) -> SourceInfo:
        """What is known of the wearable, once the source is entered."""
        if self._info is None:
            raise RuntimeError("the source is not open; read its info inside `async with`")
        return self._info

    async def __aenter__(self) -> Self:
        """Find the wearable, connect, start its ECG.

        Raises
        ------
        SourceError
            No Bluetooth, no such device, no driver for it, or the connection failed.
        DeviceError, FrameError
            The device refused, did not answer, or answered what cannot be read.
        """
        async with AsyncExitStack() as stack:
            device = self._device
            if isinstance(device, str):
                device = await find(device, self._scan_timeout_s, self._scanner_backend)
            name = printable(device.name or device.address)
            client, services = await self._connect(stack, device, name)
            driver = self._driver or driver_for(device.name, services)
            if driver is None:
                raise SourceError(
                    f"{name} ({device.address}) is no wearable that is read; these are: "
                    f"{_driver_names()}. Remedy: choose one that `leadlab scan` lists with a "
                    "driver, or record what it says with `leadlab capture --unknown`"
                )
            link = _BleakLink(client, name, self._operation_timeout_s, self._tap)
            stack.push_async_callback(self._stop, driver, link, client)
            if self._tap is not None:
                self._tap.opened(name, driver.name, _services(client))
            await driver.start(link, self._on_frame, self._on_error)
            # Some devices say only now what they stream.
            self._info = SourceInfo(name, "ble", driver.lead, driver.rate_hz, device.address)
            watchdog = asyncio.create_task(self._watch(name))
            stack.callback(watchdog.cancel)
            self._resources = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop the stream and disconnect. A device that is gone already is no error."""
        await self._resources.aclose()

    async def frames(self) -> AsyncIterator[Arrival]:
        """Yield frames in order of arrival; a wearable's stream has no end of its own.

        Raises
        ------
        SourceError
            The device fell silent, disconnected or ended the stream.
        """
        while True:
            item = await self._queue.get()
            if isinstance(item, SourceError):
                raise item
            yield item

    async def _connect(
        self, stack: AsyncExitStack, device: BLEDevice, name: str
    ) -> tuple[BleakClient, list[str]]:
        """Return the connected client and the services of the device."""
        connected = False

        def disconnected(_: BleakClient) -> None:
            if connected:  # an attempt that bleak repeats by itself ends with a disconnection, too
                self._fail(f"{name} disconnected", _CLOSER)

        client = BleakClient(
            device,
            disconnected_callback=disconnected,
            timeout=self._connect_timeout_s,
            backend=self._client_backend,
        )
        stack.push_async_callback(self._disconnect, client)
        async with deadline(f"{name}, connect", self._connect_timeout_s):
            with bluetooth(f"connect to {name}", _CLOSER):
                await client.connect()
                connected = True
                return client, [service.uuid for service in client.services]

    async def _stop(self, driver: Driver, link: "_BleakLink", client: BleakClient) -> None:
        """Stop the stream; a strap left streaming drains its battery."""
        if not client.is_connected:
            return
        try:
            async with deadline(f"{driver.name}, stop", self._release_timeout_s):
                await driver.stop(link)
        except LeadlabError as error:
            _log.warning("the stream could not be stopped: %s", error)

    async def _disconnect(self, client: BleakClient) -> None:
        try:
            async with deadline("disconnect", self._release_timeout_s):
                with bluetooth("disconnect", _CLOSER):
                    await client.disconnect()
        except LeadlabError as error:
            _log.warning("%s", error)

    def _on_frame(self, frame: EcgFrame) -> None:
        self._received += 1
        self._frame_s = frame.samples_uv.size / frame.rate_hz
        self._put(Arrival(frame, self._clock.now()))

    def _on_error(self, error: FrameError | DeviceError) -> None:
        if isinstance(error, FrameError):
            self.bad_frames += 1
            self._put(Arrival(error, self._clock.now()))
        else:
            self._put(SourceError(str(error)))

    def _fail(self, what: str, remedy: str) -> None:
        bad = f" and {self.bad_frames} that could not be decoded" if self.bad_frames else ""
        self._put(SourceError(f"{what} after {self._received} frames{bad}. Remedy: {remedy}"))

    def _put(self, item: Arrival | SourceError) -> None:
        if self._queue.full():
            self._queue.get_nowait()
            self.overflowed += 1
        self._queue.put_nowait(item)

    async def _watch(self, name: str) -> None:
        """Report silence; a peer that vanished may stay connected for the operating system.

        Silence is counted in ticks rather than read from the clock: while this process is held
        up, an accelerated clock runs on, and frames that wait to be delivered are not missing.
        """
        limit_s = self._first_frame_timeout_s
        while True:
            seen = self._received
            for _ in range(_TICKS):
                await self._clock.sleep(limit_s / _TICKS)
                if self._received != seen:
                    break
            else:
                self._fail(f"{name} sent no ECG for {limit_s:.1f} s (the limit)", _MOISTEN)
                return
            limit_s = max(_STALL_PERIODS * self._frame_s, _MIN_STALL_S)


class _BleakLink:
    """A connected bleak client as a driver sees it: no operation waits for ever."""

    def __init__(
        self, client: BleakClient, name: str, timeout_s: float, tap: Tap | None = None
    ) -> None:
        self._client = client
        self._name = name
        self._timeout_s = timeout_s
        self._passed = _ignore if tap is None else tap.passed

    @property
    def characteristics(self) -> Mapping[str, Collection[str]]:
        return {
            uuid: properties
            for characteristics in _services(self._client).values()
            for uuid, properties in characteristics.items()
        }

    async def read(self, uuid: str) -> bytes:
        async with self._operation(f"read {uuid}"):
            data = bytes(await self._client.read_gatt_char(uuid))
        self._passed("read", uuid, data)
        return data

    async def write(self, uuid: str, data: bytes) -> None:
        self._passed("write", uuid, data)
        async with self._operation(f"write {uuid}"):
            await self._client.write_gatt_char(uuid, data)  # confirmed where it can be

    async def subscribe(self, uuid: str, callback: Callable[[bytes], None]) -> None:
        def notified(_: object, data: bytearray) -> None:
            self._passed("notify", uuid, bytes(data))
            callback(bytes(data))

        self._passed("subscribe", uuid, b"")
        async with self._operation(f"subscribe to {uuid}"):
            await self._client.start_notify(uuid, notified)

    async def unsubscribe(self, uuid: str) -> None:
        async with self._operation(f"unsubscribe from {uuid}"):
            await self._client.stop_notify(uuid)

    @asynccontextmanager
    async def _operation(self, what: str) -> AsyncIterator[None]:
        """Limit one operation; an encrypted characteristic keeps silent until it is paired."""
        try:
            async with asyncio.timeout(self._timeout_s):
                with bluetooth(f"{what} of {self._name}", _CLOSER_OR_PAIR):
                    yield
        except TimeoutError:
            raise SourceError(
                f"Bluetooth could not {what} of {self._name} within {self._timeout_s:g} s. "
                f"Remedy: {_CLOSER_OR_PAIR}"
            ) from None


def _services(client: BleakClient) -> Services:
    return {
        service.uuid: {c.uuid: c.properties for c in service.characteristics}
        for service in client.services
    }


def _ignore(*_: object) -> None:
    """Take no notice."""


def _driver_names() -> str:
    return ", ".join(driver().name for driver in DRIVERS)

"""Pair with a wearable that streams to paired hosts only.

Imports bleak: load this module where Bluetooth is meant, not before.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bleak import BleakClient
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner

from leadlab_bridge.devices import driver_for
from leadlab_bridge.devices.base import deadline
from leadlab_edge.errors import SourceError
from leadlab_edge.printable import printable
from leadlab_edge.scan import bluetooth, find

if TYPE_CHECKING:
    from leadlab_edge.bluez_agent import Person

_CONNECT_S: Final = 30.0
_CLOSER: Final = "bring the device within a few metres, disconnect it from other apps, try again"
_ANEW: Final = (
    "put the device into its pairing mode if it has one; if it was reset since it was last paired, "
    "remove the old pairing here first (Linux: bluetoothctl remove ADDRESS); try again"
)


@dataclass(frozen=True, slots=True)
class PairedDevice:
    """A device that is paired with this machine.

    Attributes
    ----------
    name
        Advertised name, free of control characters.
    address
        Address to stream from; pairing may have shown another than the one advertised.
    driver
        Name of the driver that reads it, None where there is none.
    """

    name: str
    address: str
    driver: str | None


async def pair(
    device: str | BLEDevice,
    person: "Person | None" = None,
    *,
    scanner_backend: type[BaseBleakScanner] | None = None,
    client_backend: type[BaseBleakClient] | None = None,
    scan_timeout_s: float = 10.0,
    pair_timeout_s: float = 60.0,
) -> PairedDevice:
    """Find, connect, pair, disconnect. A device that is paired already stays so.

    Parameters
    ----------
    device
        Its address, its whole advertised name, or what a bleak scan returned for it.
    person
        Who compares numbers where the device can show or take some; see
        :func:`leadlab_edge.bluez_agent.pairing_agent`. Linux only; elsewhere the system asks.
    scanner_backend, client_backend
        Bleak backends; the platform's own by default.
    pair_timeout_s
        Longest wait for the device and for the person together.

    Raises
    ------
    SourceError
        No Bluetooth, no such device, or it did not let itself be paired.
    DeviceError
        It did not answer in time.
    """
    if isinstance(device, str):
        device = await find(device, scan_timeout_s, scanner_backend)
    name = printable(device.name or device.address)
    if client_backend is None and sys.platform == "darwin":
        raise SourceError(
            f"{name}: macOS pairs by itself when an encrypted value is read. Remedy: run "
            f"`leadlab run --device {device.address}` and accept what the system asks"
        )
    client = BleakClient(device, timeout=_CONNECT_S, backend=client_backend)
    async with _agent(device, person, client_backend):
        try:
            async with deadline(f"{name}, connect", _CONNECT_S):
                with bluetooth(f"connect to {name}", _CLOSER):
                    await client.connect()
            async with deadline(f"{name}, pair", pair_timeout_s):
                with bluetooth(f"pair with {name}", _ANEW):
                    await client.pair()
            driver = driver_for(device.name, [service.uuid for service in client.services])
        finally:
            async with deadline(f"{name}, disconnect", _CONNECT_S):
                with bluetooth(f"disconnect from {name}", _CLOSER):
                    await client.disconnect()
    return PairedDevice(name, client.address, driver.name if driver else None)


@asynccontextmanager
async def _agent(
    device: BLEDevice, person: "Person | None", backend: type[BaseBleakClient] | None
) -> AsyncIterator[None]:
    """Answer what BlueZ asks; other systems ask the person themselves."""
    if backend is not None or sys.platform != "linux":
        yield
        return
    from leadlab_edge.bluez_agent import pairing_agent

    async with pairing_agent(device.address, person):
        yield

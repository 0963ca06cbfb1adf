"""Which wearables are in reach, and what a radio that fails looks like.

Imports bleak: load this module where Bluetooth is meant, not before.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner

from leadlab_bridge.devices import driver_for
from leadlab_edge.errors import SourceError
from leadlab_edge.printable import printable

NO_RADIO: Final = (
    "plug in or switch on a Bluetooth adapter, start its service (Linux: systemctl start "
    "bluetooth) and allow this program to use it; `leadlab run --simulate` needs none"
)
_ADAPTER_S: Final = 5.0  # for the adapter itself to start and stop


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device that advertises.

    Attributes
    ----------
    name
        Advertised name, free of control characters; empty where there is none.
    address
        Radio address; on macOS the identifier that stands for it on that machine.
    rssi_dbm
        Signal strength.
    driver
        Name of the driver that reads it, None where there is none.
    """

    name: str
    address: str
    rssi_dbm: int
    driver: str | None


async def scan(
    timeout_s: float = 5.0, backend: type[BaseBleakScanner] | None = None
) -> tuple[FoundDevice, ...]:
    """Listen for ``timeout_s`` seconds.

    Returns
    -------
    Devices with a driver first, then by falling signal strength.

    Raises
    ------
    SourceError
        Bluetooth cannot be used.
    """
    async with _listening(timeout_s, backend) as scanner:
        await asyncio.sleep(timeout_s)
    found = []
    for device, heard in scanner.discovered_devices_and_advertisement_data.values():
        name = heard.local_name or device.name or ""
        driver = driver_for(name, heard.service_uuids)
        found.append(
            FoundDevice(
                printable(name), device.address, heard.rssi, driver.name if driver else None
            )
        )
    return tuple(sorted(found, key=lambda d: (d.driver is None, -d.rssi_dbm, d.address)))


async def find(
    wanted: str, timeout_s: float = 10.0, backend: type[BaseBleakScanner] | None = None
) -> BLEDevice:
    """Listen until a device of this address or this whole name is heard.

    Raises
    ------
    SourceError
        Bluetooth cannot be used, or no such device in ``timeout_s`` seconds.
    """
    others: dict[str, str] = {}
    async with _listening(timeout_s, backend) as scanner:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                async for device, heard in scanner.advertisement_data():
                    name = heard.local_name or device.name or ""
                    if device.address.lower() == wanted.lower() or name == wanted:
                        return device
                    others[device.address] = name
    readable = [f"{printable(n)} ({a})" for a, n in others.items() if driver_for(n, ())]
    raise SourceError(
        f"no device '{printable(wanted)}' within {timeout_s:g} s; other devices heard: "
        f"{len(others)}, readable among them: {', '.join(readable) or 'none'}. Remedy: wear the "
        "strap with moist electrodes, disconnect it from other apps, and see `leadlab scan`"
    )


@asynccontextmanager
async def _listening(
    timeout_s: float, backend: type[BaseBleakScanner] | None
) -> AsyncIterator[BleakScanner]:
    """Scan for as long as the caller takes; an adapter that does not answer is an error, too."""
    try:
        async with asyncio.timeout(timeout_s + _ADAPTER_S):
            with bluetooth("scan", NO_RADIO):
                async with BleakScanner(backend=backend) as scanner:
                    yield scanner
    except TimeoutError:
        raise SourceError(
            f"the Bluetooth adapter did not answer within {timeout_s + _ADAPTER_S:g} s. "
            f"Remedy: {NO_RADIO}"
        ) from None


@contextmanager
def bluetooth(what: str, remedy: str) -> Iterator[None]:
    """Turn whatever a Bluetooth stack raises into one SourceError.

    Bleak lets the platform's own exceptions through: a missing D-Bus socket is a
    FileNotFoundError, others are D-Bus or Windows errors that share no base class.
    """
    try:
        yield
    except Exception as error:
        reason = ": ".join(filter(None, (type(error).__name__, printable(str(error)))))
        raise SourceError(f"Bluetooth could not {what} ({reason}). Remedy: {remedy}") from error

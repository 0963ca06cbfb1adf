"""The real BlueZ backend of bleak on a bus of our own."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest
from conftest import need
from fake_bluez.bus import private_bus


@pytest.fixture(scope="session")
def bus_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a private D-Bus daemon."""
    if sys.platform != "linux":
        pytest.skip("BlueZ is Linux only")
    need("dbus", shutil.which("dbus-daemon") is not None, "install dbus-daemon")
    with private_bus(tmp_path_factory.mktemp("dbus")) as address:
        yield address


@pytest.fixture
async def system_bus(bus_address: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Let bleak take the private bus for the system's, and let it go afterwards."""
    from bleak.backends.bluezdbus import manager

    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus_address)
    yield bus_address
    known = manager._global_instances.pop(asyncio.get_running_loop(), None)
    if known is not None and known._bus is not None:
        known._bus.disconnect()
        await known._bus.wait_for_disconnect()


@pytest.fixture
def on_bluez(system_bus: str) -> Callable[..., Any]:
    """Return what puts a wearable within reach of a fake BlueZ, for an ``async with``."""
    from fake_bluez.bluez import FakeBlueZ

    return partial(FakeBlueZ, system_bus)

"""Scanning, and what names may contain."""

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_clock import VirtualClock

from leadlab_bridge.simulated.strap import SimulatedStrap
from leadlab_bridge.simulated.virtual_link import virtual_link
from leadlab_edge.errors import SourceError
from leadlab_edge.printable import printable
from leadlab_edge.scan import FoundDevice, scan

STRAP = SimulatedStrap(np.zeros(73, np.int32), clock=VirtualClock())


async def test_scan_lists_what_it_hears():
    async with virtual_link(STRAP, "Polar H10 \u202e1") as link:
        found = await scan(0.1, link.scanner)
    expected = FoundDevice(r"Polar H10 \u202e1", link.peripheral.address, -50, "Polar H10")
    assert found == (expected,)


async def test_a_device_without_a_driver_is_listed_as_such():
    async with virtual_link(STRAP, "Toaster") as link:
        (found,) = await scan(0.1, link.scanner)
    assert (found.name, found.driver) == ("Toaster", None)


@pytest.mark.skipif(sys.platform != "linux", reason="points D-Bus at nothing")
async def test_no_adapter_is_one_clear_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    with pytest.raises(SourceError, match=r"Bluetooth could not scan .*Remedy.*--simulate"):
        await scan(0.1)


@given(st.text())
def test_printable_leaves_nothing_that_steers_a_terminal(name: str):
    shown = printable(name)
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") for char in shown)


@pytest.mark.parametrize("name", ["Polar H10 A1B2C3D4", "Gürtel 心電図", ""])
def test_printable_leaves_ordinary_names_alone(name: str):
    assert printable(name) == name

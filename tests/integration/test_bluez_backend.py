"""Bleak's real BlueZ backend, unmodified, on a private D-Bus: a Linux host with a strap."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bleak import BleakClient
from virtual_clock import VirtualClock

from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.h10 import H10, NAME
from leadlab_bridge.simulated.strap import SimulatedStrap
from leadlab_edge.errors import SourceError
from leadlab_edge.scan import FoundDevice, find, scan
from leadlab_edge.sources.base import Arrival
from leadlab_edge.sources.ble import BleSource

OnBluez = Callable[..., Any]
ECG_UV = np.random.default_rng(0).integers(-(2**23), 2**23, 20_000, dtype=np.int32)
ADDRESS = "A0:9E:1A:00:00:01"


def h10(clock: VirtualClock, encrypted: bool = False, **options: Any) -> H10:
    return H10(SimulatedStrap(ECG_UV, clock=clock, **options), encrypted=encrypted)


def source(clock: VirtualClock, device: str = ADDRESS, **options: Any) -> BleSource:
    timeouts = {"scan_timeout_s": 1.0, "release_timeout_s": 0.2, "operation_timeout_s": 0.2}
    return BleSource(device, clock=clock, **(timeouts | options))


async def take(wearable: BleSource, n: int) -> list[Arrival]:
    frames = wearable.frames()
    return [await anext(frames) for _ in range(n)]


def samples(arrivals: list[Arrival]) -> np.ndarray:
    return np.concatenate([arrival.frame.samples_uv for arrival in arrivals])


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(settled_after=2000)


async def test_scan_lists_the_strap(on_bluez: OnBluez, clock: VirtualClock):
    async with on_bluez(h10(clock)):
        (found,) = await scan(0.2)
    assert replace(found, rssi_dbm=0) == FoundDevice(NAME, ADDRESS, 0, "Polar H10")


async def test_services_are_those_of_the_wearable(on_bluez: OnBluez, clock: VirtualClock):
    strap = h10(clock)
    async with on_bluez(strap):
        async with BleakClient(await find(NAME, 1.0)) as client:
            heard = {c.uuid: c.properties for s in client.services for c in s.characteristics}
            assert await client.read_gatt_char(pmd.CONTROL_POINT) == strap.read(pmd.CONTROL_POINT)
        assert not strap.connected
    assert heard == {c.uuid: list(c.properties) for c in strap.characteristics()}


async def test_every_sample_arrives_bit_exact(on_bluez: OnBluez, clock: VirtualClock):
    strap = h10(clock)
    async with on_bluez(strap):
        async with source(clock) as wearable:
            arrivals = await take(wearable, 40)
            assert (wearable.info.name, wearable.info.address) == (NAME, ADDRESS)
        assert not strap.connected
    np.testing.assert_array_equal(samples(arrivals), np.resize(ECG_UV, 40 * 73))
    assert strap.commands == [pmd.GET_ECG_SETTINGS, pmd.start_ecg(), pmd.STOP_ECG]


async def test_notifications_over_a_socket_of_their_own(on_bluez: OnBluez, clock: VirtualClock):
    """What bleak calls AcquireNotify."""
    strap = h10(clock)
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    async with (
        on_bluez(strap),
        BleakClient(await find(ADDRESS, 1.0)) as client,
    ):
        await client.start_notify(
            pmd.DATA,
            lambda _, data: heard.put_nowait(bytes(data)),
            bluez={"use_start_notify": False},
        )
        await client.write_gatt_char(pmd.CONTROL_POINT, pmd.start_ecg(), response=True)
        frames = [pmd.decode_ecg(await heard.get()) for _ in range(30)]
    got = np.concatenate([frame.samples_uv for frame in frames])
    np.testing.assert_array_equal(got, ECG_UV[: 30 * 73])


async def test_a_connection_that_fails_once_is_tried_again(on_bluez: OnBluez, clock: VirtualClock):
    async with on_bluez(h10(clock)) as bluez:
        bluez.failing_connects = 1
        async with source(clock) as wearable:
            assert len(await take(wearable, 3)) == 3
        assert bluez.failing_connects == 0


async def test_a_strap_that_disconnects(on_bluez: OnBluez, clock: VirtualClock):
    async with (
        on_bluez(h10(clock, faults=Faults(disconnect_at=6))),
        source(clock) as wearable,
    ):
        assert len(await take(wearable, 6)) == 6
        with pytest.raises(SourceError, match=r"disconnected after 6 frames.*Remedy"):
            await take(wearable, 1)


async def test_a_strap_that_dies_silently(on_bluez: OnBluez, clock: VirtualClock):
    strap = h10(clock, faults=Faults(dies_at=6))
    async with on_bluez(strap) as bluez:
        async with source(clock) as wearable:
            with pytest.raises(SourceError, match=r"no ECG for 2.0 s \(the limit\) after 6 frames"):
                await take(wearable, 10)
            assert bluez.connected  # BlueZ knows nothing of it
        assert not bluez.connected


async def test_an_oversize_notification_is_cut_and_counted(on_bluez: OnBluez, clock: VirtualClock):
    faults = Faults(oversize=frozenset({2}), truncated=frozenset({4}), junk=frozenset({6}))
    async with (
        on_bluez(h10(clock, faults=faults)),
        source(clock) as wearable,
    ):
        arrivals = await take(wearable, 11)
        sizes = [getattr(a.frame, "samples_uv", np.zeros(0)).size for a in arrivals]
    # 514 bytes hold 168 whole samples: only the length gives it away.
    assert sizes == [73, 73, 168, 73, 0, 73, 0, 73, 73, 73, 73]
    assert wearable.bad_frames == 2


@pytest.mark.parametrize("agent", [False, True])
async def test_encryption_without_and_with_an_agent(
    agent: bool, on_bluez: OnBluez, clock: VirtualClock
):
    """Without an agent nothing is ever answered; the operation's limit must end it."""
    from leadlab_edge.bluez_agent import pairing_agent

    strap = h10(clock, encrypted=True)
    async with on_bluez(strap) as bluez:
        if agent:
            async with pairing_agent(ADDRESS), source(clock) as wearable:
                assert len(await take(wearable, 3)) == 3
            assert bluez.asked == ["RequestAuthorization"]
            assert bluez.agent is None
        else:
            with pytest.raises(SourceError, match=r"within 0.2 s. Remedy: pair it.*leadlab pair"):
                async with source(clock):
                    pass
        assert not bluez.connected


@pytest.mark.parametrize("method", ["ReadValue", "WriteValue", "StartNotify", "StopNotify"])
async def test_an_operation_that_hangs_is_ended(
    method: str, on_bluez: OnBluez, clock: VirtualClock
):
    async with on_bluez(h10(clock)) as bluez:
        bluez.hanging = {method}
        if method == "StopNotify":  # on the way out, where it is only logged
            async with source(clock) as wearable:
                await take(wearable, 1)
        else:
            with pytest.raises(SourceError, match=r"within 0.2 s. Remedy"):
                async with source(clock):
                    pass
        assert not bluez.connected


async def test_a_connection_that_hangs_is_ended(on_bluez: OnBluez, clock: VirtualClock):
    async with on_bluez(h10(clock)) as bluez:
        bluez.hanging = {"Connect"}
        with pytest.raises(Exception, match=r"connect.*Remedy"):
            async with source(clock, connect_timeout_s=0.2):
                pass
        assert not bluez.connected


async def test_an_adapter_that_hangs_is_ended(
    on_bluez: OnBluez, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("leadlab_edge.scan._ADAPTER_S", 0.2)
    async with on_bluez(h10(clock)) as bluez:
        bluez.hanging = {"StartDiscovery"}
        with pytest.raises(SourceError, match=r"adapter did not answer within 0.3 s. Remedy"):
            await scan(0.1)


async def test_the_hosts_own_bus_is_left_alone(system_bus: str, tmp_path_factory: Any):
    assert Path(system_bus.partition("path=")[2].partition(",")[0]).is_relative_to(
        tmp_path_factory.getbasetemp()
    )

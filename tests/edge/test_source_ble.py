"""The Bluetooth source end to end: bleak, GATT, ATT, L2CAP and HCI in memory, no radio."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from bleak.backends.device import BLEDevice
from virtual_clock import VirtualClock

from leadlab_bridge import DeviceError, FrameError
from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.strap import SimulatedStrap
from leadlab_bridge.simulated.virtual_link import VirtualLink, virtual_link
from leadlab_edge.errors import SourceError
from leadlab_edge.sources.base import Arrival
from leadlab_edge.sources.ble import BleSource

ECG_UV = np.random.default_rng(0).integers(-(2**23), 2**23, 20_000, dtype=np.int32)
NAME = "Polar H10 A1B2C3D4"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def strap(clock: VirtualClock, **options: Any) -> SimulatedStrap:
    return SimulatedStrap(ECG_UV, clock=clock, **options)


def source(link: VirtualLink, clock: VirtualClock, device: str = NAME, **options: Any) -> BleSource:
    timeouts = {"scan_timeout_s": 0.2, "release_timeout_s": 0.1}
    return BleSource(
        device,
        clock=clock,
        scanner_backend=link.scanner,
        client_backend=link.client,
        **(timeouts | options),
    )


async def take(source: BleSource, n: int) -> list[Arrival]:
    arrivals = []
    async for arrival in source.frames():
        arrivals.append(arrival)
        if len(arrivals) == n:
            break
    return arrivals


def samples(arrivals: list[Arrival]) -> np.ndarray:
    return np.concatenate([arrival.frame.samples_uv for arrival in arrivals])


async def test_every_sample_arrives_bit_exact_and_stamped(clock: VirtualClock):
    async with virtual_link(strap(clock)) as link, source(link, clock) as wearable:
        arrivals = await take(wearable, 400)
    np.testing.assert_array_equal(samples(arrivals), np.resize(ECG_UV, 400 * 73))
    np.testing.assert_allclose(np.diff([a.host_s for a in arrivals]), 73 / 130)
    assert (wearable.bad_frames, wearable.overflowed) == (0, 0)
    assert (wearable.info.name, wearable.info.kind) == (NAME, "ble")
    assert (wearable.info.rate_hz, wearable.info.lead) == (130.0, "chest")
    assert wearable.info.address == link.peripheral.address


async def test_faults_of_the_link_reach_the_reader_unchanged(clock: VirtualClock):
    faults = Faults(frozenset({3, 8, 9}), frozenset({5, 12}), frozenset({15}), clock_reset_at=20)
    sent = [
        pmd.decode_ecg(data)
        async for data in strap(VirtualClock(), faults=faults, loop=False).notifications()
    ]
    async with (
        virtual_link(strap(clock, faults=faults)) as link,
        source(link, clock) as wearable,
    ):
        heard = [arrival.frame for arrival in await take(wearable, 30)]
    assert [f.device_time_ns for f in heard] == [f.device_time_ns for f in sent[:30]]
    for here, there in zip(heard, sent, strict=False):
        np.testing.assert_array_equal(here.samples_uv, there.samples_uv)


@pytest.mark.parametrize("by", ["name", "address", "scan result"])
async def test_a_device_is_found_by(by: str, clock: VirtualClock):
    async with virtual_link(strap(clock)) as link:
        address = link.peripheral.address
        device = {"name": NAME, "address": address.lower()}.get(by)
        async with source(link, clock, device or BLEDevice(address, NAME, None)) as wearable:
            assert len(await take(wearable, 2)) == 2


async def test_the_stream_is_stopped_when_the_reader_fails(clock: VirtualClock):
    async def fail(link: VirtualLink) -> None:
        async with source(link, clock) as wearable:
            await take(wearable, 2)
            assert link.wearable.streaming
            raise ZeroDivisionError

    async with virtual_link(strap(clock)) as link:
        with pytest.raises(ZeroDivisionError):
            await fail(link)
        assert link.wearable.commands[-1] == pmd.STOP_ECG
        assert not link.peripheral.connected


async def test_the_stream_is_stopped_when_the_reader_is_cancelled(clock: VirtualClock):
    async def read_on() -> None:
        async with source(link, clock) as wearable:
            started.set()
            await take(wearable, 10**9)

    started = asyncio.Event()
    async with virtual_link(strap(clock)) as link:
        reader = asyncio.create_task(read_on())
        await started.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert link.wearable.commands[-1] == pmd.STOP_ECG
        assert not link.peripheral.connected


async def test_a_refused_start_leaves_no_connection_behind(clock: VirtualClock):
    async with virtual_link(strap(clock, frame_sizes=(169,))) as link:
        with pytest.raises(DeviceError, match="INVALID_MTU"):
            async with source(link, clock):
                pass
        assert not link.peripheral.connected


async def test_a_device_that_vanishes(clock: VirtualClock):
    async with virtual_link(strap(clock)) as link, source(link, clock) as wearable:
        await take(wearable, 5)
        link.vanish()
        with pytest.raises(
            SourceError, match=r"no ECG for 2.0 s \(the limit\) after 5 frames.*Reme"
        ):
            await take(wearable, 1)


async def test_a_device_that_stalls(clock: VirtualClock):
    sizes = (168,)  # three periods of these are longer than 2 s
    silent = strap(clock, frame_sizes=sizes, faults=Faults(stall_at=4))
    async with virtual_link(silent) as link, source(link, clock) as wearable:
        with pytest.raises(SourceError, match=r"no ECG for 3.9 s \(the limit\) after 4 frames"):
            await take(wearable, 10)
        assert 4 * 168 / 130 + 3.8 < clock.now() < 4 * 168 / 130 + 3.9 * 9 / 8
    assert link.wearable.commands[-1] == pmd.STOP_ECG


async def test_a_device_that_never_starts_gets_its_time(clock: VirtualClock):
    silent = strap(clock, faults=Faults(stall_at=0))
    async with virtual_link(silent) as link, source(link, clock) as wearable:
        with pytest.raises(SourceError, match=r"no ECG for 35.0 s"):
            await take(wearable, 1)
        assert clock.now() == pytest.approx(35.0)


async def test_a_device_that_disconnects(clock: VirtualClock):
    async with (
        virtual_link(strap(clock, faults=Faults(disconnect_at=6))) as link,
        source(link, clock) as wearable,
    ):
        assert len(await take(wearable, 6)) == 6
        with pytest.raises(SourceError, match=r"disconnected after 6 frames.*Remedy"):
            await take(wearable, 1)


async def test_a_device_that_ends_the_stream_delivers_all_before(clock: VirtualClock):
    async with virtual_link(strap(clock, loop=False)) as link, source(link, clock) as wearable:
        arrivals = await take(wearable, -(-ECG_UV.size // 73))
        with pytest.raises(SourceError, match="ended the ECG stream by itself"):
            await take(wearable, 1)
    np.testing.assert_array_equal(samples(arrivals), ECG_UV)


async def test_a_held_up_process_is_no_silent_device(clock: VirtualClock):
    async with virtual_link(strap(clock)) as link, source(link, clock) as wearable:
        arrivals = await take(wearable, 5)
        clock.jump(60.0)
        arrivals += await take(wearable, 195)
    np.testing.assert_array_equal(samples(arrivals), np.resize(ECG_UV, 200 * 73))


async def test_a_slow_reader_loses_the_oldest_and_is_told(clock: VirtualClock):
    async with (
        virtual_link(strap(clock)) as link,
        source(link, clock, queue_frames=4) as wearable,
    ):
        await clock.sleep(10.5 * 73 / 130)
        arrivals = await take(wearable, 5)
        assert wearable.overflowed == 6
    np.testing.assert_array_equal(samples(arrivals), ECG_UV[6 * 73 : 11 * 73])


class JunkStrap(SimulatedStrap):
    """Every good notification has bad company."""

    async def notifications(self) -> AsyncIterator[bytes]:
        async for data in super().notifications():
            for junk in (b"", b"\0", data[:-1], b"\2" + data[1:], data + bytes(284)):
                yield junk
            yield data


async def test_bad_frames_are_counted_and_the_good_ones_kept(clock: VirtualClock):
    async with (
        virtual_link(JunkStrap(ECG_UV, clock=clock)) as link,
        source(link, clock) as wearable,
    ):
        arrivals = await take(wearable, 120)
        assert wearable.bad_frames == 100
    bad = [arrival for arrival in arrivals if isinstance(arrival.frame, FrameError)]
    good = [arrival for arrival in arrivals if arrival not in bad]
    assert len(bad) == 100
    np.testing.assert_array_equal(samples(good), ECG_UV[: 20 * 73])


async def test_an_absent_device_is_said_to_be_absent(clock: VirtualClock):
    async with virtual_link(strap(clock)) as link:
        with pytest.raises(SourceError) as failure:
            async with source(link, clock, "Polar H10 \x1b[31m"):
                pass
    assert r"no device 'Polar H10 \x1b[31m' within 0.2 s" in str(failure.value)
    assert f"other devices heard: 1, readable among them: {NAME}" in str(failure.value)


async def test_a_device_without_a_driver_is_refused(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("leadlab_bridge.devices.DRIVERS", ())
    async with virtual_link(strap(clock), "Toaster") as link:
        with pytest.raises(SourceError, match=r"Toaster .* is no wearable .* Polar H10.*Remedy"):
            async with source(link, clock, "Toaster"):
                pass
        assert not link.peripheral.connected


async def test_a_hostile_name_cannot_reach_the_terminal(clock: VirtualClock):
    name = "Polar H10 \x1b[31m\u202eFDP"
    async with (
        virtual_link(strap(clock), name) as link,
        source(link, clock, name) as wearable,
    ):
        assert wearable.info.name == r"Polar H10 \x1b[31m\u202eFDP"


async def test_info_needs_an_open_source():
    with pytest.raises(RuntimeError, match="not open"):
        _ = BleSource("x").info


@pytest.mark.skipif(sys.platform != "linux", reason="points D-Bus at nothing")
@pytest.mark.parametrize(
    "device", ["any", BLEDevice("A0:9E:1A:00:00:00", NAME, {"path": "/x", "props": {}})]
)
async def test_no_adapter_is_one_clear_error(
    device: str | BLEDevice, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    with pytest.raises(SourceError, match=r"Bluetooth could not .*Remedy"):
        async with BleSource(device, scan_timeout_s=0.1):
            pass

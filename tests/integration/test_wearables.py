"""Every simulated wearable through its own driver: samples, faults, and what is made of them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from virtual_clock import VirtualClock

from leadlab_bridge import FrameFlag
from leadlab_bridge.devices import DRIVERS, Driver, driver_for, lepu, movesense_gsp
from leadlab_bridge.devices import healthypi as healthypi_codec
from leadlab_bridge.devices.lepu_er import Er1
from leadlab_bridge.simulated.catalog import WEARABLES
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.virtual_link import virtual_link
from leadlab_bridge.simulated.wearable import StreamingWearable, Wearable
from leadlab_edge.continuity import Continuity, LinkStats
from leadlab_edge.errors import SourceError
from leadlab_edge.pairing import pair
from leadlab_edge.sources.base import Arrival, Source
from leadlab_edge.sources.ble import BleSource
from leadlab_edge.sources.wearable import WearableSource

# Half of what a code of the format stands for.
OnBluez = Callable[..., Any]
GRAIN_UV = {
    "h10": 0.0,
    "movesense": movesense_gsp.UV_PER_CODE / 2,
    "er1": lepu.UV_PER_CODE / 2,
    "healthypi": healthypi_codec.UV_PER_CODE / 2,
    "oecg": 0.0,
}
FRAME_SAMPLES = {"h10": 73, "movesense": 16, "er1": 125, "healthypi": 8, "oecg": 64}
COUNTED = ("h10", "movesense", "oecg")  # by a clock or a counter on the air
ALL = tuple(WEARABLES)
ECG_UV = np.random.default_rng(0).integers(-5000, 5000, 30_000).astype(np.int32)


def make(
    device: str, clock: VirtualClock, faults: Faults | None = None, **options: Any
) -> Wearable:
    options = {"encrypted": False} | options
    return WEARABLES[device].make(ECG_UV, clock=clock, faults=faults, **options)


def driver(device: str, clock: VirtualClock) -> Driver:
    if device == "er1":  # polls, and must not do so in real time
        return Er1(clock=clock)
    wearable = make(device, clock)
    found = driver_for(wearable.name, [service.uuid for service in wearable.services])
    assert found is not None
    return found


async def play(device: str, n: int, faults: Faults | None = None) -> list[Arrival]:
    """Return what comes of ``n`` notifications or messages, without Bluetooth."""
    clock = VirtualClock()
    source = WearableSource(make(device, clock, faults), clock, driver(device, clock))
    async with source:
        frames = source.frames()
        return [await anext(frames) for _ in range(n)]


async def until_it_ends(source: Source) -> tuple[list[Arrival], str]:
    """Return all that came, and why no more did."""
    heard = []
    try:
        async for arrival in source.frames():
            heard.append(arrival)
    except SourceError as error:
        return heard, str(error)
    return heard, "ended"


def samples_uv(arrivals: list[Arrival]) -> NDArray[np.float32]:
    return np.concatenate([a.frame.samples_uv for a in arrivals if hasattr(a.frame, "samples_uv")])


def sent_uv(device: str, n: int) -> NDArray[np.int32]:
    """Return the first ``n`` samples that the device lets through."""
    if device != "healthypi":
        return ECG_UV[:n]
    return ECG_UV[: 9 * n].reshape(-1, 9)[:, :8].ravel()[:n]


def patch_polls(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    drivers = [partial(Er1, clock=clock) if d is Er1 else d for d in DRIVERS]
    monkeypatch.setattr("leadlab_bridge.devices.DRIVERS", tuple(drivers))


@pytest.mark.parametrize("device", ALL)
async def test_every_sample_arrives_over_bluetooth(device: str, monkeypatch: pytest.MonkeyPatch):
    clock = VirtualClock()
    patch_polls(clock, monkeypatch)
    async with (
        virtual_link(make(device, clock)) as link,
        BleSource(
            WEARABLES[device].name,
            clock=clock,
            scanner_backend=link.scanner,
            client_backend=link.client,
        ) as source,
    ):
        frames = source.frames()
        arrivals = [await anext(frames) for _ in range(20)]
        assert source.info.rate_hz == WEARABLES[device].rate_hz
    got = samples_uv(arrivals)
    expected = sent_uv(device, got.size)
    np.testing.assert_allclose(got, expected, rtol=0, atol=GRAIN_UV[device] + 1e-3)
    assert got.size >= 19 * FRAME_SAMPLES[device]
    assert source.bad_frames == 0
    assert not link.peripheral.connected


@pytest.mark.parametrize("device", ALL)
async def test_every_sample_arrives_through_bluez(
    device: str, on_bluez: OnBluez, monkeypatch: pytest.MonkeyPatch
):
    """Encrypted, paired first: the real BlueZ backend on a private D-Bus."""
    clock = VirtualClock(settled_after=2000)
    patch_polls(clock, monkeypatch)
    async with on_bluez(make(device, clock, encrypted=True)) as bluez:
        await pair(bluez.address, scan_timeout_s=1.0)
        async with BleSource(bluez.address, clock=clock) as source:
            frames = source.frames()
            arrivals = [await anext(frames) for _ in range(10)]
    got = samples_uv(arrivals)
    expected = sent_uv(device, got.size)
    np.testing.assert_allclose(got, expected, rtol=0, atol=GRAIN_UV[device] + 1e-3)


@pytest.mark.parametrize("device", ALL)
async def test_an_encrypted_device_must_be_paired_first(
    device: str, monkeypatch: pytest.MonkeyPatch
):
    clock = VirtualClock()
    patch_polls(clock, monkeypatch)
    async with virtual_link(make(device, clock, encrypted=True)) as link:
        backends = {"scanner_backend": link.scanner, "client_backend": link.client}
        name = WEARABLES[device].name
        if device != "healthypi":  # it has nothing to read or write, and notifies whoever asks
            with pytest.raises(SourceError, match="leadlab pair"):
                async with BleSource(name, clock=clock, **backends):
                    pass
        paired = await pair(name, **backends)
        assert (paired.name, paired.driver) == (name, driver(device, clock).name)


def empty(device: str) -> int:
    """Return how many frames of a device hold nothing yet: a recorder's first reply."""
    return int(device == "er1")


def link_stats(device: str, arrivals: list[Arrival]) -> LinkStats:
    continuity = Continuity(WEARABLES[device].rate_hz)
    for arrival in arrivals:
        if hasattr(arrival.frame, "samples_uv"):
            continuity.classify(arrival.frame, arrival.host_s)
        else:
            continuity.count_bad_frame()
    return continuity.stats


@pytest.mark.parametrize("device", COUNTED)
@pytest.mark.parametrize("rate_ppm", [-20_000, 0, 20_000])
async def test_scripted_faults_are_counted_exactly(device: str, rate_ppm: float):
    faults = Faults(
        dropped=frozenset({20, 50, 51}),
        doubled=frozenset({30, 60}),
        swapped=frozenset({40}),
        truncated=frozenset({70}),
        oversize=frozenset({80}),
        junk=frozenset({90}),
        late_s={95: 0.7},
        rate_ppm=rate_ppm,
    )
    n = FRAME_SAMPLES[device]
    arrivals = await play(device, 120, faults)
    stats = link_stats(device, arrivals)
    # Cut, overlong and junk: none can be read, and the frame itself is lost of the first two.
    assert stats == LinkStats(
        frames=114,
        samples=114 * n,
        gaps=4,
        lost_samples=5 * n,
        duplicates=2,
        reordered=1,
        bad_frames=3,
    )


@pytest.mark.parametrize("device", ALL)
async def test_a_link_that_goes_down(device: str):
    clock = VirtualClock()
    faults = Faults(disconnect_at=6 + empty(device))
    source = WearableSource(make(device, clock, faults), clock, driver(device, clock))
    async with source:
        frames = source.frames()
        for _ in range(6):
            assert (await anext(frames)).frame.samples_uv.size
        with pytest.raises(SourceError, match="disconnected"):
            await anext(frames)


@pytest.mark.parametrize("device", ALL)
async def test_a_link_that_goes_down_in_the_middle_of_a_frame(device: str):
    clock = VirtualClock()
    faults = Faults(cut_at=6 + empty(device))
    source = WearableSource(make(device, clock, faults), clock, driver(device, clock))
    async with source:
        heard, ending = await until_it_ends(source)
    assert "disconnected" in ending
    whole = [getattr(arrival.frame, "samples_uv", np.zeros(0)).size for arrival in heard]
    n = FRAME_SAMPLES[device]
    # Half of a HealthyPi frame is four whole samples: nothing in its format gives it away.
    assert whole == [n] * 6 + {"h10": [0], "oecg": [0], "healthypi": [n // 2]}.get(device, [])


@pytest.mark.parametrize("fault", ["dies_at", "stall_at"])
@pytest.mark.parametrize("device", ALL)
async def test_a_device_that_falls_silent(device: str, fault: str, monkeypatch: pytest.MonkeyPatch):
    clock = VirtualClock()
    patch_polls(clock, monkeypatch)
    monkeypatch.setattr("leadlab_bridge.devices.lepu_er._ANSWER_S", 0.05)
    faults = Faults(**{fault: 6 + empty(device)})
    async with virtual_link(make(device, clock, faults)) as link:
        source = BleSource(
            link.address,
            clock=clock,
            scanner_backend=link.scanner,
            client_backend=link.client,
            release_timeout_s=0.1,
            operation_timeout_s=0.1,
        )
        async with source:
            heard, ending = await until_it_ends(source)
    assert len(heard) == 6
    assert any(words in ending for words in ("sent no ECG for", "no answer", "could not write"))


@pytest.mark.parametrize("device", ALL)
async def test_lead_off_and_low_battery(device: str):
    first = empty(device)
    faults = Faults(lead_off=frozenset(range(5 + first, 10 + first)), low_battery_at=12 + first)
    arrivals = await play(device, 16, faults)
    off = [FrameFlag.LEAD_OFF in a.frame.flags for a in arrivals]
    low = [FrameFlag.LOW_BATTERY in a.frame.flags for a in arrivals]
    assert off == [5 <= k < 10 for k in range(16)]
    assert low == [k >= 12 for k in range(16)]


async def test_faults_on_demand():
    clock = VirtualClock()
    wearable = make("h10", clock)
    assert isinstance(wearable, StreamingWearable)
    source = WearableSource(wearable, clock, driver("h10", clock))
    async with source:
        frames = source.frames()
        arrivals = [await anext(frames) for _ in range(20)]
        wearable.player.faults = Faults(dropped=frozenset({wearable.player.number + 2}))
        arrivals += [await anext(frames) for _ in range(20)]
    assert link_stats("h10", arrivals).lost_samples == 73


async def test_a_recording_that_ends_ends_the_stream():
    clock = VirtualClock()
    wearable = WEARABLES["healthypi"].make(ECG_UV[:900], clock=clock, loop=False)
    async with WearableSource(wearable, clock) as source:
        arrivals = [arrival async for arrival in source.frames()]
    assert samples_uv(arrivals).size == 800


async def test_a_poll_that_is_never_answered_leaves_a_marked_gap(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("leadlab_bridge.devices.lepu_er._ANSWER_S", 0.05)
    arrivals = await play("er1", 8, Faults(dropped=frozenset({5})))
    marked = [FrameFlag.GAP_BEFORE in a.frame.flags for a in arrivals]
    assert sum(marked) == 1
    assert marked.index(True) == 4


async def test_packets_that_are_cut_or_surrounded_by_junk(monkeypatch: pytest.MonkeyPatch):
    """What was in the cut reply is gone: the driver marks a gap. Junk is one bad message."""
    monkeypatch.setattr("leadlab_bridge.devices.lepu_er._ANSWER_S", 0.05)
    arrivals = await play("er1", 12, Faults(truncated=frozenset({3}), junk=frozenset({7})))
    read = [a for a in arrivals if hasattr(a.frame, "samples_uv")]
    assert len(arrivals) - len(read) == 1
    assert [FrameFlag.GAP_BEFORE in a.frame.flags for a in read].count(True) == 1
    assert all(a.frame.samples_uv.size == 125 for a in read)

"""The simulated strap: what it sends, when, and the faults that it is told to have."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_clock import VirtualClock

from leadlab_bridge import DeviceError, EcgFrame
from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.simulated.ecg import simulate_ecg
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.strap import SimulatedStrap

RAMP = np.arange(1000, dtype=np.int32) - 500


async def received(strap: SimulatedStrap, n: int) -> list[EcgFrame]:
    frames = []
    async for data in strap.notifications():
        frames.append(pmd.decode_ecg(data))
        if len(frames) == n:
            break
    return frames


async def numbers(faults: Faults, n: int = 8) -> list[int]:
    """Return which frames arrive, told by their first sample."""
    strap = SimulatedStrap(RAMP, clock=VirtualClock(), frame_sizes=(10,), faults=faults)
    return [int(frame.samples_uv[0] + 500) // 10 for frame in await received(strap, n)]


async def test_frames_come_when_their_last_sample_is_due():
    clock = VirtualClock(start_s=100.0)
    times = []
    strap = SimulatedStrap(RAMP, 130.163, clock=clock)
    async for _ in strap.notifications():
        times.append(clock.now())
        if len(times) == 30:
            break
    np.testing.assert_allclose(times, 100.0 + np.arange(1, 31) * 73 / 130.163)


async def test_the_device_clock_starts_in_2019_and_tells_the_true_rate():
    frames = await received(SimulatedStrap(RAMP, 132.6, clock=VirtualClock()), 100)
    times_ns = np.array([frame.device_time_ns for frame in frames])
    assert times_ns[0] == 599_616_000_000_000_000 + round(73 / 132.6 * 1e9)
    np.testing.assert_allclose(np.diff(times_ns), 73 / 132.6 * 1e9, atol=1)
    assert {frame.rate_hz for frame in frames} == {130.0}


@given(st.lists(st.integers(1, 168), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
async def test_a_recording_played_once_arrives_whole_whatever_the_frame_sizes(sizes: list[int]):
    strap = SimulatedStrap(RAMP, clock=VirtualClock(), frame_sizes=sizes, loop=False)
    frames = [pmd.decode_ecg(data) async for data in strap.notifications()]
    np.testing.assert_array_equal(np.concatenate([f.samples_uv for f in frames]), RAMP)
    assert frames[-1].device_time_ns == pmd.CLOCK_START_NS + round(1000 / 130 * 1e9)


async def test_a_looped_recording_has_no_seam():
    frames = await received(SimulatedStrap(RAMP, clock=VirtualClock()), 40)
    samples_uv = np.concatenate([frame.samples_uv for frame in frames])
    np.testing.assert_array_equal(samples_uv, np.resize(RAMP, 40 * 73))


async def test_every_stream_starts_afresh():
    strap = SimulatedStrap(RAMP, clock=VirtualClock())
    first, second = await received(strap, 3), await received(strap, 3)
    for before, after in zip(first, second, strict=True):
        assert before.device_time_ns == after.device_time_ns
        np.testing.assert_array_equal(before.samples_uv, after.samples_uv)


@pytest.mark.parametrize(
    ("faults", "arriving"),
    [
        (Faults(), [0, 1, 2, 3, 4, 5, 6, 7]),
        (Faults(dropped=frozenset({0, 2, 3})), [1, 4, 5, 6, 7, 8, 9, 10]),
        (Faults(doubled=frozenset({1, 3})), [0, 1, 1, 2, 3, 3, 4, 5]),
        (Faults(swapped=frozenset({2})), [0, 1, 3, 2, 4, 5, 6, 7]),
        (Faults(swapped=frozenset({2, 3})), [0, 1, 4, 2, 3, 5, 6, 7]),
        (Faults(swapped=frozenset({2}), dropped=frozenset({3})), [0, 1, 2, 4, 5, 6, 7, 8]),
        (Faults(swapped=frozenset({2}), doubled=frozenset({2})), [0, 1, 3, 2, 2, 4, 5, 6]),
    ],
)
async def test_scripted_arrivals(faults: Faults, arriving: list[int]):
    assert await numbers(faults) == arriving


async def test_clock_reset():
    strap = SimulatedStrap(RAMP, clock=VirtualClock(), faults=Faults(clock_reset_at=3))
    times_ns = [frame.device_time_ns for frame in await received(strap, 5)]
    assert times_ns[3:] == times_ns[:2]


async def test_disconnection():
    strap = SimulatedStrap(RAMP, clock=VirtualClock(), faults=Faults(disconnect_at=2))
    stream = strap.notifications()
    assert [len(await anext(stream)) for _ in range(2)] == [229, 229]
    with pytest.raises(DeviceError, match="at frame 2"):
        await anext(stream)


@pytest.mark.parametrize(
    "arguments", [([],), ([[1, 2]],), ([1, 2], 0.0), ([1, 2], float("nan"))], ids=str
)
def test_refuses_what_cannot_be_played(arguments: tuple[object, ...]):
    with pytest.raises(ValueError, match="must be"):
        SimulatedStrap(*arguments)


def test_the_synthetic_ecg_is_plausible():
    ecg_uv = simulate_ecg(90.0, heart_rate_bpm=66.0)
    assert ecg_uv.shape == (11700,)
    assert ecg_uv.dtype == np.int32
    assert 1000 < np.ptp(ecg_uv) < 2500
    above = ecg_uv > 600
    beats = np.flatnonzero(above[1:] & ~above[:-1])
    assert len(beats) == 99
    rr_s = np.diff(beats) / 130
    assert 0.02 < rr_s.std() < 0.08


def test_the_synthetic_ecg_repeats_with_its_seed_and_joins_its_ends():
    np.testing.assert_array_equal(simulate_ecg(seed=3), simulate_ecg(seed=3))
    assert not np.array_equal(simulate_ecg(seed=3), simulate_ecg(seed=4))
    for seed, rate_hz in itertools.product(range(5), (130.0, 500.0)):
        ecg_uv = simulate_ecg(60.0, rate_hz, seed=seed)
        assert abs(ecg_uv[0] - ecg_uv[-1]) <= np.abs(np.diff(ecg_uv)).max()

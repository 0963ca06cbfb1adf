"""The simulated source: same decoder, no radio."""

import numpy as np
import pytest
from virtual_clock import VirtualClock

from leadlab_bridge.simulated.faults import Faults
from leadlab_edge.errors import SourceError
from leadlab_edge.sources.base import Source
from leadlab_edge.sources.simulated import SimulatedSource


async def test_samples_arrive_bit_exact_in_time():
    clock: VirtualClock = VirtualClock(start_s=7.0)
    ecg_uv = np.random.default_rng(0).integers(-20_000, 20_000, 1300, dtype=np.int32)
    wearable: Source = SimulatedSource(ecg_uv, clock=clock, loop=False)
    async with wearable:
        arrivals = [arrival async for arrival in wearable.frames()]
    received = np.concatenate([arrival.frame.samples_uv for arrival in arrivals])
    np.testing.assert_array_equal(received, ecg_uv)
    assert arrivals[0].host_s == pytest.approx(7.0 + 73 / 130)
    assert arrivals[-1].host_s == pytest.approx(17.0)


async def test_plays_a_synthetic_ecg_by_default():
    async with SimulatedSource(clock=VirtualClock()) as wearable:
        assert wearable.info.kind == "simulated"
        assert wearable.info.rate_hz == 130.0
        frames = wearable.frames()
        received = [(await anext(frames)).frame.samples_uv for _ in range(20)]
    assert 1000 < np.ptp(np.concatenate(received)) < 2500


async def test_scripted_loss_of_the_link_is_a_source_error():
    async with SimulatedSource(clock=VirtualClock(), faults=Faults(disconnect_at=2)) as wearable:
        frames = wearable.frames()
        for _ in range(2):
            await anext(frames)
        with pytest.raises(SourceError, match="frame 2"):
            await anext(frames)

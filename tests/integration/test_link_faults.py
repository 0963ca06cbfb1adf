"""From the strap's bytes over Bluetooth to the results: what is lost, doubled, late, and cut."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from virtual_clock import VirtualClock

from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.simulated.ecg import simulate_ecg
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.strap import SimulatedStrap
from leadlab_bridge.simulated.virtual_link import virtual_link
from leadlab_edge.continuity import Continuity, Fate, LinkStats
from leadlab_edge.indicators import Indicator
from leadlab_edge.pipeline import Pipeline, PipelineSettings, WindowResult
from leadlab_edge.resample import resample_window
from leadlab_edge.sources.base import Arrival, SourceInfo
from leadlab_edge.sources.ble import BleSource

N = 73
N_FRAMES = 120
ECG_UV = simulate_ecg(N_FRAMES * N / 130)
WEARABLE = SourceInfo("Polar H10", "ble", "chest", 130.0)


class Listening:
    """A model that remembers what it was given."""

    rate_hz, n_samples, margin, lead = 125.0, 1500, 125, "chest"
    indicators: tuple[Indicator, ...] = ()

    def __init__(self) -> None:
        self.heard_mv: list[NDArray[np.float32]] = []

    def logits(self, raw_mv: NDArray[np.float32]) -> NDArray[np.float32]:
        self.heard_mv.append(raw_mv)
        return np.zeros(0, np.float32)

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        return logits


async def over_bluetooth(n_frames: int, **options: Any) -> list[Arrival]:
    """Play the recording through GATT and the Bluetooth source."""
    clock = VirtualClock()
    async with (
        virtual_link(SimulatedStrap(ECG_UV, clock=clock, **options)) as link,
        BleSource(
            link.peripheral.address,
            clock=clock,
            scanner_backend=link.scanner,
            client_backend=link.client,
        ) as wearable,
    ):
        frames = wearable.frames()
        return [await anext(frames) for _ in range(n_frames)]


async def in_process(**options: Any) -> list[Arrival]:
    """Play the recording once without a radio."""
    clock = VirtualClock()
    strap = SimulatedStrap(ECG_UV, clock=clock, loop=False, **options)
    return [Arrival(pmd.decode_ecg(data), clock.now()) async for data in strap.notifications()]


def place(arrivals: Sequence[Arrival]) -> tuple[NDArray[np.float32], LinkStats]:
    """Lay the frames on the timeline; NaN where nothing came."""
    continuity = Continuity(130.0)
    timeline_uv = np.full(ECG_UV.size, np.nan, np.float32)
    for arrival in arrivals:
        verdict = continuity.classify(arrival.frame, arrival.host_s)
        if verdict.fate not in (Fate.DUPLICATE, Fate.LATE):
            timeline_uv[verdict.start :][: arrival.frame.samples_uv.size] = arrival.frame.samples_uv
    return timeline_uv, continuity.stats


def without(*frames: int) -> NDArray[np.float32]:
    """Return the recording with these frames blanked."""
    frames_uv = ECG_UV.astype(np.float32).reshape(-1, N)
    frames_uv[list(frames)] = np.nan
    return frames_uv.ravel()


@pytest.mark.parametrize("rate_hz", [127.4, 130.0, 132.6])
async def test_three_dropped_two_doubled_one_late(rate_hz: float):
    faults = Faults(
        dropped=frozenset({20, 50, 51}), doubled=frozenset({30, 60}), swapped=frozenset({40})
    )
    arrivals = await over_bluetooth(N_FRAMES - 3 + 2, rate_hz=rate_hz, faults=faults)
    timeline_uv, stats = place(arrivals)
    np.testing.assert_array_equal(timeline_uv, without(20, 40, 50, 51))
    delivered = N_FRAMES - 4
    assert stats == LinkStats(
        frames=delivered,
        samples=delivered * N,
        gaps=2,
        lost_samples=3 * N,
        duplicates=2,
        reordered=1,
    )
    pipeline = Pipeline(Listening(), WEARABLE)
    for arrival in arrivals:
        pipeline.feed(arrival.frame, arrival.host_s)
    assert pipeline.stats == stats


@given(order=st.permutations(range(12)), rate_hz=st.floats(130 * 0.96, 130 * 1.04))
@settings(max_examples=40, deadline=None)
async def test_counts_are_exact_wherever_the_faults_are(order: list[int], rate_hz: float):
    at = [1 + 9 * position for position in order]
    faults = Faults(frozenset(at[:3]), frozenset(at[3:5]), frozenset(at[5:6]))
    timeline_uv, stats = place(await in_process(rate_hz=rate_hz, faults=faults))
    assert (stats.gaps, stats.lost_samples) == (3, 3 * N)
    assert (stats.duplicates, stats.reordered, stats.clock_resets) == (2, 1, 0)
    np.testing.assert_array_equal(timeline_uv, without(*at[:3], at[5]))


def run(arrivals: Sequence[Arrival]) -> list[tuple[WindowResult, NDArray[np.float32]]]:
    """Return each result with what the model was given for it."""
    model = Listening()
    pipeline = Pipeline(model, WEARABLE, PipelineSettings(hop_s=2.0))
    results = [r for a in arrivals for r in pipeline.feed(a.frame, a.host_s)]
    assert all(result.quality.usable for result in results)
    return list(zip(results, model.heard_mv, strict=True))


def assert_cut_from_the_recording(pairs: list[tuple[WindowResult, NDArray[np.float32]]]):
    for k, (result, heard_mv) in enumerate(pairs):
        assert result.raw_start == k * 260
        raw_mv = ECG_UV[result.raw_start : result.raw_stop].astype(np.float32) / np.float32(1000)
        expected = resample_window(raw_mv, result.rate_hz, Listening.rate_hz, Listening.n_samples)
        np.testing.assert_array_equal(heard_mv, expected)


@pytest.mark.parametrize("frame_sizes", [(73,), (3, 5), (168,), (16, 73, 50)], ids=str)
async def test_windows_over_bluetooth_are_those_of_the_recording(frame_sizes: tuple[int, ...]):
    n_frames = int(60 * 130 / np.mean(frame_sizes))
    pairs = run(await over_bluetooth(n_frames, frame_sizes=frame_sizes))
    assert_cut_from_the_recording(pairs)
    assert len(pairs) > 20
    for result, _ in pairs:
        late_s = result.ready_host_s - result.raw_stop / 130
        assert -1e-9 <= late_s < max(frame_sizes) / 130


@given(
    st.lists(st.integers(1, 168), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) > 20),
    st.floats(130 * 0.97, 130 * 1.03),
)
@settings(max_examples=20, deadline=None)
async def test_windows_do_not_depend_on_chunking(frame_sizes: list[int], rate_hz: float):
    pairs = run(await in_process(frame_sizes=frame_sizes, rate_hz=rate_hz))
    assert_cut_from_the_recording(pairs)
    assert len(pairs) > 20

"""What devices do wrong by themselves, through the whole device pipeline."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from virtual_clock import VirtualClock

from leadlab_bridge import FrameError
from leadlab_bridge.devices.oecg import OpenEcg
from leadlab_bridge.devices.polar_h10 import PolarH10
from leadlab_bridge.simulated.catalog import WEARABLES
from leadlab_bridge.simulated.ecg import simulate_ecg
from leadlab_bridge.simulated.fault_script import parse_faults
from leadlab_bridge.simulated.healthypi import HealthyPi5
from leadlab_bridge.simulated.wearable import Wearable
from leadlab_edge.indicators import Indicator
from leadlab_edge.pipeline import Pipeline, PipelineSettings, WindowResult
from leadlab_edge.quality import Reason
from leadlab_edge.sources.base import Arrival
from leadlab_edge.sources.wearable import WearableSource

DRIVERS = {"h10": PolarH10, "oecg": OpenEcg}


class Quiet:
    """A model that has nothing to say."""

    rate_hz, n_samples, margin, lead = 125.0, 1500, 125, "chest"
    indicators: tuple[Indicator, ...] = ()

    def logits(self, raw_mv: NDArray[np.float32]) -> NDArray[np.float32]:
        assert np.isfinite(raw_mv).all()
        return np.zeros(0, np.float32)

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        return logits


async def run(
    wearable: Wearable, clock: VirtualClock, seconds: float, driver: Any = None
) -> tuple[Pipeline, list[WindowResult], Sequence[Arrival]]:
    """Stream for ``seconds`` of the clock; return the pipeline, its results, what arrived."""
    source = WearableSource(wearable, clock, driver)
    results, arrivals = [], []
    async with source:
        pipeline = Pipeline(Quiet(), source.info, PipelineSettings(hop_s=5.0))
        end_s = clock.now() + seconds
        async for arrival in source.frames():
            arrivals.append(arrival)
            results += pipeline.feed(arrival.frame, arrival.host_s)
            if clock.now() >= end_s:
                break
    return pipeline, results, arrivals


def wear(device: str, clock: VirtualClock, script: str = "") -> Wearable:
    kind = WEARABLES[device]
    ecg_uv = simulate_ecg(60.0, kind.rate_hz)
    return kind.make(ecg_uv, clock=clock, faults=parse_faults(script), encrypted=False)


@pytest.mark.parametrize("loses_ninth", [True, False])
async def test_the_ninth_sample_that_healthypi_loses_shows_as_a_wrong_rate(loses_ninth: bool):
    clock = VirtualClock()
    board = HealthyPi5(simulate_ecg(60.0, 128.0), clock=clock, loses_ninth=loses_ninth)
    pipeline, results, _ = await run(board, clock, 90.0)
    reading = pipeline.snapshot().clock
    assert reading.locked
    assert reading.mismatch == loses_ninth
    assert reading.rate_hz == pytest.approx(128 * 8 / 9 if loses_ninth else 128, rel=2e-3)
    abstained = [Reason.RATE_MISMATCH in result.quality.reasons for result in results]
    assert abstained[-1] == loses_ninth
    assert any("113.8" in note for note in pipeline.notes) == loses_ninth
    assert any("neither time nor counter" in note for note in pipeline.notes)


@pytest.mark.parametrize("device", DRIVERS)
async def test_a_device_clock_that_restarts_is_a_new_epoch(device: str):
    """A Polar H10 that was off restarts in 2019; samples are neither lost nor invented."""
    clock = VirtualClock()
    script = "reset@45" if device == "h10" else "reset@98"
    pipeline, results, arrivals = await run(
        wear(device, clock, script), clock, 60.0, driver(device)
    )
    stats = pipeline.stats
    assert (stats.clock_resets, stats.lost_samples, stats.gaps) == (1, 0, 0)
    assert (stats.duplicates, stats.reordered, stats.bad_frames) == (0, 0, 0)
    assert stats.frames == len(arrivals)
    reset_s = 45 * 73 / 130 if device == "h10" else 98 * 64 / 250
    assert all(r.end_s <= reset_s + 0.1 or r.start_s >= reset_s - 0.1 for r in results)
    assert any(r.start_s >= reset_s for r in results)
    assert pipeline.snapshot().clock.rate_hz == pytest.approx(WEARABLES[device].rate_hz, rel=1e-4)


def driver(device: str) -> Any:
    return DRIVERS[device]()


@pytest.mark.parametrize("rate_ppm", [-20_000, -5_000, 5_000, 20_000])
@pytest.mark.parametrize("device", DRIVERS)
async def test_a_device_off_its_rate_raises_no_false_gap(device: str, rate_ppm: int):
    clock = VirtualClock()
    wearable = wear(device, clock, f"rate:{rate_ppm}")
    pipeline, results, arrivals = await run(wearable, clock, 120.0, driver(device))
    stats = pipeline.stats
    assert (stats.gaps, stats.lost_samples, stats.clock_resets) == (0, 0, 0)
    assert stats.frames == len(arrivals) > 200
    reading = pipeline.snapshot().clock
    true_hz = WEARABLES[device].rate_hz * (1 + rate_ppm * 1e-6)
    assert reading.rate_hz == pytest.approx(true_hz, rel=1e-4)
    assert not reading.mismatch
    assert all(result.quality.usable for result in results)


async def test_a_rate_far_off_is_a_mismatch():
    clock = VirtualClock()
    pipeline, results, _ = await run(wear("h10", clock, "rate:-90000"), clock, 60.0, PolarH10())
    assert pipeline.snapshot().clock.mismatch
    assert Reason.RATE_MISMATCH in results[-1].quality.reasons


async def test_a_device_clock_that_drifts_costs_no_sample():
    """2.4 s a day is 28 ppm; 200 ppm is a bad crystal."""
    clock = VirtualClock()
    pipeline, _, _ = await run(wear("h10", clock, "clock:200"), clock, 120.0, PolarH10())
    assert (pipeline.stats.gaps, pipeline.stats.clock_resets) == (0, 0)
    assert pipeline.snapshot().clock.rate_hz == pytest.approx(130 / 1.0002, rel=1e-5)


@pytest.mark.parametrize("device", DRIVERS)
async def test_every_scripted_fault_is_counted_exactly(device: str):
    clock = VirtualClock()
    script = """
        drop@30,60-62,100     # five frames lost in three places
        double@40,80,81       # three doubled
        swap@50,70            # two late
        truncate@110          # cannot be read, and is lost
        oversize@120          # the same
        junk@130,131          # cannot be read
        late@140:1.2          # comes in a heap with its followers; nothing is lost
        lead-off@150-155
    """
    wearable = wear(device, clock, script)
    pipeline, results, arrivals = await run(wearable, clock, 120.0, driver(device))
    n = 73 if device == "h10" else 64
    stats = pipeline.stats
    assert (stats.gaps, stats.lost_samples) == (5, 7 * n)
    assert (stats.duplicates, stats.reordered, stats.clock_resets) == (3, 2, 0)
    assert stats.bad_frames == sum(isinstance(a.frame, FrameError) for a in arrivals) == 4
    assert stats.frames == len(arrivals) - 4 - 3 - 2
    assert stats.samples == stats.frames * n
    off_s = np.array([150, 156]) * n / WEARABLES[device].rate_hz
    for result in results:
        overlaps = result.raw_start / WEARABLES[device].rate_hz < off_s[1] and (
            result.raw_stop / WEARABLES[device].rate_hz > off_s[0]
        )
        assert (Reason.LEAD_OFF in result.quality.reasons) == overlaps


@pytest.mark.parametrize("device", DRIVERS)
@given(order=st.permutations(range(10)), rate_ppm=st.integers(-20_000, 20_000))
@settings(max_examples=6, deadline=None)
async def test_counts_are_exact_wherever_the_faults_are(
    device: str, order: list[int], rate_ppm: int
):
    at = [12 + 9 * place for place in order]
    script = f"""drop@{at[0]},{at[1]} double@{at[2]},{at[3]} swap@{at[4]} truncate@{at[5]}
        junk@{at[6]} oversize@{at[7]} late@{at[8]}:0.9 rate:{rate_ppm}"""
    clock = VirtualClock()
    pipeline, _, _ = await run(wear(device, clock, script), clock, 62.0, driver(device))
    stats, n = pipeline.stats, 73 if device == "h10" else 64
    assert (stats.gaps, stats.lost_samples, stats.clock_resets) == (4, 4 * n, 0)
    assert (stats.duplicates, stats.reordered, stats.bad_frames) == (2, 1, 3)


async def test_frames_lost_before_the_first_that_arrives_are_not_missed():
    clock = VirtualClock()
    pipeline, _, _ = await run(wear("oecg", clock, "drop@0-2,99"), clock, 60.0, OpenEcg())
    assert pipeline.stats.lost_samples == 64

import numpy as np
import pytest
from virtual_clock import VirtualClock

from leadlab_edge.recordings import Recording
from leadlab_edge.sources.recording import RecordingSource

RATE_HZ = 130.163


def recording(missing=()):
    samples = np.arange(1500, dtype=np.float32)
    samples[list(missing)] = np.nan
    return Recording("night.csv", samples, RATE_HZ, "II")


async def replay(made, start_s=7.0):
    clock = VirtualClock(start_s)
    async with RecordingSource(made, clock) as source:
        return source.info, [arrival async for arrival in source.frames()]


async def test_every_sample_comes_once_and_in_time():
    info, arrivals = await replay(recording())
    assert (info.name, info.kind, info.lead, info.rate_hz) == (
        "night.csv",
        "recording",
        "II",
        RATE_HZ,
    )
    frames = [arrival.frame for arrival in arrivals]
    np.testing.assert_array_equal(
        np.concatenate([frame.samples_uv for frame in frames]), recording().samples_uv
    )
    assert {len(frame.samples_uv) for frame in frames[:-1]} == {65}
    for arrival in arrivals:
        frame = arrival.frame
        last = frame.sample_index + len(frame.samples_uv) - 1
        assert frame.device_time_ns == round(last / RATE_HZ * 1e9)
        assert arrival.host_s == pytest.approx(7.0 + (last + 1) / RATE_HZ)
        assert (frame.rate_hz, frame.lead) == (RATE_HZ, "II")


async def test_missing_samples_are_left_out_and_counted():
    missing = [0, 1, *range(100, 400), 700, 1499]
    _, arrivals = await replay(recording(missing))
    found = np.concatenate(
        [a.frame.sample_index + np.arange(len(a.frame.samples_uv)) for a in arrivals]
    )
    samples = np.concatenate([a.frame.samples_uv for a in arrivals])
    assert found.tolist() == sorted(set(range(1500)) - set(missing))
    np.testing.assert_array_equal(samples, found)
    assert arrivals[-1].host_s == pytest.approx(7.0 + 1499 / RATE_HZ)

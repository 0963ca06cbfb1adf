import numpy as np
import pytest

from leadlab_edge.clock import SampleClock

N = 73


def run(
    clock: SampleClock,
    rate_hz: float,
    seconds: float,
    *,
    tick_ns: int = 1,
    lost_frames: frozenset[int] = frozenset(),
    first_index: int = 0,
    origin_ns: float = 6e17,
) -> None:
    """Feed frames of a device with a clock that really samples at ``rate_hz``."""
    for frame in range(int(seconds * rate_hz / N)):
        last = (frame + 1) * N - 1
        if frame not in lost_frames:
            time_ns = origin_ns + round(last / rate_hz * 1e9) // tick_ns * tick_ns
            clock.update(first_index + last, int(time_ns), 0.0)


def test_nominal_until_ten_seconds_then_measured() -> None:
    clock = SampleClock(130.0)
    run(clock, 130.163, 9.0)
    assert (clock.rate_hz, clock.reading.locked) == (130.0, False)
    clock = SampleClock(130.0)
    run(clock, 130.163, 13.0)
    assert clock.reading.locked
    assert clock.rate_hz == pytest.approx(130.163, rel=1e-5)


@pytest.mark.parametrize("rate_hz", [123.5, 127.4, 130.0, 132.6, 136.5])
def test_lost_samples_do_not_bias_the_rate(rate_hz: float) -> None:
    clock = SampleClock(130.0)
    run(clock, rate_hz, 60.0, lost_frames=frozenset([5, 6, 7, 20, 40, 41, 42, 43, 60]))
    assert clock.rate_hz == pytest.approx(rate_hz, rel=1e-5)
    assert not clock.reading.mismatch


def test_millisecond_stamps() -> None:
    clock = SampleClock(512.0)
    run(clock, 513.1, 120.0, tick_ns=1_000_000)
    assert clock.rate_hz == pytest.approx(513.1, rel=2e-5)


def test_follows_a_slow_drift() -> None:
    clock = SampleClock(130.0)
    time_ns, rate_hz = 0.0, 130.0
    for frame in range(3000):
        rate_hz = 130.0 + 1.3 * frame / 3000
        time_ns += N / rate_hz * 1e9
        clock.update((frame + 1) * N - 1, int(time_ns), 0.0)
    assert clock.rate_hz == pytest.approx(rate_hz, rel=6e-4)


def test_a_few_wrong_stamps_do_no_harm() -> None:
    clock = SampleClock(130.0)
    for frame in range(200):
        last = (frame + 1) * N - 1
        wrong_ns = 5e8 if frame % 20 == 3 else 0.0
        clock.update(last, int(last / 131.0 * 1e9 + wrong_ns), 0.0)
    assert clock.rate_hz == pytest.approx(131.0, rel=1e-4)


def test_a_restarted_device_clock_keeps_the_rate() -> None:
    clock = SampleClock(130.0)
    run(clock, 131.0, 60.0)
    run(clock, 131.0, 5.0, first_index=8000, origin_ns=0.0)
    assert clock.rate_hz == pytest.approx(131.0, rel=1e-5)
    run(clock, 131.0, 30.0, first_index=9000, origin_ns=7e17)
    assert clock.rate_hz == pytest.approx(131.0, rel=1e-5)


@pytest.mark.parametrize(("rate_hz", "mismatch"), [(113.8, True), (120.0, False), (142.0, True)])
def test_more_than_eight_percent_off_is_a_mismatch(rate_hz: float, mismatch: bool) -> None:
    clock = SampleClock(130.0)
    run(clock, rate_hz, 30.0)
    assert clock.reading.mismatch is mismatch
    assert clock.rate_hz == pytest.approx(rate_hz, rel=1e-5)


def test_without_a_device_clock_arrivals_are_timed() -> None:
    rng, clock = np.random.default_rng(3), SampleClock(128.0)
    for frame in range(int(120 * 113.8 / 8)):
        last = frame * 8 + 7
        clock.update(last, None, last / 113.8 + rng.exponential(0.04) + 0.3 * (frame % 400 == 7))
        if last < 59 * 128:
            assert not clock.reading.locked
    assert clock.rate_hz == pytest.approx(113.8, rel=1e-3)
    assert clock.reading.mismatch


def test_stream_time_counts_from_the_first_sample_and_never_runs_backwards() -> None:
    clock, before_s = SampleClock(130.0), 0.0
    for frame in range(400):
        last = (frame + 1) * N - 1
        clock.update(last, int(last / 132.0 * 1e9), 0.0)
        assert clock.seconds(last) > before_s
        before_s = clock.seconds(last)
    assert clock.seconds(400 * N) == pytest.approx(400 * N / 132.0, abs=0.3)
    assert clock.seconds(100) < clock.seconds(101)

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadlab_bridge import EcgFrame, FrameFlag
from leadlab_edge.continuity import Continuity, Fate, LinkStats

NOMINAL_HZ = 130.0
RATES_HZ = (123.5, 127.4, 130.0, 130.163, 132.6, 136.5)
N = 73


@dataclass
class Device:
    """Makes the frames that a device of a given true rate would send."""

    rate_hz: float = NOMINAL_HZ
    sizes: tuple[int, ...] = (N,)
    by: str = "time"
    tick_ns: int = 1
    origin_ns: int = 599_616_000_000_000_000
    nominal_hz: float = NOMINAL_HZ

    def frame(self, number: int, flags: FrameFlag = FrameFlag.NONE) -> EcgFrame:
        start, n = self._place(number)
        last_ns = self.origin_ns + (start + n - 1) / self.rate_hz * 1e9
        return EcgFrame(
            np.zeros(n, np.float32),
            self.nominal_hz,
            "chest",
            device_time_ns=int(last_ns / self.tick_ns) * self.tick_ns
            if self.by == "time"
            else None,
            sample_index=start if self.by == "counter" else None,
            flags=flags,
        )

    def arrives_s(self, number: int) -> float:
        start, n = self._place(number)
        return (start + n) / self.rate_hz

    def _place(self, number: int) -> tuple[int, int]:
        rounds, rest = divmod(number, len(self.sizes))
        return rounds * sum(self.sizes) + sum(self.sizes[:rest]), self.sizes[rest]


def play(device: Device, arrivals: list[int]) -> tuple[LinkStats, list[Fate], list[int]]:
    continuity = Continuity(device.nominal_hz)
    now_s, fates, starts = 0.0, [], []
    for number in arrivals:
        now_s = max(now_s, device.arrives_s(number))
        verdict = continuity.classify(device.frame(number), now_s)
        fates.append(verdict.fate)
        starts.append(verdict.start)
    return continuity.stats, fates, starts


def expected(device: Device, arrivals: list[int]) -> LinkStats:
    """Count by frame number what a device's frames went through; the reference model."""
    seen: set[int] = set()
    order: list[int] = []
    duplicates = reordered = 0
    for number in arrivals:
        if number in seen:
            duplicates += 1
        elif order and number < order[-1]:
            reordered += 1
        else:
            order.append(number)
        seen.add(number)
    missing = [k for k in range(order[0], order[-1]) if k not in seen]
    size = [device.frame(k).samples_uv.size for k in range(order[-1] + 1)]
    return LinkStats(
        frames=len(order),
        samples=sum(size[k] for k in order),
        gaps=sum(k - 1 not in missing for k in missing),
        lost_samples=sum(size[k] for k in missing),
        duplicates=duplicates,
        reordered=reordered,
    )


def order_of_arrival(script: list[tuple[str, int]], skip: int = 0) -> list[int]:
    """Turn one operation for each frame into frame numbers in order of arrival."""
    due: list[tuple[int, int]] = [(k, k) for k in range(skip)]
    dropped_in_a_row = 0
    for number, (operation, delay) in enumerate(script, start=skip):
        dropped_in_a_row = dropped_in_a_row + 1 if operation == "drop" else 0
        if operation == "drop" and dropped_in_a_row <= 6:
            continue
        due.append((number + delay if operation == "late" else number, number))
        if operation == "double":
            due.append((number + delay, number))
    due.append((skip + len(script), skip + len(script)))
    return [number for _, number in sorted(due, key=lambda entry: entry[0])]


scripts = st.lists(
    st.tuples(
        st.sampled_from(("keep", "keep", "keep", "drop", "double", "late")), st.integers(0, 3)
    ),
    min_size=1,
    max_size=60,
)


@given(script=scripts, rate_hz=st.floats(123.5, 136.5))
@settings(max_examples=300, deadline=None)
def test_any_script_is_counted_exactly(script: list[tuple[str, int]], rate_hz: float) -> None:
    device = Device(rate_hz)
    arrivals = order_of_arrival(script)
    assert play(device, arrivals)[0] == expected(device, arrivals)


@given(script=scripts, sizes=st.lists(st.integers(5, 90), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_frame_size_may_change(script: list[tuple[str, int]], sizes: list[int]) -> None:
    for device in (
        Device(132.6, tuple(sizes), "time"),
        Device(132.6, tuple(sizes), "counter"),
    ):
        arrivals = order_of_arrival(script, skip=12)  # a clean start in which the period is learned
        assert play(device, arrivals)[0] == expected(device, arrivals)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("by", ["time", "counter"])
def test_three_dropped_two_doubled_one_out_of_order(rate_hz: float, by: str) -> None:
    arrivals = [0, 1, 2, 4, 5, 6, 6, 7, 10, 11, 12, 14, 13, 15, 16, 16, 17, 18]
    stats, fates, _ = play(Device(rate_hz, by=by), arrivals)
    assert stats == LinkStats(
        frames=15, samples=15 * N, gaps=2, lost_samples=3 * N, duplicates=2, reordered=1
    )
    assert fates.count(Fate.LATE) == 1


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("lost", [1, 2, 5, 8])
def test_losses_before_the_period_is_known(rate_hz: float, lost: int) -> None:
    arrivals = [0, *range(lost + 1, lost + 20)]
    stats, _, starts = play(Device(rate_hz), arrivals)
    assert (stats.gaps, stats.lost_samples) == (1, lost * N)
    assert starts[:2] == [0, (lost + 1) * N]


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_steady_stream_has_no_gaps(rate_hz: float) -> None:
    stats, fates, starts = play(Device(rate_hz), list(range(3000)))
    assert stats == LinkStats(frames=3000, samples=3000 * N)
    assert set(fates) == {Fate.OK}
    assert starts == list(range(0, 3000 * N, N))


def test_a_late_frame_in_a_wide_gap_leaves_two_gaps() -> None:
    stats, _, _ = play(Device(132.0), [*range(10), 15, 12, 16])
    assert (stats.gaps, stats.lost_samples, stats.reordered) == (2, 4 * N, 1)


def test_millisecond_stamps_at_512_hz() -> None:
    device = Device(512.0 * 1.01, (16,), tick_ns=1_000_000, nominal_hz=512.0)
    lost = {40, 41, 42, 43, 44, 45, 46, 47, 300}
    stats, _, _ = play(device, [k for k in range(2000) if k not in lost])
    assert (stats.gaps, stats.lost_samples) == (2, len(lost) * 16)


def test_a_rate_far_off_nominal_is_no_gap() -> None:
    device = Device(113.8, (8,), nominal_hz=128.0)
    assert play(device, list(range(500)))[0] == LinkStats(frames=500, samples=4000)


@pytest.mark.parametrize("shift_s", [-3600.0, -11.0, -2.0, 11.0, 1e6])
def test_a_restarted_clock_begins_a_new_epoch(shift_s: float) -> None:
    before, after = Device(), Device(origin_ns=Device().origin_ns + int(shift_s * 1e9))
    continuity = Continuity(NOMINAL_HZ)
    for k in range(30):
        continuity.classify(before.frame(k), before.arrives_s(k))
    fates = [continuity.classify(after.frame(k), after.arrives_s(k)).fate for k in range(30, 60)]
    assert fates == [Fate.RESET] + [Fate.OK] * 29
    assert continuity.stats == LinkStats(frames=60, samples=60 * N, clock_resets=1)


def test_a_long_silence_in_step_with_the_host_is_a_gap() -> None:
    device = Device(132.0)
    stats, fates, starts = play(device, [*range(30), *range(200, 230)])
    assert fates.count(Fate.GAP) == 1
    assert stats.lost_samples == 170 * N
    assert stats.clock_resets == 0
    assert starts[30] == 200 * N


def test_a_restart_moves_the_timeline_by_host_time() -> None:
    continuity = Continuity(NOMINAL_HZ)
    continuity.classify(Device().frame(5), 10.0)
    verdict = continuity.classify(Device(origin_ns=0).frame(0), 70.0)
    assert verdict.fate is Fate.RESET
    assert verdict.start == pytest.approx(60 * NOMINAL_HZ, abs=1)
    assert continuity.stats.lost_samples == 0


def test_flags_of_the_device_break_the_stream() -> None:
    device, continuity = Device(), Continuity(NOMINAL_HZ)
    continuity.classify(device.frame(0), 0.0)
    gap = continuity.classify(device.frame(1, FrameFlag.GAP_BEFORE), 0.6)
    reset = continuity.classify(device.frame(2, FrameFlag.CLOCK_RESET), 1.2)
    assert (gap.fate, gap.start) == (Fate.GAP, N)
    assert reset.fate is Fate.RESET
    assert (continuity.stats.gaps, continuity.stats.lost_samples) == (1, 0)


def test_without_counter_and_clock_a_stall_is_no_loss_and_a_silence_is() -> None:
    device, continuity = Device(by="nothing"), Continuity(NOMINAL_HZ)
    arrivals_s = [0.56, 1.12, 4.1, 4.1, 4.1, 4.2, 4.5, 34.5, 35.1]
    fates = [continuity.classify(device.frame(0), s).fate for s in arrivals_s]
    assert fates == [Fate.OK] * 7 + [Fate.GAP, Fate.OK]
    assert continuity.stats.lost_samples == round(30.0 * NOMINAL_HZ) - N


def test_memory_is_bounded() -> None:
    continuity = Continuity(500.0)
    for k in range(20_000):
        frame = EcgFrame(np.zeros(1, np.float32), 500.0, "I", sample_index=2 * k)
        continuity.classify(frame, k / 250.0)
    assert len(continuity._seen) < 5100
    assert len(continuity._holes) < 5100

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadlab_bridge import FrameFlag
from leadlab_edge.ring import Ring


@given(chunks=st.lists(st.integers(0, 50), max_size=60))
def test_keeps_the_newest_samples(chunks: list[int]) -> None:
    ring, stream = Ring(50), np.arange(sum(chunks), dtype=np.float32)
    for n in chunks:
        ring.append(stream[ring.stop : ring.stop + n])
    assert ring.stop == stream.size
    assert ring.start <= max(0, ring.stop - 50)
    np.testing.assert_array_equal(ring.read(ring.start, ring.stop), stream[ring.start :])


def test_a_break_forgets_what_came_before() -> None:
    ring = Ring(10)
    ring.append(np.ones(5, np.float32), FrameFlag.LEAD_OFF)
    ring.break_at(20)
    ring.append(np.full(5, 2, np.float32))
    assert (ring.segment_start, ring.start, ring.stop) == (20, 20, 25)
    assert ring.flagged_samples(0, 25, FrameFlag.LEAD_OFF) == 0
    with pytest.raises(IndexError, match=r"\[4, 6\)"):
        ring.read(4, 6)


def test_read_is_a_copy_and_stays_within_bounds() -> None:
    ring = Ring(10)
    ring.append(np.zeros(10, np.float32))
    ring.read(0, 5)[:] = 7
    assert not ring.read(0, 5).any()
    for start, stop in ((-1, 3), (5, 11), (6, 5)):
        with pytest.raises(IndexError):
            ring.read(start, stop)


def test_more_than_the_capacity_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="11 samples at once"):
        Ring(10).append(np.zeros(11, np.float32))


def test_flags_are_remembered_by_sample() -> None:
    ring = Ring(100)
    ring.append(np.zeros(10, np.float32))
    ring.append(np.zeros(10, np.float32), FrameFlag.LEAD_OFF | FrameFlag.LOW_BATTERY)
    ring.append(np.zeros(10, np.float32), FrameFlag.SATURATED)
    assert ring.flagged_samples(5, 15, FrameFlag.LEAD_OFF) == 5
    assert ring.flagged_samples(0, 30, FrameFlag.LOW_BATTERY) == 10
    assert ring.flagged_samples(20, 30, FrameFlag.LEAD_OFF) == 0


def test_memory_is_bounded() -> None:
    ring = Ring(100)
    for _ in range(10_000):
        ring.append(np.zeros(3, np.float32), FrameFlag.LEAD_OFF)
    assert len(ring._flags) <= 70
    assert ring._buffer.size == 200

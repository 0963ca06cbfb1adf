"""What the codecs share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadlab_bridge import FrameError, FrameFlag
from leadlab_bridge.devices import wire


@given(st.integers(0, 10**9), st.integers(-30_000, 30_000))
def test_a_counter_is_unwrapped_to_the_nearest_value(value: int, off: int):
    assert wire.unwrap(value % 65536, value + off, 65536) == value


@pytest.mark.parametrize(("size", "n"), [(3, 1), (5, 2), (517, 258)])
def test_counts_samples(size: int, n: int):
    assert wire.count_samples("frame", size, 1, 2) == n


@pytest.mark.parametrize("size", [0, 1, 2, 4, 518, 519])
def test_refuses_sizes_without_whole_samples(size: int):
    with pytest.raises(FrameError, match=rf"frame has {size} bytes.*Remedy"):
        wire.count_samples("frame", size, 1, 2)


def test_samples_saturate_and_nan_needs_a_code():
    codes = wire.to_codes([1e9, -1e9, np.nan], 2.0, -10, 9, invalid=-11, most=3)
    assert codes.tolist() == [9, -10, -11]
    assert wire.saturation(codes[:1], -10, 9) is FrameFlag.SATURATED
    assert wire.saturation(np.array([8, -9]), -10, 9) is FrameFlag.NONE
    for samples in ([np.nan], [np.inf], [], [0.0] * 4, [[0.0]]):
        with pytest.raises(FrameError, match="Remedy"):
            wire.to_codes(samples, 2.0, -10, 9, most=3)


def test_a_value_beyond_its_field_is_refused():
    assert wire.require_range("level", 100, 100) == 100
    with pytest.raises(FrameError, match="level is 101; its field holds 0 to 100"):
        wire.require_range("level", 101, 100)

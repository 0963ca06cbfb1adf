"""card10: big-endian samples under a counter that wraps."""

from contextlib import suppress

import numpy as np
import pytest
from gatt_link import FakeLink, Heard
from hypothesis import given
from hypothesis import strategies as st

from leadlab_bridge import FrameError, FrameFlag
from leadlab_bridge.devices import card10, driver_for
from leadlab_bridge.devices.card10 import Card10

CODES = st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=257)


def test_by_hand():
    frame = card10.decode_ecg(bytes.fromhex("0102 0001 ffff 7fff"))
    assert frame.samples_uv.tolist() == pytest.approx([1.525879, -1.525879, 49998.474])
    assert frame.sample_index == 0x0102
    assert (frame.rate_hz, frame.lead, frame.flags) == (128.0, "I", FrameFlag.SATURATED)


@given(codes=CODES, index=st.integers(0, 10**7), off=st.integers(-30_000, 30_000))
def test_round_trip(codes: list[int], index: int, off: int):
    data = card10.encode_ecg(np.array(codes) * card10.UV_PER_CODE, index)
    frame = card10.decode_ecg(data, near_index=index + off)
    assert frame.sample_index == index
    np.testing.assert_array_equal(
        frame.samples_uv, (np.array(codes) * card10.UV_PER_CODE).astype(np.float32)
    )
    assert card10.encode_ecg(frame.samples_uv, index) == data


@given(st.binary(max_size=600))
def test_nothing_but_frame_errors(data: bytes):
    with suppress(FrameError):
        card10.decode_ecg(data)


def test_recognition():
    assert isinstance(driver_for("card10-a1b2c3", ()), Card10)
    assert isinstance(driver_for(None, [card10.SERVICE]), Card10)


async def test_the_index_counts_on_when_the_counter_wraps():
    link, heard, driver = FakeLink(), Heard(), Card10()
    await driver.start(link, heard.frames.append, heard.errors.append)
    starts = [*range(0, 200_000, 4000), 199_000]  # the last comes late
    for start in starts:
        link.say(card10.ECG, card10.encode_ecg(np.ones(100), start))
    link.say(card10.ECG, b"\0\0\0")
    await driver.stop(link)
    assert [frame.sample_index for frame in heard.frames] == starts
    assert [type(error) for error in heard.errors] == [FrameError]
    assert link.log == [("subscribe", card10.ECG), ("unsubscribe", card10.ECG)]

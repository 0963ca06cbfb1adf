"""BITalino: vector, round trips, a byte stream cut anywhere, losses by sequence number."""

import numpy as np
import pytest
from gatt_link import FakeLink, Heard
from hypothesis import given
from hypothesis import strategies as st

from leadlab_bridge import EcgFrame, FrameError, FrameFlag
from leadlab_bridge.devices import bitalino, driver_for
from leadlab_bridge.devices.bitalino import BITalino, EcgAssembler

CODE = st.integers(0, 1023)


def stream(n: int, first: int = 0) -> bytes:
    return b"".join(bitalino.encode_sample(first + i, (37 * (first + i)) % 1024) for i in range(n))


def expected_uv(indices: range) -> list[float]:
    return [np.float32((37 * i % 1024 - 512) * bitalino.UV_PER_CODE).item() for i in indices]


def by_index(frames: list[EcgFrame]) -> dict[int, float]:
    return {
        frame.sample_index + i: sample
        for frame in frames
        if frame.sample_index is not None
        for i, sample in enumerate(frame.samples_uv.tolist())
    }


def test_the_vector():
    assert bitalino.decode_sample(bytes.fromhex("600953")) == (5, 600)
    assert bitalino.encode_sample(5, 600).hex() == "600953"


@given(st.integers(0, 15), CODE)
def test_samples_round_trip(sequence: int, code: int):
    assert bitalino.decode_sample(bitalino.encode_sample(sequence, code)) == (sequence, code)


@pytest.mark.parametrize("data", ["", "6009", "60095300", "600952", "610953"])
def test_refuses_a_wrong_length_or_crc(data: str):
    with pytest.raises(FrameError, match="Remedy"):
        bitalino.decode_sample(bytes.fromhex(data))


@given(st.lists(CODE, min_size=1, max_size=60), st.integers(0, 100))
def test_ecg_round_trip(codes: list[int], first: int):
    samples_uv = (np.array(codes) - 512) * bitalino.UV_PER_CODE
    data = bitalino.encode_ecg(samples_uv, first)
    assert [bitalino.decode_sample(data[i : i + 3]) for i in range(0, len(data), 3)] == [
        ((first + i) % 16, code) for i, code in enumerate(codes)
    ]


def test_scale_and_saturation():
    (frame,) = EcgAssembler("II").feed(bitalino.encode_ecg([0.0] * 9 + [5000.0], 0))
    assert frame.samples_uv[-1] == pytest.approx((1023 / 1024 - 0.5) * 3.3 / 1100 * 1e6)
    assert (frame.rate_hz, frame.lead, frame.flags) == (100.0, "II", FrameFlag.SATURATED)


@given(st.data())
def test_how_a_stream_is_cut_changes_nothing(data: st.DataObject):
    junk = st.binary(max_size=7)
    sent = data.draw(junk) + stream(23) + data.draw(junk) + stream(31, 27) + data.draw(junk)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=12)))
    whole, cut = EcgAssembler("I"), EcgAssembler("I")
    expected = whole.feed(sent)
    found = [
        frame
        for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True)
        for frame in cut.feed(sent[start:stop])
    ]
    assert [f.sample_index for f in found] == [f.sample_index for f in expected]
    assert [f.samples_uv.tolist() for f in found] == [f.samples_uv.tolist() for f in expected]
    assert cut.skipped_bytes == whole.skipped_bytes


@given(st.integers(1, 15), st.integers(11, 40))
def test_lost_samples_are_counted(lost: int, before: int):
    frames = EcgAssembler("I").feed(stream(before) + stream(40, before + lost))
    found = by_index(frames)
    kept = [*range(before), *range(before + lost, before + lost + 40)][: len(found)]
    assert list(found) == kept
    assert list(found.values()) == [expected_uv(range(i, i + 1))[0] for i in kept]


def test_in_step_again_after_damage():
    sent = bytearray(stream(60))
    sent[61] ^= 0x10
    assembler = EcgAssembler("I")
    found = by_index(assembler.feed(bytes(sent)))
    assert 20 not in found
    assert [*range(20), *range(21, 51)] == [i for i in found if i < 51]
    assert list(found.values())[:20] == expected_uv(range(20))
    assert assembler.skipped_bytes == 3


def test_commands():
    assert [bitalino.rate_command(hz)[0] for hz in (1, 10, 100, 1000)] == [0x03, 0x43, 0x83, 0xC3]
    assert bitalino.start_command(1) == b"\x05"
    assert bitalino.start_command(6) == b"\x81"
    for refused in (lambda: bitalino.rate_command(250), lambda: bitalino.start_command(7)):
        with pytest.raises(FrameError, match="Remedy"):
            refused()


def test_recognition():
    assert isinstance(driver_for("BITalino-3D-99", ()), BITalino)
    assert isinstance(driver_for(None, [bitalino.SERVICE]), BITalino)


async def test_order_of_operations():
    link, heard, driver = FakeLink(), Heard(), BITalino()
    await driver.start(link, heard.frames.append, heard.errors.append)
    data = stream(20)
    link.say(bitalino.FRAMES, data[:20], data[20:], b"\xff\xff\xff" + stream(10, 20))
    await driver.stop(link)
    assert link.log == [
        ("subscribe", bitalino.FRAMES),
        ("write", bitalino.COMMANDS),
        ("write", bitalino.COMMANDS),
        ("write", bitalino.COMMANDS),
        ("unsubscribe", bitalino.FRAMES),
    ]
    assert [command.hex() for command in link.written] == ["83", "09", "00"]
    assert heard.samples_uv == expected_uv(range(30))
    assert [type(error) for error in heard.errors] == [FrameError]
    assert "3 bytes" in str(heard.errors[0])

"""The byte stream: COBS and CRC by their published vectors, and frames wherever it is cut."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oecg_cases import messages

from leadlab_bridge import FrameError, oecg
from leadlab_bridge.oecg import Deframer
from leadlab_bridge.oecg.serial import cobs_decode, cobs_encode, crc16, from_serial, to_serial

# S. Cheshire, M. Baker, and the tables of the COBS article on Wikipedia.
COBS_VECTORS = [
    ("00", "0101"),
    ("0000", "010101"),
    ("001100", "01021101"),
    ("11220033", "0311220233"),
    ("11223344", "0511223344"),
    ("11000000", "0211010101"),
    (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
    (bytes(range(255)).hex(), "01ff" + bytes(range(1, 255)).hex()),
    (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02ff"),
    (bytes(range(2, 256)).hex() + "00", "ff" + bytes(range(2, 256)).hex() + "0101"),
    (bytes(range(3, 256)).hex() + "0001", "fe" + bytes(range(3, 256)).hex() + "0201"),
]


def test_the_crc_has_its_check_value():
    assert crc16(b"123456789") == 0x29B1


@pytest.mark.parametrize(("data", "encoded"), COBS_VECTORS, ids=[v[0][:8] for v in COBS_VECTORS])
def test_cobs_vectors(data: str, encoded: str):
    assert cobs_encode(bytes.fromhex(data)).hex() == encoded
    assert cobs_decode(bytes.fromhex(encoded)).hex() == data


@given(st.lists(st.sampled_from([0, 1, 255]) | st.integers(253, 256), max_size=8))
def test_cobs_round_trips_around_its_block_length(runs: list[int]):
    data = b"".join(b"\0" * (run == 0) + b"x" * run for run in runs)
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert len(encoded) <= len(data) + 1 + len(data) // 254
    assert cobs_decode(encoded) == data


@pytest.mark.parametrize("encoded", [b"", b"\x03\x11", b"\x02\x00", b"\xff\x01"])
def test_what_is_no_cobs_is_refused(encoded: bytes):
    with pytest.raises(FrameError):
        cobs_decode(encoded)


@given(st.lists(messages(), min_size=1, max_size=6), st.lists(st.integers(0, 2000), max_size=12))
def test_a_stream_gives_the_same_messages_wherever_it_is_cut(sent, cuts):
    encoded = [oecg.encode(message) for message in sent]
    stream = b"".join(map(to_serial, encoded))
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    deframer = Deframer()
    got = [item for a, b in pairwise(places) for item in deframer.feed(stream[a:b])]
    assert got == encoded


@given(st.binary(max_size=1500), st.lists(st.integers(0, 1500), max_size=12))
def test_any_stream_gives_the_same_wherever_it_is_cut(stream: bytes, cuts: list[int]):
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    deframer = Deframer()
    got = [str(item) for a, b in pairwise(places) for item in deframer.feed(stream[a:b])]
    assert got == [str(item) for item in Deframer().feed(stream)]


@given(messages(), st.binary(max_size=40), st.data())
def test_back_in_step_after_damage(message, junk, data):
    encoded = oecg.encode(message)
    damaged = bytearray(to_serial(encoded))
    at = data.draw(st.integers(0, len(damaged) - 2))
    del damaged[at]
    got = Deframer().feed(junk + b"\0" + bytes(damaged) + to_serial(encoded) * 2)
    assert got[-2:] == [encoded] * 2
    with suppress(IndexError):
        assert got[-3] != encoded


def test_a_changed_byte_is_found():
    frame = to_serial(oecg.encode(oecg.Command(oecg.Op.START, 1)))
    for at in range(len(frame) - 1):
        changed = bytearray(frame)
        changed[at] ^= 0x10
        assert all(isinstance(item, FrameError) for item in Deframer().feed(bytes(changed)))


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_memory_is_bounded_and_an_endless_frame_is_one_error(chunk: int):
    deframer = Deframer()
    stream = b"\x01" * 10_000
    for at in range(0, len(stream), chunk):
        assert deframer.feed(stream[at : at + chunk]) == []
        assert len(deframer._pending) < 600
    (error,) = deframer.feed(b"\0")
    assert isinstance(error, FrameError)
    assert deframer.feed(to_serial(b"\x18")) == [b"\x18"]


def test_empty_frames_are_nothing():
    assert Deframer().feed(bytes(5)) == []


@pytest.mark.parametrize("encoded", [b"\x01\x01", b"\x03\x11\x22", b"\x04\x18\x01\x01"])
def test_a_frame_holds_a_message_and_its_crc(encoded: bytes):
    with pytest.raises(FrameError):
        from_serial(encoded)


def test_the_longest_message_fits():
    message = bytes(range(256)) * 2
    assert Deframer().feed(to_serial(message)) == [message]
    (error,) = Deframer().feed(to_serial(message + b"\1"))
    assert "the limit is 514" in str(error)

"""Lepu recorders: vectors, split packets, real-time data, polls and their failures."""

import asyncio
from contextlib import suppress

import numpy as np
import pytest
from gatt_link import FakeLink, Heard
from hypothesis import given
from hypothesis import strategies as st
from virtual_clock import VirtualClock

from leadlab_bridge import DeviceError, FrameError, FrameFlag
from leadlab_bridge.devices import driver_for, lepu
from leadlab_bridge.devices.lepu import Command, Packet, PacketAssembler, Status
from leadlab_bridge.devices.lepu_er import Er1, Er2

INFO = lepu.Info("1.0.0.2", 0x8041, "2101010001")
CODES = st.integers(-(2**15), 2**15 - 2) | st.none()
PACKETS = st.builds(
    Packet, st.integers(0, 255), st.binary(max_size=60), st.integers(0, 1), st.integers(0, 255)
)


def reply(command: int, payload: bytes) -> bytes:
    return lepu.encode_packet(Packet(command, payload, 1))


def real_time(samples_uv: object, **fields: int) -> bytes:
    return reply(Command.REAL_TIME, lepu.encode_real_time(samples_uv, **fields))


def test_the_vectors():
    assert lepu.GET_INFO.hex() == "a5e11e0000000069"
    assert lepu.GET_REAL_TIME.hex() == "a503fc000001007d23"
    assert lepu.crc8(b"123456789") == 0xF4  # the check value of this CRC
    (info,) = PacketAssembler().feed(lepu.GET_INFO)
    assert info == Packet(Command.INFO)
    (real_time_request,) = PacketAssembler().feed(lepu.GET_REAL_TIME)
    assert real_time_request == Packet(Command.REAL_TIME, b"\x7d")


@given(st.lists(PACKETS, max_size=5), st.data())
def test_how_a_stream_is_cut_changes_nothing(packets: list[Packet], data: st.DataObject):
    junk = data.draw(st.binary(max_size=20))
    stream = junk + b"".join(map(lepu.encode_packet, packets)) + bytes(2100)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    whole, cut = PacketAssembler(), PacketAssembler()
    expected = whole.feed(stream)
    found = [
        packet
        for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for packet in cut.feed(stream[start:stop])
    ]
    assert found == expected
    assert cut.skipped_bytes == whole.skipped_bytes
    if lepu._START not in junk:
        assert found == packets
        assert cut.skipped_bytes == len(junk) + 2100


def test_byte_by_byte_and_in_step_again_after_damage():
    good = lepu.encode_packet(Packet(1, b"\xa5\x01\xfe", 1, 9))
    damaged = good[:-1] + bytes([good[-1] ^ 1])
    assembler = PacketAssembler()
    found = [p for byte in damaged + good for p in assembler.feed(bytes([byte]))]
    assert found == [Packet(1, b"\xa5\x01\xfe", 1, 9)]
    assert assembler.skipped_bytes == len(damaged)


def test_a_length_out_of_reason_does_not_stall_the_stream():
    assembler = PacketAssembler()
    assert assembler.feed(bytes.fromhex("a503fc0000ffff") + lepu.GET_INFO) == [Packet(Command.INFO)]


@given(
    st.lists(CODES, max_size=1013),
    st.integers(0, 65535),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    st.integers(0, 15),
)
def test_real_time_round_trip(
    codes: list[int | None], bpm: int, battery: int, record_s: int, status: int
):
    samples_uv = np.array([np.nan if c is None else c for c in codes]) * lepu.UV_PER_CODE
    fields = {"heart_rate_bpm": bpm, "battery_percent": battery, "record_s": record_s}
    payload = lepu.encode_real_time(samples_uv, status=status, **fields)
    decoded = lepu.decode_real_time(payload, "I")
    np.testing.assert_array_equal(decoded.frame.samples_uv, samples_uv.astype(np.float32))
    assert (decoded.heart_rate_bpm, decoded.battery_percent) == (bpm, battery)
    assert (decoded.record_s, decoded.status) == (record_s, status)
    assert lepu.encode_real_time(decoded.frame.samples_uv, status=status, **fields) == payload


def test_real_time_by_hand():
    payload = bytes.fromhex("4800 00 57 0a000000 02" + "00" * 11 + "0300 9501 ff7f 0080")
    decoded = lepu.decode_real_time(payload, "chest")
    assert decoded.frame.samples_uv[0] == pytest.approx(405 * 2.46722, rel=1e-5)
    assert np.isnan(decoded.frame.samples_uv[1])
    assert decoded.frame.samples_uv[2] == pytest.approx(-32768 * 2.46722, rel=1e-5)
    assert (decoded.heart_rate_bpm, decoded.battery_percent, decoded.record_s) == (72, 87, 10)
    assert (decoded.frame.rate_hz, decoded.frame.lead) == (125.0, "chest")
    assert decoded.frame.flags is FrameFlag.NONE


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"status": Status.IDLE}, FrameFlag.LEAD_OFF),
        ({"status": Status.LEAD_OFF}, FrameFlag.LEAD_OFF),
        ({"status": Status.RECORDING}, FrameFlag.NONE),
        ({"status": 4}, FrameFlag.NONE),
        ({"battery_percent": 19}, FrameFlag.LOW_BATTERY),
        ({"battery_percent": 20}, FrameFlag.NONE),
    ],
)
def test_flags(fields: dict[str, int], flag: FrameFlag):
    payload = lepu.encode_real_time([1.0], **fields)
    assert lepu.decode_real_time(payload, "I").frame.flags is flag


@pytest.mark.parametrize("size", [0, 21, 23, 2050])
def test_refuses_sizes_that_hold_no_whole_samples(size: int):
    with pytest.raises(FrameError, match=f"has {size} bytes.*Remedy"):
        lepu.decode_real_time(bytes(size), "I")


def test_info_round_trip():
    payload = lepu.encode_info(INFO)
    assert lepu.decode_info(payload) == INFO
    with pytest.raises(FrameError, match="37 bytes"):
        lepu.decode_info(payload[:37])
    with pytest.raises(FrameError):
        lepu.decode_info(payload[:-1])
    for firmware in ("1.0.0", "1.0.0.256", "one"):
        with pytest.raises(FrameError, match="four numbers"):
            lepu.encode_info(lepu.Info(firmware, 0, ""))


@given(st.binary(max_size=2100))
def test_nothing_but_frame_errors(data: bytes):
    PacketAssembler().feed(data)
    for decode in (lepu.decode_info, lambda payload: lepu.decode_real_time(payload, "I")):
        with suppress(FrameError):
            decode(data)


def test_recognition_is_by_name_for_oximeters_share_the_service():
    assert isinstance(driver_for("ER1 1234", [lepu.SERVICE]), Er1)
    assert isinstance(driver_for("ER2 1234", ()), Er2)
    assert isinstance(driver_for("DuoEK 1234", ()), Er2)
    assert driver_for("O2Ring 1234", [lepu.SERVICE]) is None


class Recorder(FakeLink):
    """A recorder that answers INFO, and each poll with the next of ``replies``, 20 bytes a time."""

    def __init__(self, *replies: bytes) -> None:
        super().__init__(on_write=self.obey)
        self.replies = list(replies)

    def obey(self, _uuid: str, data: bytes) -> None:
        answer = reply(Command.INFO, lepu.encode_info(INFO)) if data == lepu.GET_INFO else b""
        if data == lepu.GET_REAL_TIME and self.replies:
            answer = self.replies.pop(0)
        self.say(lepu.NOTIFY, *(answer[i : i + 20] for i in range(0, len(answer), 20)))


async def run(*replies: bytes, until: int) -> tuple[Recorder, Heard, Er1, VirtualClock]:
    """Start a recorder and let it be polled until it reported ``until`` frames or errors."""
    link, heard, clock = Recorder(*replies), Heard(), VirtualClock()
    driver = Er1(timeout_s=0.01, clock=clock)
    await driver.start(link, heard.frames.append, heard.errors.append)
    while len(heard.frames) + len(heard.errors) < until:
        await asyncio.sleep(0.001)
    return link, heard, driver, clock


async def test_is_polled_once_a_second():
    replies = [real_time(np.arange(125.0) + i) for i in range(4)]
    link, heard, driver, clock = await run(*replies, until=4)
    await driver.stop(link)
    assert driver.info == INFO
    assert link.log[:2] == [("subscribe", lepu.NOTIFY), ("write", lepu.WRITE)]
    assert link.written[0] == lepu.GET_INFO
    assert link.written[1:5] == [lepu.GET_REAL_TIME] * 4
    assert 3.0 <= clock.now() <= 4.0
    assert len(heard.samples_uv) == 500
    assert heard.errors == []
    assert {frame.flags for frame in heard.frames} == {FrameFlag.NONE}
    n_polls = len(link.written)
    await asyncio.sleep(0.02)
    assert len(link.written) == n_polls


async def test_samples_of_the_preparation_are_discarded():
    preparing = real_time([1.0], status=Status.PREPARING)
    link, heard, driver, _ = await run(preparing, real_time([]), real_time([2.0]), until=1)
    await driver.stop(link)
    assert len(heard.samples_uv) == 1
    assert heard.samples_uv[0] == pytest.approx(2.0, abs=2.0)


async def test_an_unanswered_poll_is_a_gap():
    link, heard, driver, _ = await run(real_time([1.0]), b"", real_time([2.0]), until=2)
    await driver.stop(link)
    assert [frame.flags for frame in heard.frames] == [FrameFlag.NONE, FrameFlag.GAP_BEFORE]


async def test_three_unanswered_polls_are_an_error():
    link, heard, driver, _ = await run(real_time([1.0]), until=2)
    assert [type(error) for error in heard.errors] == [DeviceError]
    await driver.stop(link)


async def test_what_is_not_a_packet_is_reported_and_the_rest_kept():
    good = real_time([1.0])
    bad = reply(Command.REAL_TIME, b"\0")
    link, heard, driver, _ = await run(b"junk" + good, bad + good, until=4)
    await driver.stop(link)
    assert len(heard.frames) == 2
    assert [type(error) for error in heard.errors] == [FrameError] * 2
    assert "4 bytes" in str(heard.errors[0])


async def test_an_oximeter_does_not_answer_info():
    with pytest.raises(DeviceError, match=r"INFO: no answer within 0.01 s"):
        await Er2(0.01).start(FakeLink(), print, print)

"""Movesense with both firmwares: vectors, round trips, frames in two parts, order of operations."""

from contextlib import suppress

import numpy as np
import pytest
from gatt_link import FakeLink, Heard
from hypothesis import given
from hypothesis import strategies as st

from leadlab_bridge import DeviceError, EcgFrame, FrameError, FrameFlag
from leadlab_bridge.devices import driver_for, sig
from leadlab_bridge.devices import movesense_gsp as gsp
from leadlab_bridge.devices import movesense_open as open_ecg
from leadlab_bridge.devices.movesense import Movesense, MovesenseOpen

VECTOR = bytes.fromhex("02 61 40e20100 feffffff 00000000 e8030000 3d0a0000")
S16 = st.integers(-32767, 32767)
S32 = st.integers(-(2**31), 2**31 - 1)
U32 = st.integers(0, 2**32 - 1)
FRAME = gsp.encode_ecg(np.arange(16.0), 1000, reference=2)
HELLO = b"\x01\x01Hello"


def uv(codes: list[int]) -> list[float]:
    return (np.array(codes) * gsp.UV_PER_CODE).astype(np.float32).tolist()


def test_decodes_the_vector():
    frame = gsp.decode_ecg(VECTOR, 125.0)
    assert frame.samples_uv.tolist() == uv([-2, 0, 1000, 2621])
    assert frame.device_time_ns == 123_456_000_000
    assert (frame.rate_hz, frame.lead) == (125.0, "chest")
    assert gsp.encode_ecg(frame.samples_uv, 123_456, reference=0x61) == VECTOR


@given(codes=st.lists(S32, min_size=1, max_size=127), time_ms=U32)
def test_stock_round_trip(codes: list[int], time_ms: int):
    data = gsp.encode_ecg(np.array(codes) * gsp.UV_PER_CODE, time_ms)
    frame = gsp.decode_ecg(data, 250.0)
    assert frame.samples_uv.tolist() == uv(codes)
    assert frame.device_time_ns == time_ms * 1_000_000
    assert np.frombuffer(data, "<i4", offset=6).tolist() == codes


@given(codes=st.lists(S16 | st.none(), min_size=1, max_size=256), time_ms=U32)
def test_open_round_trip(codes: list[int | None], time_ms: int):
    samples_uv = np.array([np.nan if c is None else c for c in codes]) * gsp.UV_PER_CODE
    data = open_ecg.encode_ecg(samples_uv, time_ms)
    frame = open_ecg.decode_ecg(data, 250.0)
    np.testing.assert_array_equal(frame.samples_uv, samples_uv.astype(np.float32))
    assert frame.device_time_ns == time_ms * 1_000_000
    assert open_ecg.encode_ecg(frame.samples_uv, time_ms) == data


def test_what_does_not_fit_16_bits_is_invalid():
    data = open_ecg.encode_ecg(np.array([32768, -32768, 32767, -32767]) * gsp.UV_PER_CODE, 7)
    assert data.hex(" ", 2) == "0700 0000 0080 0080 ff7f 0180"
    assert np.isnan(open_ecg.decode_ecg(data, 250.0).samples_uv).tolist() == [1, 1, 0, 0]


def test_a_frame_in_two_notifications():
    assembler = gsp.EcgAssembler(250.0)
    for room in range(36, 70):
        first, rest = gsp.split(FRAME, room)
        assert len(rest) <= room
        assert assembler.feed(first) == []
        (frame,) = assembler.feed(rest)
        assert frame.samples_uv.tolist() == gsp.decode_ecg(FRAME, 250.0).samples_uv.tolist()
    assert gsp.split(FRAME, 70) == (FRAME,)
    with pytest.raises(FrameError, match="grant a larger MTU"):
        gsp.split(FRAME, 35)


def test_half_a_frame_is_an_error_and_harms_no_other():
    first, rest = gsp.split(FRAME, 40)
    assembler = gsp.EcgAssembler(250.0)
    with pytest.raises(FrameError, match="follows nothing"):
        assembler.feed(rest)
    assert assembler.feed(first) == []
    (error,) = assembler.feed(first)
    assert "never completed" in str(error)
    assert len(assembler.feed(rest)) == 1
    assert assembler.feed(first) == []
    error, frame = assembler.feed(FRAME)  # a whole one after half of another
    assert "never completed" in str(error)
    assert isinstance(frame, EcgFrame)
    assert assembler.feed(first) == []
    with pytest.raises(FrameError, match="follows"):
        assembler.feed(rest[:1] + b"\x09" + rest[2:])
    assert len(assembler.feed(FRAME)) == 1


def test_commands_and_replies():
    path = gsp.ecg_path(125).encode()
    assert gsp.encode_command(gsp.SUBSCRIBE, 0x61, path) == b"\x01\x61/Meas/ECG/125"
    with pytest.raises(FrameError, match="rate is 130 Hz"):
        gsp.ecg_path(130)
    assert gsp.parse_reply(HELLO, hello=True) == gsp.Reply(1, None, b"Hello")
    assert gsp.parse_reply(bytes.fromhex("01 61 c800 05")) == gsp.Reply(0x61, 200, b"\5")


def test_status_507_in_either_byte_order_is_a_refusal():
    for data in ("01 61 01fb", "01 61 fb01"):
        reply = gsp.parse_reply(bytes.fromhex(data))
        assert (reply.status, reply.refused) == (507, True)


@given(st.integers(1, 255), st.none() | st.integers(100, 599), st.binary(max_size=20))
def test_replies_round_trip(reference: int, status: int | None, data: bytes):
    reply = gsp.Reply(reference, status, data)
    assert gsp.parse_reply(gsp.encode_reply(reply), hello=status is None) == reply


@given(st.binary(max_size=600))
def test_nothing_but_frame_errors(data: bytes):
    for decode in (
        lambda d: gsp.decode_ecg(d, 250.0),
        gsp.EcgAssembler(250.0).feed,
        gsp.parse_reply,
        lambda d: open_ecg.decode_ecg(d, 250.0),
        open_ecg.parse_interval,
        open_ecg.parse_configuration,
    ):
        with suppress(FrameError):
            decode(data)


def test_recognition():
    assert isinstance(driver_for("Movesense 0123", ()), Movesense)
    assert isinstance(driver_for(None, [gsp.SERVICE]), Movesense)
    assert isinstance(driver_for("Movesense 0123", [open_ecg.SERVICE]), MovesenseOpen)
    assert driver_for("Mesh node", [open_ecg.SERVICE]) is None


class Sensor(FakeLink):
    """Stock firmware: answers HELLO, and a SUBSCRIBE with ``subscribed``."""

    def __init__(self, *subscribed: bytes, **options: object) -> None:
        super().__init__(on_write=self.obey, **options)
        self.subscribed = subscribed

    def obey(self, _uuid: str, data: bytes) -> None:
        if data[0] == gsp.HELLO:
            self.say(gsp.DATA, HELLO)
        elif data[0] == gsp.SUBSCRIBE:
            self.say(gsp.DATA, *self.subscribed)


@pytest.mark.parametrize(
    "subscribed", [[FRAME], [b"\x01\x02\xc8\x00"]], ids=["sample firmware", "newer firmware"]
)
async def test_stock_order_of_operations(subscribed: list[bytes]):
    link, heard, driver = Sensor(*subscribed), Heard(), Movesense()
    await driver.start(link, heard.frames.append, heard.errors.append)
    link.say(gsp.DATA, FRAME, FRAME[:3], b"\x02\x07")
    await driver.stop(link)
    assert link.written == [b"\x00\x01", b"\x01\x02/Meas/ECG/250", b"\x02\x02"]
    assert link.log[0] == ("subscribe", gsp.DATA)
    assert link.log[-1] == ("unsubscribe", gsp.DATA)
    assert {frame.rate_hz for frame in heard.frames} == {driver.rate_hz} == {250.0}
    assert [type(error) for error in heard.errors] == [FrameError]


async def test_a_refused_or_unanswered_subscription():
    heard = Heard()
    with pytest.raises(DeviceError, match="refused /Meas/ECG/250 with status 507"):
        await Movesense().start(
            Sensor(b"\x01\x02\x01\xfb"), heard.frames.append, heard.errors.append
        )
    with pytest.raises(DeviceError, match=r"/Meas/ECG/250: no answer within 0.01 s"):
        await Movesense(0.01).start(Sensor(HELLO), heard.frames.append, heard.errors.append)


async def test_open_firmware_from_0_8():
    link = FakeLink({open_ecg.ECG: ["notify"]}, {open_ecg.CONFIGURATION: bytes([8, 20] + [0] * 14)})
    link.on_write = link.values.__setitem__
    heard, driver = Heard(), MovesenseOpen()
    await driver.start(link, heard.frames.append, heard.errors.append)
    assert link.written == [bytes([4, 20] + [0] * 14)]
    data = open_ecg.encode_ecg(np.arange(16.0), 5)
    link.say(open_ecg.ECG, data, data[:-1])
    await driver.stop(link)
    assert [frame.rate_hz for frame in heard.frames] == [250.0]
    assert len(heard.errors) == 1
    assert link.callbacks == {}


async def test_open_firmware_before_0_8():
    link = FakeLink({open_ecg.ECG_BEFORE_0_8: ["notify"]})
    link.on_write = link.values.__setitem__
    driver = MovesenseOpen()
    await driver.start(link, print, print)
    assert link.written == [b"\x04\x00"]
    assert list(link.callbacks) == [open_ecg.ECG_BEFORE_0_8]


async def test_an_interval_that_is_not_taken_is_an_error():
    link = FakeLink(values={open_ecg.INTERVAL_BEFORE_0_8: b"\x08\x00"})
    with pytest.raises(DeviceError, match="every 8 ms; 4 ms is read"):
        await MovesenseOpen().start(link, print, print)


async def test_low_battery_beside_the_ecg_flags_its_frames():
    link = Sensor(FRAME, characteristics={sig.BATTERY: ["read"]}, values={sig.BATTERY: b"\x05"})
    heard, driver = Heard(), Movesense()
    await driver.start(link, heard.frames.append, heard.errors.append)
    link.say(gsp.DATA, FRAME)
    assert [frame.flags for frame in heard.frames] == [FrameFlag.NONE, FrameFlag.LOW_BATTERY]

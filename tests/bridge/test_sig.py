"""SIG services: heart rate, battery, device information, and what they say beside an ECG."""

import asyncio
from contextlib import suppress

import numpy as np
import pytest
from gatt_link import FakeLink
from hypothesis import given
from hypothesis import strategies as st

from leadlab_bridge import DeviceError, EcgFrame, FrameError, FrameFlag
from leadlab_bridge.devices import beside, sig
from leadlab_bridge.devices.sig import HeartRate

FRAME = EcgFrame(np.zeros(3, np.float32), 130.0, "chest")
TICKS = st.integers(0, 65535)
HEART_RATES = st.builds(
    HeartRate,
    bpm=TICKS,
    rr_s=st.lists(TICKS.map(lambda ticks: ticks / 1024), max_size=9).map(tuple),
    contact=st.none() | st.booleans(),
    energy_kj=st.none() | TICKS,
)


def test_the_vector():
    heart_rate = HeartRate(72, (1.0, 0.5), contact=True)
    assert sig.decode_heart_rate(bytes.fromhex("16 48 0004 0002")) == heart_rate
    assert sig.encode_heart_rate(heart_rate).hex() == "164800040002"


@pytest.mark.parametrize(
    ("data", "heart_rate"),
    [
        ("00 48", HeartRate(72)),
        ("01 2c01", HeartRate(300)),
        ("04 48", HeartRate(72, contact=False)),
        ("02 48", HeartRate(72)),  # contact detected, but not supported
        ("08 48 0500", HeartRate(72, energy_kj=5)),
        ("19 4800 0500 0004", HeartRate(72, (1.0,), energy_kj=5)),
        ("10 48", HeartRate(72)),
        ("e0 48", HeartRate(72)),  # reserved flags
    ],
)
def test_heart_rates(data: str, heart_rate: HeartRate):
    assert sig.decode_heart_rate(bytes.fromhex(data)) == heart_rate


@pytest.mark.parametrize("data", ["", "00", "01 48", "08 48 05", "10 48 00", "00 48 0004"])
def test_refuses_what_its_flags_do_not_announce(data: str):
    with pytest.raises(FrameError, match="Remedy"):
        sig.decode_heart_rate(bytes.fromhex(data))


@given(HEART_RATES)
def test_heart_rates_round_trip(heart_rate: HeartRate):
    assert sig.decode_heart_rate(sig.encode_heart_rate(heart_rate)) == heart_rate


@pytest.mark.parametrize(
    "heart_rate",
    [
        HeartRate(-1),
        HeartRate(65536),
        HeartRate(60, (64.0,)),
        HeartRate(60, (1.0,) * 10),
        HeartRate(60, (float("nan"),)),
        HeartRate(60, energy_kj=-1),
    ],
)
def test_refuses_to_encode_what_does_not_fit(heart_rate: HeartRate):
    with pytest.raises(FrameError, match="Remedy"):
        sig.encode_heart_rate(heart_rate)


@given(st.integers(0, 100))
def test_battery_round_trip(percent: int):
    assert sig.decode_battery(sig.encode_battery(percent)) == percent


@pytest.mark.parametrize("data", [b"", b"\x65", b"\x05\x05"])
def test_refuses_what_is_no_battery_level(data: bytes):
    with pytest.raises(FrameError):
        sig.decode_battery(data)


@given(st.binary(max_size=600))
def test_nothing_but_frame_errors(data: bytes):
    for decode in (sig.decode_heart_rate, sig.decode_battery, sig.decode_text):
        with suppress(FrameError):
            decode(data)


def test_a_text_cannot_steer_a_terminal():
    assert sig.decode_text("H10\x1b[31m\u202e\n ".encode() + b"\0junk") == "H10[31m"
    assert sig.decode_text(b"\xff\xfe") == "��"


async def test_device_information_round_trip():
    information = sig.DeviceInformation(model="H10", firmware="5.0.0", maker="Polar Electro Oy")
    values = sig.encode_information(information)
    link = FakeLink(dict.fromkeys(values, ("read",)), values)
    assert await sig.read_information(link) == information
    assert {operation for operation, _ in link.log} == {"read"}


async def test_device_information_that_is_withheld_is_not_asked_for():
    assert await sig.read_information(FakeLink()) == sig.DeviceInformation()


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        ("06", FrameFlag.NONE),
        ("04", FrameFlag.LEAD_OFF),
        ("02", FrameFlag.NONE),
        ("00", FrameFlag.NONE),
    ],
)
async def test_lost_contact_flags_the_ecg(flags: str, flag: FrameFlag):
    link, watched = FakeLink({sig.HEART_RATE: ["notify"]}), beside.Beside()
    await watched.start(link)
    assert watched.flag(FRAME) is FRAME
    link.say(sig.HEART_RATE, bytes.fromhex(f"{flags}48"), b"")
    assert watched.flag(FRAME).flags is flag
    assert watched.heart_rate is not None
    assert watched.heart_rate.bpm == 72
    await watched.stop(link)
    assert link.callbacks == {}


@pytest.mark.parametrize(
    ("percent", "flag"), [(19, FrameFlag.LOW_BATTERY), (20, FrameFlag.NONE), (255, FrameFlag.NONE)]
)
async def test_a_low_battery_flags_the_ecg(percent: int, flag: FrameFlag):
    link = FakeLink({sig.BATTERY: ["read"]}, {sig.BATTERY: bytes([percent])})
    watched = beside.Beside()
    await watched.start(link)
    assert watched.flag(FRAME).flags is flag


async def test_what_a_device_withholds_does_not_stop_its_ecg(monkeypatch: pytest.MonkeyPatch):
    class Withholding(FakeLink):
        async def subscribe(self, uuid: str, callback: object) -> None:
            raise DeviceError(f"no {callback} for {uuid}")

        async def read(self, uuid: str) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError(uuid)

    monkeypatch.setattr(beside, "_TIMEOUT_S", 0.01)
    link = Withholding({sig.HEART_RATE: ["notify"], sig.BATTERY: ["read", "notify"]})
    watched = beside.Beside()
    await watched.start(link)
    await watched.stop(link)
    assert watched.flag(FRAME) is FRAME

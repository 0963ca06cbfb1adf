"""The H10 driver against a scripted control point."""

import asyncio
from collections.abc import Callable

import pytest

from leadlab_bridge import DeviceError, EcgFrame, FrameError, FrameFlag
from leadlab_bridge.devices import DRIVERS, driver_for, sig
from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.devices.polar_h10 import PolarH10

FEATURES = "0f05" + "00" * 15
SETTINGS = "f0 01 00 00 00 00 01 82 00 01 01 0e 00"
ANSWERS = {1: [SETTINGS], 2: ["f0 02 00 00 00"], 3: ["f0 03 00 00 00"]}
FRAME = pmd.encode_ecg([1, 2, 3], 5)


class ScriptedLink:
    """A GATT link whose control point gives the scripted answers, and a log of what was asked."""

    def __init__(self, features: str = FEATURES, **answers: list[str]) -> None:
        self.log: list[str] = []
        self.characteristics: dict[str, list[str]] = {}
        self.callbacks: dict[str, Callable[[bytes], None]] = {}
        self.features = bytes.fromhex(features)
        self.answers = ANSWERS | {int(op[2:]): given for op, given in answers.items()}

    async def read(self, uuid: str) -> bytes:
        self.log.append(f"read {uuid[6:8]}")
        return self.features

    async def write(self, uuid: str, data: bytes) -> None:
        self.log.append(f"write {uuid[6:8]} {data[0]:02x}")
        for answer in self.answers[data[0]]:
            self.callbacks[uuid](bytes.fromhex(answer))

    async def subscribe(self, uuid: str, callback: Callable[[bytes], None]) -> None:
        self.log.append(f"subscribe {uuid[6:8]}")
        self.callbacks[uuid] = callback

    async def unsubscribe(self, uuid: str) -> None:
        self.log.append(f"unsubscribe {uuid[6:8]}")


class Heard:
    """What a driver reported."""

    def __init__(self) -> None:
        self.frames: list[EcgFrame] = []
        self.errors: list[FrameError | DeviceError] = []


async def start(link: ScriptedLink, timeout_s: float = 10.0) -> tuple[PolarH10, Heard]:
    driver, heard = PolarH10(timeout_s), Heard()
    await driver.start(link, heard.frames.append, heard.errors.append)
    return driver, heard


async def test_order_of_operations():
    link = ScriptedLink()
    driver, _ = await start(link)
    await driver.stop(link)
    assert link.log == [
        "read 81",
        "subscribe 81",
        "subscribe 82",
        "write 81 01",
        "write 81 02",
        "write 81 03",
        "unsubscribe 82",
        "unsubscribe 81",
    ]


async def test_frames_and_bad_frames_are_reported():
    link = ScriptedLink()
    _, heard = await start(link)
    for data in (FRAME, FRAME[:-1], FRAME):
        link.callbacks[pmd.DATA](data)
    assert [frame.samples_uv.tolist() for frame in heard.frames] == [[1, 2, 3]] * 2
    assert [type(error) for error in heard.errors] == [FrameError]


async def test_lost_contact_flags_the_frames():
    link = ScriptedLink()
    link.characteristics = {sig.HEART_RATE: ["notify"]}
    driver, heard = await start(link)
    link.callbacks[pmd.DATA](FRAME)
    link.callbacks[sig.HEART_RATE](bytes.fromhex("0448"))
    link.callbacks[pmd.DATA](FRAME)
    await driver.stop(link)
    assert [frame.flags for frame in heard.frames] == [FrameFlag.NONE, FrameFlag.LEAD_OFF]
    assert link.log.index("write 81 02") < link.log.index("subscribe 37")
    assert link.log[-1] == "unsubscribe 37"


async def test_settings_in_several_parts():
    parts = ["f0 01 00 00 01 00 01", "f0 01 00 00 01 82 00 01", "f0 01 00 00 00 01 0e 00"]
    await start(ScriptedLink(op1=parts))


async def test_a_flood_of_answers_that_nobody_asked_for_is_not_kept():
    link = ScriptedLink()
    driver, _ = await start(link)
    for _ in range(1000):
        link.callbacks[pmd.CONTROL_POINT](bytes.fromhex("f0 03 00 08"))
    await driver.stop(link)


async def test_what_is_no_answer_to_the_command_is_passed_over():
    noise = [FEATURES, "", "f0 03 00 00 00", "01 02"]
    _, heard = await start(ScriptedLink(op1=[*noise, SETTINGS]))
    assert heard.errors == []


async def test_a_stop_by_the_device_is_an_error_of_the_device():
    link = ScriptedLink()
    _, heard = await start(link)
    link.callbacks[pmd.CONTROL_POINT](bytes.fromhex("01 00"))
    assert [type(error) for error in heard.errors] == [DeviceError]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (6, "ALREADY_IN_STATE.*stop the other app"),
        (10, r"INVALID_MTU \(10\).*switch Bluetooth off and on"),
        (13, "DEVICE_IN_CHARGER.*off the charger"),
        (99, "status 99.*Remedy"),
    ],
)
async def test_a_refused_start_names_status_and_remedy(status: int, says: str):
    with pytest.raises(DeviceError, match=f"refused START with {says}"):
        await start(ScriptedLink(op2=[f"f0 02 00 {status:02x}"]))


async def test_a_stream_that_has_stopped_already_is_no_error():
    link = ScriptedLink(op3=["f0 03 00 06"])
    driver, _ = await start(link)
    await driver.stop(link)


async def test_a_device_without_ecg_or_without_130_hz_is_refused():
    with pytest.raises(DeviceError, match="without ECG"):
        await start(ScriptedLink(features="0f04" + "00" * 15))
    with pytest.raises(DeviceError, match=r"\[200\] Hz; 130 Hz is read"):
        await start(ScriptedLink(op1=["f0 01 00 00 00 00 01 c8 00"]))
    with pytest.raises(FrameError, match="must start with 0f"):
        await start(ScriptedLink(features=""))


@pytest.mark.parametrize(("op", "name"), [("op1", "GET_SETTINGS"), ("op2", "START")])
async def test_an_unanswered_command_ends_in_time(op: str, name: str):
    with pytest.raises(DeviceError, match=rf"{name}: no answer within 0.01 s.*Remedy"):
        await start(ScriptedLink(**{op: []}), timeout_s=0.01)


async def test_a_hanging_operation_ends_in_time():
    class Hanging(ScriptedLink):
        async def read(self, uuid: str) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError(uuid)

    with pytest.raises(DeviceError, match=r"read features: no answer within 0.01 s"):
        await start(Hanging(), timeout_s=0.01)


def test_registry():
    assert PolarH10 in DRIVERS
    assert isinstance(driver_for("Polar H10 A1B2C3D4", ()), PolarH10)
    assert isinstance(driver_for(None, [pmd.SERVICE]), PolarH10)
    assert driver_for("Polar H9 A1B2C3D4", ()) is None
    assert driver_for(None, ()) is None


def test_every_connection_gets_its_own_driver():
    assert driver_for("Polar H10 1", ()) is not driver_for("Polar H10 1", ())

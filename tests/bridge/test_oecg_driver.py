"""The OECG driver against a scripted device."""

import asyncio
from collections.abc import Callable, Collection, Mapping

import numpy as np
import pytest

from leadlab_bridge import DeviceError, EcgFrame, FrameError, oecg
from leadlab_bridge.devices.oecg import OpenEcg
from leadlab_bridge.oecg import Data, Info, Op, Response, Result
from leadlab_bridge.oecg.layout import CONTROL_UUID, DATA_UUID, INFO_UUID, SERVICE_UUID

INFO = Info(config_id=1, rate_millihz=500_000, lsb_pv=1_000_000, ticks_per_s=1000, lead=13)
FASTER = Info(config_id=2, rate_millihz=1_000_000, lsb_pv=1_000_000, ticks_per_s=1000)
NAMES = {INFO_UUID: "info", CONTROL_UUID: "control", DATA_UUID: "data"}


def frame(config_id: int = 1) -> bytes:
    return oecg.encode(Data(np.arange(3), sample_index=0, ticks=0, config_id=config_id))


class ScriptedLink:
    """A GATT link to a device that gives these results, and a log of what was asked."""

    def __init__(self, info: bytes = oecg.encode(INFO), **results: Result) -> None:
        self.info = info
        self.log: list[str] = []
        self.callbacks: dict[str, Callable[[bytes], None]] = {}
        self.results = results
        self.before_answer: list[bytes] = []

    @property
    def characteristics(self) -> Mapping[str, Collection[str]]:
        return {}

    async def read(self, uuid: str) -> bytes:
        self.log.append(f"read {NAMES[uuid]}")
        return self.info

    async def write(self, uuid: str, data: bytes) -> None:
        command = oecg.decode(data)
        assert isinstance(command, oecg.Command)
        op = Op(command.op)
        self.log.append(f"{NAMES[uuid]} {op.name}")
        answer = Response(op, command.ref, self.results.get(op.name, Result.OK))
        for message in [*self.before_answer, oecg.encode(answer)]:
            self.callbacks[uuid](message)

    async def subscribe(self, uuid: str, callback: Callable[[bytes], None]) -> None:
        self.log.append(f"subscribe {NAMES[uuid]}")
        self.callbacks[uuid] = callback

    async def unsubscribe(self, uuid: str) -> None:
        self.log.append(f"unsubscribe {NAMES[uuid]}")


class Heard:
    """What a driver reported."""

    def __init__(self) -> None:
        self.frames: list[EcgFrame] = []
        self.errors: list[FrameError | DeviceError] = []


async def start(link: ScriptedLink, timeout_s: float = 10.0) -> tuple[OpenEcg, Heard]:
    driver, heard = OpenEcg(timeout_s), Heard()
    await driver.start(link, heard.frames.append, heard.errors.append)
    return driver, heard


async def test_order_of_operations():
    link = ScriptedLink()
    driver, _ = await start(link)
    await driver.stop(link)
    assert link.log == [
        "read info",
        "subscribe control",
        "subscribe info",
        "subscribe data",
        "control START",
        "control STOP",
        "unsubscribe data",
        "unsubscribe info",
        "unsubscribe control",
    ]


async def test_rate_and_lead_are_the_devices_own():
    driver = OpenEcg()
    assert (driver.rate_hz, driver.lead) == (250.0, "other")
    await driver.start(ScriptedLink(), lambda _: None, lambda _: None)
    assert (driver.rate_hz, driver.lead) == (500.0, "chest")


async def test_frames_and_bad_frames_are_reported():
    link = ScriptedLink()
    _, heard = await start(link)
    for data in (frame(), frame()[:-1], b"", frame()):
        link.callbacks[DATA_UUID](data)
    assert [f.samples_uv.tolist() for f in heard.frames] == [[0, 1, 2]] * 2
    assert [type(error) for error in heard.errors] == [FrameError] * 2


async def test_a_new_configuration_is_announced():
    link = ScriptedLink()
    driver, heard = await start(link)
    link.callbacks[INFO_UUID](oecg.encode(FASTER))
    link.callbacks[DATA_UUID](frame(2))
    assert (heard.frames[0].rate_hz, driver.rate_hz, heard.errors) == (1000.0, 1000.0, [])


async def test_an_announcement_that_was_lost_is_read():
    link = ScriptedLink()
    _, heard = await start(link)
    link.info = oecg.encode(FASTER)
    for _ in range(3):
        link.callbacks[DATA_UUID](frame(2))
    await asyncio.sleep(0)
    link.callbacks[DATA_UUID](frame(2))
    assert [f.rate_hz for f in heard.frames] == [1000.0]
    assert [type(error) for error in heard.errors] == [FrameError] * 3
    assert link.log.count("read info") == 2


async def test_what_is_no_answer_to_the_command_is_passed_over():
    link = ScriptedLink()
    late = oecg.encode(Response(Op.START, 200, Result.BUSY))
    link.before_answer = [late, oecg.encode(oecg.Command(Op.START, 1))]
    _, heard = await start(link)
    assert heard.errors == []


async def test_junk_on_the_control_and_info_characteristics_is_reported():
    link = ScriptedLink()
    _, heard = await start(link)
    link.callbacks[CONTROL_UUID](b"?")
    link.callbacks[INFO_UUID](b"?")
    link.callbacks[INFO_UUID](frame())
    assert [type(error) for error in heard.errors] == [FrameError] * 3


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (Result.LOW_BATTERY, r"LOW_BATTERY \(5\).*charge it"),
        (77, r"result 77 \(77\).*switch it off and on"),
    ],
)
async def test_a_stop_by_the_device_is_an_error_of_the_device(result: int, says: str):
    link = ScriptedLink()
    _, heard = await start(link)
    link.callbacks[CONTROL_UUID](oecg.encode(Response(Op.STOP, 0, result)))
    (error,) = heard.errors
    assert isinstance(error, DeviceError)
    with pytest.raises(DeviceError, match=says):
        raise error


async def test_a_refusal_says_why_and_what_helps():
    with pytest.raises(DeviceError, match=r"refused START with BUSY \(3\).*other app"):
        await start(ScriptedLink(START=Result.BUSY))


@pytest.mark.parametrize("info", [b"", b"\x20", frame(), oecg.encode(INFO)[:-1]])
async def test_an_info_that_cannot_be_read_ends_the_start(info: bytes):
    link = ScriptedLink(info=info)
    with pytest.raises(FrameError, match="Remedy"):
        await start(link)
    assert link.log == ["read info"]


@pytest.mark.parametrize("silent", ["read", "subscribe", "write"])
async def test_a_silent_device_is_an_error_in_time(silent: str):
    link = ScriptedLink()

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    setattr(link, silent, never)
    with pytest.raises(DeviceError, match=r"no answer within 0\.01 s"):
        await start(link, timeout_s=0.01)


async def test_a_read_that_waits_for_pairing_says_so():
    class Encrypted(ScriptedLink):
        async def read(self, uuid: str) -> bytes:
            await asyncio.Event().wait()
            return await super().read(uuid)

    with pytest.raises(DeviceError, match="leadlab pair"):
        await start(Encrypted(), timeout_s=0.01)


async def test_references_wrap_past_zero():
    link = ScriptedLink()
    driver, _ = await start(link)
    for _ in range(300):
        await driver._command(link, Op.GET_INFO)
    assert link.log.count("control GET_INFO") == 300


async def test_a_stop_ends_a_reread_under_way():
    class Slow(ScriptedLink):
        async def read(self, uuid: str) -> bytes:
            if self.log:
                await asyncio.Event().wait()
            return await super().read(uuid)

    link = Slow()
    driver, heard = await start(link)
    link.callbacks[DATA_UUID](frame(9))
    await asyncio.sleep(0)
    await driver.stop(link)
    await asyncio.sleep(0)
    assert [type(error) for error in heard.errors] == [FrameError]


def test_recognised_by_its_service_alone():
    assert OpenEcg().recognises("Anything", [SERVICE_UUID])
    assert not OpenEcg().recognises("OECG", ["0000180d-0000-1000-8000-00805f9b34fb"])

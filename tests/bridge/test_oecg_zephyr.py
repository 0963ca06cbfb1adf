"""The Zephyr example, compiled against a stand-in for Zephyr: what it sends, Python reads."""

import errno
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from c_compiler import PROGRAMS, compile_c, sanitizers
from conftest import ROOT

from leadlab_bridge import EcgFrame, FrameFlag, oecg
from leadlab_bridge.oecg import Command, Data, Info, Op, Response, Result, Status
from leadlab_bridge.oecg.layout import SERVICE_UUID

EXAMPLE = ROOT / "examples" / "zephyr_oecg" / "src"
FAKE = PROGRAMS / "zephyr"
ENCRYPTED_READ, ENCRYPTED_WRITE = 4, 8


@dataclass
class Heard:
    """What the example printed: message by message, in order."""

    lines: list[list[str]]
    messages: list[oecg.Message] = field(init=False)

    def __post_init__(self) -> None:
        sent = (words[2] for words in self.lines if words[0] in ("notify", "indicate"))
        self.messages = [oecg.decode(bytes.fromhex(data)) for data in sent]

    def of(self, kind: type) -> list:
        return [message for message in self.messages if isinstance(message, kind)]

    def frames(self) -> list[EcgFrame]:
        receiver = oecg.Receiver()
        (read,) = (words for words in self.lines if words[0] == "read")
        receiver.feed(bytes.fromhex(read[2]))
        return [receiver.take(message)[0] for message in self.of(Data)]


class Example:
    def __init__(self, program: Path) -> None:
        self._program = program

    def run(self, *commands: str) -> Heard:
        done = subprocess.run(
            [self._program], input="\n".join([*commands, ""]), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return Heard([line.split() for line in done.stdout.splitlines()])


def build(folder: Path, *options: str) -> Example:
    sources = (EXAMPLE / "oecg_service.c", FAKE / "fake_zephyr.c")  # the latter includes main.c
    include = (f"-I{FAKE}", f"-I{EXAMPLE}")
    return Example(compile_c(folder / "example", *sanitizers(folder), *options, *include, *sources))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return build(tmp_path_factory.mktemp("zephyr"))


def command(op: int, ref: int = 1) -> str:
    return f"write 3 {oecg.encode(Command(op, ref)).hex()}"


START = ("read 2", command(Op.START))


def test_it_advertises_the_service_in_31_bytes(example: Example):
    (advertise,) = example.run().lines
    assert int(advertise[1]) <= 31
    assert bytes.fromhex(advertise[2])[::-1].hex() == SERVICE_UUID.replace("-", "")


def test_it_streams_every_sample(example: Example):
    heard = example.run(*START, "samples 645", command(Op.STOP, 2), "samples 100")
    responses = heard.of(Response)
    assert responses == [Response(Op.START, 1, Result.OK), Response(Op.STOP, 2, Result.OK)]
    frames = heard.frames()
    assert [frame.sample_index for frame in frames] == list(range(0, 640, 64))
    samples_uv = np.concatenate([frame.samples_uv for frame in frames])
    phase = np.arange(640) % 250
    np.testing.assert_array_equal(samples_uv, np.where(phase == 100, 1000, phase - 125))
    assert {frame.flags for frame in frames} == {FrameFlag.NONE}
    last_ticks = 131 * 64 * np.arange(1, 11)
    assert [f.device_time_ns for f in frames] == [t * 10**9 // 32768 for t in last_ticks.tolist()]


def test_a_stack_without_room_is_asked_again_and_nothing_is_lost(example: Example):
    heard = example.run(*START, "samples 63", f"fail {errno.ENOMEM} 200", "samples 600")
    frames = heard.frames()
    assert [frame.sample_index for frame in frames] == [64 * n for n in range(len(frames))]
    assert len(frames) == 10
    assert {message.overrun for message in heard.of(Data)} == {0}


def test_a_stack_without_room_for_long_loses_what_the_ring_cannot_hold(example: Example):
    heard = example.run(*START, "samples 63", f"fail {errno.ENOMEM} 700", "samples 1000", "status")
    first, second = heard.of(Data)[:2]
    lost = second.sample_index - 64
    assert (first.sample_index, lost > 0, second.overrun) == (0, True, lost)
    assert oecg.Flag(second.flags) == oecg.Flag.GAP_BEFORE
    assert (first.sequence, second.sequence) == (0, 1)
    assert heard.of(Status)[0].overrun == lost


def test_a_refused_frame_is_counted(example: Example):
    heard = example.run(*START, f"fail {errno.EINVAL} 1", "samples 200", "status")
    first = heard.of(Data)[0]
    assert (first.sample_index, first.overrun, first.sequence) == (64, 64, 0)
    assert oecg.Flag(first.flags) == oecg.Flag.GAP_BEFORE
    (status,) = heard.of(Status)
    assert (status.refused, status.overrun, status.sample_index) == (1, 64, 200)


def test_lead_off(example: Example):
    heard = example.run(
        *START, "samples 64", "lead_off 1", "samples 64", "lead_off 0", "samples 70"
    )
    flags = [frame.flags for frame in heard.frames()]
    assert flags[1] == FrameFlag.LEAD_OFF
    assert flags[0] == FrameFlag.NONE


@pytest.mark.parametrize(("mtu", "n"), [(23, 2), (64, 22), (185, 64), (517, 64)])
def test_frames_fit_the_link(example: Example, mtu: int, n: int):
    heard = example.run(f"mtu {mtu}", *START, "samples 200")
    frames = heard.of(Data)
    assert {frame.samples.size for frame in frames} == {n}
    assert len(frames) == 200 // n


def test_a_link_too_short_for_a_sample_is_refused(example: Example):
    heard = example.run("mtu 20", command(Op.START), "samples 100")
    assert heard.messages == [Response(Op.START, 1, Result.NOT_READY)]


def test_streaming_ends_with_the_connection_and_starts_anew(example: Example):
    heard = example.run(*START, "samples 130", "disconnect", "samples 100", START[1], "samples 64")
    assert [frame.sample_index for frame in heard.of(Data)] == [0, 64, 0]


def test_commands_it_does_not_know_and_cannot_read(example: Example):
    heard = example.run(command(99, 7), "write 3 1a", "write 3 2a010100")
    assert heard.of(Response) == [Response(99, 7, Result.UNKNOWN_OP)]
    assert [words[2] for words in heard.lines if words[0] == "write"] == ["4", "-19", "-19"]


def test_info_is_read_and_sent_on_demand(example: Example):
    heard = example.run("read 2", "read 5", command(Op.GET_INFO))
    (info,) = heard.of(Info)
    assert (info.rate_hz, info.lead_name, info.lsb_pv) == (250.0, "chest", 1_000_000)
    reads = [bytes.fromhex(words[2]) for words in heard.lines if words[0] == "read"]
    assert reads[0] == oecg.encode(info)
    assert isinstance(oecg.decode(reads[1]), Status)


def test_it_encrypts_unless_the_build_says_otherwise(example: Example, tmp_path: Path):
    heard = example.run("read 2", command(Op.GET_INFO))
    permissions = [int(words[1]) for words in heard.lines if words[0] in ("read", "write")]
    assert permissions == [ENCRYPTED_READ, ENCRYPTED_WRITE]
    assert not heard.of(Info)[0].features & oecg.Feature.UNENCRYPTED
    unencrypted = build(tmp_path, "-DCONFIG_OECG_UNENCRYPTED=1").run(command(Op.GET_INFO))
    assert unencrypted.of(Info)[0].features & oecg.Feature.UNENCRYPTED

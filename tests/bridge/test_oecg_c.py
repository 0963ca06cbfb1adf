"""The C side: without a warning, clean under the sanitizers, and of one mind with Python."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from c_compiler import INCLUDE, PROGRAMS, compile_c, sanitizers
from hypothesis import given, settings
from hypothesis import strategies as st
from oecg_cases import frames, messages

from leadlab_bridge import FrameError, oecg
from leadlab_bridge.oecg import Command, Data, Deframer, Info, Response, Status

GOLDEN = json.loads((INCLUDE / "oecg_golden.json").read_text())
INVALID = -(2**31)


class Tool:
    """The C program that answers what it makes of a message."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, request: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer.endswith("\n"), "the C program died"
        return answer.strip()

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c")


@pytest.fixture(scope="module")
def tool(folder: Path) -> Iterator[Tool]:
    program = compile_c(folder / "tool", *sanitizers(folder), PROGRAMS / "oecg_tool.c")
    made = Tool(program)
    yield made
    made.close()


def described(data: bytes) -> str:
    """Say what Python makes of a message, in the words of the C program."""
    try:
        message = oecg.decode(data)
    except FrameError:
        return "refused"
    match message:
        case Data():
            lowest = -(1 << (8 * oecg.layout.SAMPLE_BYTES[message.encoding] - 1))
            codes = [INVALID if code == lowest else code for code in message.samples.tolist()]
            head = [message.encoding, message.flags, message.sequence, message.sample_index]
            rest = [message.ticks, message.overrun, message.config_id]
            return " ".join(["data", *(str(int(field)) for field in [*head, *rest, *codes])])
        case Info():
            fields = [message.config_id, message.rate_millihz, message.lsb_pv, message.ticks_per_s]
            fields += [message.lead, message.features, message.max_samples, message.minor]
        case Status():
            fields = [message.flags, message.battery_percent, message.config_id]
            fields += [message.sample_index, message.overrun, message.refused]
        case Command():
            fields = [message.op, message.ref]
        case Response():
            fields = [message.op, message.ref, message.result]
    tlvs = [f"{kind}:{value.hex()}" for kind, value in message.tlvs]
    return " ".join([type(message).__name__.lower(), *map(str, fields), *tlvs])


def cut(stream: bytes) -> str:
    """Say what Python makes of a stream, in the words of the C program."""
    items = Deframer().feed(stream)
    return " ".join(item.hex() if isinstance(item, bytes) else "refused" for item in items)


@pytest.mark.parametrize("vector", GOLDEN["messages"], ids=lambda vector: vector["name"])
def test_golden_vectors(tool: Tool, vector: dict[str, str]):
    data = bytes.fromhex(vector["hex"])
    assert tool.ask(f"decode {data.hex()}") == described(data) != "refused"
    assert tool.ask(f"recode {data.hex()}") == data.hex()
    assert tool.ask(f"serial {data.hex()}") == vector["serial"]
    assert tool.ask(f"stream {vector['serial']}") == data.hex()


@pytest.mark.parametrize("vector", GOLDEN["refused"], ids=lambda vector: vector["name"])
def test_golden_refusals(tool: Tool, vector: dict[str, str]):
    assert tool.ask(f"decode {vector['hex']}") == "refused"


@given(messages())
@settings(deadline=None, max_examples=150)
def test_messages_from_python(tool: Tool, message: oecg.Message):
    data = oecg.encode(message)
    assert tool.ask(f"decode {data.hex()}") == described(data)
    assert tool.ask(f"recode {data.hex()}") == data.hex()
    serial = tool.ask(f"serial {data.hex()}")
    assert serial == oecg.to_serial(data).hex()


@given(frames())
@settings(deadline=None)
def test_frames_from_c(tool: Tool, frame: Data):
    lowest = -(1 << (8 * oecg.layout.SAMPLE_BYTES[frame.encoding] - 1))
    codes = np.where(frame.samples == lowest, INVALID, frame.samples)
    head = [frame.encoding, frame.flags, frame.sequence, frame.sample_index, frame.ticks]
    fields = [*map(int, head), frame.overrun, frame.config_id, *codes.tolist()]
    assert tool.ask(f"encode {' '.join(map(str, fields))}") == oecg.encode(frame).hex()


@given(messages(), st.data())
@settings(deadline=None, max_examples=150)
def test_both_refuse_the_same(tool: Tool, message: oecg.Message, data: st.DataObject):
    mutated = bytearray(oecg.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(mutated) - 1, 24)))
        mutated[at] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(mutated)) | st.just(len(mutated)))
    assert tool.ask(f"decode {mutated[:end].hex()}") == described(bytes(mutated[:end]))


@given(st.lists(messages(), max_size=4), st.data())
@settings(deadline=None)
def test_both_cut_a_damaged_stream_alike(tool: Tool, sent: list[oecg.Message], data: st.DataObject):
    stream = bytearray(b"".join(oecg.to_serial(oecg.encode(message)) for message in sent) + b"\0")
    for at in data.draw(st.lists(st.integers(0, 4000), max_size=4)):
        stream[at % len(stream)] = data.draw(st.sampled_from([0, 1, 2, 254, 255]))
    assert tool.ask(f"stream {stream.hex()}") == cut(bytes(stream))


@given(st.binary(max_size=600), st.lists(st.sampled_from([0, 1, 255]), max_size=3))
@settings(deadline=None)
def test_both_cut_junk_alike(tool: Tool, junk: bytes, ends: list[int]):
    stream = junk + bytes(ends) + b"\0"
    assert tool.ask(f"stream {stream.hex()}") == cut(stream)


@pytest.mark.parametrize("length", [512, 513, 514, 515, 517, 518, 519, 520, 600, 2000])
@pytest.mark.parametrize("fill", [0x01, 0x55, 0xFF])
def test_both_know_where_a_frame_is_too_long(tool: Tool, length: int, fill: int):
    body = bytes([fill]) * length
    message = oecg.to_serial(body)
    assert tool.ask(f"stream {message.hex()}") == cut(message)
    raw = body + b"\0" + oecg.to_serial(b"\x18")
    assert tool.ask(f"stream {raw.hex()}") == cut(raw)


@pytest.mark.parametrize("options", [(), ("-O2",)], ids=["sanitized", "optimized"])
def test_ring_and_sender(folder: Path, options: tuple[str, ...]):
    extra = options or sanitizers(folder)
    program = compile_c(folder / f"selftest{len(options)}", *extra, PROGRAMS / "oecg_selftest.c")
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("header", sorted(path.name for path in INCLUDE.glob("*.h")))
def test_every_header_stands_alone(folder: Path, header: str):
    source = folder / f"{header}.c"
    source.write_text(f'#include "{header}"\n#include "{header}"\ntypedef int not_empty;\n')
    compile_c(folder / f"{header}.o", "-c", source)


def test_the_layout_assertions_can_fail(folder: Path):
    text = (INCLUDE / "oecg_layout.h").read_text()
    source = folder / "wrong.c"
    source.write_text(text.replace("sizeof(oecg_data) == 16", "sizeof(oecg_data) == 17"))
    with pytest.raises(AssertionError, match="negative"):
        compile_c(folder / "wrong.o", "-c", source)

"""The open profile: golden vectors, round trips, refusals, one source for all of it."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from oecg_cases import frames, infos, messages

from leadlab_bridge import FrameError, FrameFlag, oecg
from leadlab_bridge.oecg import Data, Flag, Info, Kind, Receiver, generate
from leadlab_bridge.oecg.schema import SCHEMA, Schema

GOLDEN = json.loads((ROOT / "firmware_bridge" / "include" / "oecg_golden.json").read_text())
INFO = Info(config_id=1, rate_millihz=250_000, lsb_pv=500_000, ticks_per_s=32_768, lead=2)


def samples(n: int, **fields: Any) -> Data:
    given = {"samples": np.arange(n), "sample_index": 0, "ticks": 0, "config_id": 1}
    return Data(**(given | fields))


@pytest.mark.parametrize("path", generate.outputs(), ids=lambda path: path.name)
def test_what_follows_from_the_schema_is_up_to_date(path: Path):
    made = generate.outputs()[path]
    assert path.read_text(encoding="utf-8") == made, "run python -m leadlab_bridge.oecg.generate"


@pytest.mark.parametrize("vector", GOLDEN["messages"], ids=lambda vector: vector["name"])
def test_golden_vectors(vector: dict[str, Any]):
    data = bytes.fromhex(vector["hex"])
    message = oecg.decode(data)
    assert type(message).__name__.lower() == vector["message"]
    for name, value in vector["fields"].items():
        if name not in ("kind", "n_samples", "reserved"):
            assert getattr(message, name) == value, name
    if isinstance(message, Data):
        assert message.encoding == vector["fields"]["kind"] & 15
        assert message.samples.tolist() == vector["samples"]
    else:
        assert [[kind, value.hex()] for kind, value in message.tlvs] == vector.get("tlvs", [])
    assert oecg.encode(message) == data
    assert oecg.to_serial(data).hex() == vector["serial"]


@pytest.mark.parametrize("vector", GOLDEN["refused"], ids=lambda vector: vector["name"])
def test_refuses_what_is_no_message_and_says_why(vector: dict[str, str]):
    with pytest.raises(FrameError, match="Remedy"):
        oecg.decode(bytes.fromhex(vector["hex"]))


def test_the_golden_vectors_show_every_message_and_encoding():
    seen = {int(vector["hex"][:2], 16) & 15 for vector in GOLDEN["messages"]}
    assert seen == set(Kind)


@given(frames())
def test_frames_round_trip(frame: Data):
    data = oecg.encode(frame)
    again = oecg.decode(data)
    assert isinstance(again, Data)
    assert again.samples.tolist() == frame.samples.tolist()
    assert oecg.encode(again) == data
    for name in ("encoding", "flags", "sequence", "sample_index", "ticks", "overrun", "config_id"):
        assert getattr(again, name) == getattr(frame, name)


@given(messages().filter(lambda message: not isinstance(message, Data)))
def test_messages_round_trip(message: oecg.Message):
    assert oecg.decode(oecg.encode(message)) == message


@given(st.binary(max_size=530), st.sampled_from([None, *Kind]))
def test_nothing_but_frame_errors_leaves_the_decoder(data: bytes, kind: Kind | None):
    if kind is not None:
        data = bytes([oecg.layout.MAJOR << 4 | kind]) + data
    receiver = Receiver()
    receiver.take(INFO)
    with suppress(FrameError):
        receiver.feed(data)


@given(messages(), st.data())
def test_a_changed_byte_or_a_cut_gives_a_message_or_a_frame_error(message, data):
    encoded = bytearray(oecg.encode(message))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(encoded)))
    for mutated in (encoded, encoded[:cut], encoded + encoded[cut:]):
        with suppress(FrameError):
            again = oecg.decode(mutated)
            if not isinstance(again, Data | Info):  # reserved bits are not kept
                oecg.encode(again)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_decodes_any_buffer_and_keeps_no_hold_on_it(kind: type):
    buffer = bytearray(oecg.encode(samples(4)))
    message = oecg.decode(kind(buffer))
    buffer[16:] = bytes(8)
    assert isinstance(message, Data)
    assert message.samples.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (samples(0), r"shape \(0,\)"),
        (samples(249), "1 to 248"),
        (samples(1, samples=np.array([0.5])), "float64"),
        (samples(1, samples=np.array([32768])), "32768; DATA_S16"),
        (samples(1, samples=[[1]]), r"shape \(1, 1\)"),
        (samples(1, sequence=65536), "let counters wrap"),
        (samples(1, sample_index=-1), "let counters wrap"),
        (Info(0, 0, 1, 1), "rate_millihz is 0; it must be 1000"),
        (Info(0, 1000, 1, 1_000_001), "ticks_per_s is 1000001"),
        (Info(0, 1000, 1, 1, tlvs=((1, bytes(256)),)), "256 bytes"),
        (Info(0, 1000, 1, 1, tlvs=((1, bytes(255)),) * 2), "534 bytes; the limit is 512"),
        (oecg.Command(1, 0), "ref is 0"),
    ],
)
def test_refuses_to_encode_what_does_not_fit(message: oecg.Message, says: str):
    with pytest.raises(FrameError, match=says):
        oecg.encode(message)


def test_an_encoding_is_a_kind_of_frame():
    with pytest.raises(FrameError, match="INFO"):
        samples(1, encoding=Kind.INFO)


@given(infos())
def test_texts(info: Info):
    for kind in oecg.TlvType:
        assert info.text(kind) == dict(info.tlvs).get(kind, b"").decode(errors="replace")


def test_a_frame_in_microvolts():
    receiver = Receiver()
    assert receiver.take(INFO) == []
    (frame,) = receiver.feed(
        oecg.encode(samples(3, samples=np.array([-4, 0, 7]), sample_index=9, ticks=65_536))
    )
    assert frame.samples_uv.tolist() == [-2.0, 0.0, 3.5]
    assert frame.samples_uv.dtype == np.float32
    assert (frame.rate_hz, frame.lead, frame.sample_index) == (250.0, "II", 9)
    assert frame.device_time_ns == 2_000_000_000
    assert frame.flags == FrameFlag.NONE


@pytest.mark.parametrize("encoding", list(oecg.layout.SAMPLE_BYTES))
def test_the_lowest_code_is_no_sample(encoding: Kind):
    lowest = -(1 << (8 * oecg.layout.SAMPLE_BYTES[encoding] - 1))
    receiver = Receiver()
    receiver.take(INFO)
    codes = np.array([1, lowest, lowest + 1, -lowest - 1])
    (frame,) = receiver.take(oecg.decode(oecg.encode(samples(4, samples=codes, encoding=encoding))))
    assert np.isnan(frame.samples_uv).tolist() == [False, True, False, False]


@pytest.mark.parametrize("flag", list(Flag))
def test_flags(flag: Flag):
    receiver = Receiver()
    receiver.take(INFO)
    (frame,) = receiver.take(samples(1, flags=flag | 0x80))
    assert frame.flags == FrameFlag[flag.name or ""]


def test_counters_go_on_where_32_bits_end():
    receiver = Receiver()
    receiver.take(INFO)
    last = 2**32 - 10
    fed = [(last, last), (10, 5), (last + 5, last + 1), (25, 30)]  # the third comes late
    got = [receiver.take(samples(1, sample_index=i, ticks=t))[0] for i, t in fed]
    wrapped = 2**32
    assert [f.sample_index for f in got] == [last, wrapped + 10, last + 5, wrapped + 25]
    ticks = [last, wrapped + 5, last + 1, wrapped + 30]
    assert [f.device_time_ns for f in got] == [t * 10**9 // 32_768 for t in ticks]


def test_a_clock_reset_starts_the_ticks_anew_and_not_the_samples():
    receiver = Receiver()
    receiver.take(INFO)
    receiver.take(samples(1, sample_index=2**32 - 1, ticks=2**32 - 1))
    (frame,) = receiver.take(samples(1, sample_index=0, ticks=32_768, flags=Flag.CLOCK_RESET))
    assert (frame.sample_index, frame.device_time_ns) == (2**32, 1_000_000_000)


def test_every_frame_is_read_by_the_info_with_its_id():
    receiver = Receiver()
    with pytest.raises(FrameError, match="config id 1; described so far are none"):
        receiver.take(samples(1))
    receiver.take(INFO)
    receiver.take(Info(config_id=2, rate_millihz=500_000, lsb_pv=1_000_000, ticks_per_s=1000))
    before = receiver.take(samples(1))[0]
    after = receiver.take(samples(1, config_id=2))[0]
    assert (before.rate_hz, after.rate_hz) == (250.0, 500.0)
    assert (before.lead, after.lead) == ("II", "other")
    assert receiver.info is not None
    assert receiver.info.config_id == 2
    with pytest.raises(FrameError, match=r"config id 3; described so far are \[1, 2\]"):
        receiver.take(samples(1, config_id=3))


def test_a_lead_of_a_later_version_is_other():
    assert Info(0, 1000, 1, 1, lead=200).lead_name == "other"


def test_microvolts_to_codes_and_back():
    uv = np.array([0.0, 1.0, -3.25, np.nan, 1e9, -1e9])
    codes = oecg.quantize(uv, INFO)
    assert codes.tolist() == [0, 2, -6, -32768, 32767, -32767]
    receiver = Receiver()
    receiver.take(INFO)
    (frame,) = receiver.feed(oecg.encode(samples(6, samples=codes)))
    np.testing.assert_allclose(frame.samples_uv, [0, 1, -3, np.nan, 16383.5, -16383.5])


@pytest.mark.parametrize(
    ("encoding", "payload", "n"),
    [(Kind.DATA_S16, 512, 248), (Kind.DATA_S16, 20, 2), (Kind.DATA_S24, 244, 76)],
)
def test_samples_that_fit(encoding: Kind, payload: int, n: int):
    assert oecg.max_samples(encoding, payload) == n


def test_a_schema_off_its_boundaries_is_refused(tmp_path: Path):
    text = SCHEMA.read_text(encoding="utf-8")
    path = tmp_path / "schema.toml"
    path.write_text(text.replace('name = "flags", type = "u8"', 'name = "flags", type = "u16"', 1))
    with pytest.raises(ValueError, match=r"data\.flags is at 1; it must be at a multiple of 2"):
        Schema(path)

"""PMD codec: vectors, round trips, and nothing but FrameError whatever the bytes."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadlab_bridge import EcgFrame, FrameError, FrameFlag
from leadlab_bridge.devices import polar_pmd as pmd

VECTOR = bytes.fromhex("00 0094357700000000 00 0280ff 028000")
S24 = st.integers(-(2**23), 2**23 - 1)
U64 = st.integers(0, 2**64 - 1)


def test_decodes_the_vector_of_the_vendors_own_test():
    frame = pmd.decode_ecg(VECTOR)
    assert frame.samples_uv.tolist() == [-32766, 32770]
    assert frame.samples_uv.dtype == np.float32
    assert frame.device_time_ns == 2_000_000_000
    assert (frame.rate_hz, frame.lead) == (130.0, "chest")


@given(samples=st.lists(S24, min_size=1, max_size=169), time_ns=U64)
def test_round_trip(samples: list[int], time_ns: int):
    data = pmd.encode_ecg(samples, time_ns)
    assert len(data) == pmd.frame_bytes(len(samples)) <= 517
    frame = pmd.decode_ecg(data)
    assert frame.samples_uv.tolist() == samples
    assert frame.device_time_ns == time_ns
    assert pmd.encode_ecg(frame.samples_uv.astype(np.int32), time_ns) == data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_decodes_any_buffer_and_keeps_no_hold_on_it(kind: type):
    data = bytearray(VECTOR)
    frame = pmd.decode_ecg(kind(data))
    data[10:] = bytes(6)
    assert frame.samples_uv.tolist() == [-32766, 32770]


def test_the_measurement_type_is_in_the_low_six_bits():
    assert pmd.decode_ecg(b"\x80" + VECTOR[1:]).samples_uv.size == 2


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "0 bytes"),
        (VECTOR[:9], "9 bytes"),
        (VECTOR[:10], "10 bytes"),
        (VECTOR[:-1], "15 bytes"),
        (VECTOR + b"\0", "17 bytes"),
        (VECTOR[:10] + bytes(510), "520 bytes"),
        (b"\x02" + VECTOR[1:], "type is 2"),
        (VECTOR[:9] + b"\x80" + VECTOR[10:], "0x80, delta-compressed"),
        (VECTOR[:9] + b"\x03" + VECTOR[10:], "frame type is 3"),
    ],
)
def test_refuses_what_is_no_ecg_frame_and_says_why(data: bytes, says: str):
    with pytest.raises(FrameError, match=says) as refusal:
        pmd.decode_ecg(data)
    assert "Remedy" in str(refusal.value)


@pytest.mark.parametrize("samples", [[], [0] * 170, [[1, 2]], [0.5], [2**23], [-(2**23) - 1]])
def test_refuses_to_encode_what_does_not_fit(samples: list[float]):
    with pytest.raises(FrameError):
        pmd.encode_ecg(samples, 0)


@given(st.binary(max_size=600))
def test_decoders_raise_nothing_but_frame_errors(data: bytes):
    for decode in (pmd.decode_ecg, pmd.parse_response, pmd.parse_settings, pmd.streams_ecg):
        with suppress(FrameError):
            decode(data)
    pmd.stopped_by_device(data)


@given(st.binary(min_size=3, max_size=507).filter(lambda body: len(body) % 3 == 0), U64)
def test_every_whole_body_is_ecg(body: bytes, time_ns: int):
    frame = pmd.decode_ecg(b"\0" + time_ns.to_bytes(8, "little") + b"\0" + body)
    assert isinstance(frame, EcgFrame)
    expected = [
        int.from_bytes(body[i : i + 3], "little", signed=True) for i in range(0, len(body), 3)
    ]
    assert frame.samples_uv.tolist() == expected


def test_commands():
    assert pmd.GET_ECG_SETTINGS.hex() == "0100"
    assert pmd.start_ecg().hex(" ") == "02 00 00 01 82 00 01 01 0e 00"
    assert pmd.STOP_ECG.hex() == "0300"


def test_response_to_get_settings():
    response = pmd.parse_response(bytes.fromhex("f0 01 00 00 00 00 01 82 00 01 01 0e 00"))
    assert (response.op, response.status_name, response.more) == (1, "SUCCESS", False)
    settings = pmd.parse_settings(response.parameters)
    assert settings == {pmd.Setting.SAMPLE_RATE: (130,), pmd.Setting.RESOLUTION: (14,)}


@given(
    st.dictionaries(
        st.sampled_from([pmd.Setting.SAMPLE_RATE, pmd.Setting.RESOLUTION, pmd.Setting.RANGE]),
        st.lists(st.integers(0, 65535), max_size=5).map(tuple),
    )
)
def test_settings_round_trip(settings: dict[pmd.Setting, tuple[int, ...]]):
    assert pmd.parse_settings(pmd.encode_settings(settings)) == settings


def test_every_setting_has_its_own_width():
    data = bytes.fromhex("03 01 01020304 04 02 0506 05 01 0000803f 06 01" + "00" * 16)
    assert pmd.parse_settings(data) == {
        pmd.Setting.RANGE_MILLIUNIT: (0x04030201,),
        pmd.Setting.CHANNELS: (5, 6),
        pmd.Setting.FACTOR: (0x3F800000,),
        pmd.Setting.SECURITY: (0,),
    }


@pytest.mark.parametrize("data", ["0001", "000182", "00", "09018200", "000182000102 0e00"])
def test_refuses_settings_cut_short_or_unknown(data: str):
    with pytest.raises(FrameError):
        pmd.parse_settings(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("status", "name"),
    [(0, "SUCCESS"), (6, "ALREADY_IN_STATE"), (10, "INVALID_MTU"), (99, "status 99")],
)
def test_status_names(status: int, name: str):
    assert pmd.Response(2, 0, status).status_name == name


@pytest.mark.parametrize(
    "response",
    [
        pmd.Response(1, 0, 0, False, b"\0\1\x82\0"),
        pmd.Response(1, 0, 0, True, b"\0\1\x82\0"),
        pmd.Response(2, 0, 0),
        pmd.Response(2, 0, 8),
    ],
)
def test_responses_round_trip(response: pmd.Response):
    assert pmd.parse_response(pmd.encode_response(response)) == response


def test_features():
    assert pmd.streams_ecg(bytes.fromhex("0f05" + "00" * 15))
    assert not pmd.streams_ecg(bytes.fromhex("0f04" + "00" * 15))
    assert pmd.encode_features((0, 2)).hex() == "0f05" + "00" * 15


def test_status():
    assert pmd.GET_STATUS.hex() == "05"
    status = {pmd.ECG: pmd.Activity.STREAMING, 2: pmd.Activity.NONE, 5: pmd.Activity.RECORDING}
    assert pmd.encode_status(status).hex() == "400285"
    assert pmd.parse_status(pmd.encode_status(status)) == status


@pytest.mark.parametrize(
    ("sample", "flag"),
    [(19_999, FrameFlag.NONE), (20_000, FrameFlag.SATURATED), (-20_000, FrameFlag.SATURATED)],
)
def test_the_ends_of_the_range_are_saturation(sample: int, flag: FrameFlag):
    assert pmd.decode_ecg(pmd.encode_ecg([0, sample, 0], 0)).flags is flag


def test_stop_by_the_device():
    assert pmd.stopped_by_device(bytes.fromhex("01 00 82")) == (0, 2)
    assert pmd.stopped_by_device(bytes.fromhex("f0 03 00 00")) == ()
    assert pmd.stopped_by_device(pmd.encode_device_stop(pmd.ECG)) == (pmd.ECG,)

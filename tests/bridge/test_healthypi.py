"""HealthyPi: bare codes, without time or index."""

from contextlib import suppress

import numpy as np
from gatt_link import FakeLink, Heard
from hypothesis import given
from hypothesis import strategies as st

from leadlab_bridge import FrameError, FrameFlag
from leadlab_bridge.devices import driver_for, healthypi, sig
from leadlab_bridge.devices.healthypi import HealthyPi

CODES = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=129)


def test_by_hand():
    frame = healthypi.decode_ecg(bytes.fromhex("01000000 ffffffff 00000200"))
    expected_uv = np.array([1, -1, 1 << 17]) * 1e6 / (1 << 17) / 20
    assert frame.samples_uv.tolist() == expected_uv.astype(np.float32).tolist()
    assert (frame.rate_hz, frame.lead) == (128.0, "I")
    assert frame.device_time_ns is None
    assert frame.sample_index is None


@given(CODES, st.sampled_from([healthypi.UV_PER_CODE, 0.0477, 1.0]))
def test_round_trip(codes: list[int], uv_per_code: float):
    data = healthypi.encode_ecg(np.array(codes) * uv_per_code, uv_per_code)
    assert np.frombuffer(data, "<i4").tolist() == codes
    samples_uv = healthypi.decode_ecg(data, uv_per_code).samples_uv
    np.testing.assert_array_equal(samples_uv, (np.array(codes) * uv_per_code).astype(np.float32))


@given(st.binary(max_size=600))
def test_nothing_but_frame_errors(data: bytes):
    with suppress(FrameError):
        healthypi.decode_ecg(data)


def test_recognition():
    for name in ("healthypi 5", "healthypi move", "HealthyPi 5"):
        assert isinstance(driver_for(name, [sig.HEART_RATE_SERVICE]), HealthyPi)
    assert isinstance(driver_for(None, [healthypi.SERVICE]), HealthyPi)


async def test_subscribing_is_all_it_takes():
    link = FakeLink({sig.HEART_RATE: ["notify"], sig.BATTERY: ["read", "notify"]})
    link.values[sig.BATTERY] = bytes([50])
    heard, driver = Heard(), HealthyPi(uv_per_code=1.0)
    await driver.start(link, heard.frames.append, heard.errors.append)
    link.say(sig.HEART_RATE, bytes.fromhex("0048"))
    link.say(healthypi.ECG, np.arange(8, dtype="<i4").tobytes(), b"\0")
    link.say(sig.BATTERY, bytes([19]))
    link.say(healthypi.ECG, np.arange(8, 16, dtype="<i4").tobytes())
    await driver.stop(link)
    assert link.log[0] == ("subscribe", healthypi.ECG)
    assert heard.samples_uv == list(range(16))
    assert [frame.flags for frame in heard.frames] == [FrameFlag.NONE, FrameFlag.LOW_BATTERY]
    assert len(heard.errors) == 1
    assert link.callbacks == {}

"""What holds for every driver: recognition without overlap, and plain facts."""

import random
from contextlib import suppress

import pytest
from gatt_link import FakeLink, Heard

from leadlab_bridge import DeviceError, FrameError, oecg
from leadlab_bridge.devices import (
    DRIVERS,
    Driver,
    bitalino,
    card10,
    driver_for,
    healthypi,
    lepu,
    movesense_gsp,
    movesense_open,
    sig,
)
from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.oecg.layout import INFO_UUID, SERVICE_UUID

SIG = (sig.HEART_RATE_SERVICE, sig.BATTERY_SERVICE, sig.INFORMATION_SERVICE)
DEVICES = [
    ("Polar H10 A1B2C3D4", pmd.SERVICE),
    ("Movesense 012345678901", movesense_gsp.SERVICE),
    ("Movesense 012345678901", movesense_open.SERVICE),
    ("ER1 0123", lepu.SERVICE),
    ("ER2 0123", lepu.SERVICE),
    ("healthypi move", healthypi.SERVICE),
    ("BITalino-3D-99", bitalino.SERVICE),
    ("card10-a1b2c3", card10.SERVICE),
    ("Own board", SERVICE_UUID),
]


@pytest.mark.parametrize(("name", "service"), DEVICES)
def test_a_device_has_exactly_one_driver(name: str, service: str):
    services = (*SIG, service)
    assert [driver().recognises(name, services) for driver in DRIVERS].count(True) == 1


def test_every_driver_is_some_devices():
    found = {type(driver_for(name, (*SIG, service))) for name, service in DEVICES}
    assert found == set(DRIVERS)


@pytest.mark.parametrize("name", [None, "", "Polar H9 1234", "O2Ring 1234", "Garmin HRM"])
def test_other_straps_have_none(name: str | None):
    assert driver_for(name, SIG) is None


@pytest.mark.parametrize("make", DRIVERS)
def test_a_driver_says_what_it_reads(make: type[Driver]):
    driver = make()
    assert driver.name.isprintable()
    assert 50.0 <= driver.rate_hz <= 1000.0
    assert driver.lead in ("I", "II", "chest", "other")


def test_names_are_unique():
    assert len({make().name for make in DRIVERS}) == len(DRIVERS)


@pytest.mark.parametrize("make", DRIVERS)
async def test_no_notification_makes_a_driver_raise(make: type[Driver]):
    info = oecg.Info(config_id=1, rate_millihz=250_000, lsb_pv=10**6, ticks_per_s=10**6)
    values = {
        pmd.CONTROL_POINT: pmd.encode_features((pmd.ECG,)),
        movesense_open.CONFIGURATION: bytes([4, *bytes(15)]),
        INFO_UUID: oecg.encode(info),
    }
    link, heard, rng = FakeLink({movesense_open.ECG: ["notify"]}, values), Heard(), random.Random(0)
    with suppress(DeviceError):  # nothing answers its commands, but it has subscribed
        await make(timeout_s=0.01).start(link, heard.frames.append, heard.errors.append)
    assert link.callbacks
    for callback in list(link.callbacks.values()):
        for size in [*range(30), *range(30, 518, 7)] * 3:
            callback(rng.randbytes(size))
    assert {type(error) for error in heard.errors} <= {FrameError, DeviceError}

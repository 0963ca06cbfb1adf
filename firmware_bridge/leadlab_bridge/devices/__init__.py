"""The wearables that leadlab reads. A new one is one driver module and one entry in ``DRIVERS``."""

from collections.abc import Collection
from typing import Final

from leadlab_bridge.devices.base import Driver, GattLink
from leadlab_bridge.devices.bitalino import BITalino
from leadlab_bridge.devices.card10 import Card10
from leadlab_bridge.devices.healthypi import HealthyPi
from leadlab_bridge.devices.lepu_er import Er1, Er2
from leadlab_bridge.devices.movesense import Movesense, MovesenseOpen
from leadlab_bridge.devices.oecg import OpenEcg
from leadlab_bridge.devices.polar_h10 import PolarH10

__all__ = ["DRIVERS", "Driver", "GattLink", "driver_for"]

DRIVERS: Final[tuple[type[Driver], ...]] = (
    OpenEcg,
    PolarH10,
    Movesense,
    MovesenseOpen,
    Er1,
    Er2,
    HealthyPi,
    BITalino,
    Card10,
)


def driver_for(name: str | None, service_uuids: Collection[str]) -> Driver | None:
    """Return a new driver for a device of this name with these services, None if there is none."""
    drivers = (driver() for driver in DRIVERS)
    return next((driver for driver in drivers if driver.recognises(name, service_uuids)), None)

"""The wearables that leadlab reads. A new one is one driver module and one entry in ``DRIVERS``."""

from collections.abc import Collection
from typing import Final

from leadlab_bridge.devices.base import Driver, GattLink
from leadlab_bridge.devices.polar_h10 import PolarH10

__all__ = ["DRIVERS", "Driver", "GattLink", "driver_for"]

DRIVERS: Final[tuple[type[Driver], ...]] = (PolarH10,)


def driver_for(name: str | None, service_uuids: Collection[str]) -> Driver | None:
    """Return a new driver for a device of this name with these services, None if there is none."""
    drivers = (driver() for driver in DRIVERS)
    return next((driver for driver in drivers if driver.recognises(name, service_uuids)), None)

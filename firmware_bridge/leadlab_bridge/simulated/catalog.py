"""The simulated wearables by the name a person types."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from numpy.typing import ArrayLike

from leadlab_bridge.devices import healthypi, lepu
from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.simulated import h10, lepu_er1, movesense, oecg
from leadlab_bridge.simulated import healthypi as healthypi5
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.strap import SimulatedStrap
from leadlab_bridge.simulated.wearable import Wearable
from leadlab_bridge.timing import Clock


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of simulated wearable.

    Attributes
    ----------
    name
        Name that it advertises unless told otherwise.
    rate_hz
        Rate at which it needs its samples.
    make
        Makes one: samples in whole microvolts, then by name clock, loop, faults, name, encrypted.
    encrypted
        Whether it wants to be paired unless told otherwise.
    """

    name: str
    rate_hz: float
    make: Callable[..., Wearable]
    encrypted: bool = False


def _h10(
    samples_uv: ArrayLike,
    *,
    clock: Clock | None = None,
    loop: bool = True,
    faults: Faults | None = None,
    name: str = h10.NAME,
    encrypted: bool = False,
) -> Wearable:
    strap = SimulatedStrap(samples_uv, clock=clock, loop=loop, faults=faults)
    return h10.H10(strap, name, encrypted)


WEARABLES: Final = {
    "h10": Kind(h10.NAME, float(pmd.RATE_HZ), _h10),
    "movesense": Kind(movesense.NAME, float(movesense.RATE_HZ), movesense.Movesense),
    "er1": Kind(lepu_er1.NAME, lepu.RATE_HZ, lepu_er1.Er1),
    "healthypi": Kind(healthypi5.NAME, healthypi.RATE_HZ, healthypi5.HealthyPi5),
    "oecg": Kind(oecg.NAME, float(oecg.RATE_HZ), oecg.OpenEcgDevice, encrypted=True),
}

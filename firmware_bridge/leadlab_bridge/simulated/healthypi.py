"""A simulated HealthyPi 5: no clock, no counter, and every ninth sample thrown away."""

from typing import Final

from numpy.typing import ArrayLike

from leadlab_bridge.devices import healthypi
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.player import Chunk, Player
from leadlab_bridge.simulated.wearable import (
    Characteristic,
    Service,
    StreamingWearable,
    battery_service,
    heart_rate_service,
)
from leadlab_bridge.timing import Clock

NAME: Final = "healthypi5"


class HealthyPi5(StreamingWearable):
    """The board.

    Parameters
    ----------
    samples_uv
        ``(n,)`` integers, microvolts @ 128 Hz.
    clock, loop, faults
        See :class:`Player`.
    name
        Name it advertises.
    encrypted
        Whether ECG is for a paired host only; shipped firmware leaves it open.
    loses_ninth
        Whether it drops every ninth sample, as shipped firmware does.
    """

    def __init__(
        self,
        samples_uv: ArrayLike,
        *,
        clock: Clock | None = None,
        loop: bool = True,
        faults: Faults | None = None,
        name: str = NAME,
        encrypted: bool = False,
        loses_ninth: bool = True,
    ) -> None:
        player = Player(
            samples_uv,
            healthypi.RATE_HZ,
            _encode,
            (healthypi.SAMPLES_PER_FRAME + loses_ninth,),
            clock=clock,
            loop=loop,
            faults=faults,
        )
        ecg = Characteristic(healthypi.ECG, ("notify",), encrypted=encrypted)
        services = (
            Service(healthypi.SERVICE, (ecg,)),
            heart_rate_service(),
            battery_service(),
        )
        super().__init__(name, (healthypi.SERVICE,), services, player, healthypi.ECG)

    def subscribed(self, uuid: str, on: bool) -> None:
        """Stream while somebody listens."""
        if uuid != healthypi.ECG:
            return
        if on:
            self.start_streaming()
        else:
            self.stop_streaming()


def _encode(chunk: Chunk) -> tuple[bytes]:
    return (healthypi.encode_ecg(chunk.samples_uv[: healthypi.SAMPLES_PER_FRAME]),)

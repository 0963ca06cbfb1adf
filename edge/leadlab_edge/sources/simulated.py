"""A simulated wearable in this process: the strap's bytes through the strap's own decoder."""

from collections.abc import AsyncIterator
from typing import Self

from numpy.typing import ArrayLike

from leadlab_bridge import DeviceError
from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.simulated.ecg import simulate_ecg
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.strap import SimulatedStrap
from leadlab_bridge.timing import Clock, SystemClock
from leadlab_edge.errors import SourceError
from leadlab_edge.sources.base import Arrival, SourceInfo


class SimulatedSource:
    """A simulated Polar H10; needs no Bluetooth and no extra package.

    Parameters
    ----------
    samples_uv
        ``(n,)`` integers, microvolts @ 130 Hz; a synthetic ECG by default.
    rate_hz
        True rate at which they are sent; the strap announces 130 Hz whatever it is.
    clock
        Host clock that paces the frames and stamps their arrival; real time by default.
    loop
        Begin again at the end of the recording, or end the stream there.
    faults
        What goes wrong on the way.
    """

    def __init__(
        self,
        samples_uv: ArrayLike | None = None,
        rate_hz: float = float(pmd.RATE_HZ),
        *,
        clock: Clock | None = None,
        loop: bool = True,
        faults: Faults | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._strap = SimulatedStrap(
            simulate_ecg() if samples_uv is None else samples_uv,
            rate_hz,
            clock=self._clock,
            loop=loop,
            faults=faults,
        )
        self.info = SourceInfo("Simulated H10", "simulated", pmd.LEAD, float(pmd.RATE_HZ))

    async def __aenter__(self) -> Self:
        """Do nothing: there is nothing to connect."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Do nothing: there is nothing to release."""

    async def frames(self) -> AsyncIterator[Arrival]:
        """Yield frames as they become due, from the recording's start on every call.

        Raises
        ------
        SourceError
            The scripted loss of the link.
        """
        try:
            async for data in self._strap.notifications():
                yield Arrival(pmd.decode_ecg(data), self._clock.now())
        except DeviceError as error:
            raise SourceError(str(error)) from error

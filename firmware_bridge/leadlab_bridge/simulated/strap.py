"""A simulated Polar H10 in process: microvolts in, PMD notifications out, on an injected clock."""

from collections.abc import Sequence
from typing import Final

from numpy.typing import ArrayLike

from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.player import Chunk, Player
from leadlab_bridge.timing import Clock

SAMPLES_PER_FRAME: Final = 73


class SimulatedStrap(Player):
    """A strap worn by a recording.

    Parameters
    ----------
    samples_uv
        ``(n,)`` integers, microvolts, one lead.
    rate_hz
        True rate at which they are sent. The strap announces 130 Hz whatever it is, as a real one
        does that is off by up to 2 %; resample other recordings first.
    clock, frame_sizes, loop, faults
        See :class:`Player`.
    """

    def __init__(
        self,
        samples_uv: ArrayLike,
        rate_hz: float = float(pmd.RATE_HZ),
        *,
        clock: Clock | None = None,
        frame_sizes: Sequence[int] = (SAMPLES_PER_FRAME,),
        loop: bool = True,
        faults: Faults | None = None,
    ) -> None:
        super().__init__(
            samples_uv, rate_hz, _encode, frame_sizes, clock=clock, loop=loop, faults=faults
        )

    @property
    def frame_bytes(self) -> int:
        """Size of the largest notification."""
        return pmd.frame_bytes(max(self.frame_sizes))


def _encode(chunk: Chunk) -> tuple[bytes]:
    return (pmd.encode_ecg(chunk.samples_uv, pmd.CLOCK_START_NS + round(chunk.time_s * 1e9)),)

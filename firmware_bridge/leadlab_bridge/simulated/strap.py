"""A simulated Polar H10 in process: microvolts in, PMD notifications out, on an injected clock."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.errors import DeviceError
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.timing import Clock, SystemClock

SAMPLES_PER_FRAME: Final = 73


class SimulatedStrap:
    """A strap worn by a recording.

    Parameters
    ----------
    samples_uv
        ``(n,)`` integers, microvolts, one lead.
    rate_hz
        True rate at which they are sent. The strap announces 130 Hz whatever it is, as a real one
        does that is off by up to 2 %; resample other recordings first.
    clock
        Host clock that paces the notifications; real time by default.
    frame_sizes
        Samples in each frame, used in turn.
    loop
        Begin again at the end of the recording, or end the stream there.
    faults
        What goes wrong on the way.
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
        self._samples_uv = np.array(samples_uv)
        if self._samples_uv.ndim != 1 or self._samples_uv.size == 0:
            raise ValueError(
                f"samples_uv has shape {self._samples_uv.shape}; it must be (n,), n > 0"
            )
        if not rate_hz > 0:
            raise ValueError(f"rate_hz is {rate_hz}; it must be above 0")
        self._rate_hz = rate_hz
        self._clock = clock or SystemClock()
        self._frame_sizes = tuple(frame_sizes)
        self._loop = loop
        self._faults = faults or Faults()

    @property
    def frame_bytes(self) -> int:
        """Size of the largest notification."""
        return pmd.frame_bytes(max(self._frame_sizes))

    async def notifications(self) -> AsyncIterator[bytes]:
        """Yield PMD notifications as they become due, from the recording's start on every call.

        Raises
        ------
        DeviceError
            The scripted loss of the link.
        """
        faults, clock = self._faults, self._clock
        start_s = clock.now()
        held: list[bytes] = []
        for number, (stop, frame) in enumerate(self._frames()):
            if number == faults.stall_at:
                await asyncio.Event().wait()
            await clock.sleep(start_s + stop / self._rate_hz - clock.now())
            if number == faults.disconnect_at:
                raise DeviceError(
                    f"the simulated strap disconnected at frame {number}, as scripted"
                )
            arriving = [frame] * faults.copies(number)
            if number in faults.swapped:
                held += arriving
                continue
            for data in arriving + held:
                yield data
            held.clear()

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield each frame with the count of samples up to its end."""
        start = epoch = 0
        for number, size in enumerate(itertools.cycle(self._frame_sizes)):
            stop = start + size
            if not self._loop:
                stop = min(stop, self._samples_uv.size)
                if start == stop:
                    return
            if number == self._faults.clock_reset_at:
                epoch = start
            samples_uv = self._samples_uv.take(range(start, stop), mode="wrap")
            time_ns = pmd.CLOCK_START_NS + round((stop - epoch) / self._rate_hz * 1e9)
            yield stop, pmd.encode_ecg(samples_uv, time_ns)
            start = stop

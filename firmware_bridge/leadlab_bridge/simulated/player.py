"""A recording played as the notifications of a wearable, on an injected clock, with faults."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leadlab_bridge.errors import DeviceError
from leadlab_bridge.simulated.faults import Faults, FaultyWire
from leadlab_bridge.timing import Clock, SystemClock

_NOISE_UV = 150.0


class PeerVanished(DeviceError):
    """The wearable is gone, as scripted, and the host must not be told."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What one frame has to carry.

    Attributes
    ----------
    samples_uv
        ``(n,) int32``, microvolts.
    number
        Which frame, from 0.
    first
        Index of its first sample since the stream began.
    time_s
        Device time of its last sample, in seconds since the device clock started.
    restarted
        Whether the device clock started again with it.
    lead_off, low_battery
        What the device says about it where its format can.
    """

    samples_uv: NDArray[np.int32]
    number: int
    first: int
    time_s: float
    restarted: bool = False
    lead_off: bool = False
    low_battery: bool = False


class Player:
    """Plays samples as frames.

    Parameters
    ----------
    samples_uv
        ``(n,)`` integers, microvolts, one lead, at the wearable's nominal rate.
    rate_hz
        True rate at which they are sent; a fault may change it further.
    encode
        Makes the notifications of one frame.
    frame_sizes
        Samples that go into each frame, used in turn.
    clock
        Host clock that paces the notifications; real time by default.
    loop
        Begin again at the end of the recording, or end the stream there.
    faults
        What goes wrong on the way.

    Attributes
    ----------
    faults
        May be replaced while it plays; the next frame knows.
    number
        Number of the next frame.
    clock
        Host clock that paces it.
    rate_hz
        True rate at which samples are sent.
    frame_sizes
        Samples that go into each frame, used in turn.
    """

    def __init__(
        self,
        samples_uv: ArrayLike,
        rate_hz: float,
        encode: Callable[[Chunk], Sequence[bytes]],
        frame_sizes: Sequence[int],
        *,
        clock: Clock | None = None,
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
        self.faults = faults or Faults()
        self.number = 0
        self.clock = clock or SystemClock()
        self.rate_hz = rate_hz * (1 + self.faults.rate_ppm * 1e-6)
        self._encode = encode
        self.frame_sizes = tuple(frame_sizes)
        self._loop = loop

    @property
    def n_samples(self) -> int | None:
        """Length of what it plays, None where that is without end."""
        return None if self._loop else self._samples_uv.size

    async def notifications(self) -> AsyncIterator[bytes]:
        """Yield notifications as they become due, from the recording's start on every call.

        Raises
        ------
        DeviceError
            The scripted loss of the link.
        PeerVanished
            The scripted silent death.
        """
        wire = FaultyWire()
        start_s = self.clock.now()
        for stop, chunk in self._chunks():
            number = self.number = chunk.number
            await self._due(number, start_s + stop / self.rate_hz)
            frame = self._encode(chunk)
            if number == self.faults.cut_at:
                yield frame[-1][: len(frame[-1]) // 2]
            if number in (self.faults.disconnect_at, self.faults.cut_at):
                raise DeviceError(
                    f"the simulated wearable disconnected at frame {number}, as scripted"
                )
            for data in wire.arriving(self.faults, number, frame):
                yield data
            self.number = number + 1

    async def _due(self, number: int, due_s: float) -> None:
        """Wait until a frame is due, or for ever where the script says so."""
        if number == self.faults.stall_at:
            await asyncio.Event().wait()
        await self.clock.sleep(due_s - self.clock.now())
        if number in self.faults.late_s:
            await self.clock.sleep(self.faults.late_s[number])
        if number == self.faults.dies_at:
            raise PeerVanished(f"the simulated wearable vanished at frame {number}, as scripted")

    def _chunks(self) -> Iterator[tuple[int, Chunk]]:
        """Yield each frame's samples with the count of samples up to their end."""
        start = epoch = 0
        for number, size in enumerate(itertools.cycle(self.frame_sizes)):
            stop = start + size
            if not self._loop:
                stop = min(stop, self._samples_uv.size)
                if start == stop:
                    return
            restarted = number == self.faults.clock_reset_at
            if restarted:
                epoch = start
            time_s = (stop - epoch) / self.rate_hz * (1 + self.faults.clock_ppm * 1e-6)
            yield (
                stop,
                Chunk(
                    self.samples_uv(number, start, stop),
                    number,
                    start,
                    time_s,
                    restarted,
                    number in self.faults.lead_off,
                    self.faults.low_battery(number),
                ),
            )
            start = stop

    def samples_uv(self, number: int, start: int, stop: int) -> NDArray[np.int32]:
        """Return ``(stop - start,)`` microvolts, as frame ``number`` has them, around the end."""
        if number in self.faults.lead_off:
            noise = np.random.default_rng(number).normal(0, _NOISE_UV, stop - start)
            return np.rint(noise).astype(np.int32)
        return self._samples_uv.take(range(start, stop), mode="wrap")

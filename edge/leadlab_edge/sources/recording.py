"""RecordingSource: a recording as a stream, paced by the injected clock."""

from collections.abc import AsyncIterator, Iterator
from typing import Self

import numpy as np

from leadlab_bridge import EcgFrame
from leadlab_bridge.timing import Clock
from leadlab_edge.recordings import Recording
from leadlab_edge.sources.base import Arrival, SourceInfo

FRAME_S = 0.5


class RecordingSource:
    """Replays a recording frame by frame; a stretch of missing samples is a gap.

    Parameters
    ----------
    recording
        What to replay.
    clock
        Sets the pace: ``SystemClock()`` replays in real time, ``SystemClock(60)`` an hour a minute.
    """

    def __init__(self, recording: Recording, clock: Clock) -> None:
        self._recording = recording
        self._clock = clock
        self._info = SourceInfo(
            recording.name, "recording", recording.lead, recording.rate_hz, address=None
        )

    @property
    def info(self) -> SourceInfo:
        """What is known of the stream."""
        return self._info

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def frames(self) -> AsyncIterator[Arrival]:
        """Yield frames, each when its last sample would have been taken, until the end."""
        began_s = self._clock.now()
        rate_hz = self._recording.rate_hz
        for start, stop in self._cuts():
            frame = EcgFrame(
                samples_uv=self._recording.samples_uv[start:stop],
                rate_hz=rate_hz,
                lead=self._recording.lead,
                device_time_ns=round((stop - 1) / rate_hz * 1e9),
                sample_index=start,
            )
            await self._clock.sleep(began_s + stop / rate_hz - self._clock.now())
            yield Arrival(frame, self._clock.now())

    def _cuts(self) -> Iterator[tuple[int, int]]:
        """Split at multiples of the frame length and wherever samples begin or cease to miss."""
        samples = self._recording.samples_uv
        length = max(1, round(FRAME_S * self._recording.rate_hz))
        present = np.isfinite(samples)
        edges = np.flatnonzero(present[1:] != present[:-1]) + 1
        cuts = np.union1d(np.arange(0, len(samples) + length, length), edges)
        cuts = np.minimum(cuts, len(samples))
        for start, stop in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            if start < stop and present[start]:
                yield start, stop

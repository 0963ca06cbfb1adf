"""A bounded memory of raw samples, addressed by absolute sample index."""

import numpy as np
from numpy.typing import NDArray

from leadlab_bridge import FrameFlag


class Ring:
    """The newest samples of the current segment, and what the device said about them.

    A segment is a stretch without a gap. A break forgets everything before it, so no read can span
    a gap.

    Parameters
    ----------
    capacity
        How many samples are kept at least.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        # Twice the room: reads are contiguous views, and each sample is moved at most once.
        self._buffer = np.empty(2 * capacity, np.float32)
        self._fill = 0
        self._flags: list[tuple[int, int, FrameFlag]] = []
        self.segment_start = 0
        self.stop = 0

    @property
    def start(self) -> int:
        """Absolute index of the oldest sample kept."""
        return self.stop - self._fill

    def break_at(self, start: int) -> None:
        """Begin a new segment whose first sample has the absolute index ``start``."""
        self._fill = 0
        self._flags.clear()
        self.segment_start = self.stop = start

    def append(self, samples_uv: NDArray[np.float32], flags: FrameFlag = FrameFlag.NONE) -> None:
        """Add samples, at most ``capacity`` of them, behind the newest."""
        n = samples_uv.size
        if n > self._capacity:
            raise ValueError(f"{n} samples at once; the ring takes {self._capacity}: split them")
        if self._fill + n > self._buffer.size:
            keep = self._capacity - n
            self._buffer[:keep] = self._buffer[self._fill - keep : self._fill]
            self._fill = keep
            self._flags = [entry for entry in self._flags if entry[1] > self.start]
        self._buffer[self._fill : self._fill + n] = samples_uv
        self._fill += n
        self.stop += n
        if flags:
            self._flags.append((self.stop - n, self.stop, flags))

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return a copy of samples ``[start, stop)``, ``(stop - start,) float32, microvolts``.

        Raises
        ------
        IndexError
            Part of the stretch is no longer, or not yet, in the ring.
        """
        if not self.start <= start <= stop <= self.stop:
            raise IndexError(
                f"samples [{start}, {stop}) asked for; the ring holds [{self.start}, {self.stop})"
            )
        offset = start - self.start
        return self._buffer[offset : offset + stop - start].copy()

    def flagged_samples(self, start: int, stop: int, flag: FrameFlag) -> int:
        """Return how many of the samples ``[start, stop)`` came in frames with ``flag``."""
        return sum(
            max(0, min(stop, until) - max(start, since))
            for since, until, flags in self._flags
            if flag in flags
        )

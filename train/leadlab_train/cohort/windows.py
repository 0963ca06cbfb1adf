"""Which samples are windows of which draw: arrays that a training epoch is planned from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows by strip, first sample and the draw whose labels they carry.

    Attributes
    ----------
    strip, start, draw
        ``(n,) int64``: row number of the strip, sample number within it, row number of the draw.
    """

    strip: NDArray[np.int64]
    start: NDArray[np.int64]
    draw: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.draw)

    def take(self, index: NDArray[np.integer[Any]] | slice) -> "Windows":
        """Return the windows of a slice or of an array of places, in its order."""
        return Windows(self.strip[index], self.start[index], self.draw[index])


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Where the windows of draws may start: a line for each draw and strip, by draw then strip.

    Attributes
    ----------
    draw, strip
        ``(n,) int64`` row numbers.
    first, last
        ``(n,) int64``, samples within the strip: every whole number from ``first`` to ``last``,
        both included, starts a window.
    """

    draw: NDArray[np.int64]
    strip: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.draw)

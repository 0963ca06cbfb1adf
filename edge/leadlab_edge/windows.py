"""Which stretches of raw samples become windows: a grid over each segment."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

RATE_SLACK = 0.05
RESAMPLE_MARGIN_S = 0.5


def raw_length(n_samples: int, rate_hz: float, nominal_hz: float) -> int:
    """Return how many raw samples one model window needs.

    Enough that a device up to 5 % faster than nominal still fills ``n_samples`` at the model's
    ``rate_hz``, with half a second on each side for the resampler. Derived from the nominal rate so
    that cuts do not move while the true rate is being measured.
    """
    seconds = n_samples / rate_hz + 2 * RESAMPLE_MARGIN_S
    return math.ceil(seconds * nominal_hz * (1 + RATE_SLACK)) + 1


@dataclass(slots=True)
class WindowGrid:
    """Windows ``[segment start + k * hop, ... + length)``, handed out as they become complete.

    The grid depends on the samples alone, not on how they were cut into frames.

    Attributes
    ----------
    length, hop
        In raw samples.
    """

    length: int
    hop: int
    next_start: int = 0

    def restart(self, segment_start: int) -> None:
        """Lay the grid anew from the first sample of a segment."""
        self.next_start = segment_start

    def complete(self, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the windows not yet given that end at or before absolute index ``stop``."""
        while self.next_start + self.length <= stop:
            start = self.next_start
            self.next_start += self.hop
            yield start, start + self.length

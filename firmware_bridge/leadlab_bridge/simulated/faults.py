"""What goes wrong between a simulated wearable and its host."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """Scripted faults of a link, by frame number from 0. The default is a perfect link.

    Attributes
    ----------
    dropped
        Frames that never arrive.
    doubled
        Frames that arrive twice in a row.
    swapped
        Frames that arrive after their successor.
    clock_reset_at
        Frame at which the device clock starts again.
    stall_at
        Frame from which on nothing is sent while the link stays up.
    disconnect_at
        Frame at which the link goes down.
    """

    dropped: frozenset[int] = frozenset()
    doubled: frozenset[int] = frozenset()
    swapped: frozenset[int] = frozenset()
    clock_reset_at: int | None = None
    stall_at: int | None = None
    disconnect_at: int | None = None

    def copies(self, number: int) -> int:
        """Return how many times a frame arrives."""
        return 0 if number in self.dropped else 1 + (number in self.doubled)

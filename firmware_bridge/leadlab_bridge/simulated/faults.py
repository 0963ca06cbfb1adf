"""What goes wrong between a simulated wearable and its host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

_OVERSIZE_BYTES: Final = 600  # longer than any notification may be
_JUNK_BYTES: Final = 40


@dataclass(frozen=True, slots=True)
class Faults:
    """Scripted faults of a wearable and its link, by frame number from 0. The default has none.

    Attributes
    ----------
    dropped
        Frames that never arrive.
    doubled
        Frames that arrive twice in a row.
    swapped
        Frames that arrive after their successor.
    truncated
        Frames of which the last half of the last notification is missing.
    oversize
        Frames that arrive longer than a notification may be.
    junk
        Frames before which a notification of random bytes arrives.
    lead_off
        Frames recorded while an electrode is loose: noise, and the flag where the format has one.
    late_s
        Delay in seconds of a frame; those after it wait in line.
    clock_reset_at
        Frame at which the device clock starts again.
    stall_at
        Frame from which on nothing is sent while the link stays up.
    disconnect_at
        Frame at which the link goes down.
    cut_at
        Frame at whose half the link goes down.
    dies_at
        Frame at which the device is gone and nobody is told.
    low_battery_at
        Frame from which on the battery is low.
    clock_ppm
        Error of the device clock against the host's, in parts per million.
    rate_ppm
        Error of the true sampling rate against the nominal one, in parts per million.
    """

    dropped: frozenset[int] = frozenset()
    doubled: frozenset[int] = frozenset()
    swapped: frozenset[int] = frozenset()
    truncated: frozenset[int] = frozenset()
    oversize: frozenset[int] = frozenset()
    junk: frozenset[int] = frozenset()
    lead_off: frozenset[int] = frozenset()
    late_s: Mapping[int, float] = field(default_factory=dict)
    clock_reset_at: int | None = None
    stall_at: int | None = None
    disconnect_at: int | None = None
    cut_at: int | None = None
    dies_at: int | None = None
    low_battery_at: int | None = None
    clock_ppm: float = 0.0
    rate_ppm: float = 0.0

    def copies(self, number: int) -> int:
        """Return how many times a frame arrives."""
        return 0 if number in self.dropped else 1 + (number in self.doubled)

    def low_battery(self, number: int) -> bool:
        """Tell whether the battery is low by this frame."""
        return self.low_battery_at is not None and number >= self.low_battery_at


class FaultyWire:
    """Lets frames through as scripted. A frame is one or more notifications."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def arriving(self, faults: Faults, number: int, frame: Sequence[bytes]) -> list[bytes]:
        """Return the notifications that arrive when frame ``number`` is sent."""
        *whole, last = frame
        if number in faults.truncated:
            last = last[: len(last) // 2]
        if number in faults.oversize:
            last = last.ljust(_OVERSIZE_BYTES, b"\0")
        arriving = [*whole, last] * faults.copies(number)
        if number in faults.junk:
            arriving.insert(0, np.random.default_rng(number).bytes(_JUNK_BYTES))
        if number in faults.swapped:
            self._held += arriving
            return []
        arriving += self._held
        self._held = []
        return arriving

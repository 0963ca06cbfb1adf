"""EcgFrame: what every decoder yields and every source passes on."""

from dataclasses import dataclass
from enum import Flag, auto

import numpy as np
from numpy.typing import NDArray


class FrameFlag(Flag):
    """What a device says about a frame beside its samples."""

    NONE = 0
    LEAD_OFF = auto()
    SATURATED = auto()
    CLOCK_RESET = auto()
    LOW_BATTERY = auto()
    GAP_BEFORE = auto()


@dataclass(frozen=True, slots=True, eq=False)
class EcgFrame:
    """Consecutive samples of one lead, as one message of a device carried them.

    Attributes
    ----------
    samples_uv
        ``(n,) float32``, microvolts; NaN where the device marked a sample invalid.
    rate_hz
        Nominal sampling rate. The true rate is the sample clock's business.
    lead
        The lead's name as the device defines it: ``"I"``, ``"II"``, ``"chest"``.
    device_time_ns
        Device clock at the *last* sample, or None where the device has no clock.
        Arbitrary origin; it may restart.
    sample_index
        Count of the *first* sample since the stream began, or None where the device does not count.
    flags
        What the device said about these samples.
    """

    samples_uv: NDArray[np.float32]
    rate_hz: float
    lead: str
    device_time_ns: int | None = None
    sample_index: int | None = None
    flags: FrameFlag = FrameFlag.NONE

"""The true sampling rate and the stream's time, from the device's own clock."""

from collections import deque
from dataclasses import dataclass

import numpy as np

_SPAN_S = 120.0
_BUCKET_S = 2.5
_LOCK_S = 10.0
_ARRIVAL_LOCK_S = 60.0  # arrivals jitter by tens of milliseconds and need a longer line
_STEP_S = 1.0
_MISMATCH = 0.08


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What is known of the sampling rate.

    Attributes
    ----------
    rate_hz
        Measured rate once locked, the nominal one before.
    nominal_hz
        What the device announces.
    locked
        Whether ``rate_hz`` is measured.
    mismatch
        Locked, and more than 8 % off nominal.
    """

    rate_hz: float
    nominal_hz: float
    locked: bool
    mismatch: bool


class SampleClock:
    """Fits time to absolute sample index: a robust line through the last two minutes.

    Every 2.5 s of samples give one point; the median slope over all pairs of points at least half
    the line apart is the period of a sample (after Theil and Sen: a few wrong points do no harm).
    A device without a clock is timed by its arrivals at the host, and of each 2.5 s the arrival
    that was delayed least is the point.
    Indices must count lost samples too, or every gap would read as a slower device.

    A restart of the device's clock starts a new line; the measured rate stands until it is long
    enough.

    Parameters
    ----------
    nominal_hz
        Nominal sampling rate, believed until 10 s (by arrivals: 60 s) have been seen.
    """

    def __init__(self, nominal_hz: float) -> None:
        self._nominal_hz = nominal_hz
        self._measured_hz: float | None = None
        self._bucket_samples = max(1, round(_BUCKET_S * nominal_hz))
        self._points: deque[tuple[int, float]] = deque(maxlen=round(_SPAN_S / _BUCKET_S) + 1)
        self._last_index = 0
        self._last_s = 0.0

    @property
    def rate_hz(self) -> float:
        """Measured sampling rate once locked, the nominal one before."""
        return self._nominal_hz if self._measured_hz is None else self._measured_hz

    @property
    def reading(self) -> ClockReading:
        """What is known of the sampling rate."""
        off = abs(self.rate_hz / self._nominal_hz - 1)
        return ClockReading(
            rate_hz=self.rate_hz,
            nominal_hz=self._nominal_hz,
            locked=self._measured_hz is not None,
            mismatch=off > _MISMATCH,
        )

    def seconds(self, index: int) -> float:
        """Return the stream time of a recent sample; the first sample of all is at 0."""
        return self._last_s + (index - self._last_index) / self.rate_hz

    def update(self, index: int, device_time_ns: int | None, host_s: float) -> None:
        """Take in when sample ``index`` was taken, or, without a device clock, when it arrived."""
        self._last_s = self.seconds(index)
        self._last_index = index
        by_arrival = device_time_ns is None
        time_ns = host_s * 1e9 if device_time_ns is None else device_time_ns
        if self._points and abs(self._ahead_ns(index, time_ns)) > _STEP_S * 1e9:
            self._points.clear()
        bucket = index // self._bucket_samples
        if not self._points or bucket != self._points[-1][0] // self._bucket_samples:
            self._points.append((index, time_ns))
            self._fit(_ARRIVAL_LOCK_S if by_arrival else _LOCK_S)
        elif by_arrival and self._ahead_ns(index, time_ns) < 0:
            self._points[-1] = (index, time_ns)

    def _ahead_ns(self, index: int, time_ns: float) -> float:
        """Return by how much a time is later than the newest point lets expect."""
        last_index, last_ns = self._points[-1]
        return (time_ns - last_ns) - (index - last_index) / self.rate_hz * 1e9

    def _fit(self, lock_s: float) -> None:
        first_index, first_ns = self._points[0]
        index, ns = np.array(
            [(i - first_index, time_ns - first_ns) for i, time_ns in self._points], float
        ).T
        if index[-1] < lock_s * self._nominal_hz:
            return
        later, earlier = np.tril_indices(len(index), -(len(index) // 2))
        period_ns = np.median((ns[later] - ns[earlier]) / (index[later] - index[earlier]))
        if period_ns > 0:
            self._measured_hz = float(1e9 / period_ns)

"""What became of the frames on their way: lost, doubled, out of order, clock restarted.

Every frame ends at a *mark*: the device's sample counter where it has one, else its clock, else the
host time of arrival. A step between marks, divided by the period of one sample, says how many
samples passed. For a clock the period is learned from the stream itself: a chest strap may be 2 %
off its nominal rate (5 % in the cold), and a rule on the nominal rate would see a gap at every
frame.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from leadlab_bridge import EcgFrame, FrameFlag

HORIZON_S = 10.0  # a clock that jumps farther restarted; frames older than this are forgotten
SILENCE_S = 5.0  # without counter and clock: a silence longer than this is a gap
_LEARNED_FRAMES = 8
_PERIOD_FRAMES = 64
_JITTER, _JITTER_SAMPLES = 0.08, 1.5  # of a frame, in samples: inaccurate time stamps, not loss


@dataclass(frozen=True, slots=True)
class LinkStats:
    """Counts since the stream began.

    Attributes
    ----------
    frames, samples
        Frames delivered in order, and the samples in them.
    gaps, lost_samples
        Places where samples are missing, and how many; what came late was not lost.
    duplicates, reordered
        Frames dropped because they came twice, or late.
    clock_resets
        Restarts of the device's clock or counter.
    bad_frames
        Messages that could not be decoded or carried nothing usable.
    """

    frames: int = 0
    samples: int = 0
    gaps: int = 0
    lost_samples: int = 0
    duplicates: int = 0
    reordered: int = 0
    clock_resets: int = 0
    bad_frames: int = 0


class Fate(Enum):
    """What to do with a frame: append it, append it behind a break, or drop it."""

    OK = "ok"
    GAP = "gap"
    RESET = "reset"
    DUPLICATE = "duplicate"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The fate of a frame and, unless it is dropped, the absolute index of its first sample."""

    fate: Fate
    start: int


class _MarkKind(Enum):
    COUNTER = "sample counter"
    CLOCK = "device clock, ns"
    ARRIVAL = "host clock, ns"


@dataclass(slots=True)
class _Hole:
    """A stretch between two marks from which ``lost`` samples have not come."""

    after: float
    until: float
    lost: int


class Continuity:
    """Places each frame on one timeline of absolute sample indices and counts what went wrong.

    Lost samples advance the timeline. At a restart of the device's clock nobody knows how many were
    lost: none are counted, and the timeline advances by what the host's clock says.

    Parameters
    ----------
    nominal_hz
        Nominal sampling rate.
    """

    def __init__(self, nominal_hz: float) -> None:
        self._nominal_hz = nominal_hz
        self._stop = 0  # absolute index after the newest sample
        self._frames = self._samples = self._gaps = self._lost = 0
        self._duplicates = self._reordered = self._resets = self._bad = 0
        self._kind: _MarkKind | None = None
        self._period = 0.0  # of a sample, in units of the mark
        self._last_mark = self._last_host_s = self._first_begin = 0.0
        self._last_n = self._smallest_n = 0
        self._seen: deque[float] = deque()
        self._holes: list[_Hole] = []
        self._fit: deque[tuple[int, float]] = deque(maxlen=_PERIOD_FRAMES)

    @property
    def stats(self) -> LinkStats:
        """Counts so far."""
        return LinkStats(
            frames=self._frames,
            samples=self._samples,
            gaps=self._gaps,
            lost_samples=self._lost,
            duplicates=self._duplicates,
            reordered=self._reordered,
            clock_resets=self._resets,
            bad_frames=self._bad,
        )

    def count_bad_frame(self) -> None:
        """Count a message that carried no usable frame."""
        self._bad += 1

    def classify(self, frame: EcgFrame, host_s: float) -> Verdict:
        """Decide the fate of a frame that arrived at ``host_s``, in seconds of the host's clock."""
        n = frame.samples_uv.size
        kind, mark = _mark(frame, host_s)
        if self._kind is None:
            return self._restart(Fate.OK, kind, mark, n, host_s)
        if kind is not self._kind or FrameFlag.CLOCK_RESET in frame.flags:
            return self._restart(Fate.RESET, kind, mark, n, host_s)
        step = mark - self._last_mark
        if kind is _MarkKind.ARRIVAL:
            missing = self._missing_by_silence(step, n)
        elif step <= 0:
            return self._backwards(kind, mark, n, host_s)
        else:
            missing = self._missing(step, n)
            if missing < 0 or self._jumped(kind, step, host_s):
                return self._restart(Fate.RESET, kind, mark, n, host_s)
        gap = missing > 0 or FrameFlag.GAP_BEFORE in frame.flags
        if gap:
            self._open_hole(mark, n, missing)
        return self._accept(Fate.GAP if gap else Fate.OK, mark, n, missing, host_s)

    def _missing(self, step: float, n: int) -> int:
        """Return how many samples a step between marks has beyond the ``n`` that came with it.

        Negative where the frame overlaps the one before, as after a clock was set back. Until the
        period is learned, frames of equal size are taken to be lost as a whole: right for up to
        eight in a row where the rate is 5 % off.
        """
        excess = step / self._period - n
        if self._kind is _MarkKind.COUNTER:
            return int(excess)
        if len(self._fit) <= _LEARNED_FRAMES:
            if n == self._last_n:
                return n * round(excess / n)
            return 0 if abs(excess) < n / 4 else round(excess)
        if excess < 0:
            return 0 if excess >= -n / 2 else -n  # a stamp a little early loses nothing
        jitter = max(_JITTER * n, _JITTER_SAMPLES)
        return 0 if excess <= min(jitter, self._smallest_n / 2) else round(excess)

    def _missing_by_silence(self, step: float, n: int) -> int:
        """Judge by arrival alone: a stall is no loss, a long silence is."""
        excess = step / self._period - n
        return round(excess) if excess > SILENCE_S * self._nominal_hz else 0

    def _jumped(self, kind: _MarkKind, step: float, host_s: float) -> bool:
        """Whether the device's clock ran far ahead of the host's: set anew, not a long silence."""
        ahead_s = step * 1e-9 - (host_s - self._last_host_s)
        return kind is _MarkKind.CLOCK and ahead_s > HORIZON_S

    def _backwards(self, kind: _MarkKind, mark: float, n: int, host_s: float) -> Verdict:
        """Tell a frame that came twice, one that came late and a clock set back from each other."""
        if mark in self._seen:
            self._duplicates += 1
            return Verdict(Fate.DUPLICATE, self._stop)
        middle = mark - n * self._period / 2
        hole = next((h for h in self._holes if h.after < middle < h.until), None)
        before_first = self._first_begin - self._horizon() < middle < self._first_begin
        if hole is None and not before_first:
            return self._restart(Fate.RESET, kind, mark, n, host_s)
        if hole is not None:
            self._fill(hole, mark, n)
        self._seen.append(mark)
        self._reordered += 1
        return Verdict(Fate.LATE, self._stop)

    def _open_hole(self, mark: float, n: int, missing: int) -> None:
        self._gaps += 1
        self._lost += missing
        if missing:
            self._holes.append(_Hole(self._last_mark, mark - n * self._period, missing))

    def _fill(self, hole: _Hole, mark: float, n: int) -> None:
        """Take a late frame out of a hole; what remains is up to two smaller holes."""
        late = min(n, hole.lost)
        left = min(max(self._missing(mark - hole.after, n), 0), hole.lost - late)
        right = hole.lost - late - left
        self._holes.remove(hole)
        if left:
            self._holes.append(_Hole(hole.after, mark - n * self._period, left))
        if right:
            self._holes.append(_Hole(mark, hole.until, right))
        self._lost -= late
        self._gaps += bool(left) + bool(right) - 1

    def _restart(self, fate: Fate, kind: _MarkKind, mark: float, n: int, host_s: float) -> Verdict:
        """Begin a new epoch of marks at this frame."""
        silent = 0
        if fate is Fate.RESET:
            self._resets += 1
            silent = max(0, round((host_s - self._last_host_s) * self._nominal_hz) - n)
        if kind is not self._kind:
            self._period = 1.0 if kind is _MarkKind.COUNTER else 1e9 / self._nominal_hz
        self._kind = kind
        self._seen.clear()
        self._holes.clear()
        self._fit.clear()
        self._first_begin = mark - n * self._period
        self._smallest_n = n
        return self._accept(fate, mark, n, silent, host_s)

    def _accept(self, fate: Fate, mark: float, n: int, skipped: int, host_s: float) -> Verdict:
        start = self._stop + skipped
        self._stop = start + n
        self._frames += 1
        self._samples += n
        self._last_mark, self._last_n, self._last_host_s = mark, n, host_s
        self._smallest_n = min(self._smallest_n, n)
        self._seen.append(mark)
        self._forget(mark - self._horizon())
        if self._kind is _MarkKind.CLOCK:
            self._fit.append((self._stop, mark))
            first_stop, first_mark = self._fit[0]
            if self._stop > first_stop:
                self._period = (mark - first_mark) / (self._stop - first_stop)
        return Verdict(fate, start)

    def _horizon(self) -> float:
        return HORIZON_S * self._nominal_hz * self._period

    def _forget(self, before: float) -> None:
        while self._seen and self._seen[0] < before:
            self._seen.popleft()
        self._holes = [hole for hole in self._holes if hole.until >= before]


def _mark(frame: EcgFrame, host_s: float) -> tuple[_MarkKind, float]:
    """Return where the frame ends, by the best of what the device tells."""
    if frame.sample_index is not None:
        return _MarkKind.COUNTER, frame.sample_index + frame.samples_uv.size
    if frame.device_time_ns is not None:
        return _MarkKind.CLOCK, frame.device_time_ns
    return _MarkKind.ARRIVAL, host_s * 1e9

"""From frames to results: clock, gaps, ring, window, quality, model, trend. No input or output."""

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leadlab_bridge import EcgFrame, FrameError, FrameFlag
from leadlab_edge.beats import detect_beats, heart_rate_bpm
from leadlab_edge.clock import ClockReading, SampleClock
from leadlab_edge.continuity import Continuity, Fate, LinkStats
from leadlab_edge.display import DisplayFilter
from leadlab_edge.indicators import Indicator
from leadlab_edge.quality import Quality, Reason, assess
from leadlab_edge.resample import first_output, resample_window
from leadlab_edge.ring import Ring
from leadlab_edge.sources.base import SourceInfo
from leadlab_edge.trend import Trend, TrendMean
from leadlab_edge.windows import WindowGrid, raw_length


class Model(Protocol):
    """What the pipeline needs of a model; a loaded pack satisfies it.

    Attributes
    ----------
    rate_hz
        Input sampling rate.
    n_samples
        Input length, the margins of the front end included.
    margin
        Samples on each side of the 10-s body that the front end consumes.
    lead
        The lead it was trained on.
    indicators
        What its outputs mean, in order.
    """

    @property
    def rate_hz(self) -> float: ...  # noqa: D102
    @property
    def n_samples(self) -> int: ...  # noqa: D102
    @property
    def margin(self) -> int: ...  # noqa: D102
    @property
    def lead(self) -> str: ...  # noqa: D102
    @property
    def indicators(self) -> tuple[Indicator, ...]: ...  # noqa: D102

    def logits(self, raw_mv: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map ``(n_samples,) float32, mV @ rate_hz`` to ``(n_indicators,) float32`` logits."""
        ...

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map logits to calibrated probabilities of the same shape."""
        ...


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """How the pipeline cuts, judges and averages.

    Attributes
    ----------
    hop_s
        Nominal time from one window to the next.
    trend_windows
        How many usable windows the trend averages.
    strip_s
        Length of the display strip in a snapshot.
    require_lead
        Abstain when the source's lead is not the model's, instead of noting it.
    """

    hop_s: float = field(default=5.0, metadata={"min": 1.0, "max": 3600.0})
    trend_windows: int = field(default=12, metadata={"min": 1, "max": 10_000})
    strip_s: float = field(default=6.0, metadata={"min": 1.0, "max": 60.0})
    require_lead: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class WindowResult:
    """What one window gave. An abstention has reasons in ``quality`` and no logits.

    Attributes
    ----------
    index
        Count of results since the stream began.
    start_s, end_s
        Stream time of the 10-s body; of all there was, where gaps left no room for a window.
    ready_host_s
        Host time of the frame that completed the window.
    rate_hz
        True sampling rate that the resampler was told.
    quality
        Score and reasons.
    heart_rate_bpm
        Mean heart rate of the window, None where no beats are found.
    logits, probabilities
        ``(n_indicators,) float32``, None when the window is not used.
    trend
        Mean over recent windows, None until one was usable.
    raw_start, raw_stop
        Absolute sample indices of the raw cut, half open.
    notes
        What a person should know beside the result, such as a lead the model was not trained on.
    """

    index: int
    start_s: float
    end_s: float
    ready_host_s: float
    rate_hz: float
    quality: Quality
    heart_rate_bpm: float | None
    logits: NDArray[np.float32] | None
    probabilities: NDArray[np.float32] | None
    trend: Trend | None
    raw_start: int
    raw_stop: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What a live view shows.

    Attributes
    ----------
    stream_s
        Stream time of the newest sample.
    strip_mv
        ``(n,) float32, mV @ strip_rate_hz``, display-filtered, newest last; NaN where samples are
        missing.
    strip_rate_hz
        Rate of the strip.
    heart_rate_bpm
        Heart rate of the latest window.
    clock, stats
        Sampling rate and link counts.
    latest
        The latest result.
    notes
        What a person should know.
    """

    stream_s: float
    strip_mv: NDArray[np.float32]
    strip_rate_hz: float
    heart_rate_bpm: float | None
    clock: ClockReading
    stats: LinkStats
    latest: WindowResult | None
    notes: tuple[str, ...] = ()


class Pipeline:
    """Takes frames, gives results. Synchronous, bounded, and blind to the wall clock.

    A window is 10 s for the model, with margins for the model's front end and for the resampler.
    Windows begin at the start of each segment and every hop after it; none spans a gap. Where gaps
    come so often that no window fits, an abstention says so.

    Parameters
    ----------
    model
        What to run on each usable window.
    source
        Where the frames come from.
    """

    def __init__(
        self, model: Model, source: SourceInfo, settings: PipelineSettings | None = None
    ) -> None:
        settings = settings or PipelineSettings()
        rate_hz = source.rate_hz
        self._model = model
        self._source = source
        self._require_lead = settings.require_lead
        self._continuity = Continuity(rate_hz)
        self._clock = SampleClock(rate_hz)
        self._grid = WindowGrid(
            length=raw_length(model.n_samples, model.rate_hz, rate_hz),
            hop=round(settings.hop_s * rate_hz),
        )
        self._ring = Ring(self._grid.length + self._grid.hop)
        self._display = DisplayFilter(rate_hz, settings.strip_s)
        self._trend = TrendMean(settings.trend_windows, model.probabilities)
        self._results = 0
        self._told = 0  # absolute index up to which results have been given
        self._latest: WindowResult | None = None
        self._untimed = False

    @property
    def stats(self) -> LinkStats:
        """Link counts so far."""
        return self._continuity.stats

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know beside the results."""
        notes = []
        if self._source.lead != self._model.lead:
            notes.append(
                f"lead {self._source.lead} is not lead {self._model.lead}, which the model was"
                " trained on"
            )
        clock = self._clock.reading
        if clock.mismatch:
            notes.append(
                f"the device delivers {clock.rate_hz:.1f} samples per second and announces"
                f" {clock.nominal_hz:g}: no results until they agree"
            )
        if self._untimed:
            notes.append("the device sends neither time nor counter: losses cannot be seen")
        return tuple(notes)

    def feed(self, frame: EcgFrame | FrameError, host_s: float) -> list[WindowResult]:
        """Take what arrived at ``host_s``; return the results it completed.

        A message that a decoder refused is counted as bad, and so is a frame that is empty or
        announces another rate than the source.
        """
        if isinstance(frame, FrameError) or not self._readable(frame):
            self._continuity.count_bad_frame()
            return []
        samples_uv = frame.samples_uv
        verdict = self._continuity.classify(frame, host_s)
        if verdict.fate in (Fate.DUPLICATE, Fate.LATE):
            return []
        results = []
        if verdict.fate is not Fate.OK:
            results += self._break_at(verdict.start, host_s)
        self._untimed = frame.device_time_ns is None and frame.sample_index is None
        self._clock.update(verdict.start + samples_uv.size - 1, frame.device_time_ns, host_s)
        self._display.append(samples_uv)
        for offset in range(0, samples_uv.size, self._grid.hop):
            self._ring.append(samples_uv[offset : offset + self._grid.hop], frame.flags)
            for start, stop in self._grid.complete(self._ring.stop):
                results.append(self._finish(self._run(start, stop, host_s)))
        return results

    def snapshot(self) -> Snapshot:
        """Return what a live view shows."""
        latest = self._latest
        return Snapshot(
            stream_s=self._clock.seconds(self._ring.stop),
            strip_mv=self._display.strip_mv,
            strip_rate_hz=self._source.rate_hz,
            heart_rate_bpm=None if latest is None else latest.heart_rate_bpm,
            clock=self._clock.reading,
            stats=self.stats,
            latest=latest,
            notes=self.notes,
        )

    def _readable(self, frame: EcgFrame) -> bool:
        return frame.samples_uv.size > 0 and frame.rate_hz == self._source.rate_hz

    def _break_at(self, start: int, host_s: float) -> list[WindowResult]:
        """Begin a new segment; abstain if a whole window's time has gone without a result."""
        results = []
        told, stop = self._told, self._ring.stop
        if stop - told >= self._grid.length:
            results.append(
                self._finish(
                    WindowResult(
                        index=self._results,
                        start_s=self._clock.seconds(told),
                        end_s=self._clock.seconds(stop),
                        ready_host_s=host_s,
                        rate_hz=self._clock.rate_hz,
                        quality=Quality(0.0, (Reason.GAP,)),
                        heart_rate_bpm=None,
                        logits=None,
                        probabilities=None,
                        trend=None,
                        raw_start=told,
                        raw_stop=stop,
                        notes=self.notes,
                    )
                )
            )
        self._display.skip(start - stop)
        self._ring.break_at(start)
        self._grid.restart(start)
        return results

    def _run(self, start: int, stop: int, host_s: float) -> WindowResult:
        """Judge one raw cut and, where it is usable, run the model on it."""
        model, rate_hz = self._model, self._clock.rate_hz
        raw_mv = self._ring.read(start, stop) / np.float32(1000.0)
        beats = detect_beats(raw_mv, rate_hz)
        quality = self._judge(raw_mv, start, stop, beats)
        logits = None
        if quality.usable:
            logits = model.logits(resample_window(raw_mv, rate_hz, model.rate_hz, model.n_samples))
            if not np.isfinite(logits).all():
                quality, logits = replace(quality, reasons=(Reason.INVALID,)), None
        body = first_output(stop - start, rate_hz, model.rate_hz, model.n_samples) + model.margin
        start_s = self._clock.seconds(start) + body / model.rate_hz
        end_s = start_s + (model.n_samples - 2 * model.margin) / model.rate_hz
        if logits is not None:
            self._trend.add(end_s, quality.score, logits)
        return WindowResult(
            index=self._results,
            start_s=start_s,
            end_s=end_s,
            ready_host_s=host_s,
            rate_hz=rate_hz,
            quality=quality,
            heart_rate_bpm=heart_rate_bpm(beats, rate_hz),
            logits=logits,
            probabilities=None if logits is None else model.probabilities(logits),
            trend=None,
            raw_start=start,
            raw_stop=stop,
            notes=self.notes,
        )

    def _judge(
        self, raw_mv: NDArray[np.float32], start: int, stop: int, beats: NDArray[np.int64]
    ) -> Quality:
        saturated = self._ring.flagged_samples(start, stop, FrameFlag.SATURATED)
        quality = assess(
            raw_mv,
            self._clock.rate_hz,
            beats,
            lead_off=self._ring.flagged_samples(start, stop, FrameFlag.LEAD_OFF) > 0,
            saturated_share=saturated / (stop - start),
        )
        reasons = list(quality.reasons)
        if self._clock.reading.mismatch:
            reasons.append(Reason.RATE_MISMATCH)
        if self._require_lead and self._source.lead != self._model.lead:
            reasons.append(Reason.WRONG_LEAD)
        return replace(quality, reasons=tuple(reasons))

    def _finish(self, result: WindowResult) -> WindowResult:
        """Add the trend as of the result's end and remember it as the latest."""
        result = replace(result, trend=self._trend.at(result.end_s))
        self._results += 1
        self._told = result.raw_stop
        self._latest = result
        return result

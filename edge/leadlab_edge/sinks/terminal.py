"""The live view: the trace, heart rate, link and indicators, drawn in the terminal."""

import time

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from leadlab_edge.pack import Pack
from leadlab_edge.pipeline import Snapshot, WindowResult
from leadlab_edge.sinks.base import strongest
from leadlab_edge.sinks.braille import braille_trace
from leadlab_edge.sources.base import SourceInfo

MAX_WIDTH = 100
TRACE_ROWS = 7
INDICATOR_ROWS = 10
FRAME_S = 0.1  # wall time between two drawings
BAR = 12


class LiveView:
    """Draw the state of the stream at most ten times a second, and at once for a new result.

    Parameters
    ----------
    pack
        The pack that scores; its strongest shown indicators get a row each.
    source
        Where the stream comes from.
    console
        Where to draw; the default is the terminal.
    transient
        Whether the view vanishes when it is closed.
    """

    def __init__(
        self,
        pack: Pack,
        source: SourceInfo,
        console: Console | None = None,
        transient: bool = False,
    ) -> None:
        self._pack = pack
        self._source = source
        self._rows = strongest(pack.manifest.indicators, INDICATOR_ROWS)
        self._console = console or Console()
        self._latest: WindowResult | None = None
        self._drawn_s = 0.0
        self._live = Live(
            Text(f"Waiting for {source.name}"),
            console=self._console,
            auto_refresh=False,
            transient=transient,
        )
        self._live.start()
        self._due = False

    @property
    def width(self) -> int:
        """Characters in a line of the view."""
        return min(self._console.width, MAX_WIDTH)

    def window(self, result: WindowResult) -> None:
        """Remember the result and draw it with the state that follows."""
        self._latest = result
        self._due = True

    def snapshot(self, snapshot: Snapshot) -> None:
        """Draw, unless the last drawing is less than a tenth of a second old."""
        now = time.monotonic()
        if self._due or now - self._drawn_s >= FRAME_S:
            self._due = False
            self._drawn_s = now
            self._live.update(self.render(snapshot), refresh=True)

    def close(self) -> None:
        """Leave the last drawing on the screen."""
        self._live.stop()
        if not self._console.is_terminal:
            self._console.line()  # there rich ends the last drawing without one

    def render(self, snapshot: Snapshot) -> Panel:
        """Build the view of one state."""
        simulated = self._pack.manifest.provenance.simulated
        foot = "Research software, not a medical device."
        if simulated:
            foot += " Trained on simulated patients: these figures say nothing of anyone's blood."
        return Panel(
            Group(
                self._trace(snapshot),
                self._vitals(snapshot),
                self._link(snapshot),
                Text(),
                self._indicators(),
                *(Text(f"note: {note}", style="yellow") for note in snapshot.notes),
                Text(foot, style="dim"),
            ),
            title=f"leadlab  {self._source.name}",
            subtitle=f"{self._pack.manifest.name}{' (simulated)' if simulated else ''}",
            width=self.width,
        )

    def _trace(self, snapshot: Snapshot) -> Text:
        columns = max(20, self.width - 4)
        lines = braille_trace(snapshot.strip_mv, columns, TRACE_ROWS, *_range_mv(snapshot))
        return Text("\n".join(lines), style="green", no_wrap=True)

    def _vitals(self, snapshot: Snapshot) -> Text:
        rate = snapshot.heart_rate_bpm
        text = Text(f"{rate:.0f} bpm" if rate is not None else "-- bpm", style="bold")
        if self._latest is not None:
            quality = self._latest.quality
            if quality.usable:
                text.append(f"   quality {quality.score:.2f}", style="not bold")
            else:
                reasons = ", ".join(reason.replace("_", " ") for reason in quality.reasons)
                text.append(f"   abstaining: {reasons}", style="not bold yellow")
        minutes, seconds = divmod(int(snapshot.stream_s), 60)
        text.append(f"   {minutes}:{seconds:02d} of stream", style="not bold dim")
        return text

    def _link(self, snapshot: Snapshot) -> Text:
        stats, clock = snapshot.stats, snapshot.clock
        locked = f"{clock.rate_hz:.3f} Hz" if clock.locked else f"{clock.rate_hz:g} Hz nominal"
        return Text(
            f"lead {self._source.lead}   {locked}   {stats.frames} frames"
            f"   {stats.lost_samples} samples lost   {stats.duplicates} doubled"
            f"   {stats.reordered} late",
            style="dim",
        )

    def _indicators(self) -> Table | Text:
        if not self._rows:
            return Text("This pack holds no indicator that is fit to be shown.", style="yellow")
        table = Table(box=None, padding=(0, 2, 0, 0), expand=False)
        table.add_column("indicator")
        table.add_column("now", justify="right")
        table.add_column("trend", justify="right")
        table.add_column("")
        now = None if self._latest is None else self._latest.probabilities
        trend = None if self._latest is None else self._latest.trend
        for column, indicator in self._rows:
            mean = None if trend is None else float(trend.probabilities[column])
            above = (
                mean is not None
                and indicator.operating_threshold is not None
                and mean >= indicator.operating_threshold
            )
            table.add_row(
                indicator.label,
                _probability(None if now is None else float(now[column])),
                _probability(mean),
                _bar(mean),
                style="bold" if above else "",
            )
        if trend is not None:
            table.caption = f"trend: mean of {trend.windows} windows, {trend.age_s:.0f} s old"
            table.caption_justify = "left"
        return table


def _range_mv(snapshot: Snapshot) -> tuple[float, float]:
    """Return the range of the strip, at least 1 mV high, so that noise is not blown up."""
    finite = snapshot.strip_mv[abs(snapshot.strip_mv) < float("inf")]
    if finite.size == 0:
        return -0.5, 0.5
    low, high = float(finite.min()), float(finite.max())
    slack = max(0.0, 1.0 - (high - low)) / 2
    return low - slack, high + slack


def _probability(value: float | None) -> str:
    return "--" if value is None else f"{value:.2f}"


def _bar(value: float | None) -> Text:
    if value is None:
        return Text("")
    filled = round(value * BAR)
    return Text("━" * filled, style="cyan") + Text("━" * (BAR - filled), style="bright_black")

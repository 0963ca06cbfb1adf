"""One plain line a window, for logs and pipes."""

import click

from leadlab_edge.pack import Pack
from leadlab_edge.pipeline import Snapshot, WindowResult
from leadlab_edge.sinks.base import strongest
from leadlab_edge.sources.base import SourceInfo

INDICATORS = 3


class PlainLines:
    """Print a window's time, heart rate, quality and strongest indicators on one line."""

    def __init__(self, pack: Pack, source: SourceInfo) -> None:
        self._rows = strongest(pack.manifest.indicators, INDICATORS)
        simulated = " (simulated)" if pack.manifest.provenance.simulated else ""
        click.echo(f"{source.name}, lead {source.lead}, through {pack.manifest.name}{simulated}")
        click.echo("Research software, not a medical device.")

    def window(self, result: WindowResult) -> None:
        """Print one line."""
        rate = "--" if result.heart_rate_bpm is None else f"{result.heart_rate_bpm:.0f}"
        line = f"{result.end_s:8.1f} s  {rate:>3} bpm  quality {result.quality.score:.2f}"
        if result.probabilities is None:
            line += f"  abstained: {', '.join(result.quality.reasons)}"
        else:
            for column, indicator in self._rows:
                line += f"  {indicator.name} {result.probabilities[column]:.2f}"
        click.echo(line)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Ignore the state between windows."""

    def close(self) -> None:
        """Nothing is held."""

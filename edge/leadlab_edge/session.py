"""A session: one source, one pipeline, any number of sinks, until the stream ends."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from leadlab_bridge import LeadlabError
from leadlab_edge.continuity import LinkStats
from leadlab_edge.pipeline import Model, Pipeline, PipelineSettings
from leadlab_edge.sinks.base import Sink
from leadlab_edge.sources.base import Source, SourceInfo


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """When to stop by ourselves; None means never.

    Attributes
    ----------
    windows
        After this many results, abstentions included.
    stream_s
        After this much stream time.
    """

    windows: int | None = None
    stream_s: float | None = None


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """What a session came to.

    Attributes
    ----------
    source
        Where the stream came from.
    windows, abstained
        Results, and how many of them were abstentions.
    stream_s
        Stream time of the newest sample.
    stats
        Link counts.
    failure
        Why the stream ended before its time, None where it ended as it should.
    """

    source: SourceInfo
    windows: int
    abstained: int
    stream_s: float
    stats: LinkStats
    failure: LeadlabError | None = None


async def run_session(
    source: Source,
    model: Model,
    open_sinks: Callable[[SourceInfo], Sequence[Sink]],
    settings: PipelineSettings | None = None,
    limits: SessionLimits | None = None,
) -> SessionSummary:
    """Stream from ``source`` through a pipeline into sinks until the stream ends.

    Cancelling it (Ctrl-C) is an ordinary end. Whatever ends it, the device is released and the
    sinks are closed with all they were given.

    Parameters
    ----------
    open_sinks
        Called once the source is open, so that a view can name the device.

    Raises
    ------
    SourceError
        The source could not be opened. A stream that fails later is told in ``failure``.
    """
    limits = limits or SessionLimits()
    windows = abstained = 0
    failure: LeadlabError | None = None
    async with source:
        pipeline = Pipeline(model, source.info, settings)
        with ExitStack() as stack:
            sinks = list(open_sinks(source.info))
            for sink in sinks:
                stack.callback(sink.close)
            try:
                async for arrival in source.frames():
                    for result in pipeline.feed(arrival.frame, arrival.host_s):
                        windows += 1
                        abstained += not result.quality.usable
                        for sink in sinks:
                            sink.window(result)
                    snapshot = pipeline.snapshot()
                    for sink in sinks:
                        sink.snapshot(snapshot)
                    if limits.windows is not None and windows >= limits.windows:
                        break
                    if limits.stream_s is not None and snapshot.stream_s >= limits.stream_s:
                        break
            except LeadlabError as error:
                failure = error
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or not task.uncancel() == 0:
                    raise
        stream_s = pipeline.snapshot().stream_s
        return SessionSummary(source.info, windows, abstained, stream_s, pipeline.stats, failure)

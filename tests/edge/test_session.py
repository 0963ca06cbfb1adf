"""A session: what the sinks were given is kept, whatever ends the stream."""

import asyncio
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from virtual_clock import VirtualClock

from leadlab_bridge.simulated.faults import Faults
from leadlab_edge.pack import Pack, demo_pack
from leadlab_edge.pipeline import Snapshot, WindowResult
from leadlab_edge.session import SessionLimits, SessionSummary, run_session
from leadlab_edge.sinks.jsonl import JsonLines
from leadlab_edge.sinks.terminal import LiveView
from leadlab_edge.sources.base import SourceInfo
from leadlab_edge.sources.simulated import SimulatedSource


@pytest.fixture(scope="module")
def pack() -> Pack:
    return demo_pack()


class Recorder:
    def __init__(self) -> None:
        self.results: list[WindowResult] = []
        self.snapshots: list[Snapshot] = []
        self.closed = 0

    def window(self, result: WindowResult) -> None:
        self.results.append(result)

    def snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)

    def close(self) -> None:
        self.closed += 1


async def play(
    pack: Pack, recorder: Recorder, faults: Faults | None = None, windows: int | None = None
) -> SessionSummary:
    source = SimulatedSource(clock=VirtualClock(), faults=faults)
    return await run_session(
        source, pack.load(), lambda _: [recorder], limits=SessionLimits(windows=windows)
    )


async def test_a_session_ends_at_its_limit_and_closes_its_sinks(pack: Pack) -> None:
    recorder = Recorder()
    summary = await play(pack, recorder, windows=3)
    assert (summary.windows, summary.abstained, summary.failure) == (3, 0, None)
    assert [result.index for result in recorder.results] == [0, 1, 2]
    assert recorder.closed == 1
    assert len(recorder.snapshots) == summary.stats.frames


async def test_a_device_that_disappears_is_told_and_its_results_are_kept(pack: Pack) -> None:
    recorder = Recorder()
    summary = await play(pack, recorder, Faults(disconnect_at=40))
    assert "disconnected at frame 40" in str(summary.failure)
    assert summary.windows == len(recorder.results) == 2
    assert summary.stats.frames == 40
    assert recorder.closed == 1


async def test_cancelling_is_an_ordinary_end(pack: Pack) -> None:
    recorder = Recorder()
    task = asyncio.create_task(play(pack, recorder, Faults(stall_at=40)))
    while len(recorder.snapshots) < 40:
        await asyncio.sleep(0)
    task.cancel()
    summary = await task
    assert summary.failure is None
    assert summary.windows == 2
    assert recorder.closed == 1


async def test_an_abstention_is_a_line_without_probabilities(pack: Pack, tmp_path: Path) -> None:
    def open_sinks(_: SourceInfo) -> list[JsonLines]:
        return [JsonLines(tmp_path / "made" / "results.jsonl", pack)]

    flat = SimulatedSource([0] * 4000, clock=VirtualClock(), loop=False)
    summary = await run_session(flat, pack.load(), open_sinks)
    lines = (tmp_path / "made" / "results.jsonl").read_text().splitlines()
    assert summary.abstained == summary.windows == len(lines) > 0
    first = json.loads(lines[0])
    assert "flat" in first["abstained"]
    assert first["probabilities"] is first["trend"] is first["heart_rate_bpm"] is None


async def test_the_live_view_shows_trace_vitals_link_and_indicators(pack: Pack) -> None:
    paper = io.StringIO()
    console = Console(file=paper, width=90, force_terminal=True)
    views: list[LiveView] = []
    recorder = Recorder()

    def open_sinks(info: SourceInfo) -> list[LiveView | Recorder]:
        views.append(LiveView(pack, info, console))
        return [views[0], recorder]

    source = SimulatedSource(clock=VirtualClock(), faults=Faults(dropped=frozenset({5})))
    await run_session(source, pack.load(), open_sinks, limits=SessionLimits(windows=3))
    console = Console(file=io.StringIO(), width=90, record=True)
    console.print(views[0].render(recorder.snapshots[-1]))
    text = console.export_text()
    for part in ("bpm", "quality", "73 samples lost", "BNP, NT-pro", "trend: mean of", "simulated"):
        assert part in text
    assert "not a medical device" in text
    assert any(0x2800 < ord(character) <= 0x28FF for character in text)

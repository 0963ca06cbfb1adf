"""Captures: what was heard is written as it is heard, and replays to the same frames."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from virtual_clock import VirtualClock

from leadlab_bridge import FrameError
from leadlab_bridge.devices import healthypi
from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.simulated.catalog import WEARABLES
from leadlab_bridge.simulated.exchange import Exchange
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.h10 import H10, NAME
from leadlab_bridge.simulated.replay import ReplayWearable
from leadlab_bridge.simulated.strap import SimulatedStrap
from leadlab_bridge.simulated.virtual_link import virtual_link
from leadlab_bridge.timing import SystemClock
from leadlab_edge.capture import Capture, CaptureWriter, read_capture
from leadlab_edge.cli.capture import capture as capture_verb
from leadlab_edge.continuity import Continuity, LinkStats
from leadlab_edge.errors import RecordingError, SourceError
from leadlab_edge.scan import find
from leadlab_edge.sources.base import Arrival
from leadlab_edge.sources.ble import BleSource
from leadlab_edge.sources.wearable import capture_source, replayed

OnBluez = Callable[..., Any]
ECG_UV = np.random.default_rng(0).integers(-(2**20), 2**20, 20_000, dtype=np.int32)
FAULTS = Faults(
    dropped=frozenset({5}),
    doubled=frozenset({7}),
    swapped=frozenset({9}),
    truncated=frozenset({11}),
    junk=frozenset({13}),
    late_s={15: 0.4},
    clock_reset_at=17,
)
N_FRAMES = 24
Told = list[tuple[str, float, int | None, bytes]]


def told(arrivals: list[Arrival]) -> Told:
    """Return what can be compared of each arrival; times since the first."""
    return [
        (type(a.frame).__name__, round(a.host_s - arrivals[0].host_s, 3), None, b"")
        if isinstance(a.frame, FrameError)
        else (
            type(a.frame).__name__,
            round(a.host_s - arrivals[0].host_s, 3),
            a.frame.device_time_ns,
            a.frame.samples_uv.tobytes(),
        )
        for a in arrivals
    ]


async def take(frames: AsyncIterator[Arrival], n: int) -> list[Arrival]:
    return [await anext(frames) for _ in range(n)]


async def record(path: Path) -> list[Arrival]:
    """Capture a strap with every fault of its link; return what the source made of it."""
    clock = VirtualClock()
    strap = SimulatedStrap(ECG_UV, clock=clock, faults=FAULTS)
    with CaptureWriter(path, clock=clock) as writer:
        async with (
            virtual_link(strap) as link,
            BleSource(
                link.address,
                clock=clock,
                scanner_backend=link.scanner,
                client_backend=link.client,
                tap=writer,
            ) as wearable,
        ):
            return await take(wearable.frames(), N_FRAMES)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Told]:
    path = tmp_path_factory.mktemp("capture") / "h10.capture.jsonl"
    return path, told(asyncio.run(record(path)))


async def test_a_capture_replays_through_the_decoder(recorded: tuple[Path, Told]):
    path, expected = recorded
    source = capture_source(read_capture(path), VirtualClock(start_s=50.0))
    async with source:
        arrivals = [arrival async for arrival in source.frames()]
    assert told(arrivals)[:N_FRAMES] == expected
    assert source.bad_frames == 2
    assert (source.info.name, source.info.kind, source.info.rate_hz) == (NAME, "recording", 130.0)


async def test_a_capture_replays_through_a_simulated_wearable(recorded: tuple[Path, Told]):
    path, expected = recorded
    clock = VirtualClock()
    wearable = replayed(read_capture(path), clock)
    async with (
        virtual_link(wearable) as link,
        BleSource(
            NAME, clock=clock, scanner_backend=link.scanner, client_backend=link.client
        ) as source,
    ):
        assert told(await take(source.frames(), N_FRAMES)) == expected
    assert wearable.commands == [pmd.GET_ECG_SETTINGS, pmd.start_ecg(), pmd.STOP_ECG]


async def test_a_capture_of_version_1_stays_readable(golden: Path):
    """A strap with a frame lost, doubled, late, cut, and junk: what a field bug looks like."""
    captured = read_capture(golden / "h10_faults.capture.jsonl")
    clock = VirtualClock()
    continuity = Continuity(130.0)
    async with capture_source(captured, clock) as source:
        async for arrival in source.frames():
            if isinstance(arrival.frame, FrameError):
                continuity.count_bad_frame()
            else:
                continuity.classify(arrival.frame, arrival.host_s)
    assert continuity.stats == LinkStats(
        frames=17,
        samples=17 * 73,
        gaps=2,
        lost_samples=2 * 73,
        duplicates=1,
        reordered=1,
        bad_frames=2,
    )


def test_it_holds_what_passed_in_order(recorded: tuple[Path, Told]):
    captured = read_capture(recorded[0])
    assert (captured.name, captured.driver) == (NAME, "Polar H10")
    assert {s.uuid for s in captured.services} >= {pmd.SERVICE}
    times_s = [exchange.time_s for exchange in captured.exchanges]
    assert times_s == sorted(times_s)
    writes = [e.data for e in captured.exchanges if e.op == "write"]
    assert writes == [pmd.GET_ECG_SETTINGS, pmd.start_ecg(), pmd.STOP_ECG]
    notified = [e for e in captured.exchanges if e.op == "notify" and e.uuid == pmd.DATA]
    assert len(notified) >= N_FRAMES


async def test_a_host_that_does_other_things_than_recorded_is_served_all_the_same():
    """A newer driver subscribes in another order and never writes what the old one wrote."""

    class Ear:
        max_notification = 514

        def __init__(self) -> None:
            self.heard: list[bytes] = []

        async def notify(self, _: str, data: bytes) -> None:
            self.heard.append(data)

        async def disconnect(self) -> None: ...

        def vanish(self) -> None: ...

    clock = VirtualClock()
    exchanges = (
        Exchange(0.0, "subscribe", "a"),
        Exchange(0.1, "subscribe", "b"),
        Exchange(0.2, "write", "c", b"1"),
        Exchange(0.3, "notify", "a", b"x"),
        Exchange(0.8, "notify", "b", b"y"),
    )
    wearable, ear = ReplayWearable("N", (), (), exchanges, clock=clock), Ear()
    wearable.attach(ear)
    wearable.subscribed("b", True)
    wearable.subscribed("a", True)
    await wearable.finished.wait()
    assert ear.heard == [b"x", b"y"]
    assert clock.now() == pytest.approx(2.0 + 0.6)  # the write was awaited for two seconds


@given(st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_capture_cut_off_anywhere_keeps_what_is_whole(
    recorded: tuple[Path, Told], tmp_path: Path, data: st.DataObject
):
    whole = recorded[0].read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path / "cut.capture.jsonl"
    path.write_bytes(whole[:cut])
    lines = whole[:cut].count(b"\n")
    if lines == 0:
        with pytest.raises(RecordingError, match="line 1"):
            read_capture(path)
    else:
        kept = read_capture(path)
        assert kept.exchanges == read_capture(recorded[0]).exchanges[: lines - 1]


@given(st.binary(max_size=200), st.integers(0, 10_000))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damage_is_one_clear_error(
    recorded: tuple[Path, Told], tmp_path: Path, junk: bytes, place: int
):
    lines = recorded[0].read_bytes().splitlines(keepends=True)
    place %= len(lines)
    lines[place] = junk.replace(b"\n", b"") + b"\n"
    path = tmp_path / "damaged.capture.jsonl"
    path.write_bytes(b"".join(lines))
    with pytest.raises(RecordingError, match=rf"line {place + 1} .*Remedy"):
        read_capture(path)


def line(t: object = 0, op: str = "notify", uuid: str = pmd.DATA, data: str = "") -> str:
    return json.dumps({"t": t, "op": op, "uuid": uuid, "hex": data})


@pytest.mark.parametrize(
    "odd",
    [
        line(t=-1),
        line(t=float("nan")),
        line(t="soon"),
        line(op="shout"),
        line(uuid="../etc"),
        line(data="0"),
        line(data="00" * 5000),
        "[" * 5000,
        "[]",
    ],
    ids=range(9),
)
def test_lines_that_are_no_exchange_are_refused(
    recorded: tuple[Path, Told], tmp_path: Path, odd: str
):
    path = tmp_path / "odd.capture.jsonl"
    header = recorded[0].read_text().splitlines()[0]
    path.write_text(f"{header}\n{odd}\n")
    with pytest.raises(RecordingError, match="line 2"):
        read_capture(path)


def test_a_capture_never_outgrows_its_limit(tmp_path: Path):
    path = tmp_path / "full.capture.jsonl"
    with CaptureWriter(path, max_bytes=10_000) as writer:
        writer.opened(NAME, "Polar H10", {pmd.SERVICE: {pmd.DATA: ("notify",)}})
        for _ in range(100):
            writer.passed("notify", pmd.DATA, bytes(229))
    assert writer.full
    assert path.stat().st_size <= 10_000
    assert len(read_capture(path).exchanges) == writer.notifications == 18


def test_nothing_is_overwritten(tmp_path: Path):
    path = tmp_path / "kept.capture.jsonl"
    path.write_text("kept")
    with pytest.raises(SourceError, match=r"cannot be made.*--out"):
        CaptureWriter(path)
    assert path.read_text() == "kept"


def test_what_was_heard_survives_a_kill(tmp_path: Path):
    path = tmp_path / "killed.capture.jsonl"
    script = f"""
import os, signal
from pathlib import Path
from leadlab_edge.capture import CaptureWriter
writer = CaptureWriter(Path({str(path)!r}))
writer.opened("N", "Polar H10", {{}})
for n in range(500):
    writer.passed("notify", {pmd.DATA!r}, bytes(229))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert len(read_capture(path).exchanges) == 500


def test_no_driver_for_the_captured_device_is_said():
    capture = Capture("Toaster", "Toaster driver", "2026", (), ())
    with pytest.raises(SourceError, match=r"no driver reads Toaster.*Remedy"):
        capture_source(capture)


async def test_the_verb_records_until_the_file_is_full(on_bluez: OnBluez, tmp_path: Path):
    out = tmp_path / "verb.capture.jsonl"
    strap = H10(SimulatedStrap(ECG_UV, clock=SystemClock(100.0)))
    async with on_bluez(strap) as bluez:
        arguments = [bluez.address, "--out", str(out), "--max-mb", "0.02"]
        result = await asyncio.to_thread(CliRunner().invoke, capture_verb, arguments)
        assert result.exit_code == 0, result.output
        assert not bluez.connected
    assert "it is full (--max-mb)" in result.output
    captured = read_capture(out)
    heard = [e.data for e in captured.exchanges if e.op == "notify" and e.uuid == pmd.DATA]
    got = np.concatenate([pmd.decode_ecg(data).samples_uv for data in heard])
    np.testing.assert_array_equal(got, ECG_UV[: got.size])
    assert got.size > 20 * 73
    assert json.loads(out.read_text().splitlines()[0])["driver"] == "Polar H10"


async def test_a_device_that_nobody_knows_is_heard_all_the_same(on_bluez: OnBluez, tmp_path: Path):
    out = tmp_path / "unknown.capture.jsonl"
    board = WEARABLES["healthypi"].make(ECG_UV, clock=SystemClock(100.0))
    async with on_bluez(board) as bluez:
        arguments = [bluez.address, "--unknown", "--out", str(out), "--max-mb", "0.02"]
        result = await asyncio.to_thread(CliRunner().invoke, capture_verb, arguments)
        assert result.exit_code == 0, result.output
    captured = read_capture(out)
    assert captured.driver == "unknown"
    heard = [e.data for e in captured.exchanges if e.op == "notify" and e.uuid == healthypi.ECG]
    got = np.concatenate([healthypi.decode_ecg(data).samples_uv for data in heard])
    kept = ECG_UV[np.arange(ECG_UV.size) % 9 != 8]  # the board throws every ninth sample away
    np.testing.assert_allclose(got, kept[: got.size], atol=1.0)
    assert got.size > 100


async def test_a_device_that_is_gone_ends_the_capture_with_its_reason(
    on_bluez: OnBluez, tmp_path: Path
):
    out = tmp_path / "gone.capture.jsonl"
    faults = Faults(disconnect_at=6)
    strap = H10(SimulatedStrap(ECG_UV, clock=SystemClock(100.0), faults=faults))
    async with on_bluez(strap) as bluez:
        arguments = [bluez.address, "--out", str(out)]
        result = await asyncio.to_thread(CliRunner().invoke, capture_verb, arguments)
    assert isinstance(result.exception, SourceError)
    assert "disconnected after 6 frames" in str(result.exception)
    assert f"notifications, 0 of them not decodable, in {out}" in result.output
    assert len([e for e in read_capture(out).exchanges if e.uuid == pmd.DATA]) == 7


async def test_a_device_that_is_not_found_leaves_no_file(on_bluez: OnBluez, tmp_path: Path):
    out = tmp_path / "none.capture.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("leadlab_edge.sources.ble.find", _find_nothing)
        async with on_bluez(H10(SimulatedStrap(ECG_UV))):
            result = await asyncio.to_thread(
                CliRunner().invoke, capture_verb, ["nobody", "--out", str(out)]
            )
    assert isinstance(result.exception, SourceError)
    assert result.output == ""
    assert not out.exists()


async def _find_nothing(device: str, timeout_s: float, backend: Any) -> Any:
    return await find(device, min(timeout_s, 0.1), backend)

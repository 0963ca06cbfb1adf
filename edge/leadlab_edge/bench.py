"""Bench: what every way to run a pack costs on this machine, and whether it gives the right logits.

Each combination of runtime, precision and threads runs in a process of its own.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadlab_edge.config import parse_record
from leadlab_edge.errors import ConfigError, PackError
from leadlab_edge.pack import Pack
from leadlab_edge.pack.pins import Pin
from leadlab_edge.runtimes import RUNTIMES, available, missing

AS_FAST = 1.1  # latencies this close count as equal; then fewer threads and less memory win
_START_UP_S = 120.0  # a large runtime on a slow card


@dataclass(frozen=True, slots=True)
class Cost:
    """What one combination costs.

    Attributes
    ----------
    load_s
        From the verified pack to a model ready to run, import of the runtime included.
    median_ms, p99_ms, repeats
        Raw millivolts to logits of one window, over ``repeats`` runs.
    window_s
        Signal that one run scores.
    rss_mb, peak_rss_mb
        Resident memory of a process that only predicts, at the end and at its peak; 0 where the
        operating system does not tell.
    max_abs, rms, limit, passed
        Difference from the golden logits; see :class:`leadlab_edge.pack.Parity`.
    """

    load_s: float
    median_ms: float
    p99_ms: float
    repeats: int
    window_s: float
    rss_mb: float
    peak_rss_mb: float
    max_abs: float
    rms: float
    limit: float
    passed: bool

    @property
    def real_time_factor(self) -> float:
        """Time to score a window over the time it spans; below 1 keeps up with the stream."""
        return self.median_ms / 1e3 / self.window_s


@dataclass(frozen=True, slots=True)
class Row:
    """One combination: its cost, or why it did not run."""

    way: Pin
    cost: Cost | None
    failure: str = ""


def ways(
    pack: Pack,
    threads: Iterable[int],
    runtimes: Collection[str] = (),
    precisions: Collection[str] = (),
) -> list[Pin]:
    """Return every way to run a pack here.

    Parameters
    ----------
    pack
        A verified pack.
    threads
        Thread counts to try.
    runtimes, precisions
        Only these; empty takes all installed runtimes but those that run by name only.

    Raises
    ------
    RuntimeMissing
        Nothing installed executes what is asked for.
    """
    found = [
        Pin(runtime.name, model.precision, count)
        for runtime in RUNTIMES
        for model in pack.manifest.models
        for count in threads
        if runtime.name in available()
        and (runtime.name in runtimes if runtimes else not runtime.by_name_only)
        and runtime.format == model.format
        and model.rate_hz is None
        and (not precisions or model.precision in precisions)
    ]
    if not found:
        formats = {model.format for model in pack.manifest.models}
        raise missing(formats, next(iter(runtimes), None))
    return found


def measure(
    path: Path,
    way: Pin,
    *,
    repeats: int = 300,
    seconds: float = 20.0,
    python: str | Path = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Row:
    """Measure one combination in a fresh process.

    Parameters
    ----------
    path
        The pack.
    way
        What to run it with.
    repeats, seconds
        Runs to time, fewer after so many seconds (20 at least).
    python, environment
        Interpreter of the process, and its environment variables; None takes this process's.
    """
    command = [python, "-m", "leadlab_edge.bench_child", path, way.runtime, way.precision]
    limit_s = seconds + _START_UP_S
    try:
        done = subprocess.run(
            [str(part) for part in (*command, way.threads, repeats, seconds)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return Row(way, None, f"not done after {limit_s:g} s")
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no message"]
        return Row(way, None, f"status {done.returncode}: {said[-1]}")
    return Row(way, parse_record(Cost, json.loads(done.stdout.splitlines()[-1]), error=ConfigError))


def fastest(rows: Iterable[Row]) -> Pin:
    """Return the fastest combination that gives the right logits.

    Of those within a tenth of it, the one with the fewest threads, then with the least memory.

    Raises
    ------
    PackError
        None does.
    """
    sound = [(row.way, row.cost) for row in rows if row.cost is not None and row.cost.passed]
    if not sound:
        raise PackError(
            "no combination gives the pack's golden logits; none is pinned. Remedy: update the"
            " runtime, or see `leadlab pack verify --run`"
        )
    best_ms = min(cost.median_ms for _, cost in sound)
    near = [(way, cost) for way, cost in sound if cost.median_ms <= AS_FAST * best_ms]
    return min(near, key=lambda pair: (pair[0].threads, pair[1].peak_rss_mb))[0]


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, load, system and Python."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "load_before": load,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Return the processor's name; Linux keeps it where Python does not look."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        board = Path("/proc/device-tree/model")
        name = board.read_text(errors="replace").strip("\0\n") if board.exists() else ""
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return name or next(iter(models), "") or platform.processor()

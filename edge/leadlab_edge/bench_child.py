"""One measurement in a process of its own, so that memory and load time are its alone.

python -m leadlab_edge.bench_child PACK RUNTIME PRECISION THREADS REPEATS SECONDS
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np

from leadlab_bridge.errors import LeadlabError
from leadlab_edge.pack import TEACHER_MAX_BYTES, PackModel, read_pack
from leadlab_edge.pack.manifest import Precision

_WARM_UP, _FEWEST = 10, 20


def main(arguments: list[str]) -> int:
    """Measure, and print one line of JSON; on leadlab's own errors one line on stderr, status 1."""
    path, runtime, precision, threads, repeats, seconds = arguments
    if precision not in get_args(Precision):
        raise SystemExit(f"precision is {precision!r}; it must be one of {get_args(Precision)}")
    try:
        cost = _measure(path, runtime, precision, int(threads), int(repeats), float(seconds))
    except LeadlabError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(cost))
    return 0


def _measure(
    path: str, runtime: str, precision: Any, threads: int, repeats: int, seconds: float
) -> dict[str, float]:
    pack = read_pack(path, TEACHER_MAX_BYTES)
    start = time.perf_counter()
    model = pack.load(runtime, precision, threads)
    load_s = time.perf_counter() - start
    parity = pack.parity(model)
    latencies_ms = _latencies_ms(model, pack.golden().raw_mv, repeats, seconds)
    rss_mb, peak_rss_mb = _memory_mb()
    return {
        "load_s": load_s,
        "median_ms": float(np.median(latencies_ms)),
        "p99_ms": float(np.percentile(latencies_ms, 99)),
        "repeats": len(latencies_ms),
        "window_s": (model.n_samples - 2 * model.margin) / model.rate_hz,
        "rss_mb": rss_mb,
        "peak_rss_mb": peak_rss_mb,
        "max_abs": parity.max_abs,
        "rms": parity.rms,
        "limit": parity.limit,
        "passed": parity.passed,
    }


def _latencies_ms(
    model: PackModel, windows: np.ndarray[Any, Any], repeats: int, seconds: float
) -> list[float]:
    """Time raw millivolts to logits: ``repeats`` times, fewer where that takes too long."""
    taken_ms: list[float] = []
    warm_up = min(_WARM_UP, repeats)
    deadline = time.perf_counter() + seconds
    for n in range(warm_up + repeats):
        window = windows[n % len(windows)]
        start = time.perf_counter()
        model.logits(window)
        end = time.perf_counter()
        taken_ms.append(1e3 * (end - start))
        if end > deadline and n >= warm_up + _FEWEST:
            break
    return taken_ms[warm_up:]


def _memory_mb() -> tuple[float, float]:
    """Return resident memory of this process, now and at its peak, in 1e6 bytes.

    From Linux's own record of this program: ``ru_maxrss`` would still count whoever started it.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        kib = {key: value for key, _, value in (line.partition(":") for line in lines)}
        rss_mb, peak_mb = (int(kib[key].split()[0]) * 1024 / 1e6 for key in ("VmRSS", "VmHWM"))
        return rss_mb, peak_mb
    except (OSError, KeyError):
        return _memory_elsewhere_mb()


def _memory_elsewhere_mb() -> tuple[float, float]:
    """Return the peak for both where there is no /proc; 0 where it is not told at all."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0.0, 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return peak_mb, peak_mb


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

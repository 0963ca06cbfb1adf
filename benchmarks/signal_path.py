"""Cost of the stream pipeline and of the published preprocessing, on one core.

    OMP_NUM_THREADS=1 python benchmarks/signal_path.py

Prints milliseconds of every stage per window, CPU seconds per hour of ECG for the whole pipeline
with a model that costs nothing, and windows per second of `ecgfounder_v1` beside the published
code, which designs its filters anew for every window, both interleaved in one run. Times are the
CPU's, so that other processes hardly matter.
"""

import time
from collections.abc import Callable

import numpy as np
from scipy.signal import butter, filtfilt, iirnotch, medfilt

from leadlab_bridge import EcgFrame
from leadlab_edge.beats import detect_beats
from leadlab_edge.display import DisplayFilter
from leadlab_edge.pipeline import Pipeline
from leadlab_edge.quality import assess
from leadlab_edge.resample import resample_window
from leadlab_edge.signal import ecgfounder_v1
from leadlab_edge.sources.base import SourceInfo

RATES_HZ = (130.163, 250.0, 500.0)
FRAME_S = 0.56
HOUR_S = 3600


class NoModel:
    """A model that costs nothing."""

    rate_hz, n_samples, margin, lead = 125.0, 1475, 112, "II"
    indicators = ()

    def logits(self, raw_mv: np.ndarray) -> np.ndarray:
        """Return part of the input."""
        return raw_mv[:108]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the input."""
        return logits


def ecg_mv(fs_hz: float, seconds: float) -> np.ndarray:
    """Return ECG-like pulses with noise, ``(n,) float32``."""
    t_s = np.arange(round(seconds * fs_hz)) / fs_hz
    since_s = (t_s + 0.02 * np.sin(t_s)) % 0.83 - 0.4
    beats = 1.1 * np.exp(-0.5 * (since_s / 0.012) ** 2)
    t_waves = 0.3 * np.exp(-0.5 * ((since_s - 0.28) / 0.05) ** 2)
    noise = np.random.default_rng(0).normal(0, 0.01, t_s.size)
    return np.asarray(beats + t_waves + noise + 0.3 * np.sin(0.6 * t_s), np.float32)


def best_ms(run: Callable[[], object], repeats: int = 30) -> float:
    """Return the fastest of several runs in milliseconds of CPU time."""
    best_s = float("inf")
    for _ in range(repeats):
        start_s = time.process_time()
        run()
        best_s = min(best_s, time.process_time() - start_s)
    return 1e3 * best_s


def stages(fs_hz: float) -> None:
    """Print what each stage costs for one window at ``fs_hz``."""
    raw_mv = ecg_mv(fs_hz, 13.4)
    beats = detect_beats(raw_mv, fs_hz)
    display, frame_uv = DisplayFilter(fs_hz, 6.0), 1000 * raw_mv[: round(FRAME_S * fs_hz)]
    costs = {
        "beats": best_ms(lambda: detect_beats(raw_mv, fs_hz)),
        "quality": best_ms(lambda: assess(raw_mv, fs_hz, beats)),
        "resample to 125 Hz": best_ms(lambda: resample_window(raw_mv, fs_hz, 125.0, 1475)),
        "display, 0.56 s": best_ms(lambda: display.append(frame_uv)),
    }
    print(f"{fs_hz:8.3f} Hz  " + "  ".join(f"{name} {ms:.3f} ms" for name, ms in costs.items()))


def pipeline(fs_hz: float) -> None:
    """Print the CPU time of a whole hour of ECG, and the cost of an ordinary frame."""
    nominal_hz = round(fs_hz)
    x_uv, n = 1000 * ecg_mv(fs_hz, HOUR_S), round(FRAME_S * fs_hz)
    chain = Pipeline(NoModel(), SourceInfo("benchmark", "simulated", "II", nominal_hz))
    frames = [
        EcgFrame(x_uv[k : k + n], nominal_hz, "II", device_time_ns=round((k + n) / fs_hz * 1e9))
        for k in range(0, x_uv.size - n + 1, n)
    ]
    began_s, windows, ordinary_s = time.process_time(), 0, []
    for number, frame in enumerate(frames):
        start_s = time.perf_counter()
        results = chain.feed(frame, number * FRAME_S)
        if not results:
            ordinary_s.append(time.perf_counter() - start_s)
        chain.snapshot()
        windows += len(results)
    cpu_s = time.process_time() - began_s
    print(
        f"{fs_hz:8.3f} Hz  {cpu_s:.2f} CPU s per hour of ECG, {windows} windows,"
        f" a frame without a window {1e6 * np.median(ordinary_s):.0f} us"
    )


def published(raw_mv: np.ndarray, fs_hz: float = 500.0) -> np.ndarray:
    """Preprocess one window, ``(leads, 5000)``, in the steps of the published code."""
    x = np.nan_to_num(raw_mv, nan=0)
    notched, passed, baseline = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    b, a = iirnotch(50, 30, fs_hz)
    for lead in range(len(x)):
        notched[lead] = filtfilt(b, a, x[lead])
    b, a = butter(4, [0.67, 40], "bandpass", fs=fs_hz)
    for lead in range(len(x)):
        passed[lead] = filtfilt(b, a, notched[lead])
    for lead in range(len(x)):
        baseline[lead] = medfilt(passed[lead], 201)
    x = passed - baseline
    return (x - x.mean()) / (x.std() + 1e-8)


def preprocessing(n_windows: int = 256, rounds: int = 15) -> None:
    """Print windows per second of both codes, taken by turns, and the median ratio of a round."""
    rows = ecg_mv(500.0, 10.0 * n_windows).reshape(n_windows, 5000).astype(np.float64)
    codes = {
        "published": lambda: [published(row[None]) for row in rows],
        "one alone": lambda: [ecgfounder_v1(row) for row in rows],
        "batched": lambda: ecgfounder_v1(rows),
    }
    ms = {name: np.empty(rounds) for name in codes}
    for number in range(rounds):
        for name, code in codes.items():
            ms[name][number] = best_ms(code, 1) / n_windows
    for name, times in ms.items():
        low, middle, high = np.percentile(ms["published"] / times, (25, 50, 75))
        print(
            f"{name:9} {np.median(times):.3f} ms, {1e3 / np.median(times):.0f} windows/s per core,"
            f" {middle:.2f} times published (quartiles {low:.2f}-{high:.2f})"
        )
    error = np.abs(
        ecgfounder_v1(rows[:16, None]) - [published(row[None]) for row in rows[:16]]
    ).max()
    print(f"largest difference {error:.1e}")


if __name__ == "__main__":
    for rate_hz in RATES_HZ:
        stages(rate_hz)
    for rate_hz in RATES_HZ:
        pipeline(rate_hz)
    preprocessing()

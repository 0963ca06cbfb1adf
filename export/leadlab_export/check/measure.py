"""What a pack computes and costs on this machine: logits, latency and size of every model file."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.pack import Pack, PackModel
from leadlab_edge.pack.manifest import Precision
from leadlab_edge.runtimes import RUNTIMES, Format, available

WARM_UP, REPEATS = 20, 200


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One model file on one runtime.

    Attributes
    ----------
    file, runtime, precision, format
        Which file, and what executed it.
    n_bytes
        Size of the file.
    latency_ms
        Median time of one window on one thread, input in memory.
    logits
        ``(n, n_indicators) float32``.
    rate_hz
        None for the pack's main input, else the rate of the other input that the file takes.
    """

    file: str
    runtime: str
    precision: Precision
    format: Format
    n_bytes: int
    latency_ms: float
    logits: NDArray[np.float32]
    rate_hz: float | None = None


def measure_pack(
    pack: Pack,
    raw_mv: NDArray[np.float32],
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Measured, ...]:
    """Run every model file of a pack on every installed runtime that executes it.

    Parameters
    ----------
    pack
        A verified pack.
    raw_mv
        ``(n, n_samples)`` millivolts at the pack's rate.
    on_progress
        Called with files measured and files in all.
    """
    models = [model for model in open_models(pack) if model.file.rate_hz is None]
    results = []
    for done, model in enumerate(models, start=1):
        results.append(
            Measured(
                file=model.file.file,
                runtime=model.runtime,
                precision=model.file.precision,
                format=model.file.format,
                n_bytes=len(pack.members[model.file.file]),
                latency_ms=_latency_ms(model, raw_mv[0]),
                logits=np.stack([model.logits(window) for window in raw_mv]),
            )
        )
        if on_progress:
            on_progress(done, len(models))
    return tuple(results)


def open_models(pack: Pack) -> Iterator[PackModel]:
    """Open each model file on each installed runtime; TensorFlow counts only where it is pinned."""
    for file in pack.manifest.models:
        for runtime in RUNTIMES:
            suits = runtime.format == file.format and not runtime.by_name_only
            if suits and runtime.name in available():
                yield pack.load(runtime.name, file.precision, rate_hz=file.rate_hz)


def _latency_ms(model: PackModel, window: NDArray[np.float32]) -> float:
    seconds = []
    for _ in range(WARM_UP + REPEATS):
        start = time.perf_counter()
        model.logits(window)
        seconds.append(time.perf_counter() - start)
    return 1e3 * float(np.median(seconds[WARM_UP:]))

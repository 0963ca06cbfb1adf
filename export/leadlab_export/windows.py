"""Windows of a cohort as a compact model takes them: resampled, otherwise raw, with margins."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.resample import resample_window
from leadlab_export.row_cache import cache_name, cached_rows
from leadlab_train.cohort import Cohort

RESAMPLER_S = 0.18  # beyond the window on each side: edge effects stay below 1 uV
CHUNK = 256


def compact_windows(
    cohort: Cohort,
    rows: NDArray[np.integer[Any]],
    rate_hz: float,
    n_samples: int,
    spare: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Read windows through the device's own resampler.

    Parameters
    ----------
    cohort
        The cohort. Its strips must reach far enough beyond their windows.
    rows
        ``(n,)`` window row numbers.
    rate_hz, n_samples
        What the model takes, margins included.
    spare
        Extra samples on each side, for augmentation.
    on_progress
        Called with windows done and windows in all.

    Returns
    -------
    NDArray
        ``(n, n_samples + 2 * spare) float32``, mV @ ``rate_hz``, each in the middle of its window.

    Raises
    ------
    CohortError
        If the margins reach beyond a strip.
    """
    n_out = n_samples + 2 * spare
    beyond_s = (n_out / rate_hz - cohort.n_samples / cohort.rate_hz) / 2
    windows = np.empty((len(rows), n_out), np.float32)
    for start in range(0, len(rows), CHUNK):
        strips = cohort.read_mv(rows[start : start + CHUNK], max(0.0, beyond_s + RESAMPLER_S))
        for offset, strip in enumerate(strips):
            windows[start + offset] = resample_window(strip, cohort.rate_hz, rate_hz, n_out)
        if on_progress:
            on_progress(min(start + CHUNK, len(rows)), len(rows))
    return windows


def cached_windows(
    cohort: Cohort,
    rows: NDArray[np.integer[Any]],
    rate_hz: float,
    n_samples: int,
    spare: int,
    cache: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Read windows as :func:`compact_windows` does, once: later calls find them in ``cache``.

    Returns
    -------
    NDArray
        ``(n, n_samples + 2 * spare) float32``, mV @ ``rate_hz``, mapped into memory.

    Raises
    ------
    CohortError
        If the margins reach beyond a strip.
    ExportError
        If the cache cannot be written.
    """

    def windows(start: int, stop: int) -> NDArray[np.float32]:
        return compact_windows(cohort, rows[start:stop], rate_hz, n_samples, spare)

    place = f"{rate_hz:g} Hz {n_samples} {spare}"
    name = cache_name("windows", place, cohort.manifest.content_sha256, rows)
    return cached_rows(cache / name, len(rows), n_samples + 2 * spare, windows, on_progress)

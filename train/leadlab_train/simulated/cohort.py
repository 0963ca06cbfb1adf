"""Simulate a cohort on disk: patients, visits, blood draws, strips and labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from leadlab_train.cohort import Cohort, CohortWriter
from leadlab_train.cohort.manifest import Setting
from leadlab_train.errors import CohortError
from leadlab_train.panel import Panel, load_panel
from leadlab_train.simulated.physiology import ECG_SHARES, Floats, Shares, build_physiology
from leadlab_train.simulated.population import (
    DEFAULT_VISITING,
    Population,
    Visiting,
    draw_population,
    place_strips,
)
from leadlab_train.simulated.waveform import DEFAULT_NUISANCE, Nuisance, render

DEMO_PATIENTS: Mapping[str, int] = MappingProxyType({"train": 5000, "val": 500, "test": 1500})
LEAD, RATE_HZ, WINDOW_S, MARGIN_S = "II", 500.0, 10.0, 1.2
GAIN_MV = 0.0025

_STRIP_S = WINDOW_S + 2 * MARGIN_S
_SPLITS = ("train", "val", "test")
_BATCH = 64
_FIRST_DAY = datetime(2000, 1, 1)


def simulate_cohort(
    path: Path,
    *,
    patients: Mapping[str, int] = DEMO_PATIENTS,
    strength: float = 0.0,
    seed: int = 0,
    panel: Panel | None = None,
    visiting: Visiting = DEFAULT_VISITING,
    shares: Shares = ECG_SHARES,
    nuisance: Nuisance = DEFAULT_NUISANCE,
    progress: Callable[[int, int], None] | None = None,
) -> Cohort:
    """Draw a cohort and write it to ``path``.

    Labels are missing as orders are in the train and val split; the test split is complete, which
    only a simulation can offer. Each split has its own random stream: more training patients leave
    the test patients as they are, to the last sample; so have the times of its strips.

    Parameters
    ----------
    path
        Folder to make; it must not exist.
    patients
        Patients in each of the splits "train", "val" and "test".
    strength
        Ceilings are .5 + (study's AUROC - .5) * (1 + strength).
    seed
        Equal seeds and settings give equal cohorts, bit for bit on one machine.
    panel
        Findings to simulate; None for the study's 108.
    visiting, shares, nuisance
        How many visits, draws and windows; what of the ECG lasts; what recordings add.
    progress
        Called with (strips done, strips in all).

    Raises
    ------
    CohortError
        If the folder exists, a split is unknown or empty, or the panel cannot be simulated.
    """
    if set(patients) != set(_SPLITS) or min(patients.values()) < 1:
        raise CohortError(f"patients is {dict(patients)}; give at least 1 for each of {_SPLITS}")
    physiology = build_physiology(panel or load_panel(), strength, shares)
    splits = {
        split: draw_population(physiology, patients[split], visiting, _generator(seed, stream))
        for stream, split in enumerate(_SPLITS)
    }
    truth = np.concatenate([population.truth for population in splits.values()])
    observed = np.concatenate([p.observed | (name == "test") for name, p in splits.items()])
    writer = CohortWriter(
        path,
        physiology.panel,
        lead=LEAD,
        rate_hz=RATE_HZ,
        window_s=WINDOW_S,
        simulated=True,
        provenance=_provenance(seed, strength, visiting, shares, nuisance),
    )
    with writer:
        z_windows = [population.z_window for population in splits.values()]
        _render_all(writer, z_windows, seed, nuisance, progress)
        return writer.finish(
            **_tables(splits, seed),
            labels=np.where(observed, truth, np.int8(-1)),
            truth=truth,
            arrays={
                "parameters": np.concatenate(z_windows).astype(np.float32),
                "loadings": physiology.loadings(),
                "ceilings": physiology.ceilings(),
            },
        )


def _generator(seed: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=stream))


def _render_all(
    writer: CohortWriter,
    z_windows: Sequence[Floats],
    seed: int,
    nuisance: Nuisance,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Render one strip for each window, split by split, each from its own random stream."""
    done, n_strips = 0, sum(map(len, z_windows))
    for stream, z in enumerate(z_windows):
        for first in range(0, len(z), _BATCH):
            batch = z[first : first + _BATCH]
            strips = render(
                batch,
                [_generator(seed, stream, first + i) for i in range(len(batch))],
                rate_hz=RATE_HZ,
                duration_s=_STRIP_S,
                nuisance=nuisance,
            )
            for counts in np.rint(strips / np.float32(GAIN_MV)).astype(np.int16):
                writer.add_strip(counts)
            done += len(batch)
            if progress:
                progress(done, n_strips)


def _tables(splits: Mapping[str, Population], seed: int) -> dict[str, pl.DataFrame]:
    """Join the splits into tables whose rows are numbered through."""
    populations = list(splits.values())

    def joined(parents: list[NDArray[np.int64]], n_parents: list[int]) -> NDArray[np.int64]:
        first = np.cumsum([0, *n_parents[:-1]])
        return np.concatenate([own + start for own, start in zip(parents, first, strict=True)])

    n_patients = [len(p.age) for p in populations]
    n_visits = [len(p.visit_patient) for p in populations]
    n_draws = [len(p.draw_visit) for p in populations]
    visit_patient = joined([p.visit_patient for p in populations], n_patients)
    draw_visit = joined([p.draw_visit for p in populations], n_visits)
    window_draw = joined([p.window_draw for p in populations], n_draws)
    draw_patient, window_visit = visit_patient[draw_visit], draw_visit[window_draw]
    window_patient, number = draw_patient[window_draw], np.arange(len(window_draw))
    day = np.concatenate([p.draw_day for p in populations])
    draw_time = np.datetime64(_FIRST_DAY, "us") + (day * 86400e6).astype("timedelta64[us]")
    patients = {
        "patient": np.arange(sum(n_patients)),
        "split": np.repeat(list(splits), n_patients),
        "age": np.concatenate([p.age for p in populations]).astype(np.float32),
        "sex": np.where(np.concatenate([p.male for p in populations]), "M", "F"),
    }
    draws = {
        "draw": np.arange(len(draw_visit)),
        "visit": draw_visit,
        "patient": draw_patient,
        "time": draw_time,
    }
    strips = {
        "strip": number,
        "gain_mv": np.full(len(number), GAIN_MV),
        "lead": np.full(len(number), LEAD),
        "visit": window_visit,
        "patient": window_patient,
        "time": draw_time[window_draw] + _after_draw(populations, seed),
    }
    windows = {
        "window": number,
        "strip": number,
        "start": np.full(len(number), round(MARGIN_S * RATE_HZ)),
        "draw": window_draw,
        "patient": window_patient,
    }
    tables = {"patients": patients, "draws": draws, "strips": strips, "windows": windows}
    return {name: pl.DataFrame(columns) for name, columns in tables.items()}


def _after_draw(populations: Sequence[Population], seed: int) -> NDArray[np.timedelta64]:
    """Place all strips, split by split, each from a stream that serves nothing else."""
    start_s = [
        place_strips(population, _STRIP_S, _generator(seed, len(_SPLITS) + stream))
        for stream, population in enumerate(populations)
    ]
    return (np.concatenate(start_s) * 1e6).astype("timedelta64[us]")


def _provenance(
    seed: int, strength: float, visiting: Visiting, shares: Shares, nuisance: Nuisance
) -> dict[str, Setting]:
    return {
        "source": "leadlab_train.simulated",
        "seed": seed,
        "strength": strength,
        **asdict(visiting),
        **{f"share_{level}": share for level, share in asdict(shares).items()},
        **asdict(nuisance),
    }

"""What must hold between the files and tables of a cohort before anything is read from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from leadlab_train.cohort.manifest import Manifest
from leadlab_train.cohort.tables import COLUMNS, Rows, check_within, integers, times_us
from leadlab_train.errors import CohortError

SPLITS: Final = ("train", "val", "test")


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """Check that every file is there with its size.

    Raises
    ------
    CohortError
        If one is not.
    """
    for name, entry in manifest.files.items():
        file = folder / name
        try:
            size = file.stat().st_size
        except OSError as error:
            raise CohortError(
                f"{file} is missing ({error.strerror}); restore it or write the cohort anew"
            ) from error
        if size != entry.n_bytes:
            raise CohortError(f"{file} has {size} bytes, not {entry.n_bytes}; restore it")


def check_tables(tables: Mapping[str, pl.DataFrame], lead: str) -> None:
    """Check row numbers, references, and that neither window nor visit mixes two patients.

    Parameters
    ----------
    tables
        Those of `COLUMNS`.
    lead
        What all strips must hold.

    Raises
    ------
    CohortError
        If the tables contradict themselves.
    """
    for name, columns in COLUMNS.items():
        if not np.array_equal(integers(tables[name], columns[0]), np.arange(len(tables[name]))):
            raise CohortError(f"{name}.parquet: {columns[0]!r} must be the row number")
    if unknown := set(tables["patients"]["split"].unique()) - set(SPLITS):
        raise CohortError(f"patients.parquet has splits {unknown}; use {SPLITS}")
    if (leads := set(tables["strips"]["lead"].unique())) != {lead}:
        raise CohortError(f"strips.parquet has leads {leads}; all must be {lead!r}")
    draw_patient, strip_patient, window_patient = (
        integers(tables[name], "patient") for name in ("draws", "strips", "windows")
    )
    window_draw, window_strip = (integers(tables["windows"], name) for name in ("draw", "strip"))
    check_within("patient of a draw", draw_patient, len(tables["patients"]))
    check_within("patient of a strip", strip_patient, len(tables["patients"]))
    check_within("draw of a window", window_draw, len(draw_patient))
    check_within("strip of a window", window_strip, len(strip_patient))
    mixed = (draw_patient[window_draw] != window_patient) | (
        strip_patient[window_strip] != window_patient
    )
    if mixed.any():
        raise CohortError(
            f"{mixed.sum()} windows belong to another patient than their draw or strip;"
            " splits would share patients"
        )
    _check_visits(tables["draws"], tables["strips"])
    if "time" in tables["strips"].columns:
        _check_times(tables["draws"], tables["strips"])


def _check_visits(draws: pl.DataFrame, strips: pl.DataFrame) -> None:
    """Check that a visit, by which strips join draws, is of one patient."""

    def joined(column: str) -> Rows:
        return np.concatenate([integers(draws, column), integers(strips, column)])

    visit, patient = joined("visit"), joined("patient")
    order = np.lexsort((patient, visit))
    visit, patient = visit[order], patient[order]
    mixed = (visit[1:] == visit[:-1]) & (patient[1:] != patient[:-1])
    if mixed.any():
        raise CohortError(
            f"visit {visit[1:][mixed][0]} belongs to more than one patient; splits would share"
            " patients: number the visits through"
        )


def _check_times(draws: pl.DataFrame, strips: pl.DataFrame) -> None:
    zones = set()
    for table in (draws, strips):
        times_us(table)
        if isinstance(dtype := table.schema["time"], pl.Datetime):
            zones.add(str(dtype.time_zone))
    if len(zones) > 1:
        raise CohortError(f"times of draws and strips are in zones {zones}; give both the same")

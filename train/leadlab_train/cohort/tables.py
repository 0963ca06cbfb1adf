"""The tables of a cohort as arrays: read from disk, each column checked for its type."""

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from leadlab_train.errors import CohortError

Rows = NDArray[np.int64]

COLUMNS: Final = {
    "patients": ("patient", "split"),
    "draws": ("draw", "visit", "patient", "time"),
    "strips": ("strip", "shard", "offset", "length", "gain_mv", "lead", "visit", "patient"),
    "windows": ("window", "strip", "start", "draw", "patient"),
}


def read_table(folder: Path, name: str) -> pl.DataFrame:
    """Read ``name.parquet`` of a cohort.

    Raises
    ------
    CohortError
        If it cannot be read, is empty or lacks one of its `COLUMNS`.
    """
    file = folder / f"{name}.parquet"
    try:
        table = pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CohortError(f"{file} cannot be read: {error}") from error
    if lacking := [column for column in COLUMNS[name] if column not in table.columns]:
        raise CohortError(f"{file} lacks the columns {lacking}")
    if table.is_empty():
        raise CohortError(f"{file} is empty; a cohort needs at least a row")
    return table


def integers(table: pl.DataFrame, column: str) -> Rows:
    """Return a column of whole numbers.

    Raises
    ------
    CohortError
        If it holds anything else or has gaps.
    """
    values = table[column]
    if not values.dtype.is_integer() or values.null_count():
        raise CohortError(
            f"column {column!r} is {values.dtype} with {values.null_count()} empty cells;"
            " it must hold whole numbers, none empty"
        )
    return values.cast(pl.Int64).to_numpy()


def times_us(table: pl.DataFrame) -> Rows:
    """Return column ``time`` as microseconds since 1970.

    Raises
    ------
    CohortError
        If it holds anything but times or has gaps.
    """
    values = table["time"]
    if not isinstance(values.dtype, pl.Datetime) or values.null_count():
        raise CohortError(
            f"column 'time' is {values.dtype} with {values.null_count()} empty cells;"
            " it must hold date and time, none empty"
        )
    return values.dt.timestamp("us").to_numpy()


def row_numbers(rows: ArrayLike) -> Rows:
    """Return ``(n,) int64``; a boolean mask is refused, it would be read as rows 0 and 1.

    Raises
    ------
    CohortError
        If ``rows`` is no list of whole numbers.
    """
    numbers = np.atleast_1d(np.asarray(rows))
    if numbers.ndim != 1 or not (np.issubdtype(numbers.dtype, np.integer) or not numbers.size):
        raise CohortError(f"rows are {numbers.dtype} {numbers.shape}; give row numbers (n,)")
    return numbers.astype(np.int64, copy=False)


def check_within(what: str, numbers: Rows, n: int) -> None:
    """Check that all numbers are rows of a table of ``n``.

    Raises
    ------
    CohortError
        If one is not.
    """
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < n:
        raise CohortError(f"{what}: {numbers.min()}..{numbers.max()} reach outside 0..{n - 1}")

"""Text recordings: a column of samples, and usually one of times.

The rules, in the order in which they apply:

- Lines starting with ``#`` and blank lines are skipped. The delimiter is the first of ``; , TAB``
  in the first line, else white space. That line names the columns unless all its cells are numbers.
- Time is the first column of numbers whose name holds "time"; without names, the first of two.
- The unit is read from the end of a column's name: ``time_ns``, ``ecg [uV]``. A time without one
  takes the unit (s, ms, us, ns) that puts the rate between 50 and 5000 Hz; at most one does.
- The rate is the mean step that is not a gap; a step over 1.5 median steps is a gap, filled
  with NaN.
"""

import gzip
import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.errors import RecordingError
from leadlab_edge.recordings.base import (
    UNKNOWN_LEAD,
    Recording,
    choose_channel,
    lead_of,
    millivolts_per,
)

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PLAUSIBLE_HZ = (50.0, 5000.0)  # a factor of 100, so that no two units both fit
_GAP_STEPS = 1.5
_MIN_REGULAR = 0.9
_MAX_FILL = 10
_MAX_ROWS = 100_000_000
_EPOCH_S = (946_684_800.0, 4_102_444_800.0)  # 2000 to 2100: what can be a date


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the first lines tell. ``names`` is empty where columns are not named."""

    delimiter: str | None
    names: tuple[str, ...]
    first_row: tuple[str, ...]
    first_line: str

    def name_of(self, column: int | None) -> str:
        return self.names[column] if self.names and column is not None else ""


def read_csv(
    path: Path,
    channel: str | int | None = None,
    unit: str | float | None = None,
    rate_hz: float | None = None,
    lead: str | None = None,
) -> Recording:
    """Read a text recording; parameters as in :func:`leadlab_edge.recordings.open_recording`."""
    try:
        with _open_text(path) as file:
            rows = (line for line in file if line.strip() and not line.lstrip().startswith("#"))
            layout = _sniff(rows, path.name)
            value_column = _value_column(layout, channel, path.name)
            time_column = None if rate_hz else _time_column(layout, value_column)
            table = itertools.chain([layout.first_line], rows)
            times, values = _load(table, layout, time_column, value_column)
    except (OSError, EOFError, zlib.error, ValueError, OverflowError) as cause:
        raise RecordingError(f"{path.name}: not a table of numbers: {cause}") from cause
    value_name = layout.name_of(value_column)
    scale = millivolts_per(unit or _unit_of(value_name, "[mun\u00b5\u03bc]?v"), path.name)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and infinite is missing
        samples_uv = (values * (scale * 1e3)).astype(np.float32)
    samples_uv[np.isinf(samples_uv)] = np.nan
    lead = lead or lead_of(value_name) or UNKNOWN_LEAD
    if rate_hz is not None:
        return Recording(path.name, samples_uv, float(rate_hz), lead)
    if times is None:
        raise RecordingError(f"{path.name}: no time column; give rate_hz")
    second = _seconds_per(times, _unit_of(layout.name_of(time_column), "[mun]?s"), path.name)
    samples_uv, rate_hz = _on_a_grid(times, second, samples_uv, path.name)
    return Recording(path.name, samples_uv, rate_hz, lead, _date_of(float(times[0]) * second))


def _open_text(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def _sniff(rows: Iterator[str], name: str) -> _Layout:
    """Take the first row of numbers, and the names before it."""
    first = next(rows, "")
    delimiter = next((mark for mark in ";,\t" if mark in first), None)
    names: tuple[str, ...] = ()
    row = _cells(first, delimiter)
    if not all(map(_is_number, row)):
        names, first = row, next(rows, "")
        row = _cells(first, delimiter)
    if not row or (names and len(names) != len(row)):
        raise RecordingError(f"{name}: no ECG samples; the first row has {len(row)} columns")
    return _Layout(delimiter, names, row, first)


def _cells(line: str, delimiter: str | None) -> tuple[str, ...]:
    return tuple(cell.strip().strip('"') for cell in line.strip().split(delimiter) if line.strip())


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _time_column(layout: _Layout, value_column: int) -> int | None:
    if not layout.names:
        return 0 if (len(layout.first_row), value_column) == (2, 1) else None
    for index, (name, cell) in enumerate(zip(layout.names, layout.first_row, strict=True)):
        if "time" in name.lower() and _is_number(cell) and index != value_column:
            return index
    return None


def _value_column(layout: _Layout, channel: str | int | None, file: str) -> int:
    if not layout.names:
        names = [str(index) for index in range(len(layout.first_row))]
        if channel is None and len(names) <= 2:
            return len(names) - 1
        return choose_channel(names, channel, file)
    others = [i for i, name in enumerate(layout.names) if "time" not in name.lower()]
    if channel is None and len(others) == 1:
        return others[0]
    return choose_channel(layout.names, channel, file)


def _unit_of(name: str, units: str) -> str | None:
    """Return the unit at the end of a column name: ``time_ns``, ``ecg [uV]``, ``mV``."""
    match = re.search(rf"(?:^|[\W_])({units})\W*$", name.lower())
    return match[1] if match else None


def _load(
    rows: Iterator[str], layout: _Layout, time_column: int | None, value_column: int
) -> tuple[NDArray[np.generic] | None, NDArray[np.float64]]:
    """Return times, as integers where they are written so, and values, NaN where empty."""
    columns: list[tuple[str, type[np.generic]]] = [("value", np.float64)]
    used = [value_column]
    if time_column is not None:
        whole = re.fullmatch(r"[+-]?\d+", layout.first_row[time_column])
        columns.append(("time", np.int64 if whole else np.float64))
        used.append(time_column)
    table = np.loadtxt(
        itertools.islice(rows, _MAX_ROWS),
        dtype=np.dtype(columns),
        delimiter=layout.delimiter,
        usecols=used,
        converters={value_column: _number_or_nan},
        quotechar='"',
        ndmin=1,
    )
    return (table["time"] if time_column is not None else None), table["value"]


def _number_or_nan(cell: str) -> float:
    cell = cell.strip()
    return float(cell) if cell and cell.lower() not in ("na", "null", "none") else np.nan


def _seconds_per(times: NDArray[np.generic], unit: str | None, file: str) -> float:
    if unit:
        return _SECONDS[unit]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    for second in _SECONDS.values():
        if step > 0 and _PLAUSIBLE_HZ[0] <= 1 / (step * second) <= _PLAUSIBLE_HZ[1]:
            return second
    raise RecordingError(
        f"{file}: times are {step:g} apart, which is no rate of {_PLAUSIBLE_HZ[0]:g} to"
        f" {_PLAUSIBLE_HZ[1]:g} Hz in s, ms, us or ns. Name the unit in the header, or give rate_hz"
    )


def _date_of(epoch_s: float) -> datetime | None:
    plausible = _EPOCH_S[0] <= epoch_s <= _EPOCH_S[1]
    return datetime.fromtimestamp(epoch_s, tz=UTC) if plausible else None


def _on_a_grid(
    times: NDArray[np.generic], second: float, samples: NDArray[np.float32], file: str
) -> tuple[NDArray[np.float32], float]:
    """Place samples on an even grid at their true rate; gaps become NaN of the right length."""
    steps = np.diff(times).astype(np.float64) * second
    if len(steps) == 0 or not (steps >= 0).all():
        row = int(np.argmin(steps >= 0)) + 1 if len(steps) else 0
        raise RecordingError(f"{file}: time stands or goes backwards at row {row}; give rate_hz")
    median = float(np.median(steps))
    regular = steps <= _GAP_STEPS * median
    if median == 0 or regular.mean() < _MIN_REGULAR:
        raise RecordingError(
            f"{file}: only {100 * regular.mean():.0f} % of the times are evenly spaced; the limit"
            f" is {100 * _MIN_REGULAR:.0f} %. If they are arrival times, give rate_hz instead"
        )
    step = float(steps[regular].mean())
    index = np.concatenate([[0.0], np.cumsum(np.maximum(1.0, np.rint(steps / step)))])
    if index[-1] > _MAX_FILL * len(samples):
        raise RecordingError(
            f"{file}: gaps make up {index[-1] / len(samples):.3g} times the samples; the limit is"
            f" {_MAX_FILL}. Cut the file where it pauses"
        )
    grid = np.full(int(index[-1]) + 1, np.nan, dtype=np.float32)
    grid[index.astype(np.int64)] = samples
    return grid, 1.0 / step

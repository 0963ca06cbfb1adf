"""The panel: which laboratory findings a cohort labels and a model scores.

The default is Table 2 of AnyECG-Lab (arXiv 2510.22301): 108 findings, that is 66 analytes by
direction, under the component names of MC-MED, with the study's AUROC and 95 % interval over
10-s windows.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.indicators import Direction, Indicator
from leadlab_train.errors import CohortError

COLUMNS = (
    *("analyte", "direction", "threshold", "unit"),
    *("n_all", "n_positive", "auroc", "ci_low", "ci_high"),
)
_REQUIRED = COLUMNS[:4]


@dataclass(frozen=True, eq=False)
class Panel:
    """Findings in a fixed order, the order of every label and score column.

    Attributes
    ----------
    indicators
        The findings.
    n_all, n_positive
        ``(n_indicators,) int64``: the study's windows with a result, and with a positive one;
        0 where the panel does not say.
    """

    indicators: tuple[Indicator, ...]
    n_all: NDArray[np.int64]
    n_positive: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indicators)

    def __iter__(self) -> Iterator[Indicator]:
        return iter(self.indicators)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Unique slugs, in order."""
        return tuple(indicator.name for indicator in self.indicators)

    @cached_property
    def analytes(self) -> tuple[str, ...]:
        """Distinct analytes, in order of first appearance."""
        return tuple(dict.fromkeys(indicator.analyte for indicator in self.indicators))

    @cached_property
    def analyte_index(self) -> NDArray[np.int64]:
        """``(n_indicators,)``: the place of each finding's analyte in `analytes`."""
        place = {analyte: i for i, analyte in enumerate(self.analytes)}
        return np.array([place[indicator.analyte] for indicator in self.indicators])

    @cached_property
    def prevalence(self) -> NDArray[np.float64]:
        """``(n_indicators,)``: positive share of the measured; NaN where the panel does not say."""
        known = self.n_all > 0
        return np.where(known, self.n_positive / np.maximum(self.n_all, 1), np.nan)

    def index(self, name: str) -> int:
        """Return the column of the finding called ``name``.

        Raises
        ------
        CohortError
            If the panel has no such finding.
        """
        if name not in self.names:
            raise CohortError(
                f"no indicator {name!r} in this panel of {len(self)}; see Panel.names"
            )
        return self.names.index(name)

    def write(self, path: Path) -> None:
        """Write the panel as CSV, readable by `load_panel`."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for indicator, n_all, n_positive in zip(
                self.indicators, self.n_all.tolist(), self.n_positive.tolist(), strict=True
            ):
                writer.writerow(
                    [
                        *(indicator.analyte, indicator.direction, indicator.threshold),
                        *(indicator.unit, n_all or "", n_positive if n_all else ""),
                        *(indicator.study_auroc, *(indicator.study_ci or (None, None))),
                    ]
                )


def load_panel(path: Path | None = None) -> Panel:
    """Read a panel; without a path, the study's 108 findings.

    Parameters
    ----------
    path
        CSV with at least the columns analyte, direction, threshold and unit; the study's figures
        (n_all, n_positive, auroc, ci_low, ci_high) may be absent or empty.

    Raises
    ------
    CohortError
        If the file is missing, a row cannot be read or two rows name the same finding.
    """
    source = path or resources.files("leadlab_train") / "data" / "panel.csv"
    try:
        reader = csv.DictReader(io.StringIO(source.read_text(encoding="utf-8")))
    except (OSError, UnicodeError) as error:
        raise CohortError(f"panel {source} cannot be read: {error}") from error
    columns = set(reader.fieldnames or ())
    if missing := set(_REQUIRED) - columns:
        raise CohortError(f"panel {source} lacks the columns {sorted(missing)}")
    if unknown := columns - set(COLUMNS):
        raise CohortError(f"panel {source}: unknown columns {sorted(unknown)}; use {COLUMNS}")
    rows = [_parse(row, f"panel {source}, line {reader.line_num}") for row in reader]
    if not rows:
        raise CohortError(f"panel {source} has no findings; give at least one row")
    indicators, n_all, n_positive = zip(*rows, strict=True)
    names = [indicator.name for indicator in indicators]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CohortError(f"panel {source} names {twice} more than once; keep one row of each")
    return Panel(indicators, np.array(n_all, np.int64), np.array(n_positive, np.int64))


def _parse(row: dict[str, str], where: str) -> tuple[Indicator, int, int]:
    """Turn one CSV row into an indicator and the study's counts."""
    direction = row["direction"]
    if direction not in get_args(Direction):
        raise CohortError(f"{where}: direction {direction!r} must be '>' or '<'")
    try:
        auroc, low, high = (
            float(row[key]) if row.get(key) else None for key in ("auroc", "ci_low", "ci_high")
        )
        indicator = Indicator.define(
            row["analyte"],
            ">" if direction == ">" else "<",
            float(row["threshold"]),
            row["unit"],
            auroc,
            None if low is None or high is None else (low, high),
        )
        n_all, n_positive = (int(row.get(key) or 0) for key in ("n_all", "n_positive"))
    except (TypeError, ValueError) as error:
        raise CohortError(f"{where}: {error}; numbers only") from error
    if not 0 <= n_positive <= n_all:
        raise CohortError(f"{where}: n_positive {n_positive} must lie within 0 and n_all {n_all}")
    return indicator, n_all, n_positive

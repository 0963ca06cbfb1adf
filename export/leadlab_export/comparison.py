"""Scores of several models on the same test windows, turned into AUROC with shared resamples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadlab_export.measure import Measured
from leadlab_train.metrics import (
    Interval,
    PatientBootstrap,
    auroc,
    efficiency,
    interval,
    positive_patients,
)

Scores = NDArray[np.floating[Any]]

HEART_RATE, ORACLE, FULL = "heart rate", "oracle", "full"
ALONE, COMPACT = "student alone", "compact fp32"


def int8_name(measured: Measured) -> str:
    """Return the column name of an int8 file on a runtime."""
    return f"int8 {measured.runtime}"


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Labels of the test windows and what each model says of them, ``(n, n_indicators)`` each.

    Attributes
    ----------
    labels, patients
        Labels, complete where the cohort is simulated, and ``(n,)`` patient of each window.
    full, compact
        Logits of the full model and of the compact one in float32.
    measured
        The compact model's files on runtimes.
    alone
        Logits of the same student trained without the teacher.
    heart_rate
        Scores by heart rate alone.
    oracle, ceilings
        Best scores and ``(n_indicators,)`` best reachable AUROC; simulated cohorts only.
    """

    labels: NDArray[np.integer[Any]]
    patients: NDArray[np.integer[Any]]
    full: Scores
    compact: Scores
    measured: Sequence[Measured] = ()
    alone: Scores | None = None
    heart_rate: Scores | None = None
    oracle: Scores | None = None
    ceilings: NDArray[np.float64] | None = None

    def columns(self) -> dict[str, Scores]:
        """Return all scores by the name under which the report shows them."""
        named = {
            HEART_RATE: self.heart_rate,
            ORACLE: self.oracle,
            FULL: self.full,
            ALONE: self.alone,
            COMPACT: self.compact,
        }
        int8 = {int8_name(m): m.logits for m in self.measured if m.precision == "int8"}
        return {name: scores for name, scores in (named | int8).items() if scores is not None}


class Comparison:
    """AUROC of every column, as it is and in every resample.

    Parameters
    ----------
    scores
        What all models say of the same windows.
    fewest_positives
        Distinct positive patients that an indicator needs to count on its own.
    counted_ceiling
        Efficiency counts indicators whose best reachable AUROC exceeds this.
    resamples
        Of the patient bootstrap; all columns share them.

    Attributes
    ----------
    auroc, resampled
        ``(n_indicators,)`` and ``(resamples, n_indicators)`` by column.
    positives, enough, null
        ``(n_indicators,)``: distinct positive patients, whether they are enough, and whether the
        indicator is known to have no effect on the ECG, though some patients have it.
    int8
        Names of the int8 columns.
    """

    def __init__(
        self, scores: ScoreTable, *, fewest_positives: int, counted_ceiling: float, resamples: int
    ) -> None:
        columns = scores.columns()
        bootstrap = PatientBootstrap(scores.patients, resamples)
        self.scores = scores
        self.auroc = {name: auroc(column, scores.labels) for name, column in columns.items()}
        self.resampled = {
            name: bootstrap.auroc(column, scores.labels) for name, column in columns.items()
        }
        self.positives = positive_patients(scores.labels, scores.patients)
        self.enough = self.positives >= fewest_positives
        ceilings = np.ones(len(self.enough)) if scores.ceilings is None else scores.ceilings
        self.null = (ceilings <= 0.5) & np.isfinite(self.auroc[FULL])
        self._counted = (ceilings > counted_ceiling) & self.enough
        self.int8 = [int8_name(m) for m in scores.measured if m.precision == "int8"]

    def macro(self, name: str) -> tuple[float, Interval]:
        """Return mean AUROC of a column with its interval."""
        return _mean_with_interval(self.auroc[name], self.resampled[name])

    def macro_change(self, name: str, against: str) -> tuple[float, Interval]:
        """Return the mean change in AUROC with its paired interval."""
        resampled = self.resampled[name] - self.resampled[against]
        return _mean_with_interval(self.change(name, against), resampled)

    def change(self, name: str, against: str) -> NDArray[np.float64]:
        """Return the change in AUROC of every indicator."""
        return self.auroc[name] - self.auroc[against]

    def worst_change(self, name: str, against: str) -> float:
        """Return the most negative change among indicators with enough positives, at most 0."""
        return float(np.nanmin(self.change(name, against)[self.enough], initial=0.0))

    def efficiency(self, name: str) -> float | None:
        """Return a column's share of what can be known; None where nobody can tell."""
        if name not in self.auroc or ORACLE not in self.auroc or not self._counted.any():
            return None
        return float(efficiency(self.auroc[name], self.auroc[ORACLE], self._counted))

    def null_intervals(self, name: str) -> Interval:
        """Return the null indicators' intervals, corrected for their number."""
        return interval(
            self.auroc[name][self.null],
            self.resampled[name][:, self.null],
            comparisons=max(1, int(self.null.sum())),
        )


def _mean_with_interval(
    values: NDArray[np.float64], resampled: NDArray[np.float64]
) -> tuple[float, Interval]:
    mean = float(np.nanmean(values))
    low, high = interval(mean, np.nanmean(resampled, axis=1))
    return mean, Interval(float(low), float(high))

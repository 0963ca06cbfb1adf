"""Scores of several models on the same test windows, turned into AUROC with shared resamples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadlab_export.check.figures import (
    as_often,
    calibration_error,
    decisions,
    rank_correlation,
)
from leadlab_export.check.measure import Measured
from leadlab_train.metrics import (
    Interval,
    PatientBootstrap,
    auroc,
    efficiency,
    interval,
    positive_patients,
)

Scores = NDArray[np.floating[Any]]
Figures = NDArray[np.float64]

HEART_RATE, ORACLE, FULL = "heart rate", "oracle", "full"
ALONE, COMPACT = "student alone", "compact fp32"


def column_name(measured: Measured) -> str:
    """Return the column name of a model file on a runtime."""
    rate = "" if measured.rate_hz is None else f" {measured.rate_hz:g} Hz"
    return f"{measured.precision} {measured.runtime}{rate}"


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Labels of the test windows and what each model says of them, ``(n, n_indicators)`` each.

    Attributes
    ----------
    labels, patients
        Labels, complete where the cohort is simulated, and ``(n,)`` patient of each window.
    full, compact
        Logits of the full model and of the compact one in float32; None where a pack holds none.
    measured
        The compact model's files on runtimes.
    alone
        Logits of the same student trained without the teacher.
    heart_rate
        Scores by heart rate alone.
    oracle, ceilings
        Best scores and ``(n_indicators,)`` best reachable AUROC; simulated cohorts only.
    thresholds, full_thresholds
        ``(n_indicators,)`` operating thresholds of the compact and of the full model, as
        probabilities, NaN where unknown. Without its own, the full model decides "yes" as often as
        the compact one.
    """

    labels: NDArray[np.integer[Any]]
    patients: NDArray[np.integer[Any]]
    full: Scores
    compact: Scores | None
    measured: Sequence[Measured] = ()
    alone: Scores | None = None
    heart_rate: Scores | None = None
    oracle: Scores | None = None
    ceilings: Figures | None = None
    thresholds: Figures | None = None
    full_thresholds: Figures | None = None

    def columns(self) -> dict[str, Scores]:
        """Return all scores by the name under which the report shows them."""
        named = {
            HEART_RATE: self.heart_rate,
            ORACLE: self.oracle,
            FULL: self.full,
            ALONE: self.alone,
            COMPACT: self.compact,
        }
        reduced = {column_name(m): m.logits for m in self.measured if m.precision != "fp32"}
        return {name: scores for name, scores in (named | reduced).items() if scores is not None}


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """One model beside the one that it was made from, ``(n_indicators,)`` each.

    Attributes
    ----------
    rank
        Spearman correlation of the scores over windows.
    flips
        Share of windows decided otherwise at the operating threshold; NaN without one.
    ece_shift
        Growth of the calibration error; negative where the calibration became better.
    """

    rank: Figures
    flips: Figures
    ece_shift: Figures


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
    reduced
        Names of the columns of smaller precision than float32.
    """

    def __init__(
        self, scores: ScoreTable, *, fewest_positives: int, counted_ceiling: float, resamples: int
    ) -> None:
        self._columns = scores.columns()
        bootstrap = PatientBootstrap(scores.patients, resamples)
        self.scores = scores
        self.auroc = {name: auroc(column, scores.labels) for name, column in self._columns.items()}
        self.resampled = {
            name: bootstrap.auroc(column, scores.labels) for name, column in self._columns.items()
        }
        self.positives = positive_patients(scores.labels, scores.patients)
        self.enough = self.positives >= fewest_positives
        ceilings = np.ones(len(self.enough)) if scores.ceilings is None else scores.ceilings
        self.null = (ceilings <= 0.5) & np.isfinite(self.auroc[FULL])
        self._counted = (ceilings > counted_ceiling) & self.enough
        self.reduced = [column_name(m) for m in scores.measured if m.precision != "fp32"]
        self._ece: dict[str, Figures] = {}
        self._agreement: dict[tuple[str, str], Agreement] = {}

    def made_from(self, name: str) -> str | None:
        """Return the column that a column is compared with; None if it stands for itself."""
        original = COMPACT if COMPACT in self.auroc else FULL
        return ({COMPACT: FULL, ALONE: COMPACT} | dict.fromkeys(self.reduced, original)).get(name)

    def agreement(self, name: str, against: str) -> Agreement:
        """Compare the scores of two columns window by window."""
        if (name, against) not in self._agreement:
            a, b = self._columns[name], self._columns[against]
            self._agreement[name, against] = Agreement(
                rank=rank_correlation(a, b),
                flips=self._flips(a, b, against),
                ece_shift=self.ece(name) - self.ece(against),
            )
        return self._agreement[name, against]

    def _flips(self, a: Scores, b: Scores, against: str) -> Figures:
        thresholds, full_thresholds = self.scores.thresholds, self.scores.full_thresholds
        if thresholds is None:
            return np.full(a.shape[1], np.nan)
        decided = decisions(a, thresholds)
        if against != FULL:
            decided_before = decisions(b, thresholds)
        elif full_thresholds is None:
            decided_before = as_often(b, decided)
        else:
            decided_before = decisions(b, full_thresholds)
            thresholds = thresholds + full_thresholds  # NaN where either is unknown
        share = (decided != decided_before).mean(axis=0)
        return np.where(np.isnan(thresholds), np.nan, share)

    def ece(self, name: str) -> Figures:
        """Return the expected calibration error of every indicator; NaN of what is no logit."""
        if name not in self._ece:
            shown = self._columns[name]
            self._ece[name] = (
                np.full(shown.shape[1], np.nan)
                if name in (HEART_RATE, ORACLE)
                else calibration_error(shown, self.scores.labels)
            )
        return self._ece[name]

    def over_enough(self, values: Figures) -> float:
        """Return the mean over the indicators with enough positives; NaN if there are none."""
        counted = values[self.enough & np.isfinite(values)]
        return float(counted.mean()) if counted.size else float("nan")

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

    def change_interval(self, name: str, against: str) -> Interval:
        """Return the paired interval of the change of every indicator."""
        resampled = self.resampled[name] - self.resampled[against]
        return interval(self.change(name, against), resampled)

    def worst_change(self, name: str, against: str) -> float:
        """Return the most negative change among indicators with enough positives, at most 0."""
        return float(np.nanmin(self.change(name, against)[self.enough], initial=0.0))

    def worst_certain_change(self, name: str, against: str) -> float:
        """Return the most negative upper end of a change's interval, as :meth:`worst_change`."""
        _, high = self.change_interval(name, against)
        return float(np.nanmin(high[self.enough], initial=0.0))

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

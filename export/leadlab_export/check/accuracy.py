"""Does the compact model keep the full model's judgement? Both on the same test patients.

Arithmetic on logits that were scored elsewhere: it needs neither torch nor a runtime.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leadlab_edge.indicators import Indicator
from leadlab_export.check.comparison import Comparison, ScoreTable
from leadlab_export.check.gate import Limits, failures
from leadlab_train.metrics import Interval

RESAMPLES = 400


@dataclass(frozen=True, slots=True)
class Change:
    """Change in AUROC against another model.

    Attributes
    ----------
    against
        The other model.
    mean, interval
        Over all indicators, with a paired 95 % interval over patients.
    mean_absolute
        Mean of the absolute changes.
    worst
        Most negative change of an indicator with enough positives, at most 0.
    rank_median, rank_min
        Spearman correlation of the scores over windows: the median indicator and the lowest.
    flips
        Share of windows decided otherwise at the operating threshold, mean over indicators; NaN
        where no threshold is known.
    ece_shift
        Growth of the calibration error, mean of the indicators with enough positives.
    """

    against: str
    mean: float
    interval: Interval
    mean_absolute: float
    worst: float
    rank_median: float
    rank_min: float
    flips: float
    ece_shift: float


@dataclass(frozen=True, slots=True)
class MacroRow:
    """Mean AUROC of one model over all indicators.

    Attributes
    ----------
    name
        The model.
    auroc, interval
        With a 95 % interval over patients.
    efficiency
        Share of what can be known, over the counted indicators; None without an oracle.
    ece
        Expected calibration error, mean of the indicators with enough positives; NaN if none has.
    change
        Against the model that this one was made from.
    """

    name: str
    auroc: float
    interval: Interval
    efficiency: float | None
    ece: float
    change: Change | None


@dataclass(frozen=True, slots=True)
class IndicatorChange:
    """What became of one indicator on the way from one model to another; see `Change`."""

    against: str
    auroc: float
    interval: Interval
    rank: float
    flips: float
    ece_shift: float


@dataclass(frozen=True, slots=True)
class IndicatorRow:
    """One indicator.

    Attributes
    ----------
    positives, enough
        Distinct positive patients, and whether they are enough for it to count on its own.
    auroc
        Under every column.
    changes
        Of every column that was made from another one.
    null
        Whether it has no effect on the simulated ECG: whatever is seen of it is chance.
    """

    indicator: Indicator
    positives: int
    enough: bool
    auroc: Mapping[str, float]
    changes: Mapping[str, IndicatorChange]
    null: bool


@dataclass(frozen=True, slots=True)
class FileRow:
    """Size and one-thread latency of a model file on a runtime."""

    file: str
    runtime: str
    n_bytes: int
    latency_ms: float


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The comparison, and what of it broke a limit.

    Attributes
    ----------
    n_windows, n_patients
        What was scored.
    macro, indicators, files
        Tables.
    failures
        One sentence for each broken limit; empty if the compact model passed.
    """

    n_windows: int
    n_patients: int
    macro: tuple[MacroRow, ...]
    indicators: tuple[IndicatorRow, ...]
    files: tuple[FileRow, ...]
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether no limit was broken."""
        return not self.failures


def check(
    indicators: Sequence[Indicator],
    scores: ScoreTable,
    limits: Limits | None = None,
    resamples: int = RESAMPLES,
) -> CheckReport:
    """Compare the compact model with the full one.

    Parameters
    ----------
    indicators
        One per column of the scores.
    scores
        What all models say of the same windows.
    limits
        The gate's; None takes the defaults.
    resamples
        Of the patient bootstrap behind every interval; all models share them.
    """
    limits = limits or Limits()
    comparison = Comparison(
        scores,
        fewest_positives=limits.fewest_positives,
        counted_ceiling=limits.counted_ceiling,
        resamples=resamples,
    )
    return CheckReport(
        n_windows=len(scores.patients),
        n_patients=len(np.unique(scores.patients)),
        macro=tuple(_macro_rows(comparison)),
        indicators=tuple(_indicator_rows(indicators, comparison)),
        files=tuple(FileRow(m.file, m.runtime, m.n_bytes, m.latency_ms) for m in scores.measured),
        failures=tuple(failures(comparison, limits)),
    )


def _macro_rows(comparison: Comparison) -> Iterator[MacroRow]:
    for name in comparison.auroc:
        against = comparison.made_from(name)
        yield MacroRow(
            name,
            *comparison.macro(name),
            efficiency=comparison.efficiency(name),
            ece=comparison.over_enough(comparison.ece(name)),
            change=None if against is None else _change(comparison, name, against),
        )


def _change(comparison: Comparison, name: str, against: str) -> Change:
    agreement = comparison.agreement(name, against)
    ranks = agreement.rank[np.isfinite(agreement.rank)]
    flips = agreement.flips[np.isfinite(agreement.flips)]
    return Change(
        against,
        *comparison.macro_change(name, against),
        mean_absolute=float(np.nanmean(np.abs(comparison.change(name, against)))),
        worst=comparison.worst_change(name, against),
        rank_median=float(np.median(ranks)) if ranks.size else math.nan,
        rank_min=float(ranks.min()) if ranks.size else math.nan,
        flips=float(flips.mean()) if flips.size else math.nan,
        ece_shift=comparison.over_enough(agreement.ece_shift),
    )


def _indicator_rows(
    indicators: Sequence[Indicator], comparison: Comparison
) -> Iterator[IndicatorRow]:
    changes = {
        name: _indicator_changes(comparison, name, against)
        for name in comparison.auroc
        if (against := comparison.made_from(name)) is not None
    }
    for column, indicator in enumerate(indicators):
        yield IndicatorRow(
            indicator,
            positives=int(comparison.positives[column]),
            enough=bool(comparison.enough[column]),
            auroc={name: float(values[column]) for name, values in comparison.auroc.items()},
            changes={name: rows[column] for name, rows in changes.items()},
            null=bool(comparison.null[column]),
        )


def _indicator_changes(comparison: Comparison, name: str, against: str) -> list[IndicatorChange]:
    agreement = comparison.agreement(name, against)
    low, high = comparison.change_interval(name, against)
    figures = (comparison.change(name, against), low, high)
    others = (agreement.rank, agreement.flips, agreement.ece_shift)
    return [
        IndicatorChange(against, auroc, Interval(low, high), *rest)
        for auroc, low, high, *rest in np.stack([*figures, *others], axis=1).tolist()
    ]

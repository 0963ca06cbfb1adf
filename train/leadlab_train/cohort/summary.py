"""How much a cohort holds: patients, draws and windows of each split, and labels by indicator."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadlab_train.cohort.checks import SPLITS
from leadlab_train.cohort.store import Cohort
from leadlab_train.cohort.tables import integers


@dataclass(frozen=True, slots=True, eq=False)
class SplitSummary:
    """What one split holds.

    Attributes
    ----------
    split
        ``"train"``, ``"val"`` or ``"test"``.
    patients, visits, draws, windows
        How many; windows are those that the cohort lists.
    ecg_h
        Hours of ECG in all strips.
    coverage
        ``(n_indicators,)``: share of the draws that measured the analyte; NaN without draws.
    positive_patients
        ``(n_indicators,) int64``: patients with a positive label in at least one draw.
    """

    split: str
    patients: int
    visits: int
    draws: int
    windows: int
    ecg_h: float
    coverage: NDArray[np.float64]
    positive_patients: NDArray[np.int64]


def summarize(cohort: Cohort) -> list[SplitSummary]:
    """Count what each split of a cohort holds, in the order train, val, test."""
    draw_patient = integers(cohort.draws, "patient")
    strip_patient = integers(cohort.strips, "patient")
    window_patient = integers(cohort.windows, "patient")
    visit = integers(cohort.draws, "visit")
    n_strip = integers(cohort.strips, "length")
    positive = np.zeros((len(cohort.patients), len(cohort.panel)), bool)
    draw, indicator = np.nonzero(cohort.labels == 1)
    positive[draw_patient[draw], indicator] = True
    summaries = []
    for split in SPLITS:
        member = (cohort.patients["split"] == split).to_numpy()
        drawn = member[draw_patient]
        measured = (cohort.labels[drawn] >= 0).sum(axis=0)
        summaries.append(
            SplitSummary(
                split=split,
                patients=int(member.sum()),
                visits=len(np.unique(visit[drawn])),
                draws=int(drawn.sum()),
                windows=int(member[window_patient].sum()),
                ecg_h=float(n_strip[member[strip_patient]].sum() / cohort.rate_hz / 3600),
                coverage=measured / drawn.sum() if drawn.any() else np.full(len(measured), np.nan),
                positive_patients=positive[member].sum(axis=0),
            )
        )
    return summaries

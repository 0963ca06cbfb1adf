"""Both models on the same windows: what each says of test patients or of a recording."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.recordings import Recording
from leadlab_export.check.comparison import FULL, ScoreTable, column_name
from leadlab_export.check.drift import Drift, drift_between
from leadlab_export.check.identity import column_order
from leadlab_export.check.measure import Measured
from leadlab_export.check.models import Compact, FullModel, Model, OneByOne, thresholds_of
from leadlab_export.check.windows import CohortWindows, RecordingWindows
from leadlab_export.errors import ExportError
from leadlab_train.cohort import Cohort
from leadlab_train.metrics import auroc
from leadlab_train.simulated.oracle import ceilings, oracle_scores

CHUNK = 64
INT8_WINDOWS = 32  # to look for clipping on, besides the golden ones

Windows = NDArray[np.float32]
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What came of test patients.

    Attributes
    ----------
    table
        Scores and labels.
    drift
        Differences between all models.
    windows_mv
        Some of the windows as the pack takes them, by the rate of the model file.
    """

    table: ScoreTable
    drift: Drift
    windows_mv: Mapping[float | None, Windows]


def score_cohort(
    full: FullModel, compact: Compact, cohort: Cohort, most: int | None, on_progress: OnProgress
) -> Scored:
    """Score test patients, each model through its own front end.

    Labels are complete on simulated cohorts, observed on others.

    Parameters
    ----------
    full, compact
        The models.
    cohort
        Of the pack's panel.
    most
        Score so many windows at most; None for all.
    on_progress
        Called with what is being done, windows done and windows in all.

    Raises
    ------
    ExportError
        No indicator has a positive and a negative.
    CohortError
        The strips are too short for the margins of a model.
    """
    source = CohortWindows(cohort, most)
    rows, order = source.rows, column_order(compact.indicators, cohort.panel.indicators)
    of_full = order if full.indicators is None else _order_of_full(full, compact)
    (full_logits,) = _score([full.model], source, "full model", on_progress)
    measured: list[Measured] = []
    windows_mv = {}
    for models in compact.by_input():
        logits = _score(models, source, "compact model", on_progress)
        measured += [_measured(compact, *pair) for pair in zip(models, logits, strict=True)]
        few = CohortWindows(cohort, min(len(source), INT8_WINDOWS))
        windows_mv[models[0].way.file.rate_hz] = few.read(models[0])
    fp32 = [m.logits for m in measured if m.precision == "fp32" and m.rate_hz is None]
    labels = cohort.labels if cohort.truth is None else cohort.truth
    table = ScoreTable(
        labels=labels[cohort.draw_of(rows)][:, order],
        patients=cohort.patient_of(rows),
        full=full_logits[:, of_full],
        compact=fp32[0] if fp32 else None,
        measured=measured,
        oracle=oracle_scores(cohort, rows)[:, order] if cohort.simulated else None,
        ceilings=ceilings(cohort)[order] if cohort.simulated else None,
        thresholds=thresholds_of(compact.indicators),
        full_thresholds=None if full.thresholds is None else full.thresholds[of_full],
    )
    if np.isnan(auroc(table.full, table.labels)).all():
        raise ExportError(
            f"no indicator has a positive and a negative among {len(rows)} windows of test "
            "patients. Remedy: a cohort with more of them, or more --windows"
        )
    named = {FULL: table.full} | {column_name(m): m.logits for m in measured}
    return Scored(table, drift_between(named, source.name), windows_mv)


def score_recording(
    full: FullModel, compact: Compact, recording: Recording, most: int | None
) -> Drift:
    """Compare all models on a recording.

    Parameters
    ----------
    full, compact
        The models.
    recording
        One lead; its longest stretch without gaps is taken.
    most
        Score so many windows at most; None for all.

    Raises
    ------
    ExportError
        No stretch lasts as long as a window.
    """
    source = RecordingWindows(recording, most)
    logits = full.model.logits(source.read(full.model))
    named = {FULL: logits if full.pack is None else logits[:, _order_of_full(full, compact)]}
    for models in compact.by_input():
        raw_mv = source.read(models[0])
        for model in models:
            measured = _measured(compact, model, model.logits(raw_mv))
            named[column_name(measured)] = measured.logits
    return drift_between(named, source.name)


def _score(
    models: Sequence[Model], source: CohortWindows, stage: str, on_progress: OnProgress
) -> Iterator[Windows]:
    """Return the logits of models that take the same input, ``(n, n_indicators)`` each."""
    parts: list[list[Windows]] = [[] for _ in models]
    for start in range(0, len(source), CHUNK):
        raw_mv = source.read(models[0], slice(start, start + CHUNK))
        for part, model in zip(parts, models, strict=True):
            part.append(model.logits(raw_mv))
        on_progress(stage, min(start + CHUNK, len(source)), len(source))
    return (np.concatenate(part) for part in parts)


def _measured(compact: Compact, model: OneByOne, logits: Windows) -> Measured:
    file = model.way.file
    return Measured(
        file=file.file,
        runtime=model.way.runtime,
        precision=file.precision,
        format=file.format,
        n_bytes=len(compact.pack.members[file.file]),
        latency_ms=float("nan"),  # measured elsewhere, in a process of its own
        logits=logits,
        rate_hz=file.rate_hz,
    )


def _order_of_full(full: FullModel, compact: Compact) -> list[int]:
    assert full.indicators is not None
    return column_order(compact.indicators, full.indicators)

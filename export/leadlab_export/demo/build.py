"""From nothing to a checked pack: cohort, teacher, student, model files, pack, comparison."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from leadlab_edge.pack import Pack, read_pack
from leadlab_export.check.accuracy import CheckReport, check
from leadlab_export.check.comparison import ScoreTable
from leadlab_export.check.measure import measure_pack
from leadlab_export.demo.recipe import DemoRecipe
from leadlab_export.demo.steps import Step, Steps
from leadlab_export.distill import DistillSettings, distill
from leadlab_export.models import ModelSet, write_models
from leadlab_export.packing import (
    measured_indicators,
    operating_thresholds,
    pack_network,
    provenance_of,
)
from leadlab_export.student import Student, student_logits
from leadlab_export.windows import compact_windows
from leadlab_train.baselines import heart_rate_scores
from leadlab_train.cohort import Cohort
from leadlab_train.fit import FitRecord
from leadlab_train.inputs import CohortInputs
from leadlab_train.metrics import auroc, positive_patients
from leadlab_train.net1d import Net1D
from leadlab_train.predict import predict
from leadlab_train.recipe import Recipe
from leadlab_train.run import Options, View, train
from leadlab_train.run.log import read_metrics
from leadlab_train.simulated.cohort import simulate_cohort
from leadlab_train.simulated.effects import PARAMETERS
from leadlab_train.simulated.oracle import ceilings, oracle_scores, parameters

Logits = NDArray[np.float32]

SPARE = 20  # samples on each side of a student's window, for augmentation to shift and stretch


@dataclass(frozen=True, slots=True, eq=False)
class Full:
    """The full network, the loss of each step, and its logits of every window of the cohort."""

    model: Net1D
    losses: tuple[float, ...]
    logits: Logits


@dataclass(frozen=True, slots=True, eq=False)
class Compact:
    """A student, how it learned, and its logits of every window of the cohort."""

    student: Student
    record: FitRecord
    logits: Logits


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """All that the demo made.

    Attributes
    ----------
    cohort, full, compact, alone
        The cohort, the full model, the compact model, and the compact model without its teacher.
    pack
        The pack, read back from disk.
    report
        Full against compact on the test patients.
    """

    cohort: Cohort
    full: Full
    compact: Compact
    alone: Compact
    pack: Pack
    report: CheckReport


def build(folder: Path, recipe: DemoRecipe, steps: Steps, ship: Path | None = None) -> Built:
    """Make a cohort, a teacher, two students and a pack in ``folder``, and check the pack.

    Parameters
    ----------
    folder
        Where it goes; an earlier cohort in it must be gone.
    ship
        Write a second pack here that holds the int8 files only.
    """
    settings = recipe.cohort
    with steps.step("Simulate a cohort") as step:
        cohort = simulate_cohort(
            folder / "cohort",
            patients=settings.patients,
            strength=settings.strength,
            seed=settings.seed,
            progress=step.advance,
        )
        step.outcome = (
            f"{cohort.patients.height:,} patients, {cohort.draws.height:,} blood draws, "
            f"{len(cohort):,} windows, {len(cohort.panel)} indicators"
        )
    with steps.step("Train ECGFounder's network") as step:
        full = _train_teacher(cohort, recipe.training, folder / "teacher", step)
    with steps.step("Distil a student, and train one alone") as step:
        compact, alone = _train_students(cohort, recipe.export.student, full, step)
    with steps.step("Export to ONNX and TFLite, fp32 and int8") as step:
        models = _export(cohort, recipe, compact.student, step)
    with steps.step("Check the compact model against the full one") as step:
        pack = _pack(folder / "demo.leadpack", cohort, recipe, compact, models)
        report = _check(cohort, recipe, full, compact, alone, pack, step)
        step.outcome = "passed" if report.passed else f"{len(report.failures)} limits broken"
    if ship is not None:
        _pack(ship, cohort, recipe, compact, models, slim=True)
    return Built(cohort, full, compact, alone, pack, report)


def _train_teacher(cohort: Cohort, recipe: Recipe, folder: Path, step: Step) -> Full:
    outcome = train(recipe, cohort, folder, options=Options(log_steps=1), view=_StepView(step))
    assert outcome.model is not None
    step.stage("score")
    logits = predict(
        outcome.model, CohortInputs(cohort, np.arange(len(cohort))), on_progress=step.advance
    )
    shutil.rmtree(folder / "prepared")
    losses = tuple(record["loss"] for record in read_metrics(folder) if "loss" in record)
    parameters = sum(p.numel() for p in outcome.model.parameters())
    step.outcome = f"{parameters / 1e3:,.0f} k parameters, {len(losses)} steps"
    return Full(outcome.model, losses, logits)


class _StepView(View):
    """Shows a run as one step of the demo."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def advance(self, what: str, done: int, total: int) -> None:
        self._step.advance(done, total, what)

    def step(self, done: int, steps: int, loss: float) -> None:
        self._step.advance(done, steps, loss)


def _train_students(
    cohort: Cohort, settings: DistillSettings, full: Full, step: Step
) -> tuple[Compact, Compact]:
    """Train the same student twice: with the teacher, and on measured labels alone."""
    train = cohort.rows("train")
    labels = cohort.labels[cohort.draw_of(train)]
    student, alone = (_new_student(cohort, settings.seed) for _ in range(2))
    step.stage("resampling")
    strips_mv = compact_windows(
        *(cohort, np.arange(len(cohort)), student.rate_hz, student.n_samples),
        spare=SPARE,
        on_progress=step.advance,
    )
    whole_mv = strips_mv[:, SPARE : SPARE + student.n_samples]

    def trained(network: Student, targets: Logits | None) -> Compact:
        record = distill(network, strips_mv[train], labels, settings, targets, step.advance)
        return Compact(network, record, student_logits(network, whole_mv))

    pair = trained(student, full.logits[train]), trained(alone, None)
    parameters = sum(p.numel() for p in student.parameters())
    step.outcome = f"{parameters / 1e3:,.0f} k parameters, {settings.fit.steps} steps each"
    return pair


def _new_student(cohort: Cohort, seed: int) -> Student:
    torch.manual_seed(seed)
    return Student(len(cohort.panel))


def _export(cohort: Cohort, recipe: DemoRecipe, student: Student, step: Step) -> ModelSet:
    rows = cohort.rows("train")[: recipe.export.calibration_windows]
    windows_mv = compact_windows(cohort, rows, student.rate_hz, student.n_samples)
    models = write_models(student, windows_mv, step.stage)
    sizes = ", ".join(f"{f.file} {len(data) / 1e3:.0f} kB" for f, data in models.files.items())
    step.outcome = "; ".join([sizes, *models.missing.values()])
    return models


def _pack(
    path: Path,
    cohort: Cohort,
    recipe: DemoRecipe,
    compact: Compact,
    models: ModelSet,
    slim: bool = False,
) -> Pack:
    test, val = cohort.rows("test"), cohort.rows("val")
    truth = _truth(cohort, test)
    indicators = measured_indicators(
        cohort.panel.indicators,
        auroc=auroc(compact.logits[test], truth),
        positives=positive_patients(truth, cohort.patient_of(test)),
        thresholds=operating_thresholds(compact.logits[val], cohort.labels[cohort.draw_of(val)]),
    )
    training = recipe.training
    provenance = provenance_of(
        cohort, f"demo, seed {training.seed}", f"ECGFounder, width {training.model.width}"
    )
    pack_network(path, compact.student, models, indicators, provenance, lead=cohort.lead, slim=slim)
    return read_pack(path)


def _check(
    cohort: Cohort,
    recipe: DemoRecipe,
    full: Full,
    compact: Compact,
    alone: Compact,
    pack: Pack,
    step: Step,
) -> CheckReport:
    train, test = cohort.rows("train"), cohort.rows("test")
    take = pack.manifest.input
    windows_mv = compact_windows(cohort, test, take.rate_hz, take.n_samples)
    scores = ScoreTable(
        labels=_truth(cohort, test),
        patients=cohort.patient_of(test),
        full=full.logits[test],
        compact=compact.logits[test],
        measured=measure_pack(pack, windows_mv, step.advance),
        alone=alone.logits[test],
        heart_rate=heart_rate_scores(
            _true_heart_rate(cohort, train),
            cohort.labels[cohort.draw_of(train)],
            _true_heart_rate(cohort, test),
        ),
        oracle=oracle_scores(cohort, test),
        ceilings=ceilings(cohort),
    )
    step.stage("patient bootstrap")
    return check(cohort.panel.indicators, scores, recipe.export.limits)


def _truth(cohort: Cohort, rows: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return labels without gaps, which a simulated cohort has."""
    assert cohort.truth is not None
    return cohort.truth[cohort.draw_of(rows)]


def _true_heart_rate(cohort: Cohort, rows: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return what the simulation knows of the heart rate: an upper bound for any detector."""
    return parameters(cohort, rows)[:, PARAMETERS.index("hr")]

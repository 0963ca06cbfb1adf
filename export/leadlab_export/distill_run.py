"""From a teacher and a cohort to a student on disk, with the proof of what the teacher is worth.

::

    OUT/student.safetensors, student.json    the student to export
    OUT/distill.json                         every student's score, and taught against alone
    OUT/seeds/taught-0, alone-0, ...         all students
    OUT/cache                                windows and the teacher's answers, computed once

A student that is done is not trained again, so that a run that was stopped goes on with the next.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.config import load_settings
from leadlab_export.distill import DistillSettings, distill
from leadlab_export.distill_worth import Worth, worth_of
from leadlab_export.errors import ExportError
from leadlab_export.lessons import Lessons
from leadlab_export.rates import RateCost, unresampled_costs
from leadlab_export.student import FAMILY, Student, StudentShape, student_logits
from leadlab_export.student_file import ABOUT, About, TeacherRef, load_student, save_student
from leadlab_export.teacher import TrainedTeacher
from leadlab_train.cohort import Cohort
from leadlab_train.files import replace_files
from leadlab_train.run.folder import RunFolder
from leadlab_train.run.options import View

Arm = Literal["taught", "alone"]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DistillRecipe:
    """Which student to train and how.

    Attributes
    ----------
    shape
        A student of the family by name, or a table with the fields of `StudentShape`.
    learning
        How it learns.
    seeds
        How many times, from other random weights and in another order.
    """

    learning: DistillSettings
    shape: str | StudentShape = "small"
    seeds: int = field(default=3, metadata={"min": 1, "max": 100})

    def __post_init__(self) -> None:
        if isinstance(self.shape, str) and self.shape not in FAMILY:
            raise ValueError(
                f"shape is {self.shape!r}; it must be one of {', '.join(FAMILY)}, or a table"
            )

    @property
    def student_shape(self) -> StudentShape:
        """The shape itself."""
        return FAMILY[self.shape] if isinstance(self.shape, str) else self.shape


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a distillation came to.

    Attributes
    ----------
    folder
        Where the student to export lies.
    shipped
        Name of it among `seeds`.
    auroc
        Macro AUROC on validation patients of the teacher and of every student, by name.
    worth
        Taught against alone; None where none was trained alone.
    """

    folder: Path
    shipped: str
    auroc: dict[str, float]
    worth: Worth | None


def load_distill_recipe(name: str | Path) -> DistillRecipe:
    """Load a recipe strictly: a TOML file, or a student of the family by its name.

    Raises
    ------
    ConfigError
        The file is missing, or a key is unknown, mistyped or out of range.
    """
    shipped = Path(__file__).parent / "recipes" / f"{name}.toml"
    return load_settings(DistillRecipe, shipped if name in FAMILY else Path(name))


def distill_students(
    recipe: DistillRecipe,
    teacher: TrainedTeacher,
    cohort: Cohort,
    out: Path,
    *,
    run: str,
    cache: Path | None = None,
    alone: bool = False,
    view: View | None = None,
) -> Outcome:
    """Train the students of a recipe and keep the best on validation patients.

    Test patients are never read.

    Parameters
    ----------
    recipe
        Which student and how.
    teacher, run
        Who teaches, and the name of its run.
    cohort
        Whose training windows they learn from.
    out
        The folder to make, or one that this began.
    cache
        Folder of windows and answers, to be shared; by default one in ``out``.
    alone
        Train the same students on measured labels alone as well, and ship from the better arm.
    view
        Told what happens.

    Raises
    ------
    ExportError
        The folder holds students of other settings, or the disk refuses.
    TrainingError
        Another process is at work in the folder, or a loss is no longer finite.
    """
    view = view or View()
    arms: tuple[Arm, ...] = ("taught", "alone") if alone else ("taught",)
    logits: dict[str, Floats] = {}
    with RunFolder(out).locked():
        lessons = Lessons(
            *(cohort, teacher, recipe.student_shape, recipe.learning),
            cache or out / "cache",
            view.advance,
        )
        for seed in range(recipe.seeds):
            for arm in arms:
                name = f"{arm}-{seed}"
                about = _about(recipe, lessons, run, arm, seed)
                student = _train(lessons, out / "seeds" / name, about, view)
                logits[name] = student_logits(student, lessons.val_mv)
        return _ship(lessons, logits, out)


def _about(recipe: DistillRecipe, lessons: Lessons, run: str, arm: Arm, seed: int) -> About:
    """Describe a student before it is trained."""
    cohort, teacher = lessons.cohort, lessons.teacher
    ref = TeacherRef(run, teacher.sha256, teacher.cohort_sha256)
    settings = asdict(replace(recipe.learning, seed=seed))
    return About(
        labels=tuple(cohort.panel.names),
        lead=cohort.lead,
        cohort_sha256=cohort.manifest.content_sha256,
        simulated=cohort.simulated,
        teacher=ref if arm == "taught" else None,
        settings=json.loads(json.dumps(settings)),
    )


def _train(lessons: Lessons, folder: Path, about: About, view: View) -> Student:
    """Train one student, or find it trained."""
    if (folder / ABOUT).exists():
        found = load_student(folder)
        if replace(found.about, metrics={}) != about or found.student.shape != lessons.shape:
            raise ExportError(
                f"{folder} holds a student of other settings. Remedy: repeat them to go on, or "
                "give --out another folder"
            )
        return found.student
    name, taught = folder.name, about.teacher is not None
    settings = replace(lessons.settings, seed=int(about.settings["seed"]))
    student = lessons.new_student(settings.seed)
    record = distill(
        student,
        lessons.strips_mv,
        lessons.labels,
        settings,
        lessons.answers.logits if taught else None,
        lambda done, total, _: view.advance(f"train {name}", done, total),
        lessons.answers.features if taught and settings.feature_weight else None,
    )
    score = lessons.score(student_logits(student, lessons.val_mv))
    save_student(folder, student, replace(about, metrics={"val_auroc": score}))
    view.begin(f"{name}  macro AUROC {score:.4f}  {record.seconds:.0f} s")
    return student


def _ship(lessons: Lessons, logits: dict[str, Floats], out: Path) -> Outcome:
    """Choose, measure and write the student to export."""
    scores = {name: lessons.score(values) for name, values in logits.items()}
    worth = _worth(lessons, logits)
    better: Arm = "alone" if worth is not None and worth.difference < 0 else "taught"
    shipped = max((name for name in scores if name.startswith(better)), key=scores.__getitem__)
    student, about = load_student(out / "seeds" / shipped)
    teacher = lessons.score(lessons.val_answers.logits)
    metrics = {
        "val_auroc": scores[shipped],
        "val_auroc_teacher": teacher,
        "val_windows": len(lessons.val_rows),
        "val_indicators": int(lessons.counted.sum()),
        "unresampled": [
            asdict(cost) | {"tolerance": cost.tolerance} for cost in _costs(student, lessons)
        ],
    }
    save_student(out, student, replace(about, metrics=metrics))
    scores = {"teacher": teacher, **scores}
    result = {
        "shipped": shipped,
        "val_auroc": scores,
        "teacher_worth": None if worth is None else asdict(worth),
    }
    replace_files((out / "distill.json", (json.dumps(result, indent=2) + "\n").encode()))
    return Outcome(out, shipped, scores, worth)


def _worth(lessons: Lessons, logits: dict[str, Floats]) -> Worth | None:
    taught, alone = (
        [values[:, lessons.counted] for name, values in logits.items() if name.startswith(arm)]
        for arm in ("taught", "alone")
    )
    if not alone:
        return None
    labels = lessons.val_labels[:, lessons.counted]
    return worth_of(taught, alone, labels, lessons.val_patients)


def _costs(student: Student, lessons: Lessons) -> tuple[RateCost, ...]:
    return unresampled_costs(
        *(student, lessons.cohort, lessons.val_rows, lessons.val_labels, lessons.counted)
    )

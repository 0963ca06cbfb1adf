"""What the demo makes and how: a training recipe and what is done with the teacher after it."""

from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Literal

from leadlab_edge.config import load_settings
from leadlab_export.check.gate import Limits
from leadlab_export.distill import DistillSettings
from leadlab_train.recipe import CohortRecipe, Recipe
from leadlab_train.recipe import load_recipe as load_training_recipe


@dataclass(frozen=True, slots=True)
class ShowRecipe:
    """How the Bluetooth part runs: stream time, and how much faster than the wall it passes."""

    stream_s: float = field(default=240.0, metadata={"min": 180.0, "max": 290.0})
    speed: float = field(default=20.0, metadata={"min": 1.0, "max": 200.0})


@dataclass(frozen=True, slots=True)
class ExportRecipe:
    """From a teacher to a pack on a device.

    Attributes
    ----------
    student
        How the student learns.
    show
        How the Bluetooth part runs.
    calibration_windows
        Training windows that set the int8 ranges.
    limits
        What the gate allows.
    """

    student: DistillSettings
    show: ShowRecipe = field(default_factory=ShowRecipe)
    calibration_windows: int = field(default=256, metadata={"min": 1})
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class DemoRecipe:
    """The whole loop."""

    cohort: CohortRecipe
    training: Recipe
    export: ExportRecipe


def load_recipe(name: Literal["demo", "quick"], seed: int = 0) -> DemoRecipe:
    """Read the two halves of a recipe that ships with leadlab, and seed everything."""
    training = load_training_recipe(name)
    assert training.cohort is not None, f"{name} simulates a cohort"
    with resources.as_file(resources.files("leadlab_export") / "recipes" / f"{name}.toml") as path:
        export = load_settings(ExportRecipe, path)
    return DemoRecipe(
        replace(training.cohort, seed=seed),
        replace(training, seed=seed),
        replace(export, student=replace(export.student, seed=seed)),
    )

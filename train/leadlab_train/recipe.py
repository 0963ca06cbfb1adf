"""Recipes: every setting of a run in one TOML file, each with its reason beside it."""

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from leadlab_edge.config import load_settings
from leadlab_train.fit import FitSettings
from leadlab_train.net1d import WidthName


@dataclass(frozen=True, slots=True)
class CohortRecipe:
    """The simulated cohort: patients per split, distance of the ceilings from the study's."""

    train_patients: int = field(metadata={"min": 1})
    val_patients: int = field(metadata={"min": 1})
    test_patients: int = field(metadata={"min": 1})
    strength: float = field(default=0.0, metadata={"min": -1.0})
    seed: int = field(default=0, metadata={"min": 0})

    @property
    def patients(self) -> dict[str, int]:
        """Patients per split, as the simulator wants them."""
        return {"train": self.train_patients, "val": self.val_patients, "test": self.test_patients}


@dataclass(frozen=True, slots=True)
class TeacherRecipe:
    """The full model: a width of ECGFounder's network, its batches and its loop."""

    width: WidthName
    batch_norm: bool
    batch: int = field(metadata={"min": 1})
    crop_s: float = field(metadata={"min": 0.2, "max": 10.0})
    fit: FitSettings
    seed: int = field(default=0, metadata={"min": 0})


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything from a cohort to a trained teacher."""

    cohort: CohortRecipe
    teacher: TeacherRecipe


def load_recipe(name: str | Path) -> Recipe:
    """Load a recipe strictly.

    Parameters
    ----------
    name
        Path of a TOML file, or the name of a recipe that comes with leadlab (``"demo"``).

    Raises
    ------
    ConfigError
        The file is missing, or a key is unknown, mistyped or out of range.
    """
    shipped = resources.files("leadlab_train") / "recipes" / f"{name}.toml"
    if shipped.is_file():
        with resources.as_file(shipped) as path:
            return load_settings(Recipe, path)
    return load_settings(Recipe, Path(name))

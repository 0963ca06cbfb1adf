"""Recipes: every setting of a training in one TOML file, each with its reason beside it."""

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal

from leadlab_edge.config import load_settings
from leadlab_train.augment import Augmentation
from leadlab_train.net1d import WidthName
from leadlab_train.optimizer import FitSettings


@dataclass(frozen=True, slots=True)
class CohortRecipe:
    """A simulated cohort: patients per split, distance of the ceilings from the study's."""

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
class ModelRecipe:
    """The network and which part of it learns.

    Attributes
    ----------
    width
        A width of ECGFounder's network; published weights have ``"full"``.
    batch_norm
        Apply the batch norm modules: not with published weights, and in one process only.
    trains
        ``"all"``, or ``"head"`` for a linear probe of frozen features.
    prior_bias
        Start the head at the log odds of the training labels, so that no step is spent on
        prevalences.
    """

    width: WidthName = "full"
    batch_norm: bool = False
    trains: Literal["all", "head"] = "all"
    prior_bias: bool = True


@dataclass(frozen=True, slots=True)
class WindowsRecipe:
    """Which windows a training reads, and how many at a time.

    Attributes
    ----------
    batch
        Windows per step, over all processes.
    crop_s
        Length of what the network sees of a window, at a random place of it: below 10, each epoch
        sees a window shifted in time.
    per_draw
        Windows drawn around each blood draw; None reads those that the cohort lists.
    within_s
        Farthest that drawn windows reach from their draw.
    fresh
        Draw anew in every epoch; otherwise once.
    prepare
        Filter windows once and keep them on disk, where nothing changes between epochs.
    """

    batch: int = field(metadata={"min": 1})
    crop_s: float = field(default=10.0, metadata={"min": 0.2, "max": 10.0})
    per_draw: int | None = field(default=None, metadata={"min": 1})
    within_s: float = field(default=3600.0, metadata={"min": 10.0})
    fresh: bool = False
    prepare: bool = True


@dataclass(frozen=True, slots=True)
class SelectRecipe:
    """How the model to keep is chosen, on validation patients.

    Attributes
    ----------
    every_steps, every_epochs
        How often to validate: one of the two.
    min_positive_patients
        The macro AUROC counts indicators with so many patients with a positive, and as many with a
        negative.
    windows_per_draw
        Windows of each validation draw where training draws its own; None reads those listed.
    patience
        Stop after so many validations without a better one; 0 never stops early.
    """

    every_steps: int | None = field(default=None, metadata={"min": 1})
    every_epochs: int | None = field(default=None, metadata={"min": 1})
    min_positive_patients: int = field(default=10, metadata={"min": 1})
    windows_per_draw: int | None = field(default=None, metadata={"min": 1})
    patience: int = field(default=0, metadata={"min": 0})

    def __post_init__(self) -> None:
        if (self.every_steps is None) == (self.every_epochs is None):
            raise ValueError(
                f"every_steps is {self.every_steps} and every_epochs is {self.every_epochs}; give "
                "one of the two"
            )

    def steps(self, steps_per_epoch: int) -> int:
        """Return the steps between two validations."""
        return self.every_steps or (self.every_epochs or 1) * steps_per_epoch


@dataclass(frozen=True, slots=True)
class Recipe:
    """From a cohort to a trained teacher.

    Attributes
    ----------
    windows, fit
        What it reads and how it learns.
    model
        What learns.
    augment
        What windows undergo before the filters; nothing by default.
    select
        How the model to keep is chosen; None keeps the last.
    indicator_balance
        0 weighs all labels alike, 1 all indicators.
    seed
        Seed of new weights, of windows and their order.
    cohort
        A simulated cohort that the recipe is meant for.
    """

    windows: WindowsRecipe
    fit: FitSettings
    model: ModelRecipe = field(default_factory=ModelRecipe)
    augment: Augmentation = field(default_factory=Augmentation)
    select: SelectRecipe | None = None
    indicator_balance: float = field(default=0.0, metadata={"min": 0.0, "max": 1.0})
    seed: int = field(default=0, metadata={"min": 0, "max": 2**31 - 1})
    cohort: CohortRecipe | None = None


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that come with leadlab."""
    folder = resources.files("leadlab_train") / "recipes"
    return sorted(Path(entry.name).stem for entry in folder.iterdir())


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

"""What a run reads: batches of training windows, and windows of validation patients."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.signal import FS_HZ
from leadlab_train.augment import Augmentation
from leadlab_train.batches import RandomCrops
from leadlab_train.cohort.training import TrainingCohort, TrainingSplit
from leadlab_train.errors import TrainingError
from leadlab_train.inputs import Inputs, TrainingInputs
from leadlab_train.prepared import prepare
from leadlab_train.recipe import Recipe
from leadlab_train.windows import DrawnWindows, TableWindows, WindowPlan
from leadlab_train.world import World

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Reader:
    """How windows are read.

    Attributes
    ----------
    cohort
        What training may see.
    cache
        Folder of prepared windows.
    workers
        Processes that filter.
    world
        Who shares the work.
    on_progress
        Called with what is being done, windows done and windows in all.
    """

    cohort: TrainingCohort
    cache: Path
    workers: int
    world: World
    on_progress: OnProgress

    def plan(self, recipe: Recipe, split: TrainingSplit) -> WindowPlan:
        """Choose windows of a split: drawn around its blood draws, or listed by the cohort."""
        if self.cohort.rate_hz != FS_HZ:
            raise TrainingError(
                f"{self.cohort.path} is sampled at {self.cohort.rate_hz:g} Hz; ECGFounder reads "
                f"{FS_HZ:g} Hz: resample the strips when you write the cohort"
            )
        wanted, per_draw = recipe.windows, recipe.windows.per_draw
        if split == "val":
            per_draw = recipe.select.windows_per_draw if recipe.select else None
        if per_draw is None:
            return TableWindows(self.cohort, split)
        fresh = wanted.fresh and split == "train"
        return DrawnWindows(self.cohort, split, per_draw, wanted.within_s, recipe.seed, fresh)

    def prepares(self, recipe: Recipe, plan: WindowPlan) -> bool:
        """Whether training windows are filtered once, because no epoch changes them."""
        return plan.fixed and not recipe.augment.active and recipe.windows.prepare

    def batches(self, recipe: Recipe, plan: WindowPlan) -> RandomCrops:
        """Return the batches of all steps."""
        inputs_at: Callable[[int], Inputs]
        if self.prepares(recipe, plan):
            inputs_at = _Settled(self.prepared(plan, "training"))
        else:
            augmentation = recipe.augment if recipe.augment.active else None
            inputs_at = _Changing(self.cohort, plan, augmentation, recipe.seed)
        return RandomCrops(
            inputs_at,
            _Labels(self.cohort, plan.draw),
            len(plan.draw),
            recipe.windows.batch,
            round(recipe.windows.crop_s * FS_HZ),
            recipe.seed,
            self.world,
        )

    def prepared(self, plan: WindowPlan, what: str) -> Inputs:
        """Return the windows of a fixed plan, filtered once."""

        def on_progress(done: int, total: int) -> None:
            self.on_progress(f"filter {what} windows", done, total)

        windows = plan.windows(0)
        return prepare(self.cohort, windows, self.cache, self.workers, on_progress, self.world)


@dataclass(frozen=True, slots=True)
class _Settled:
    inputs: Inputs

    def __call__(self, epoch: int) -> Inputs:
        del epoch
        return self.inputs


@dataclass(frozen=True, slots=True)
class _Changing:
    cohort: TrainingCohort
    plan: WindowPlan
    augmentation: Augmentation | None
    seed: int

    def __call__(self, epoch: int) -> Inputs:
        key = (self.seed, epoch)
        return TrainingInputs(self.cohort, self.plan.windows(epoch), self.augmentation, key)


@dataclass(frozen=True, slots=True)
class _Labels:
    cohort: TrainingCohort
    draw: NDArray[np.int64]

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.int8]:
        return self.cohort.labels(self.draw[rows])

"""Which weights to keep: macro AUROC on the windows of validation patients."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from leadlab_train.errors import TrainingError
from leadlab_train.inputs import Inputs
from leadlab_train.metrics import auroc, positive_patients
from leadlab_train.predict import predict
from leadlab_train.recipe import Recipe, SelectRecipe
from leadlab_train.run.data import Reader


class Selection:
    """Score a network on validation patients, each process its share of the windows.

    Attributes
    ----------
    counted
        ``(n_indicators,)``: indicators with enough patients of both classes.
    """

    def __init__(self, recipe: Recipe, select: SelectRecipe, reader: Reader) -> None:
        plan = reader.plan(recipe, "val")
        self._inputs, self._world = reader.prepared(plan, "validation"), reader.world
        self._labels = reader.cohort.labels(plan.draw)
        patients = reader.cohort.patients(plan.draw)
        least = select.min_positive_patients
        self.counted = (positive_patients(self._labels, patients) >= least) & (
            positive_patients(np.where(self._labels == 0, 1, 0), patients) >= least
        )
        if not self.counted.any():
            raise TrainingError(
                f"no indicator has {least} validation patients with a positive and {least} with a "
                f"negative, among {len(np.unique(patients))} patients; lower "
                "select.min_positive_patients or validate on more patients"
            )

    def score(self, model: nn.Module, autocast: bool = False) -> float:
        """Return the macro AUROC over the counted indicators."""
        n = len(self._inputs)
        ours = self._world.part(n)
        logits = predict(model, _Part(self._inputs, ours), autocast=autocast)
        logits = self._world.gather(logits, n)
        if not np.isfinite(logits).all():
            raise TrainingError(
                f"{np.count_nonzero(~np.isfinite(logits))} of {logits.size} logits of validation "
                "windows are not finite; lower the learning rate or clip the gradient"
            )
        return float(auroc(logits[:, self.counted], self._labels[:, self.counted]).mean())


class _Part:
    """Some consecutive windows of many."""

    def __init__(self, inputs: Inputs, part: slice) -> None:
        self._inputs, self._numbers = inputs, range(len(inputs))[part]

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: slice) -> NDArray[Any]:
        numbers = self._numbers[index]
        return self._inputs[numbers.start : numbers.stop]

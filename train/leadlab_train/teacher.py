"""The full model: ECGFounder's network, fitted to measured labels by the study's loss."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from leadlab_edge.signal import FS_HZ
from leadlab_train.fit import FitRecord, fit
from leadlab_train.inputs import Crops, Inputs, RandomCrops
from leadlab_train.loss import masked_bce, prior_logits
from leadlab_train.net1d import Net1D, ecgfounder
from leadlab_train.recipe import TeacherRecipe


class Teacher(NamedTuple):
    """A fitted network in evaluation mode, and how it got there."""

    model: Net1D
    record: FitRecord


def fit_teacher(
    inputs: Inputs,
    labels: NDArray[Any],
    recipe: TeacherRecipe,
    on_step: Callable[[int, int, float], None] | None = None,
) -> Teacher:
    """Fit a network from random weights.

    On a CPU, equal inputs, recipe and number of threads give equal weights.

    Parameters
    ----------
    inputs
        ``(n, 5000)`` training windows through ``ecgfounder_v1``.
    labels
        ``(n, n_labels)`` labels of the windows, -1 for not measured.
    recipe
        Width, batches and loop.
    on_step
        Called after each step with steps done, steps in all and loss.

    Raises
    ------
    TrainingError
        The batch exceeds the windows, or the loss is no longer finite.
    """
    batches = RandomCrops(inputs, labels, recipe.batch, round(recipe.crop_s * FS_HZ), recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = ecgfounder(labels.shape[1], width=recipe.width, batch_norm=recipe.batch_norm)
    with torch.no_grad():
        model.dense.bias.copy_(torch.from_numpy(prior_logits(labels)))
    return Teacher(model, fit(model, batches, _loss, recipe.fit, on_step))


def _loss(model: Net1D, batch: Crops) -> Tensor:
    return masked_bce(model(batch.x), batch.labels)

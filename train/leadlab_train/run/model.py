"""The network that a run begins with."""

import numpy as np
import torch
from numpy.typing import NDArray

from leadlab_train.checkpoint import Checkpoint, build_ecgfounder
from leadlab_train.errors import TrainingError
from leadlab_train.net1d import Net1D, ecgfounder
from leadlab_train.recipe import Recipe

HEAD = "dense."


def new_model(
    recipe: Recipe, prior: NDArray[np.float32], weights: Checkpoint | None, processes: int = 1
) -> Net1D:
    """Build the network of a recipe, from pretrained weights or from nothing.

    Parameters
    ----------
    recipe
        Width, seed, and what of the network learns.
    prior
        ``(n_labels,)`` log odds of the training labels.
    weights
        A pretrained network whose head is replaced; None draws all weights by the recipe's seed.
    processes
        How many will share a batch.

    Raises
    ------
    TrainingError
        Batch norm is asked for where it cannot be right.
    CheckpointError
        The weights are not those of this network.
    """
    asked, n_labels = recipe.model, len(prior)
    if asked.batch_norm and weights is not None:
        raise TrainingError(
            "model.batch_norm is true; published weights were trained without it and mean nothing "
            "with it: set it to false"
        )
    if asked.batch_norm and processes > 1:
        raise TrainingError(
            f"model.batch_norm is true with {processes} processes, each of which would normalise "
            "by its own part of a batch: set it to false, or train in one process"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        if weights is None:
            model = ecgfounder(n_labels, width=asked.width, batch_norm=asked.batch_norm)
        else:
            model = build_ecgfounder(weights, n_labels, width=asked.width, replace_head=True).model
    if asked.prior_bias:
        with torch.no_grad():
            model.dense.bias.copy_(torch.from_numpy(prior))
    if asked.trains == "head":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(HEAD))
    return model

"""Train a teacher in a run directory: exact, resumable, on one process or many.

On a CPU a run that was killed at any moment and started again ends with the same bits as one that
was not: a batch is a function of its step, and a checkpoint holds all that the next step needs.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from leadlab_train.batches import RandomCrops
from leadlab_train.checkpoint import Checkpoint, load_ecgfounder
from leadlab_train.cohort.store import Cohort
from leadlab_train.cohort.training import TrainingCohort
from leadlab_train.learner import Learner
from leadlab_train.loss import indicator_weights, prior_logits
from leadlab_train.net1d import Net1D
from leadlab_train.recipe import Recipe
from leadlab_train.run.data import Reader
from leadlab_train.run.folder import Asked, RunFolder, machine, software
from leadlab_train.run.loop import Loop, Parts
from leadlab_train.run.model import new_model
from leadlab_train.run.options import Options, View
from leadlab_train.run.selection import Selection
from leadlab_train.run.state import Progress, load_state
from leadlab_train.run.stop import Stopped, StopRequest


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a run has come to.

    Attributes
    ----------
    folder
        The run directory.
    progress
        Where it stands.
    model
        The best weights, in evaluation mode; None while unfinished.
    """

    folder: Path
    progress: Progress
    model: Net1D | None


def train(
    recipe: Recipe,
    cohort: Cohort,
    folder: Path,
    *,
    weights: Checkpoint | None = None,
    options: Options | None = None,
    view: View | None = None,
) -> Outcome:
    """Begin a run, or go on with it, until it is done or somebody asks to stop.

    Parameters
    ----------
    recipe
        What and how to train.
    cohort
        Only its training and validation patients are read.
    folder
        The run directory. Where a run was begun with the same recipe, cohort and weights, it goes
        on from the last checkpoint; where it is done, its result is returned.
    weights
        Pretrained network; None begins from random weights.
    options
        How it is computed.
    view
        Told what happens.

    Raises
    ------
    TrainingError
        The recipe cannot be trained on this cohort, the loss is no longer finite, or the folder is
        another run's, in use, or cannot be written. What was saved stays.
    CohortError
        The cohort vanished or was altered.
    CheckpointError
        The weights, or the run's last checkpoint, are not what they should be.
    """
    options, view = options or Options(), view or View()
    run, seen = RunFolder(folder), TrainingCohort(cohort)
    sha256 = weights.sha256 if weights else None
    asked = Asked(recipe, seen.content_sha256, seen.simulated, sha256)
    with run.locked() if options.world.leads else nullcontext(), StopRequest() as stop:
        if options.world.leads:
            run.require_same(asked)
        tensors, progress = load_state(run.last) if run.last.exists() else ({}, Progress())
        options.world.require_same("checkpoints", progress.step)
        if not progress.finished:
            try:
                loop = _build(recipe, seen, run, weights, options, view, stop)
            except Stopped:
                return Outcome(folder, progress, None)
            if tensors:
                loop.resume(tensors, progress)
            if options.world.leads:
                setting = {
                    "software": software(),
                    "machine": machine(options.device),
                    "processes": options.world.size,
                    "cohort": str(seen.path),
                    "weights": str(weights.path) if weights else None,
                }
                run.record_start(asked, progress.step, setting)
            progress = loop.run(stop)
            options.world.wait()  # until the first process has written what the others read
    model = _best(run, recipe, len(seen.panel)) if progress.finished else None
    return Outcome(folder, progress, model)


def _build(
    recipe: Recipe,
    seen: TrainingCohort,
    run: RunFolder,
    weights: Checkpoint | None,
    options: Options,
    view: View,
    stop: StopRequest,
) -> Loop:
    """Put together what the loop needs, in the order in which a mistake shows soonest."""
    world, device = options.world, options.device
    cache = options.cache or run.path / "prepared"

    def advance(what: str, done: int, total: int) -> None:
        view.advance(what, done, total)
        if stop.asked:
            raise Stopped

    reader = Reader(seen, cache, options.workers, world, advance)
    plan = reader.plan(recipe, "train")
    draws, counts = np.unique(plan.draw, return_counts=True)
    labels = seen.labels(draws)
    model = new_model(recipe, prior_logits(labels, counts), weights, world.size).to(device)
    selection = Selection(recipe, recipe.select, reader) if recipe.select else None
    batches = reader.batches(recipe, plan)
    settings = recipe.fit.in_steps(batches.steps_per_epoch)
    network = _network(model, options)
    learner = Learner(model, settings, network, autocast=device.type == "cuda")
    balance = None
    if recipe.indicator_balance:
        balance = torch.from_numpy(indicator_weights(labels, recipe.indicator_balance, counts))
    view.begin(_describe(recipe, seen, batches, learner, selection, options))
    # Handing prepared windows from a worker takes longer than reading them here.
    workers = 0 if reader.prepares(recipe, plan) else options.workers
    parts = Parts(recipe, seen, run, learner, batches, workers, balance, selection)
    return Loop(parts, options, view)


def _network(model: Net1D, options: Options) -> nn.Module:
    network = options.world.spread(model)
    if options.device.type == "cuda" and options.compiles:
        return torch.compile(network)  # type: ignore[return-value]
    return network


def _best(run: RunFolder, recipe: Recipe, n_labels: int) -> Net1D:
    model = load_ecgfounder(run.best, n_labels, width=recipe.model.width, replace_head=False).model
    model.apply_batch_norm(recipe.model.batch_norm)
    return model.eval()


def _describe(
    recipe: Recipe,
    seen: TrainingCohort,
    batches: RandomCrops,
    learner: Learner[Net1D],
    selection: Selection | None,
    options: Options,
) -> str:
    """Say in two lines what is about to happen."""
    parameters = sum(p.numel() for p in learner.model.parameters() if p.requires_grad)
    validated = "nothing is selected, the last weights are kept"
    if selection is not None:
        validated = f"selected by {int(selection.counted.sum())} of {len(seen.panel)} indicators"
    simulated = ", simulated" if seen.simulated else ""
    return (
        f"ECGFounder, width {recipe.model.width}, {parameters:,} parameters that learn; "
        f"{seen.path.name}{simulated}; {validated}\n"
        f"{learner.settings.steps:,} steps of {recipe.windows.batch} windows, "
        f"{batches.steps_per_epoch:,} an epoch, on {options.device}, "
        f"{options.world.size} process{'es' if options.world.size > 1 else ''}"
    )

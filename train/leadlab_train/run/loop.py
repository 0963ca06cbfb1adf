"""The loop of a run: step, record, validate, save."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from leadlab_train.batches import Crops, RandomCrops, load_ahead
from leadlab_train.checkpoint import save_weights
from leadlab_train.cohort.training import TrainingCohort
from leadlab_train.fit import require_finite
from leadlab_train.learner import Learner, Step
from leadlab_train.loss import masked_bce, measured_weight
from leadlab_train.net1d import Net1D
from leadlab_train.recipe import Recipe
from leadlab_train.run.curves import draw_curves
from leadlab_train.run.folder import RunFolder
from leadlab_train.run.log import MetricsLog
from leadlab_train.run.options import Options, View
from leadlab_train.run.selection import Selection
from leadlab_train.run.state import Progress, save_state
from leadlab_train.run.stop import StopRequest


@dataclass(frozen=True, slots=True)
class SharedLoss:
    """The study's loss, averaged over the measured labels of all processes.

    Attributes
    ----------
    weights
        ``(n_labels,)`` weight of each indicator; all alike if None.
    total
        Weight of the measured labels of all processes.
    processes
        How many average their gradients afterwards.
    """

    weights: Tensor | None
    total: float
    processes: int

    def __call__(self, network: nn.Module, batch: Crops) -> Tensor:
        """Return the scalar whose mean over the processes is the loss of the whole batch."""
        logits = network(batch.x).to(batch.x.dtype)
        return self.processes * masked_bce(logits, batch.labels, self.weights, self.total)


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a loop is put together from.

    Attributes
    ----------
    recipe, cohort, folder
        What is trained, on what, and where it is kept.
    learner, batches
        What learns, and what it learns from.
    workers
        Processes that make batches ahead.
    weights
        ``(n_labels,)`` weights of the indicators; None weighs all labels alike.
    selection
        Scores validation patients; None keeps the last weights.
    """

    recipe: Recipe
    cohort: TrainingCohort
    folder: RunFolder
    learner: Learner[Net1D]
    batches: RandomCrops
    workers: int
    weights: Tensor | None
    selection: Selection | None


class Loop:
    """A run from where it stands to its end."""

    def __init__(self, parts: Parts, options: Options, view: View) -> None:
        self._parts, self._options, self._view = parts, options, view
        self._learner, self._world = parts.learner, options.world
        self._steps = parts.learner.settings.steps or 0
        self._progress = Progress()
        self._pending: list[Step] = []
        self._recorded_s = self._saved_s = time.monotonic()

    def resume(self, tensors: Mapping[str, Tensor], progress: Progress) -> None:
        """Go on from a checkpoint."""
        self._learner.restore(tensors, progress.step)
        self._pending = [Step(torch.tensor(a), torch.tensor(b)) for a, b in progress.pending]
        self._progress = progress

    def run(self) -> Progress:
        """Train until the end, or until somebody asks to stop; return where the run stands."""
        parts, options = self._parts, self._options
        log = MetricsLog(parts.folder.path, self._learner.done) if self._world.leads else None
        ahead = load_ahead(
            parts.batches,
            *(self._learner.done, self._steps, parts.workers),
            pin=options.device.type == "cuda",
        )
        self._learner.model.train()
        with StopRequest() as stop, log or nullcontext():
            for batch in ahead:
                asked = self._step(batch, stop.asked)
                done = self._learner.done
                if done % options.log_steps == 0 or done == self._steps:
                    self._record(log)
                validates = self._validates(done)
                ended = (validates and self._validate(log)) or done == self._steps
                if ended:
                    self._finish()
                if ended or asked or validates or self._is_due():
                    self._save()
                if ended or asked:
                    break
        return self._progress

    def _step(self, batch: Crops, asked: bool) -> bool:
        """Take a step; return whether any process has been asked to stop."""
        if self._learner.done % self._parts.batches.steps_per_epoch == 0:
            self._parts.cohort.check_files()
        measured = measured_weight(batch.labels, self._parts.weights)
        total, stops = self._world.sum(measured, asked)
        device = self._options.device
        on_device = Crops(*(part.to(device, non_blocking=True) for part in batch))
        loss = SharedLoss(self._parts.weights, total, self._world.size)
        self._pending.append(self._learner.step(on_device, loss))
        return stops > 0

    def _record(self, log: MetricsLog | None) -> None:
        """Write what the steps since the last record came to."""
        self._require_finite()
        done, settings = self._learner.done, self._learner.settings
        loss = float(np.mean([float(step.loss) for step in self._pending]))
        gradient = float(np.mean([float(step.gradient) for step in self._pending]))
        (loss,) = (total / self._world.size for total in self._world.sum(loss))
        now_s = time.monotonic()
        rate = len(self._pending) * self._parts.recipe.windows.batch / (now_s - self._recorded_s)
        self._pending, self._recorded_s = [], now_s
        if log is not None:
            log.write(
                {
                    "step": done,
                    "epoch": done / self._parts.batches.steps_per_epoch,
                    "loss": loss,
                    "gradient": gradient,
                    "learning_rate": settings.learning_rate_at(done - 1),
                    "windows_per_s": round(rate, 1),
                }
            )
        self._view.step(done, self._steps, loss)

    def _validates(self, done: int) -> bool:
        select = self._parts.recipe.select
        if select is None:
            return False
        return done % select.steps(self._parts.batches.steps_per_epoch) == 0 or done == self._steps

    def _validate(self, log: MetricsLog | None) -> bool:
        """Score validation patients, keep the weights if best; return whether to stop early."""
        select, selection = self._parts.recipe.select, self._parts.selection
        assert select is not None
        assert selection is not None
        self._require_finite()
        on_gpu = self._options.device.type == "cuda"
        auroc = selection.score(self._learner.result, autocast=on_gpu)
        done, before = self._learner.done, self._progress
        best = before.best_auroc is None or auroc > before.best_auroc
        if best:
            self._progress = replace(before, best_auroc=auroc, best_step=done, stale=0)
            self._keep()
        else:
            self._progress = replace(before, stale=before.stale + 1)
        if log is not None:
            log.write({"step": done, "val_auroc": auroc, "best": best})
            self._draw()
        self._view.validated(done, auroc, best)
        return 0 < select.patience <= self._progress.stale

    def _finish(self) -> None:
        if self._parts.selection is None:
            self._require_finite()
            self._progress = replace(self._progress, best_step=self._learner.done)
            self._keep()
            if self._world.leads:
                self._draw()
        self._progress = replace(self._progress, finished=True)

    def _keep(self) -> None:
        """Write the weights as the run's result so far."""
        if self._world.leads:
            about = {
                "step": self._learner.done,
                "val_auroc": self._progress.best_auroc,
                "width": self._parts.recipe.model.width,
                "batch_norm": self._parts.recipe.model.batch_norm,
                "indicators": list(self._parts.cohort.panel.names),
                "lead": self._parts.cohort.lead,
                "cohort_sha256": self._parts.cohort.content_sha256,
                "simulated": self._parts.cohort.simulated,
            }
            save_weights(self._parts.folder.best, self._learner.result, about)

    def _is_due(self) -> bool:
        return time.monotonic() - self._saved_s >= self._options.checkpoint_s

    def _save(self) -> None:
        """Write where the run stands. Every process does its sums; the first one writes."""
        self._require_finite()
        pending = tuple((float(loss), float(gradient)) for loss, gradient in self._pending)
        self._progress = replace(self._progress, step=self._learner.done, pending=pending)
        if self._world.leads:
            save_state(self._parts.folder.last, self._learner.state(), self._progress)
        self._saved_s = time.monotonic()

    def _require_finite(self) -> None:
        first = self._learner.done - len(self._pending)
        for place, (loss, gradient) in enumerate(self._pending):
            for what, value in (("loss", loss), ("gradient", gradient)):
                require_finite(what, float(value), first + place, self._learner.settings)

    def _draw(self) -> None:
        simulated = " (simulated cohort)" if self._parts.cohort.simulated else ""
        draw_curves(self._parts.folder.path, f"{self._parts.folder.path.name}{simulated}")

"""The loop of a run: step, record, validate, save."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from leadlab_bridge.errors import LeadlabError
from leadlab_train.batches import Crops, RandomCrops, load_ahead
from leadlab_train.checkpoint import save_weights
from leadlab_train.cohort.training import TrainingCohort
from leadlab_train.fit import require_finite
from leadlab_train.learner import Learner, Step
from leadlab_train.loss import masked_bce, measured_weight
from leadlab_train.net1d import Net1D
from leadlab_train.recipe import Recipe
from leadlab_train.run.curves import draw_curves
from leadlab_train.run.disk import writing
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
        # Every process begins with the mean of all, whose sum is theirs.
        pending = torch.tensor(progress.pending, dtype=torch.float64).reshape(-1, 2)
        self._pending = [Step(loss, gradient) for loss, gradient in pending]
        self._progress = progress

    def run(self, stop: StopRequest) -> Progress:
        """Train until the end, or until somebody asks to stop; return where the run stands."""
        log_steps = self._options.log_steps
        folder = self._parts.folder.path
        log = MetricsLog(folder, self._learner.done) if self._world.leads else None
        self._learner.model.train()
        with log or nullcontext():
            for batch in self._batches():
                asked, due = self._step(batch, stop.asked)
                done = self._learner.done
                if done % log_steps == 0 or done == self._steps:
                    self._record(log)
                with self._off_the_clock():
                    validates = self._validates(done)
                    ended = (validates and self._validate(log)) or done == self._steps
                    if ended:
                        self._finish()
                    if ended or asked or validates or due:
                        self._save()
                if ended or asked:
                    break
        return self._progress

    def _batches(self) -> Iterator[Crops]:
        """Yield what is left to learn from. Where it cannot be read, save what was learned."""
        parts, done = self._parts, self._learner.done
        pin = self._options.device.type == "cuda"
        try:
            parts.cohort.check_files()
            yield from load_ahead(parts.batches, done, self._steps, parts.workers, pin)
        except LeadlabError:
            if self._world.size == 1 and self._learner.done > done:
                with suppress(LeadlabError):
                    self._save()
            raise

    def _step(self, batch: Crops, asked: bool) -> tuple[bool, bool]:
        """Take a step; return whether to stop, and whether to save, as all processes see it."""
        if self._learner.done % self._parts.batches.steps_per_epoch == 0:
            self._parts.cohort.check_files()
        measured = measured_weight(batch.labels, self._parts.weights)
        due = self._world.leads and time.monotonic() - self._saved_s >= self._options.checkpoint_s
        total, stops, dues = self._world.sum(measured, asked, due)
        device = self._options.device
        on_device = Crops(*(part.to(device, non_blocking=True) for part in batch))
        loss = SharedLoss(self._parts.weights, total, self._world.size)
        self._pending.append(self._learner.step(on_device, loss))
        return stops > 0, dues > 0

    def _record(self, log: MetricsLog | None) -> None:
        """Write what the steps since the last record came to."""
        done, settings = self._learner.done, self._learner.settings
        losses, gradients = zip(*self._shared_pending(), strict=True)
        loss = float(np.mean(losses))
        seconds = time.monotonic() - self._recorded_s
        rate = len(losses) * self._parts.recipe.windows.batch / seconds
        self._pending, self._recorded_s = [], time.monotonic()
        if log is not None:
            log.write(
                {
                    "step": done,
                    "epoch": done / self._parts.batches.steps_per_epoch,
                    "loss": loss,
                    "gradient": float(np.mean(gradients)),
                    "learning_rate": settings.learning_rate_at(done - 1),
                    "windows_per_s": round(rate, 1),
                }
            )
        self._view.step(done, self._steps, loss)

    def _shared_pending(self) -> tuple[tuple[float, float], ...]:
        """Return loss and gradient norm of the steps since the last record, over all processes."""
        first = self._learner.done - len(self._pending)
        pending = [(float(loss), float(gradient)) for loss, gradient in self._pending]
        for step, (loss, gradient) in enumerate(pending, start=first):
            require_finite("loss", loss, step, self._learner.settings)
            require_finite("gradient", gradient, step, self._learner.settings)
        losses = self._world.sum(*(loss for loss, _ in pending))
        return tuple(
            (loss / self._world.size, gradient)
            for loss, (_, gradient) in zip(losses, pending, strict=True)
        )

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

    def _save(self) -> None:
        """Write where the run stands. Every process does its sums; the first one writes."""
        self._require_finite()
        pending = self._shared_pending()
        self._progress = replace(self._progress, step=self._learner.done, pending=pending)
        if self._world.leads:
            save_state(self._parts.folder.last, self._learner.state(), self._progress)
        self._saved_s = time.monotonic()

    def _require_finite(self) -> None:
        """Stop before weights that are no numbers are scored or saved."""
        if not self._learner.is_finite():
            require_finite("largest weight", math.inf, self._learner.done, self._learner.settings)

    @contextmanager
    def _off_the_clock(self) -> Iterator[None]:
        """Leave what happens inside out of the windows per second."""
        begin_s = time.monotonic()
        yield
        self._recorded_s += time.monotonic() - begin_s

    def _draw(self) -> None:
        simulated = " (simulated cohort)" if self._parts.cohort.simulated else ""
        folder = self._parts.folder.path
        with writing(folder / "curves.png"):
            draw_curves(folder, f"{folder.name}{simulated}")

"""The training loop: a fixed number of steps of AdamW under warm-up and cosine decay.

The loop knows neither data nor loss, and fits teacher and student alike. The batch of a step is a
function of the step alone, so that a run is exact on a CPU and can go on from any step.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from leadlab_train.errors import TrainingError

Model = TypeVar("Model", bound=nn.Module)
Batch = TypeVar("Batch")


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How long and how fast to learn.

    ``learning_rate`` is the peak, reached after ``warmup_steps``; ``clip_norm`` limits the norm of
    the whole gradient.
    """

    steps: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0.0})
    warmup_steps: int = field(default=0, metadata={"min": 0})
    weight_decay: float = field(default=0.0, metadata={"min": 0.0})
    clip_norm: float = field(default=1.0, metadata={"min": 0.0})

    def learning_rate_at(self, step: int) -> float:
        """Rise linearly to the peak, then fall to zero along half a cosine."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True, slots=True)
class FitRecord:
    """What a run did: the loss of every step, and how long it took."""

    losses: tuple[float, ...]
    seconds: float


def fit(
    model: Model,
    batch_at: Callable[[int], Batch],
    loss_of: Callable[[Model, Batch], Tensor],
    settings: FitSettings,
    on_step: Callable[[int, int, float], None] | None = None,
) -> FitRecord:
    """Fit a model in place and leave it in evaluation mode.

    Parameters
    ----------
    model
        The network.
    batch_at
        Batch of a step, counted from 0, as :class:`leadlab_train.inputs.RandomCrops` makes them.
    loss_of
        Scalar loss of model and batch.
    settings
        Length, rate and regularisation.
    on_step
        Called after each step with steps done, steps in all and loss.

    Raises
    ------
    TrainingError
        The loss is no longer finite.
    """
    start = time.perf_counter()
    optimizer = _optimizer(model, settings)
    losses = []
    model.train()
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate_at(step)
        loss = loss_of(model, batch_at(step))
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"the loss is {losses[-1]} at step {step}; it must be finite: lower the learning "
                f"rate ({settings.learning_rate:g}) or look for NaN in the inputs"
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimizer.step()
        if on_step:
            on_step(step + 1, settings.steps, losses[-1])
    model.eval()
    return FitRecord(tuple(losses), time.perf_counter() - start)


def _optimizer(model: nn.Module, settings: FitSettings) -> torch.optim.Optimizer:
    """Weight decay shrinks weights, never biases or normalisation."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
    )

"""The short training loop: steps from first to last in memory, for students and small models.

Teachers of any size train in a run directory, see :mod:`leadlab_train.run`; both take their steps
through :class:`leadlab_train.learner.Learner`.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from leadlab_train.errors import TrainingError
from leadlab_train.learner import Batch, Learner, Model
from leadlab_train.optimizer import FitSettings

__all__ = ["FitRecord", "FitSettings", "fit", "require_finite"]


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
        Batch of a step, counted from 0.
    loss_of
        Scalar loss of model and batch.
    settings
        Length, in steps, rate and regularisation.
    on_step
        Called after each step with steps done, steps in all and loss.

    Raises
    ------
    TrainingError
        The loss is no longer finite.
    """
    start = time.perf_counter()
    steps = settings.steps
    assert steps is not None, "give the length in steps"
    learner = Learner(model, settings)
    losses = []
    model.train()
    for step in range(steps):
        losses.append(learner.step(batch_at(step), loss_of).loss.item())
        require_finite("loss", losses[-1], step, settings)
        if on_step:
            on_step(step + 1, steps, losses[-1])
    model.load_state_dict(learner.result.state_dict())
    model.eval()
    return FitRecord(tuple(losses), time.perf_counter() - start)


def require_finite(what: str, value: float, step: int, settings: FitSettings) -> None:
    """Stop a training that has left the numbers.

    Raises
    ------
    TrainingError
        If ``value`` is NaN or infinite.
    """
    if not math.isfinite(value):
        raise TrainingError(
            f"the {what} is {value} at step {step}; it must be finite: lower the learning "
            f"rate ({settings.learning_rate:g}) or look for NaN in the inputs"
        )

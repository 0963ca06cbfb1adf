"""How fast each parameter learns: schedule, warm-up, decay, layers, and a running average."""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from leadlab_train.net1d import Net1D


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How long and how fast to learn.

    Attributes
    ----------
    steps, epochs
        Length: one of the two.
    learning_rate
        Peak rate of AdamW, reached after ``warmup_steps``.
    schedule
        After the warm-up, fall to zero along half a cosine, or stay.
    weight_decay
        Of matrices only; biases and normalisation are spared.
    clip_norm
        Largest norm of the whole gradient; 0 clips nothing.
    layer_decay
        Rate of a layer over the rate of the layer above it (Howard and Ruder, ULMFiT, ACL 2018);
        1 lets all learn alike. ECGFounder's network only.
    average
        Decay of the running average of weights that is validated and kept in place of the last
        (Polyak and Juditsky 1992); 0 keeps the last.
    """

    learning_rate: float = field(metadata={"min": 0.0, "max": 10.0})
    steps: int | None = field(default=None, metadata={"min": 1})
    epochs: int | None = field(default=None, metadata={"min": 1})
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_steps: int = field(default=0, metadata={"min": 0})
    weight_decay: float = field(default=0.0, metadata={"min": 0.0})
    clip_norm: float = field(default=1.0, metadata={"min": 0.0})
    layer_decay: float = field(default=1.0, metadata={"min": 0.1, "max": 1.0})
    average: float = field(default=0.0, metadata={"min": 0.0, "max": 0.99999})

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(
                f"steps is {self.steps} and epochs is {self.epochs}; give one of the two"
            )

    def in_steps(self, steps_per_epoch: int) -> Self:
        """Return the same settings with the length in steps."""
        if self.epochs is None:
            return self
        return replace(self, steps=self.epochs * steps_per_epoch, epochs=None)

    def learning_rate_at(self, step: int) -> float:
        """Rate of a step, counted from 0. The length must be in steps."""
        assert self.steps is not None
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        if self.schedule == "constant":
            return self.learning_rate
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def build_optimizer(model: nn.Module, settings: FitSettings) -> torch.optim.AdamW:
    """Build AdamW over the parameters that learn.

    Each group carries ``scale``, the factor of its layer; multiply the step's rate by it.
    """
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            scale = settings.layer_decay ** _layers_above(model, name, settings)
            groups.setdefault((scale, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "scale": scale,
                "weight_decay": settings.weight_decay if decays else 0.0,
            }
            for (scale, decays), parameters in groups.items()
        ],
        lr=settings.learning_rate,
        fused=True,  # less than half the time, on a CPU as well
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of a rate."""
    group: dict[str, Any]
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]


def _layers_above(model: nn.Module, name: str, settings: FitSettings) -> int:
    """Count the layers between a parameter and the head; blocks are layers, and so is the stem."""
    if settings.layer_decay == 1.0:
        return 0
    if not isinstance(model, Net1D):
        raise ValueError(
            f"layer_decay is {settings.layer_decay}; only ECGFounder's network has layers that are "
            "known here: set it to 1"
        )
    blocks = [
        f"stage_list.{i}.block_list.{j}."
        for i, stage in enumerate(model.stage_list)
        for j in range(len(stage.block_list))  # type: ignore[arg-type]
    ]
    if name.startswith("dense."):
        return 0
    for place, block in enumerate(reversed(blocks), start=1):
        if name.startswith(block):
            return place
    return len(blocks) + 1

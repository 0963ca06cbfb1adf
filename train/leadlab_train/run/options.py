"""How a run is computed, and who watches."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from leadlab_train.world import ALONE, World


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is computed; none of it changes what comes out on a CPU.

    Attributes
    ----------
    device
        Where the network is.
    workers
        Processes that read and filter windows; 0 does it in this one.
    cache
        Folder of prepared windows, to be shared between runs; None keeps them in the run's.
    checkpoint_s
        Seconds between two checkpoints; every validation makes one as well.
    log_steps
        Steps between two records of the log.
    compiles
        Compile the network; on a GPU only.
    world
        Who trains together.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    workers: int = 0
    cache: Path | None = None
    checkpoint_s: float = 600.0
    log_steps: int = 10
    compiles: bool = True
    world: World = ALONE


class View:
    """Told what a run does; this one shows nothing."""

    def begin(self, description: str) -> None:
        """Say what is about to happen."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Report on work before the first step."""

    def step(self, done: int, steps: int, loss: float) -> None:
        """Report steps done, and the mean loss since the last report."""

    def validated(self, step: int, auroc: float, best: bool) -> None:
        """Report a validation."""

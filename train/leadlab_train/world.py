"""The processes that train together, as torchrun starts them: one, or many on one or more nodes."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import nn

from leadlab_train.errors import TrainingError


@dataclass(frozen=True, slots=True)
class World:
    """Our process among those that share every batch.

    Attributes
    ----------
    rank, size
        Our number and how many there are.
    local_rank
        Number on this node, and of our GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0

    def part(self, total: int) -> slice:
        """Return which of ``total`` rows are ours; the parts are disjoint and cover all."""
        return slice(self.rank * total // self.size, (self.rank + 1) * total // self.size)

    def sum(self, *numbers: float) -> list[float]:
        """Add numbers up over all processes. They travel beside the GPUs, which need not wait."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(total)
        return [float(number) for number in total]

    def gather(self, rows: NDArray[np.float32], total: int) -> NDArray[np.float32]:
        """Put the parts of all processes together, ``(total, ...)``, in every process."""
        if self.size == 1:
            return rows
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, rows)
        whole: NDArray[np.float32] = np.concatenate(parts)
        assert len(whole) == total
        return whole

    def require_same(self, what: str, value: object) -> None:
        """Check that all processes see the same thing.

        Raises
        ------
        TrainingError
            They do not, as when a folder is not on storage that all nodes share.
        """
        if self.size == 1:
            return
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        if any(other != values[0] for other in values):
            raise TrainingError(
                f"the {self.size} processes see different {what}: {sorted(map(str, values))}. "
                "Remedy: put cohort and run on storage that all nodes see under the same path"
            )

    def first(self, work: Callable[[], object]) -> None:
        """Let the first process do something while the others wait; fail together.

        Raises
        ------
        TrainingError
            It failed, in another process.
        """
        failure: Exception | None = None
        if self.leads:
            try:
                work()
            except Exception as error:
                failure = error
        if self.size > 1:
            said = [failure and str(failure)]
            dist.broadcast_object_list(said)
            if said[0] is not None and not self.leads:
                raise TrainingError(f"the first process failed: {said[0]}")
        if failure is not None:
            raise failure

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            dist.barrier()

    def spread(self, network: nn.Module) -> nn.Module:
        """Average the gradients of a network over the processes."""
        if self.size == 1:
            return network
        return nn.parallel.DistributedDataParallel(network)


ALONE = World()
# Others wait while the first prepares millions of windows. A process that dies is noticed at once.
PATIENCE = timedelta(days=1)


@contextmanager
def join_world(device: torch.device) -> Iterator[World]:
    """Meet the other processes that torchrun started; without torchrun, be alone.

    Numbers on the CPU travel by gloo, gradients on GPUs by NCCL.

    Raises
    ------
    TrainingError
        The others were not there in time.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield ALONE
        return
    rank, size, local_rank = (
        int(os.environ.get(name, "0")) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    )
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"process {rank} of {size} could not meet the others: {error}. Remedy: start through "
            "torchrun, with the same --rdzv-endpoint (or --master-addr) on every node"
        ) from error
    try:
        yield World(rank, size, local_rank)
    finally:
        dist.destroy_process_group()

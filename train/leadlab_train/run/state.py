"""Where a run stands: ``last.safetensors``, tensors and counters in one file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import safetensors
import safetensors.torch
from torch import Tensor

from leadlab_edge.config import parse_record
from leadlab_train.errors import CheckpointError
from leadlab_train.files import replace_files
from leadlab_train.run.disk import writing

KEY: Final = "progress"


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run must remember beside its tensors.

    Attributes
    ----------
    step
        Steps done.
    best_auroc, best_step
        Best validation so far, None and 0 before the first.
    stale
        Validations since the best.
    pending
        Loss and gradient norm of each step since the last record of the log.
    finished
        Whether there is nothing left to do.
    """

    step: int = 0
    best_auroc: float | None = None
    best_step: int = 0
    stale: int = 0
    pending: tuple[tuple[float, float], ...] = ()
    finished: bool = False


def save_state(path: Path, tensors: Mapping[str, Tensor], progress: Progress) -> None:
    """Write tensors and progress; the file is the old or the new one at every moment.

    Raises
    ------
    TrainingError
        The disk refuses. The old file is untouched.
    """
    whole = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(whole, {KEY: json.dumps(asdict(progress))})
    with writing(path):
        replace_files((path, data))


def load_state(path: Path) -> tuple[dict[str, Tensor], Progress]:
    """Read what :func:`save_state` wrote.

    Raises
    ------
    CheckpointError
        The file is damaged or no checkpoint of a run.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            progress = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # the reader raises its own errors, OSError and others
        raise CheckpointError(
            f"{path} is no whole checkpoint of a run: {error}. Remedy: restore it from a copy, or "
            "remove the folder to begin anew"
        ) from error
    return tensors, parse_record(Progress, progress, str(path), CheckpointError)

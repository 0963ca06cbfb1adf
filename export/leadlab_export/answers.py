"""What a teacher says of windows, asked once and kept on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadlab_export.row_cache import cache_name, cached_rows
from leadlab_export.teacher import TrainedTeacher
from leadlab_train.cohort import Cohort
from leadlab_train.inputs import CohortInputs
from leadlab_train.net1d import Net1D

BATCH: Final = 64


class Answers(NamedTuple):
    """Of each window: logits ``(n, n_labels)``, and features ``(n, channels)`` before the head."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


def ask_teacher(
    teacher: TrainedTeacher,
    cohort: Cohort,
    rows: NDArray[np.integer[Any]],
    cache: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> Answers:
    """Score windows with the teacher, once: later calls read the answers from ``cache``.

    Parameters
    ----------
    teacher, cohort
        Who is asked, and whose windows.
    rows
        ``(n,)`` window row numbers.
    cache
        Folder of the answers; a file is named after teacher, cohort and rows. An asking that was
        cut short goes on where it stopped.
    on_progress
        Called with windows done and windows in all.

    Raises
    ------
    ExportError
        The cache cannot be written.
    """
    inputs, model = CohortInputs(cohort, rows), teacher.model
    n_labels = model.dense.out_features

    def answer(start: int, stop: int) -> NDArray[np.float32]:
        batches = torch.split(torch.from_numpy(inputs[start:stop]).unsqueeze(1), BATCH)
        with torch.inference_mode():
            return torch.cat([_both(model, batch) for batch in batches]).numpy()

    name = cache_name("teacher", teacher.sha256, cohort.manifest.content_sha256, rows)
    width = n_labels + model.dense.in_features
    both = cached_rows(cache / name, len(rows), width, answer, on_progress)
    return Answers(both[:, :n_labels], both[:, n_labels:])


def _both(model: Net1D, windows: Tensor) -> Tensor:
    features = model.forward_features(windows)
    return torch.cat([model.dense(features), features], dim=1)

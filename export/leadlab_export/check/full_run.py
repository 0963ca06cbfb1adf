"""A run of ``leadlab train`` as the full model: the one part of the check that loads torch."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from leadlab_edge.pack.manifest import ECGFOUNDER_INPUT
from leadlab_edge.signal import ecgfounder_v1
from leadlab_export.teacher import load_teacher


class RunModel:
    """The best network of a run, from raw millivolts; see `leadlab_export.check.models.FullModel`.

    Parameters
    ----------
    folder
        The run.
    n_labels
        Indicators of the pack that it is compared with.
    """

    rate_hz, n_samples = ECGFOUNDER_INPUT.rate_hz, ECGFOUNDER_INPUT.n_samples
    margin = ECGFOUNDER_INPUT.margin

    def __init__(self, folder: Path, n_labels: int) -> None:
        trained = load_teacher(folder, n_labels)
        self._network = trained.model
        self.name = f"{folder.name}, ECGFounder of width {trained.recipe.model.width}, PyTorch"
        self.weights_sha256 = trained.sha256
        self.cohort = trained.cohort_sha256

    def logits(self, raw_mv: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map ``(n, 5000)`` millivolts to ``(n, n_indicators)`` logits."""
        filtered = torch.from_numpy(ecgfounder_v1(raw_mv)).unsqueeze(1)
        with torch.inference_mode():
            logits: NDArray[np.float32] = self._network(filtered).numpy()
        return logits

"""Logits of whole windows."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from leadlab_train.inputs import Inputs


def predict(
    model: nn.Module,
    inputs: Inputs,
    batch: int = 64,
    *,
    autocast: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Score windows in evaluation mode, in batches.

    Parameters
    ----------
    model
        Maps ``(batch, 1, time)`` float32 to logits, on any device. Its mode is as before
        afterwards.
    inputs
        ``n`` windows, in memory or read as they are needed.
    batch
        Windows at a time.
    autocast
        Compute in bfloat16 where torch deems it safe.
    on_progress
        Called with windows done and windows in all.

    Returns
    -------
    NDArray
        ``(n, n_labels)`` float32 logits.
    """
    was_training = model.training
    model.eval()
    logits = []
    device = next(model.parameters()).device
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        for start in range(0, len(inputs), batch):
            windows = inputs[start : start + batch].astype(np.float32, copy=False)
            x = torch.from_numpy(windows).unsqueeze(1).to(device)
            logits.append(model(x).float().cpu().numpy())
            if on_progress:
                on_progress(min(start + batch, len(inputs)), len(inputs))
    model.train(was_training)
    return np.concatenate(logits)

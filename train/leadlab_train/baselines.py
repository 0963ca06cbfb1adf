"""What a model must beat: heart rate alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadlab_train.metrics import auroc


def heart_rate_scores(
    train_bpm: NDArray[np.floating[Any]],
    train_labels: NDArray[np.integer[Any]],
    bpm: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """Score every indicator by heart rate, fast or slow being abnormal as in training.

    Parameters
    ----------
    train_bpm
        ``(n_train,)`` heart rates, NaN where none was found.
    train_labels
        ``(n_train, n_indicators)`` with -1 for not measured.
    bpm
        ``(n,)`` heart rates to score, NaN where none was found: scored as the training median.

    Returns
    -------
    NDArray
        ``(n, n_indicators)`` float64, higher for abnormal.
    """
    known = np.isfinite(train_bpm)
    n_indicators = train_labels.shape[1]
    columns = np.repeat(train_bpm[known, None], n_indicators, axis=1)
    slow_is_abnormal = auroc(columns, train_labels[known]) < 0.5
    filled = np.where(np.isfinite(bpm), bpm, np.median(train_bpm[known]))
    return filled[:, None] * np.where(slow_is_abnormal, -1.0, 1.0)

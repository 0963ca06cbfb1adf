"""Parity: whether a runtime on this machine gives the logits that a pack says it must."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.pack.manifest import Precision

FP32_LIMIT = 1e-3
SHARE_LIMITS: dict[Precision, float] = {"int8": 0.05, "dynamic": 0.05, "fp16": 0.01}
_LEAST_SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class Parity:
    """Differences between logits and the golden ones.

    Kernels of another runtime or CPU round int8 values differently: a few steps in single logits
    are no fault. Saturating kernels shift all of them. So reduced precisions are judged by the root
    mean square, as a share of how far the golden logits spread; float32 by the largest difference.

    Attributes
    ----------
    max_abs, rms
        Largest and root mean square difference over all golden windows and indicators.
    limit
        What ``judged`` may be at most.
    judged
        ``max_abs`` for fp32; ``rms`` for all others.
    """

    max_abs: float
    rms: float
    judged: float
    limit: float

    @classmethod
    def between(
        cls,
        actual: NDArray[np.floating[Any]],
        expected: NDArray[np.floating[Any]],
        precision: Precision,
    ) -> Self:
        """Compare ``(n, n_indicators)`` logits."""
        difference = np.abs(actual.astype(np.float64) - expected)
        max_abs, rms = float(difference.max()), float(np.sqrt(np.mean(difference**2)))
        if precision == "fp32":
            return cls(max_abs, rms, max_abs, FP32_LIMIT)
        spread = max(float(np.std(expected)), _LEAST_SPREAD)
        return cls(max_abs, rms, rms, SHARE_LIMITS[precision] * spread)

    @property
    def passed(self) -> bool:
        """Whether the difference is within the limit; NaN is not."""
        return self.judged <= self.limit

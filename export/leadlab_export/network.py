"""What can be exported, and what the converters need to know of it."""

import numpy as np
from numpy.typing import NDArray
from torch import nn

from leadlab_edge.signal import ecgfounder_v1
from leadlab_export.student import Student, folded
from leadlab_export.teacher import Teacher

Network = Student | Teacher
"""Its modules ``front`` (students only) and ``head`` stay float32 in int8 files."""

RAW, FILTERED = "raw_mv", "filtered"


def static(network: Network) -> nn.Module:
    """Return the network in evaluation mode as converters take it; a student's norms folded."""
    return network if isinstance(network, Teacher) else folded(network)


def input_name(network: Network) -> str:
    """Return the name of the graph's input: raw millivolts, or what the host filtered."""
    return FILTERED if isinstance(network, Teacher) else RAW


def graph_inputs(network: Network, raw_mv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map ``(n, n_samples)`` millivolts to what the graph takes: a teacher's are filtered first."""
    return ecgfounder_v1(raw_mv) if isinstance(network, Teacher) else raw_mv

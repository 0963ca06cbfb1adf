"""Sources of ECG frames: a wearable, a recording, a simulated wearable."""

from leadlab_edge.sources.base import Arrival, Source, SourceInfo

__all__ = ["Arrival", "Source", "SourceInfo"]

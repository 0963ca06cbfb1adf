"""leadlab: laboratory indicators from one ECG lead. Research software, not a medical device.

``leadlab.load("model.leadpack").predict(raw_mv, rate_hz=250).probabilities``
"""

from leadlab_bridge.errors import LeadlabError
from leadlab_edge.pack import Pack, Prediction, demo_pack
from leadlab_edge.pack import read_pack as load

__version__: str

__all__ = ["LeadlabError", "Pack", "Prediction", "__version__", "demo_pack", "load"]


def __getattr__(name: str) -> str:
    """Look the version up when asked: ``importlib.metadata`` is a seventh of the import time."""
    if name == "__version__":
        from importlib.metadata import version

        return version("leadlab")
    raise AttributeError(f"module 'leadlab' has no attribute {name!r}")

"""Training in a run directory: exact, resumable, on one process or many."""

from leadlab_train.run.options import Options, View
from leadlab_train.run.train import Outcome, train

__all__ = ["Options", "Outcome", "View", "train"]

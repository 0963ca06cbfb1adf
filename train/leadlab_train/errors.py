"""Errors of the training side. Each message states the value, the limit and the remedy."""

from leadlab_bridge.errors import LeadlabError


class CohortError(LeadlabError):
    """A cohort or panel on disk that is missing, damaged or contradicts itself."""


class TrainingError(LeadlabError):
    """A training run that cannot go on."""


class CheckpointError(LeadlabError):
    """A file of weights that is damaged, unsafe, not ECGFounder's, or cannot be written."""

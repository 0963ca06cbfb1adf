"""Errors of the device side. Each message states the value, the limit and the remedy."""

from leadlab_bridge.errors import LeadlabError


class ConfigError(LeadlabError):
    """A setting that is unknown or out of its range."""


class RecordingError(LeadlabError):
    """A recording that cannot be read as millivolts over time."""


class SourceError(LeadlabError):
    """A stream that could not be opened, stalled or ended before its time."""


class PackError(LeadlabError):
    """A pack that is missing, damaged, not canonical or not understood."""


class RuntimeMissing(LeadlabError):
    """No installed runtime can execute the models of a pack."""

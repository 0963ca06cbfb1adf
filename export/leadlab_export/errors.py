"""Errors of export. Each message states the value, the limit and the remedy."""

from leadlab_bridge.errors import LeadlabError


class ExportError(LeadlabError):
    """A model file that does not do what its PyTorch original does, or cannot be written."""


class ExportUnavailable(ExportError):
    """A conversion whose tools do not exist on this platform or are not installed."""


class GateFailed(ExportError):
    """A model that broke a limit of the gate."""

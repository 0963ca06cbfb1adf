"""The exception root of all of leadlab, and the leaves that concern bytes and devices.

Every message states the value that was met, the limit it broke and the remedy.
"""


class LeadlabError(Exception):
    """Root of everything leadlab raises on purpose. Catch this to catch them all."""


class FrameError(LeadlabError):
    """Bytes that are not the frame they claim to be. The only exception a decoder lets out."""


class DeviceError(LeadlabError):
    """A wearable refused a command, did not answer in time, or ended the stream."""

"""Bytes to ECG and back: frames, device decoders, simulated wearables; no other leadlab package."""

from leadlab_bridge.errors import DeviceError, FrameError, LeadlabError
from leadlab_bridge.frame import EcgFrame, FrameFlag

__all__ = ["DeviceError", "EcgFrame", "FrameError", "FrameFlag", "LeadlabError"]

"""OECG: leadlab's open profile for ECG firmware. ``docs/open-profile.md`` describes it.

``decode`` and ``encode`` map one message to bytes and back; a :class:`Receiver` turns the messages
of a stream into frames; ``to_serial`` and :class:`Deframer` carry them over a byte stream.
"""

from leadlab_bridge.oecg.layout import Feature, Flag, Kind, Op, Result, TlvType
from leadlab_bridge.oecg.messages import (
    Command,
    Data,
    Info,
    Message,
    Response,
    Status,
    decode,
    encode,
    max_samples,
    quantize,
)
from leadlab_bridge.oecg.receiver import Receiver, to_frame
from leadlab_bridge.oecg.serial import Deframer, from_serial, to_serial

__all__ = [
    "Command",
    "Data",
    "Deframer",
    "Feature",
    "Flag",
    "Info",
    "Kind",
    "Message",
    "Op",
    "Receiver",
    "Response",
    "Result",
    "Status",
    "TlvType",
    "decode",
    "encode",
    "from_serial",
    "max_samples",
    "quantize",
    "to_frame",
    "to_serial",
]

"""Layout of OECG v1: codes, sizes, limits.

Generated from oecg_v1.toml by leadlab_bridge.oecg.generate; do not edit.
"""

import struct
from enum import IntEnum, IntFlag
from typing import Final

MAJOR: Final = 1
MINOR: Final = 0
MAX_MESSAGE_BYTES: Final = 512
CRC_POLY: Final = 0x1021
CRC_INIT: Final = 0xFFFF

SERVICE_UUID: Final = "3ab80001-4039-4654-a85c-59699e26dc00"
INFO_UUID: Final = "3ab80002-4039-4654-a85c-59699e26dc00"
CONTROL_UUID: Final = "3ab80003-4039-4654-a85c-59699e26dc00"
DATA_UUID: Final = "3ab80004-4039-4654-a85c-59699e26dc00"
STATUS_UUID: Final = "3ab80005-4039-4654-a85c-59699e26dc00"


class Kind(IntEnum):
    """Low four bits of a message's first byte; the high four are the major version."""

    DATA_S16 = 0
    DATA_S24 = 1
    DATA_S32 = 2
    INFO = 8
    STATUS = 9
    COMMAND = 10
    RESPONSE = 11


class Flag(IntFlag):
    """Bits of `flags`."""

    LEAD_OFF = 1
    SATURATED = 2
    CLOCK_RESET = 4
    LOW_BATTERY = 8
    GAP_BEFORE = 16


class Feature(IntFlag):
    """Bits of `features`."""

    LEAD_OFF_DETECTION = 1
    SATURATION_DETECTION = 2
    BATTERY_LEVEL = 4
    UNENCRYPTED = 32768


class Op(IntEnum):
    """What a command asks for."""

    GET_INFO = 1
    START = 2
    STOP = 3


class Result(IntEnum):
    """`result` of a response."""

    OK = 0
    UNKNOWN_OP = 1
    MALFORMED = 2
    BUSY = 3
    NOT_READY = 4
    LOW_BATTERY = 5
    INTERNAL = 6


class TlvType(IntEnum):
    """Optional fields at the end of a message: type, length, then `length` bytes."""

    MAKER = 1
    MODEL = 2
    FIRMWARE = 3


LEADS: Final[dict[int, str]] = {
    0: "other",
    1: "I",
    2: "II",
    3: "III",
    4: "aVR",
    5: "aVL",
    6: "aVF",
    7: "V1",
    8: "V2",
    9: "V3",
    10: "V4",
    11: "V5",
    12: "V6",
    13: "chest",
}

SAMPLE_BYTES: Final[dict[int, int]] = {
    Kind.DATA_S16: 2,
    Kind.DATA_S24: 3,
    Kind.DATA_S32: 4,
}

DATA: Final = struct.Struct("<BBHIIHBB")

INFO: Final = struct.Struct("<BBBBIIIHBB")
INFO_LIMITS: Final[dict[str, tuple[int, int]]] = {
    "rate_millihz": (1000, 16000000),
    "lsb_pv": (1, 4294967295),
    "ticks_per_s": (1, 1000000),
    "max_samples": (1, 255),
}

STATUS: Final = struct.Struct("<BBBBIII")

COMMAND: Final = struct.Struct("<BBBB")
COMMAND_LIMITS: Final[dict[str, tuple[int, int]]] = {
    "ref": (1, 255),
}

RESPONSE: Final = struct.Struct("<BBBB")

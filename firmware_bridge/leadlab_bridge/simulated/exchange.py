"""What passes between a host and a wearable, one operation at a time."""

from dataclasses import dataclass
from typing import Literal

Op = Literal["read", "write", "subscribe", "notify"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One thing that passed.

    Attributes
    ----------
    time_s
        Seconds since the connection.
    op
        Who did what: the host read, wrote or subscribed, or the wearable notified.
    uuid
        The characteristic.
    data
        What was read, written or notified.
    """

    time_s: float
    op: Op
    uuid: str
    data: bytes = b""

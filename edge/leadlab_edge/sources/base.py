"""What a source is: something that yields ECG frames with the host time of their arrival."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from leadlab_bridge import EcgFrame, FrameError

# Of a Bluetooth device: the properties of each characteristic of each service, by UUID.
Services = Mapping[str, Mapping[str, Collection[str]]]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Where a stream comes from.

    Attributes
    ----------
    name
        For people: a device name or a file name, already free of control characters.
    kind
        What stands behind the stream.
    lead
        The lead's name as the device defines it.
    rate_hz
        Nominal sampling rate.
    address
        Radio address or platform identifier, None where there is none.
    """

    name: str
    kind: Literal["ble", "recording", "simulated"]
    lead: str
    rate_hz: float
    address: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """What arrived, and the host time in seconds of the injected clock at which it did.

    A message that could not be decoded arrives as the error that says why, to be counted.
    """

    frame: EcgFrame | FrameError
    host_s: float


class Source(Protocol):
    """A stream of frames; entering connects or opens, leaving stops and releases everything."""

    @property
    def info(self) -> SourceInfo:
        """Return what is known of the stream, valid once the source is entered."""
        ...

    def frames(self) -> AsyncIterator[Arrival]:
        """Yield frames in order of arrival until the stream ends.

        Raises
        ------
        SourceError
            The stream stalled or ended before its time.
        """
        ...

    async def __aenter__(self) -> Self:
        """Connect or open; raise SourceError where that fails."""
        ...

    async def __aexit__(self, *exc: object) -> None:
        """Stop the stream and release the device or file."""
        ...

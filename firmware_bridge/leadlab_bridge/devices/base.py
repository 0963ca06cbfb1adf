"""What a driver is, and the few GATT operations it may use.

A driver knows one family of devices: how to recognise it, how to start and stop its ECG, how to
read its bytes. It knows no Bluetooth library; a :class:`GattLink` stands in between.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from leadlab_bridge.errors import DeviceError, FrameError
from leadlab_bridge.frame import EcgFrame

OnFrame = Callable[[EcgFrame], None]
OnError = Callable[[FrameError | DeviceError], None]


def uuid16(number: int) -> str:
    """Return the UUID that a 16-bit number of the Bluetooth SIG stands for."""
    return f"{number:08x}-0000-1000-8000-00805f9b34fb"


class GattLink(Protocol):
    """A connected device's characteristics, by UUID in lower case."""

    @property
    def characteristics(self) -> Mapping[str, Collection[str]]:
        """What the device has, and the properties of each: ``read``, ``write``, ``notify``."""
        ...

    async def read(self, uuid: str) -> bytes:
        """Read a value."""
        ...

    async def write(self, uuid: str, data: bytes) -> None:
        """Write a value; wait for the device to confirm it where the characteristic can."""
        ...

    async def subscribe(self, uuid: str, callback: Callable[[bytes], None]) -> None:
        """Call ``callback`` with every notification or indication."""
        ...

    async def unsubscribe(self, uuid: str) -> None:
        """End a subscription."""
        ...


class Driver(Protocol):
    """One family of ECG wearables. An instance serves one connection."""

    @property
    def name(self) -> str:
        """Name of the family, for people."""
        ...

    @property
    def rate_hz(self) -> float:
        """Nominal sampling rate."""
        ...

    @property
    def lead(self) -> str:
        """Name of the lead, as in :class:`EcgFrame`."""
        ...

    def recognises(self, name: str | None, service_uuids: Collection[str]) -> bool:
        """Tell whether a device of this name with these services is of this family."""
        ...

    async def start(self, link: GattLink, on_frame: OnFrame, on_error: OnError) -> None:
        """Start the ECG stream.

        Parameters
        ----------
        on_frame
            Called with every frame, from the notification; must not block or raise.
        on_error
            Called with a FrameError for a message that cannot be read (the stream goes on), with
            a DeviceError when the device ends the stream.

        Raises
        ------
        DeviceError
            The device refused, or did not answer in time.
        FrameError
            Its answer cannot be read.
        """
        ...

    async def stop(self, link: GattLink) -> None:
        """Stop the stream, so that the device can sleep.

        Raises
        ------
        DeviceError
            The device refused, or did not answer in time.
        """
        ...


def forward(
    decode: Callable[[bytes], Iterable[EcgFrame | FrameError]],
    on_frame: OnFrame,
    on_error: OnError,
) -> Callable[[bytes], None]:
    """Return a notification callback that decodes, and passes on frames or the reason for none.

    ``decode`` raises, or returns reasons among the frames where a message brings both.
    """

    def on_data(data: bytes) -> None:
        try:
            frames = decode(data)
        except FrameError as error:
            on_error(error)
        else:
            for frame in frames:
                if isinstance(frame, FrameError):
                    on_error(frame)
                else:
                    on_frame(frame)

    return on_data


@asynccontextmanager
async def deadline(what: str, timeout_s: float) -> AsyncIterator[None]:
    """Limit what runs inside to ``timeout_s`` seconds of the wall.

    A GATT operation that the device never answers does not fail by itself, it hangs.

    Raises
    ------
    DeviceError
        Time was up; the message names ``what``.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise DeviceError(
            f"{what}: no answer within {timeout_s:g} s. Remedy: bring the device within a few "
            "metres, disconnect it from other apps, and try again"
        ) from None

"""A simulated wearable in this process as a source, through the driver that reads a real one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final, Literal, Self

from leadlab_bridge import DeviceError, EcgFrame, FrameError, LeadlabError
from leadlab_bridge.devices import Driver, driver_for
from leadlab_bridge.devices.base import deadline
from leadlab_bridge.simulated.direct_link import DirectLink
from leadlab_bridge.simulated.replay import ReplayWearable
from leadlab_bridge.simulated.wearable import Wearable
from leadlab_bridge.timing import Clock, SystemClock
from leadlab_edge.capture import Capture
from leadlab_edge.errors import SourceError
from leadlab_edge.sources.base import Arrival, SourceInfo

_RELEASE_S: Final = 0.5


class WearableSource:
    """Drives a wearable without Bluetooth. An instance serves one connection.

    Parameters
    ----------
    wearable
        The device.
    clock
        Host clock that stamps the arrivals, the one that paces the device; real time by default.
    driver
        What reads it; by default what is registered for its name and services.
    kind
        What stands behind the stream.

    Attributes
    ----------
    bad_frames
        Notifications that could not be decoded.

    Raises
    ------
    SourceError
        No driver reads the device.
    """

    def __init__(
        self,
        wearable: Wearable,
        clock: Clock | None = None,
        driver: Driver | None = None,
        kind: Literal["recording", "simulated"] = "simulated",
    ) -> None:
        self.bad_frames = 0
        self._clock = clock or SystemClock()
        self._wearable = wearable
        self._kind = kind
        driver = driver or driver_for(
            wearable.name, [service.uuid for service in wearable.services]
        )
        if driver is None:
            raise SourceError(
                f"no driver reads {wearable.name}. Remedy: install the version of leadlab that "
                "does, or write a driver"
            )
        self._driver = driver
        self._arrivals: asyncio.Queue[Arrival | SourceError] = asyncio.Queue()
        self._link: DirectLink | None = None

    @property
    def info(self) -> SourceInfo:
        """What is known of the stream; some devices tell their rate only once it runs."""
        return SourceInfo(self._wearable.name, self._kind, self._driver.lead, self._driver.rate_hz)

    async def __aenter__(self) -> Self:
        """Start the stream as the driver would.

        Raises
        ------
        DeviceError, FrameError
            The device does not answer as the driver needs.
        """
        self._link = DirectLink(self._wearable, self._on_disconnect)
        try:
            await self._driver.start(self._link, self._on_frame, self._on_error)
        except BaseException:
            self._link.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop the stream."""
        if self._link is not None and self._wearable.connected:
            with suppress(LeadlabError):  # a device that fell silent does not answer
                async with deadline("stop", _RELEASE_S):
                    await self._driver.stop(self._link)
            self._link.close()

    async def frames(self) -> AsyncIterator[Arrival]:
        """Yield what the driver makes of each notification until the device has no more.

        Raises
        ------
        SourceError
            The device disconnected or ended the stream.
        """
        finished = asyncio.ensure_future(self._wearable.finished.wait())
        try:
            while not (finished.done() and self._arrivals.empty()):
                arrival = asyncio.ensure_future(self._arrivals.get())
                await asyncio.wait({arrival, finished}, return_when=asyncio.FIRST_COMPLETED)
                if not arrival.done():
                    arrival.cancel()
                    continue
                item = arrival.result()
                if isinstance(item, SourceError):
                    raise item
                yield item
        finally:
            finished.cancel()

    def _on_frame(self, frame: EcgFrame) -> None:
        self._arrivals.put_nowait(Arrival(frame, self._clock.now()))

    def _on_error(self, error: FrameError | DeviceError) -> None:
        if isinstance(error, FrameError):
            self.bad_frames += 1
            self._arrivals.put_nowait(Arrival(error, self._clock.now()))
        else:
            self._arrivals.put_nowait(SourceError(str(error)))

    def _on_disconnect(self) -> None:
        self._arrivals.put_nowait(
            SourceError(f"{self._wearable.name} disconnected. Remedy: start again")
        )


def capture_source(capture: Capture, clock: Clock | None = None) -> WearableSource:
    """Return a capture as a source: the device's bytes, the driver's decoding.

    Parameters
    ----------
    capture
        What to replay.
    clock
        Sets the pace and stamps the arrivals; real time by default.

    Raises
    ------
    SourceError
        No driver reads the device.
    """
    return WearableSource(replayed(capture, clock), clock, kind="recording")


def replayed(capture: Capture, clock: Clock | None = None) -> ReplayWearable:
    """Return a capture as the wearable that it was taken from."""
    return ReplayWearable(
        capture.name, capture.advertised, capture.services, capture.exchanges, clock=clock
    )

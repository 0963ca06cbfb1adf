"""Drivers of the Lepu (Viatom, Wellue) recorders: polled once a second, 125 samples/s."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar, Final

from leadlab_bridge.devices import lepu
from leadlab_bridge.devices.base import GattLink, OnError, OnFrame, deadline
from leadlab_bridge.errors import DeviceError, FrameError, LeadlabError
from leadlab_bridge.frame import FrameFlag
from leadlab_bridge.timing import Clock, SystemClock

POLL_S: Final = 1.0
_ANSWER_S: Final = 2.0
_MAX_UNANSWERED: Final = 3


class LepuRecorder:
    """What the recorders share.

    Parameters
    ----------
    timeout_s
        Longest wait, in seconds of the wall, for any one answer of the device.
    clock
        Paces the polls; real time by default.

    Attributes
    ----------
    info
        What the device says of itself, once started.
    latest
        Latest reply: heart rate, battery, status.
    """

    name: ClassVar[str]
    lead: ClassVar[str]
    rate_hz: Final = lepu.RATE_HZ
    _prefixes: ClassVar[tuple[str, ...]]

    def __init__(self, timeout_s: float = 10.0, clock: Clock | None = None) -> None:
        self.info: lepu.Info | None = None
        self.latest: lepu.RealTime | None = None
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._assembler = lepu.PacketAssembler()
        self._answered = asyncio.Event()
        self._after_gap = False
        self._polls: asyncio.Task[None] | None = None

    def recognises(self, name: str | None, service_uuids: Collection[str]) -> bool:  # noqa: ARG002
        """Tell by the name: the maker's oximeters have the same service."""
        return (name or "").startswith(self._prefixes)

    async def start(self, link: GattLink, on_frame: OnFrame, on_error: OnError) -> None:
        """Start the ECG stream; see :meth:`Driver.start`. Only a recorder answers INFO."""
        async with deadline(f"{self.name}, subscribe", self._timeout_s):
            await link.subscribe(lepu.NOTIFY, lambda data: self._on_data(data, on_frame, on_error))
        await self._ask(link, lepu.GET_INFO, self._timeout_s)
        self._polls = asyncio.create_task(self._poll(link, on_error))

    async def stop(self, link: GattLink) -> None:
        """Stop the stream; see :meth:`Driver.stop`."""
        if self._polls is not None:
            self._polls.cancel()
            with suppress(asyncio.CancelledError):
                await self._polls
        async with deadline(f"{self.name}, unsubscribe", self._timeout_s):
            await link.unsubscribe(lepu.NOTIFY)

    async def _ask(self, link: GattLink, request: bytes, timeout_s: float) -> None:
        self._answered.clear()
        async with deadline(f"{self.name}, {lepu.Command(request[1]).name}", timeout_s):
            await link.write(lepu.WRITE, request)
            await self._answered.wait()

    async def _poll(self, link: GattLink, on_error: OnError) -> None:
        """Ask for data once a second; nobody knows how much the device keeps when it is not."""
        due_s = self._clock.now()
        unanswered = 0
        while True:
            try:
                await self._ask(link, lepu.GET_REAL_TIME, min(_ANSWER_S, self._timeout_s))
                unanswered = 0
            except LeadlabError as error:
                unanswered += 1
                self._after_gap = True
                self._assembler.reset()
                if unanswered == _MAX_UNANSWERED:
                    on_error(DeviceError(str(error)))
                    return
            due_s = max(due_s + POLL_S, self._clock.now())
            await self._clock.sleep(due_s - self._clock.now())

    def _on_data(self, data: bytes, on_frame: OnFrame, on_error: OnError) -> None:
        skipped = self._assembler.skipped_bytes
        for packet in self._assembler.feed(data):
            try:
                self._on_packet(packet, on_frame)
            except FrameError as error:
                on_error(error)
        if self._assembler.skipped_bytes != skipped:
            on_error(
                FrameError(
                    f"{self._assembler.skipped_bytes - skipped} bytes from the {self.name} belong "
                    "to no packet; all should. Remedy: bring the device closer"
                )
            )

    def _on_packet(self, packet: lepu.Packet, on_frame: OnFrame) -> None:
        if packet.command == lepu.Command.INFO:
            self.info = lepu.decode_info(packet.payload)
            self._answered.set()
        elif packet.command == lepu.Command.REAL_TIME:
            self._answered.set()
            self.latest = lepu.decode_real_time(packet.payload, self.lead)
            frame = self.latest.frame
            # While it prepares, what it sends is not yet the signal.
            if self.latest.status == lepu.Status.PREPARING or not frame.samples_uv.size:
                return
            if self._after_gap:
                self._after_gap = False
                frame = replace(frame, flags=frame.flags | FrameFlag.GAP_BEFORE)
            on_frame(frame)


class Er1(LepuRecorder):
    """Lepu ER1 (also sold as Viatom or Wellue), a patch on the chest."""

    name = "Lepu ER1"
    lead = "chest"
    _prefixes = ("ER1",)


class Er2(LepuRecorder):
    """Lepu ER2 and DuoEK (also sold as Viatom or Wellue), held in the hands."""

    name = "Lepu ER2/DuoEK"
    lead = "I"
    _prefixes = ("ER2", "DuoEK")

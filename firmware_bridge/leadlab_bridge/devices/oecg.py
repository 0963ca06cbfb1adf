"""Driver of devices that speak OECG, leadlab's open profile (``docs/open-profile.md``)."""

import asyncio
from collections.abc import Collection
from typing import Final

from leadlab_bridge.devices.base import GattLink, OnError, OnFrame, deadline, forward
from leadlab_bridge.errors import DeviceError, FrameError, LeadlabError
from leadlab_bridge.frame import EcgFrame
from leadlab_bridge.oecg import Command, Data, Info, Op, Receiver, Response, Result, decode, encode
from leadlab_bridge.oecg.layout import CONTROL_UUID, DATA_UUID, INFO_UUID, SERVICE_UUID

_REMEDIES: Final[dict[int, str]] = {
    Result.BUSY: "disconnect the other app that streams from it",
    Result.NOT_READY: "take it off the charger, attach the electrodes, and try again in a moment",
    Result.LOW_BATTERY: "charge it",
}
_OTHER_REMEDY: Final = "switch it off and on, or update its firmware"
# Of devices that have not said yet what they stream.
_USUAL_RATE_HZ: Final = 250.0
_USUAL_LEAD: Final = "other"


class OpenEcg:
    """A device that speaks OECG. What it streams is known once it is started.

    Parameters
    ----------
    timeout_s
        Longest wait, in seconds of the wall, for any one answer of the device.
    """

    name: Final = "OECG"

    def __init__(self, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._receiver = Receiver()
        self._responses: asyncio.Queue[Response] = asyncio.Queue()
        self._ref = 0
        self._rereading: asyncio.Task[None] | None = None

    @property
    def rate_hz(self) -> float:
        """Nominal sampling rate, as the device says; 250 Hz before it does."""
        info = self._receiver.info
        return _USUAL_RATE_HZ if info is None else info.rate_hz

    @property
    def lead(self) -> str:
        """The lead, as the device says; ``"other"`` before it does."""
        info = self._receiver.info
        return _USUAL_LEAD if info is None else info.lead_name

    def recognises(self, name: str | None, service_uuids: Collection[str]) -> bool:
        """Tell by the service, which is advertised; the name is the maker's own."""
        del name
        return SERVICE_UUID in service_uuids

    async def start(self, link: GattLink, on_frame: OnFrame, on_error: OnError) -> None:
        """Start the ECG stream; see :meth:`Driver.start`.

        The info message is read first: without it no frame can be read. Reading it also makes the
        host pair, since an OECG device encrypts by default.
        """
        self._receiver = Receiver()
        await self._read_info(link)
        async with deadline(f"{self.name}, subscribe", self._timeout_s):
            await link.subscribe(CONTROL_UUID, lambda data: self._on_control(data, on_error))
            await link.subscribe(INFO_UUID, lambda data: self._on_info(data, on_error))
            await link.subscribe(
                DATA_UUID,
                forward(lambda data: self._frames(data, link, on_error), on_frame, on_error),
            )
        await self._command(link, Op.START)

    async def stop(self, link: GattLink) -> None:
        """Stop the stream; see :meth:`Driver.stop`. One that has stopped already is no error."""
        if self._rereading is not None:
            self._rereading.cancel()
        await self._command(link, Op.STOP)
        async with deadline(f"{self.name}, unsubscribe", self._timeout_s):
            for uuid in (DATA_UUID, INFO_UUID, CONTROL_UUID):
                await link.unsubscribe(uuid)

    async def _read_info(self, link: GattLink) -> None:
        try:
            async with deadline(f"{self.name}, read info", self._timeout_s):
                data = await link.read(INFO_UUID)
        except DeviceError as error:
            raise DeviceError(
                f"{error}. If it waits for pairing: run `leadlab pair` with its address once"
            ) from None
        self._take_info(data)

    def _take_info(self, data: bytes) -> None:
        message = decode(data)
        if not isinstance(message, Info):
            raise FrameError(
                f"OECG info characteristic holds {data[:4].hex()}..., no info message. "
                "Remedy: update the device's firmware"
            )
        self._receiver.take(message)

    def _on_info(self, data: bytes, on_error: OnError) -> None:
        try:
            self._take_info(data)
        except FrameError as error:
            on_error(error)

    def _frames(self, data: bytes, link: GattLink, on_error: OnError) -> list[EcgFrame]:
        message = decode(data)
        if isinstance(message, Data) and not self._receiver.describes(message):
            self._reread(link, on_error)
        return self._receiver.take(message)

    def _reread(self, link: GattLink, on_error: OnError) -> None:
        """Read the info message anew: the notification of a new configuration was lost."""

        async def read() -> None:
            try:
                await self._read_info(link)
            except FrameError as error:
                on_error(error)
            except LeadlabError as error:
                on_error(DeviceError(str(error)))

        if self._rereading is None or self._rereading.done():
            self._rereading = asyncio.create_task(read())

    def _on_control(self, data: bytes, on_error: OnError) -> None:
        try:
            message = decode(data)
        except FrameError as error:
            on_error(error)
            return
        if not isinstance(message, Response):  # on some hosts our own command, written a moment ago
            return
        if message.ref:
            self._responses.put_nowait(message)
        elif message.op == Op.STOP:
            on_error(
                DeviceError(
                    f"{self.name} ended the ECG stream by itself with {message.result_name} "
                    f"({message.result}). Remedy: {_remedy(message)}"
                )
            )

    async def _command(self, link: GattLink, op: Op) -> None:
        """Send a command and wait for the answer with its reference."""
        self._ref = self._ref % 255 + 1
        async with deadline(f"{self.name}, {op.name}", self._timeout_s):
            await link.write(CONTROL_UUID, encode(Command(op, self._ref)))
            response = await self._responses.get()
            while response.ref != self._ref:  # a late answer to an earlier command
                response = await self._responses.get()
        if response.result != Result.OK:
            raise DeviceError(
                f"{self.name} refused {op.name} with {response.result_name} ({response.result}); "
                f"0 is success. Remedy: {_remedy(response)}"
            )


def _remedy(response: Response) -> str:
    return _REMEDIES.get(response.result, _OTHER_REMEDY)

"""Driver of the Polar H10 chest strap: one ECG lead at 130 Hz over the PMD service."""

import asyncio
from collections.abc import Collection
from typing import Final

from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.devices.base import GattLink, OnError, OnFrame, deadline, forward
from leadlab_bridge.devices.beside import Beside
from leadlab_bridge.errors import DeviceError, FrameError

_REMEDIES: Final[dict[int, str]] = {
    pmd.Status.ALREADY_IN_STATE: "stop the other app that streams, or take it off for a minute",
    pmd.Status.INVALID_MTU: "disconnect it, switch Bluetooth off and on, and connect again",
    pmd.Status.DEVICE_IN_CHARGER: "take it off the charger",
}
_MAX_RESPONSES: Final = 64
_OTHER_REMEDY: Final = "take it off for a minute, or update its firmware with the maker's app"


class PolarH10:
    """Polar H10.

    Parameters
    ----------
    timeout_s
        Longest wait, in seconds of the wall, for any one answer of the device.
    """

    name: Final = "Polar H10"
    rate_hz: Final = float(pmd.RATE_HZ)
    lead: Final = pmd.LEAD

    def __init__(self, timeout_s: float = 10.0) -> None:
        self.beside = Beside()
        self._timeout_s = timeout_s
        self._responses: asyncio.Queue[pmd.Response] = asyncio.Queue(_MAX_RESPONSES)

    def recognises(self, name: str | None, service_uuids: Collection[str]) -> bool:
        """Tell by the name it advertises, or by the PMD service, which it does not."""
        return (name or "").startswith(self.name) or pmd.SERVICE in service_uuids

    async def start(self, link: GattLink, on_frame: OnFrame, on_error: OnError) -> None:
        """Start the ECG stream; see :meth:`Driver.start`.

        Both subscriptions precede START: a strap whose notifications are enabled later may stay
        silent for half a minute. The heart rate service has the strap's only contact flag.
        """
        on_data = forward(lambda data: [self.beside.flag(pmd.decode_ecg(data))], on_frame, on_error)
        await self._require_ecg(link)
        async with deadline(f"{self.name}, subscribe", self._timeout_s):
            await link.subscribe(pmd.CONTROL_POINT, lambda data: self._on_control(data, on_error))
            await link.subscribe(pmd.DATA, on_data)
        settings = pmd.parse_settings(await self._command(link, pmd.GET_ECG_SETTINGS))
        offered = settings.get(pmd.Setting.SAMPLE_RATE, ())
        if pmd.RATE_HZ not in offered:
            raise DeviceError(
                f"{self.name} offers ECG at {list(offered)} Hz; {pmd.RATE_HZ} Hz is read. "
                "Remedy: update its firmware with the maker's app"
            )
        await self._command(link, pmd.start_ecg())
        await self.beside.start(link)

    async def stop(self, link: GattLink) -> None:
        """Stop the stream; see :meth:`Driver.stop`. One that has stopped already is no error."""
        await self._command(link, pmd.STOP_ECG, allowed=pmd.Status.ALREADY_IN_STATE)
        async with deadline(f"{self.name}, unsubscribe", self._timeout_s):
            await link.unsubscribe(pmd.DATA)
            await link.unsubscribe(pmd.CONTROL_POINT)
        await self.beside.stop(link)

    async def _require_ecg(self, link: GattLink) -> None:
        async with deadline(f"{self.name}, read features", self._timeout_s):
            features = await link.read(pmd.CONTROL_POINT)
        if not pmd.streams_ecg(features):
            raise DeviceError(
                f"{self.name} lists features {features.hex()}, without ECG. Remedy: update its "
                "firmware with the maker's app, or use a device that streams ECG"
            )

    def _on_control(self, data: bytes, on_error: OnError) -> None:
        """Sort what arrives on the control point; on some hosts that includes values we read."""
        if data[:1] == bytes([pmd.RESPONSE]):
            try:
                response = pmd.parse_response(data)
            except FrameError as error:
                on_error(error)
            else:
                if not self._responses.full():  # more of them than any answer has parts
                    self._responses.put_nowait(response)
        elif pmd.ECG in pmd.stopped_by_device(data):
            on_error(
                DeviceError(
                    f"{self.name} ended the ECG stream by itself ({data.hex()}). Remedy: moisten "
                    "the electrodes, check the battery, and start again"
                )
            )

    async def _command(
        self, link: GattLink, command: bytes, allowed: pmd.Status = pmd.Status.SUCCESS
    ) -> bytes:
        """Send a command and return the parameters of its answer, joined over all its parts."""
        op = pmd.Op(command[0])
        parameters = b""
        while not self._responses.empty():  # what came unasked, or too late for its command
            self._responses.get_nowait()
        async with deadline(f"{self.name}, {op.name}", self._timeout_s):
            await link.write(pmd.CONTROL_POINT, command)
            more = True
            while more:
                response = await self._responses.get()
                if response.op != op:  # a late answer to an earlier command
                    continue
                if response.status not in (pmd.Status.SUCCESS, allowed):
                    raise _refusal(self.name, op, response)
                parameters += response.parameters
                more = response.more
        return parameters


def _refusal(name: str, op: pmd.Op, response: pmd.Response) -> DeviceError:
    remedy = _REMEDIES.get(response.status, _OTHER_REMEDY)
    return DeviceError(
        f"{name} refused {op.name} with {response.status_name} ({response.status}); 0 is success. "
        f"Remedy: {remedy}"
    )

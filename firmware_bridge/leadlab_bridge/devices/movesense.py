"""Drivers of the Movesense chest sensor, with its maker's and with an open firmware."""

import asyncio
from collections.abc import Collection
from typing import Final

from leadlab_bridge.devices import movesense_gsp as gsp
from leadlab_bridge.devices import movesense_open as open_ecg
from leadlab_bridge.devices.base import GattLink, OnError, OnFrame, deadline, forward
from leadlab_bridge.devices.beside import Beside
from leadlab_bridge.errors import DeviceError, FrameError

_HELLO_REFERENCE: Final = 1
_ECG_REFERENCE: Final = 2


class Movesense:
    """Movesense with a firmware that has the GATT sensor data service.

    Parameters
    ----------
    timeout_s
        Longest wait, in seconds of the wall, for any one answer of the device.
    rate_hz
        Rate to subscribe to, one of ``movesense_gsp.RATES_HZ``.
    """

    name: Final = "Movesense"
    lead: Final = gsp.LEAD

    def __init__(self, timeout_s: float = 10.0, rate_hz: int = 250) -> None:
        self.rate_hz = float(rate_hz)
        self.beside = Beside()
        self._path = gsp.ecg_path(rate_hz).encode()
        self._timeout_s = timeout_s
        self._heard = asyncio.Event()
        self._asked = 0
        self._refusal: gsp.Reply | None = None

    def recognises(self, name: str | None, service_uuids: Collection[str]) -> bool:
        """Tell by the service, or by the name unless the open firmware's service is there."""
        return gsp.SERVICE in service_uuids or (
            (name or "").startswith(self.name) and open_ecg.SERVICE not in service_uuids
        )

    async def start(self, link: GattLink, on_frame: OnFrame, on_error: OnError) -> None:
        """Start the ECG stream; see :meth:`Driver.start`.

        The sample firmware answers a HELLO, but of a SUBSCRIBE only its failure: what shows
        success everywhere is the first data.
        """
        assembler = gsp.EcgAssembler(self.rate_hz)
        on_ecg = forward(assembler.feed, lambda frame: on_frame(self.beside.flag(frame)), on_error)

        def on_data(data: bytes) -> None:
            if data[:1] == bytes([gsp.REPLY]):
                self._on_reply(data, on_error)
            elif data[1:2] == bytes([_ECG_REFERENCE]):
                self._heard.set()
                on_ecg(data)
            else:
                on_error(
                    FrameError(
                        f"Movesense message {data[:8].hex() or 'empty'} belongs to no command of "
                        f"this host; its second byte must be {_ECG_REFERENCE}. Remedy: disconnect "
                        "the sensor from other apps"
                    )
                )

        async with deadline(f"{self.name}, subscribe", self._timeout_s):
            await link.subscribe(gsp.DATA, on_data)
        await self._command(link, gsp.HELLO, _HELLO_REFERENCE)
        await self._command(link, gsp.SUBSCRIBE, _ECG_REFERENCE, self._path)
        await self.beside.start(link)

    async def stop(self, link: GattLink) -> None:
        """Stop the stream; see :meth:`Driver.stop`. Old firmware does not answer."""
        async with deadline(f"{self.name}, stop", self._timeout_s):
            await link.write(gsp.COMMAND, gsp.encode_command(gsp.UNSUBSCRIBE, _ECG_REFERENCE))
            await link.unsubscribe(gsp.DATA)
        await self.beside.stop(link)

    def _on_reply(self, data: bytes, on_error: OnError) -> None:
        try:
            reply = gsp.parse_reply(data, hello=data[1:2] == bytes([_HELLO_REFERENCE]))
        except FrameError as error:
            on_error(error)
            return
        if reply.reference == self._asked:  # any other comes too late for its command
            self._refusal = reply if reply.refused else None
            self._heard.set()

    async def _command(
        self, link: GattLink, code: int, reference: int, payload: bytes = b""
    ) -> None:
        """Send a command and wait for its reply, or for the data that it started."""
        self._heard.clear()
        self._asked, self._refusal = reference, None
        async with deadline(f"{self.name}, {payload.decode() or 'HELLO'}", self._timeout_s):
            await link.write(gsp.COMMAND, gsp.encode_command(code, reference, payload))
            await self._heard.wait()
        if self._refusal is not None:
            raise DeviceError(
                f"{self.name} refused {payload.decode()} with status {self._refusal.status}; below "
                "400 is success. Remedy: disconnect it from other apps, or update its firmware"
            )


class MovesenseOpen:
    """Movesense with the open firmware movesense-ble-ecg-firmware, read at 250 Hz.

    Parameters
    ----------
    timeout_s
        Longest wait, in seconds of the wall, for any one answer of the device.
    """

    name: Final = "Movesense (open firmware)"
    rate_hz: Final = 250.0
    lead: Final = gsp.LEAD

    def __init__(self, timeout_s: float = 10.0) -> None:
        self.beside = Beside()
        self._timeout_s = timeout_s
        self._ecg = open_ecg.ECG

    def recognises(self, name: str | None, service_uuids: Collection[str]) -> bool:
        """Tell by service and name: the service's number belongs to something else."""
        return open_ecg.SERVICE in service_uuids and (name or "").startswith("Movesense")

    async def start(self, link: GattLink, on_frame: OnFrame, on_error: OnError) -> None:
        """Set the rate and start the ECG stream; see :meth:`Driver.start`."""
        before_0_8 = open_ecg.ECG not in link.characteristics
        self._ecg = open_ecg.ECG_BEFORE_0_8 if before_0_8 else open_ecg.ECG
        await self._set_rate(link, before_0_8)
        on_data = forward(
            lambda data: [self.beside.flag(open_ecg.decode_ecg(data, self.rate_hz))],
            on_frame,
            on_error,
        )
        async with deadline(f"{self.name}, subscribe", self._timeout_s):
            await link.subscribe(self._ecg, on_data)
        await self.beside.start(link)

    async def stop(self, link: GattLink) -> None:
        """Stop the stream; see :meth:`Driver.stop`."""
        async with deadline(f"{self.name}, unsubscribe", self._timeout_s):
            await link.unsubscribe(self._ecg)
        await self.beside.stop(link)

    async def _set_rate(self, link: GattLink, before_0_8: bool) -> None:
        """Write the interval and read it back: an interval that it lacks is refused silently."""
        wanted_ms = round(1000 / self.rate_hz)
        async with deadline(f"{self.name}, set the rate", self._timeout_s):
            if before_0_8:
                uuid = open_ecg.INTERVAL_BEFORE_0_8
                await link.write(uuid, open_ecg.encode_interval(wanted_ms))
                interval_ms = open_ecg.parse_interval(await link.read(uuid))
            else:
                uuid = open_ecg.CONFIGURATION
                configuration = await link.read(uuid)
                if open_ecg.parse_configuration(configuration) != wanted_ms:
                    await link.write(uuid, open_ecg.with_interval(configuration, wanted_ms))
                interval_ms = open_ecg.parse_configuration(await link.read(uuid))
        if interval_ms != wanted_ms:
            raise DeviceError(
                f"{self.name} samples every {interval_ms} ms; {wanted_ms} ms is read. "
                "Remedy: update its firmware"
            )

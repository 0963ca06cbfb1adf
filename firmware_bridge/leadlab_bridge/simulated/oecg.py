"""A simulated device that speaks OECG, the open profile: counted, timed, encrypted by default."""

from typing import Final

from numpy.typing import ArrayLike

from leadlab_bridge import oecg
from leadlab_bridge.errors import FrameError
from leadlab_bridge.oecg import layout
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.player import Chunk, Player
from leadlab_bridge.simulated.wearable import (
    FULL_PERCENT,
    LOW_PERCENT,
    Characteristic,
    Service,
    StreamingWearable,
)
from leadlab_bridge.timing import Clock

NAME: Final = "OECG simulated"
RATE_HZ: Final = 250
SAMPLES_PER_FRAME: Final = 64
_TICKS_PER_S: Final = 32_768
_CHEST: Final = 13


class OpenEcgDevice(StreamingWearable):
    """The device.

    Parameters
    ----------
    samples_uv
        ``(n,)`` integers, microvolts @ 250 Hz.
    clock, loop, faults
        See :class:`Player`.
    name
        Name it advertises.
    encrypted
        Whether it is for a paired host only, as the profile wants it; an open build says so.
    """

    def __init__(
        self,
        samples_uv: ArrayLike,
        *,
        clock: Clock | None = None,
        loop: bool = True,
        faults: Faults | None = None,
        name: str = NAME,
        encrypted: bool = True,
    ) -> None:
        features = oecg.Feature.LEAD_OFF_DETECTION | oecg.Feature.BATTERY_LEVEL
        self._described = oecg.Info(
            config_id=1,
            rate_millihz=RATE_HZ * 1000,
            lsb_pv=1_000_000,
            ticks_per_s=_TICKS_PER_S,
            lead=_CHEST,
            features=features if encrypted else features | oecg.Feature.UNENCRYPTED,
            max_samples=SAMPLES_PER_FRAME,
            tlvs=((oecg.TlvType.MAKER, b"leadlab"), (oecg.TlvType.MODEL, b"simulated")),
        )
        player = Player(
            samples_uv,
            RATE_HZ,
            self._encode,
            (SAMPLES_PER_FRAME,),
            clock=clock,
            loop=loop,
            faults=faults,
        )
        info = Characteristic(
            layout.INFO_UUID, ("read", "notify"), oecg.encode(self._described), encrypted
        )
        control = Characteristic(layout.CONTROL_UUID, ("write", "indicate"), encrypted=encrypted)
        data = Characteristic(layout.DATA_UUID, ("notify",), encrypted=encrypted)
        status = Characteristic(layout.STATUS_UUID, ("read", "notify"), encrypted=encrypted)
        services = (Service(layout.SERVICE_UUID, (info, control, data, status)),)
        super().__init__(name, (layout.SERVICE_UUID,), services, player, layout.DATA_UUID)

    def read(self, uuid: str) -> bytes:
        """Return a characteristic's value."""
        return self._status() if uuid == layout.STATUS_UUID else super().read(uuid)

    def write(self, uuid: str, data: bytes) -> None:
        """Obey a command."""
        super().write(uuid, data)
        self._spawn(self._answer(data))

    async def ended(self) -> None:
        """Say that the stream is over."""
        await self._respond(oecg.Op.STOP, 0, oecg.Result.OK)

    async def _answer(self, data: bytes) -> None:
        """Answer first, then act: nothing may arrive before the answer."""
        try:
            command = oecg.decode(data)
        except FrameError:
            command = None
        if not isinstance(command, oecg.Command):
            await self._respond(0, data[2] if len(data) > 2 else 0, oecg.Result.MALFORMED)
            return
        known = command.op in tuple(oecg.Op)
        result = oecg.Result.OK if known else oecg.Result.UNKNOWN_OP
        if command.op in (oecg.Op.START, oecg.Op.STOP):
            self.stop_streaming()
        await self._respond(command.op, command.ref, result)
        if command.op == oecg.Op.GET_INFO:
            await self.notify(layout.INFO_UUID, oecg.encode(self._described))
        elif command.op == oecg.Op.START:
            self.start_streaming()

    async def _respond(self, op: int, ref: int, result: oecg.Result) -> None:
        response = oecg.encode(oecg.Response(op, ref, result))
        await self.notify(layout.CONTROL_UUID, response)

    def _status(self) -> bytes:
        number, faults = self.player.number, self.player.faults
        low = faults.low_battery(number)
        flags = oecg.Flag.LEAD_OFF * (number in faults.lead_off) | oecg.Flag.LOW_BATTERY * low
        charge = LOW_PERCENT if low else FULL_PERCENT
        at = (number * SAMPLES_PER_FRAME) % (1 << 32)
        return oecg.encode(oecg.Status(flags, charge, 1, at, overrun=0, refused=0))

    def _encode(self, chunk: Chunk) -> tuple[bytes]:
        flags = (
            oecg.Flag.LEAD_OFF * chunk.lead_off
            | oecg.Flag.LOW_BATTERY * chunk.low_battery
            | oecg.Flag.CLOCK_RESET * chunk.restarted
        )
        data = oecg.Data(
            oecg.quantize(chunk.samples_uv, self._described),
            sample_index=chunk.first % (1 << 32),
            ticks=round(chunk.time_s * _TICKS_PER_S) % (1 << 32),
            config_id=self._described.config_id,
            flags=flags,
            sequence=chunk.number % (1 << 16),
        )
        return (oecg.encode(data),)

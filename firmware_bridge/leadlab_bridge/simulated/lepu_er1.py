"""A simulated Lepu ER1: it streams nothing, a host asks once a second for what came since."""

from typing import Final

from numpy.typing import ArrayLike

from leadlab_bridge.devices import lepu
from leadlab_bridge.simulated.faults import Faults, FaultyWire
from leadlab_bridge.simulated.player import Player
from leadlab_bridge.simulated.wearable import (
    FULL_PERCENT,
    LOW_PERCENT,
    Characteristic,
    Host,
    Service,
    Wearable,
)
from leadlab_bridge.timing import Clock

NAME: Final = "ER1 0123"
_INFO: Final = lepu.Info("1.0.0.2", 0x8041, "2101010001")
_KEPT_SAMPLES: Final = 1000  # eight seconds; what is older is lost
_REPLY: Final = 1


class Er1(Wearable):
    """The recorder. Its frames, for faults, are its replies to polls.

    Parameters
    ----------
    samples_uv
        ``(n,)`` integers, microvolts @ 125 Hz.
    clock, loop, faults
        See :class:`Player`.
    name
        Name it advertises.
    encrypted
        Whether it answers a paired host only; shipped ones answer any.
    """

    def __init__(
        self,
        samples_uv: ArrayLike,
        *,
        clock: Clock | None = None,
        loop: bool = True,
        faults: Faults | None = None,
        name: str = NAME,
        encrypted: bool = False,
    ) -> None:
        characteristics = (
            Characteristic(lepu.WRITE, ("write", "write-without-response"), encrypted=encrypted),
            Characteristic(lepu.NOTIFY, ("notify",), encrypted=encrypted),
        )
        super().__init__(name, (lepu.SERVICE,), (Service(lepu.SERVICE, characteristics),))
        self.player = Player(
            samples_uv, lepu.RATE_HZ, lambda _: (), (1,), clock=clock, loop=loop, faults=faults
        )
        self._requests = lepu.PacketAssembler()
        self._begin()

    def attach(self, host: Host) -> None:
        """Record from the beginning."""
        super().attach(host)
        self._begin()

    def write(self, uuid: str, data: bytes) -> None:
        """Answer a request."""
        super().write(uuid, data)
        for request in self._requests.feed(data):
            if request.command == lepu.Command.INFO:
                self._spawn(self._say(self._packets(request, lepu.encode_info(_INFO))))
            elif request.command == lepu.Command.REAL_TIME:
                self._spawn(self._reply(request))

    def _begin(self) -> None:
        self._began_s = self.player.clock.now()
        self._sent = self.player.number = 0
        self._wire = FaultyWire()

    async def _reply(self, request: lepu.Packet) -> None:
        """Send what was recorded since the last poll, as the script has it."""
        player, host = self.player, self._host
        number, faults = player.number, player.faults
        player.number += 1
        if host is None or (faults.stall_at is not None and number >= faults.stall_at):
            return
        if number == faults.dies_at:
            host.vanish()
            return
        frame = self._packets(request, self._recorded(number))
        if number in faults.late_s:
            await player.clock.sleep(faults.late_s[number])
        if number == faults.cut_at:
            await self._say(frame[: len(frame) // 2])
        if number in (faults.disconnect_at, faults.cut_at):
            await host.disconnect()
            return
        await self._say(self._wire.arriving(faults, number, frame))

    def _recorded(self, number: int) -> bytes:
        """Return the payload of a reply."""
        player = self.player
        stop = int((player.clock.now() - self._began_s) * player.rate_hz)
        if player.n_samples is not None and stop >= player.n_samples:
            stop = player.n_samples
            self.finished.set()
        start = max(self._sent, stop - _KEPT_SAMPLES)
        self._sent = stop
        off = number in player.faults.lead_off
        low = player.faults.low_battery(number)
        return lepu.encode_real_time(
            player.samples_uv(number, start, stop),
            battery_percent=LOW_PERCENT if low else FULL_PERCENT,
            record_s=int(stop / player.rate_hz),
            status=lepu.Status.LEAD_OFF if off else lepu.Status.RECORDING,
        )

    def _packets(self, request: lepu.Packet, payload: bytes) -> list[bytes]:
        """Return a reply as the notifications that carry it."""
        reply = lepu.Packet(request.command, payload, _REPLY, request.sequence)
        data = lepu.encode_packet(reply)
        room = 20 if self._host is None else self._host.max_notification
        return [data[at : at + room] for at in range(0, len(data), room)]

    async def _say(self, notifications: list[bytes]) -> None:
        for data in notifications:
            await self.notify(lepu.NOTIFY, data)

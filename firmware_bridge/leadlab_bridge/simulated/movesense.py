"""A simulated Movesense with its maker's sample firmware."""

from collections.abc import Sequence
from typing import Final

from numpy.typing import ArrayLike

from leadlab_bridge.devices import movesense_gsp as gsp
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.player import Chunk, Player
from leadlab_bridge.simulated.wearable import (
    Characteristic,
    Service,
    StreamingWearable,
    battery_service,
    heart_rate_service,
    information_service,
)
from leadlab_bridge.timing import Clock

NAME: Final = "Movesense 012345678901"
RATE_HZ: Final = 250
_OK: Final = 200
_NOT_FOUND: Final = 404


class Movesense(StreamingWearable):
    """The sensor.

    Parameters
    ----------
    samples_uv
        ``(n,)`` integers, microvolts @ ``rate_hz``.
    rate_hz
        The one rate at which it offers ECG.
    clock, loop, faults
        See :class:`Player`.
    name
        Name it advertises.
    encrypted
        Whether its data is for a paired host only.
    """

    def __init__(
        self,
        samples_uv: ArrayLike,
        rate_hz: int = RATE_HZ,
        *,
        clock: Clock | None = None,
        loop: bool = True,
        faults: Faults | None = None,
        name: str = NAME,
        encrypted: bool = False,
    ) -> None:
        player = Player(
            samples_uv,
            rate_hz,
            self._encode,
            (gsp.SAMPLES_PER_FRAME,),
            clock=clock,
            loop=loop,
            faults=faults,
        )
        services = (
            Service(
                gsp.SERVICE,
                (
                    Characteristic(gsp.COMMAND, ("write",), encrypted=encrypted),
                    Characteristic(gsp.DATA, ("notify",), encrypted=encrypted),
                ),
            ),
            heart_rate_service(),
            battery_service(),
            information_service("Movesense"),
        )
        super().__init__(name, (gsp.SERVICE,), services, player, gsp.DATA)
        self._path = gsp.ecg_path(rate_hz).encode()
        self._reference = 1

    def write(self, uuid: str, data: bytes) -> None:
        """Obey a command."""
        super().write(uuid, data)
        if len(data) < 2:
            return
        code, reference, payload = data[0], data[1], data[2:]
        if code == gsp.HELLO:
            reply = gsp.Reply(reference, None, self.name.encode())
        elif code == gsp.SUBSCRIBE and payload == self._path:
            self._reference = reference
            reply = gsp.Reply(reference, _OK)
            self.start_streaming()
        elif code == gsp.UNSUBSCRIBE and reference == self._reference:
            reply = gsp.Reply(reference, _OK)
            self.stop_streaming()
        else:
            reply = gsp.Reply(reference, _NOT_FOUND)
        self._spawn(self.notify(gsp.DATA, gsp.encode_reply(reply)))

    def _encode(self, chunk: Chunk) -> Sequence[bytes]:
        room = 20 if self._host is None else self._host.max_notification
        message = gsp.encode_ecg(chunk.samples_uv, round(chunk.time_s * 1e3), self._reference)
        return gsp.split(message, room)

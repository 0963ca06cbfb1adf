"""A simulated wearable that says again what a real one was heard to say."""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final

from leadlab_bridge.simulated.exchange import Exchange, Op
from leadlab_bridge.simulated.wearable import Host, Service, Wearable
from leadlab_bridge.timing import Clock, SystemClock

_PATIENCE_S: Final = 2.0


class ReplayWearable(Wearable):
    """Answers and notifies as recorded.

    Notifications keep their distance in time from the write or subscription that they followed.
    For the first of these it waits as long as the host takes; each later one it awaits for two
    seconds and then goes on, since the host may do other things than it did.

    Parameters
    ----------
    name, advertised, services
        What the real one showed.
    exchanges
        What passed, in order of time.
    clock
        Host clock that paces the notifications; real time by default.
    """

    def __init__(
        self,
        name: str,
        advertised: tuple[str, ...],
        services: tuple[Service, ...],
        exchanges: Sequence[Exchange],
        *,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, advertised, services)
        self._exchanges = exchanges
        self._clock = clock or SystemClock()
        self._acts: Counter[tuple[Op, str]] = Counter()
        self._acted = asyncio.Event()
        self._reads: dict[str, deque[bytes]] = {}

    def attach(self, host: Host) -> None:
        """Begin again with every connection."""
        super().attach(host)
        self._acts.clear()
        self._reads.clear()
        for exchange in self._exchanges:
            if exchange.op == "read":
                self._reads.setdefault(exchange.uuid, deque()).append(exchange.data)
        self._spawn(self._play())

    def read(self, uuid: str) -> bytes:
        """Return what was read, in turn; the last value stands."""
        values = self._reads.get(uuid)
        if values is None:
            return super().read(uuid)
        return values.popleft() if len(values) > 1 else values[0]

    def write(self, uuid: str, data: bytes) -> None:
        """Take notice; what followed the recorded write follows this one."""
        super().write(uuid, data)
        self._note("write", uuid)

    def subscribed(self, uuid: str, on: bool) -> None:
        """Take notice; what followed the recorded subscription follows this one."""
        if on:
            self._note("subscribe", uuid)

    def _note(self, op: Op, uuid: str) -> None:
        self._acts[op, uuid] += 1
        self._acted.set()

    async def _play(self) -> None:
        expected: Counter[tuple[Op, str]] = Counter()
        origin_s = 0.0
        for exchange in self._exchanges:
            act = exchange.op, exchange.uuid
            if exchange.op == "notify":
                await self._clock.sleep(origin_s + exchange.time_s - self._clock.now())
                await self.notify(exchange.uuid, exchange.data)
            elif exchange.op != "read":
                expected[act] += 1
                await self._host_did(act, expected[act])
                origin_s = self._clock.now() - exchange.time_s
        self.finished.set()

    async def _host_did(self, act: tuple[Op, str], times: int) -> None:
        """Wait until the host did something so many times; not for ever, once it did anything."""
        give_up_s = math.inf
        while self._acts[act] < times:
            now_s = self._clock.now()
            if self._acts and give_up_s == math.inf:
                give_up_s = now_s + _PATIENCE_S
            if now_s >= give_up_s:
                return
            await self._another_act(give_up_s - now_s)

    async def _another_act(self, patience_s: float) -> None:
        """Wait until the host does anything, for ``patience_s`` of the clock."""
        self._acted.clear()
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._acted.wait())}
        if patience_s < math.inf:
            waits.add(asyncio.ensure_future(self._clock.sleep(patience_s)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

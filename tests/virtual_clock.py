"""A clock for tests: time jumps to the next deadline whenever the event loop has settled."""

import asyncio
import heapq
import itertools

# Turns of the loop in which one notification passes a virtual Bluetooth link, with room to spare.
SETTLED_AFTER = 100


class VirtualClock:
    """A `leadlab_bridge.timing.Clock` that makes nobody wait and always gives the same times."""

    def __init__(self, start_s: float = 0.0, settled_after: int = SETTLED_AFTER) -> None:
        self._settled_after = settled_after
        self._now_s = start_s
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._pump: asyncio.Task[None] | None = None

    def now(self) -> float:
        return self._now_s

    def jump(self, seconds: float) -> None:
        """Let time pass while nothing else happens, as when the process is held up."""
        self._now_s += seconds

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.get_running_loop().create_future()
        due_s = self._now_s + max(0.0, seconds)
        heapq.heappush(self._sleepers, (due_s, next(self._numbers), wake))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._advance())
        await wake

    async def _advance(self) -> None:
        while self._sleepers:
            for _ in range(self._settled_after):
                await asyncio.sleep(0)
            due_s, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                self._now_s = max(self._now_s, due_s)
                wake.set_result(None)

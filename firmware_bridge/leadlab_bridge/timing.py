"""The host clock, injected wherever time is read: a replay can scale it, a test can fake it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds and a sleep on the same scale."""

    def now(self) -> float:
        """Return monotonic seconds; the origin is arbitrary."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds`` of this clock."""
        ...


class SystemClock:
    """The machine's monotonic clock, running ``speed`` times as fast as the wall.

    An accelerated replay hands one such clock to the simulated device and to the pipeline,
    so that both sides of the link see the same time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"speed is {speed}; it must be above 0 (1 is real time)")
        self._speed = speed
        self._start = time.monotonic()

    def now(self) -> float:
        """Return seconds since this clock was made, scaled."""
        return (time.monotonic() - self._start) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds`` of this clock: ``seconds / speed`` on the wall."""
        await asyncio.sleep(max(0.0, seconds) / self._speed)

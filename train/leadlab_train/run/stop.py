"""Ctrl-C and SIGTERM end a run after the step in hand; a second Ctrl-C ends it at once."""

import signal
import threading
from types import FrameType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # schedulers send SIGTERM some time before SIGKILL


class Stopped(Exception):
    """Somebody asked to stop before there was anything to save."""


class StopRequest:
    """Whether somebody has asked this process to stop.

    Attributes
    ----------
    asked
        True from the first signal on.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # signals arrive nowhere else
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *exc: object) -> None:
        self._restore()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

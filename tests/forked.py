"""Work in a child process that may be killed: a fork, so that torch is imported once."""

import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch._dynamo  # noqa: F401  the first optimizer loads it: seconds that each fork would pay

POLL_S = 0.005
FAILED = 70
MARK = "\nended with "


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: exit status, or minus the signal; and all that it printed."""

    status: int
    said: str

    @property
    def error(self) -> str:
        """Class and message of the exception that ended it."""
        return self.said.rpartition(MARK)[2] if MARK in self.said else ""


class Child:
    """A fork that runs ``work`` and leaves without any of the parent's cleaning up."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._said = Path(tempfile.mkstemp(prefix="said-")[1])
        self._over = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns of threads that we do not have
            self.pid = os.fork()
        if self.pid == 0:
            os._exit(self._run(work))

    def _run(self, work: Callable[[], Any]) -> int:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
        handle = os.open(self._said, os.O_WRONLY | os.O_APPEND)
        for number in (1, 2):
            os.dup2(handle, number)
        out = open(handle, "w", encoding="utf-8", buffering=1)  # noqa: SIM115, PTH123
        sys.stdout = sys.stderr = out
        try:
            work()
        except SystemExit as leaving:
            return leaving.code if isinstance(leaving.code, int) else int(bool(leaving.code))
        except BaseException as error:
            traceback.print_exc()
            out.write(f"{MARK}{type(error).__module__}.{type(error).__name__}: {error}")
            return FAILED
        finally:
            out.flush()
        return 0

    def wait(self, timeout_s: float = 30.0) -> Ended:
        """Wait for the end; a child that hangs is killed, and that is an error."""
        until = time.monotonic() + timeout_s
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._over = True
                said = self._said.read_text(encoding="utf-8")
                self._said.unlink()
                return Ended(os.waitstatus_to_exitcode(status), said)
            if time.monotonic() > until:
                self.kill()
                raise AssertionError(f"hangs: {self._said.read_text(encoding='utf-8')}")
            time.sleep(POLL_S)

    def kill(self) -> None:
        """Kill the child and its own, if it is not over."""
        if not self._over:
            self._over = True
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def in_child(work: Callable[[], Any], timeout_s: float = 30.0) -> Ended:
    """Run ``work`` in a child process and return how it ended."""
    return Child(work).wait(timeout_s)

"""Moments at which a run can die: every write, flush, rename, step and validation, by name.

Installed in a child process; nothing is ever undone.
"""

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

import leadlab_train.checkpoint
import leadlab_train.prepared
import leadlab_train.run.folder
import leadlab_train.run.log
import leadlab_train.run.loop
import leadlab_train.run.state
from leadlab_train.learner import Learner
from leadlab_train.run.selection import Selection

WRITERS = (
    leadlab_train.checkpoint,
    leadlab_train.run.folder,
    leadlab_train.run.log,
    leadlab_train.run.state,
)


class Moments:
    """Calls ``on_moment`` with the name of every moment, such as ``"replace last.safetensors"``.

    A write is two moments: before it, and ``"half-write NAME"`` when half of it is on the disk.
    """

    def __init__(self, on_moment: Callable[[str], None]) -> None:
        self._at = on_moment
        self._names: list[str] = []

    def install(self) -> None:
        """Watch this process from here on."""
        leadlab_train.prepared.CHUNK = 16
        leadlab_train.run.loop.draw_curves = _cheap_curves
        self._around(os, "fsync", lambda handle: f"fsync {self._of_handle(handle)}")
        self._around(tempfile, "mkdtemp", lambda *_, **__: "mkdtemp")
        self._around(Path, "replace", lambda _, target: f"replace {self._name(target)}")
        self._around(Path, "unlink", lambda path, **_: f"unlink {path.name}")
        self._around(Learner, "step", lambda *_: "step")
        self._around(Selection, "score", lambda *_, **__: "score")
        self._around(SummaryWriter, "add_scalar", lambda *_, **__: "event")
        for module in WRITERS:
            self._name_files(module)
        self._tear_writes()

    def _around(self, owner: Any, name: str, label: Callable[..., str]) -> None:
        whole = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            what = label(*args, **kwargs)
            self._at(what)
            result = whole(*args, **kwargs)
            self._at(f"after {what}")
            return result

        setattr(owner, name, watched)

    def _name_files(self, module: Any) -> None:
        """Know the later names of the numbered files that are written first."""
        whole = module.replace_files

        def watched(*files: tuple[Path, bytes]) -> None:
            self._names = [path.name for path, _ in files]
            whole(*files)
            self._names = []

        module.replace_files = watched

    def _tear_writes(self) -> None:
        whole = Path.open

        def watched(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            file = whole(path, mode, *args, **kwargs)
            return _Torn(file, self._name(path), self._at) if set(mode) & set("wa+") else file

        Path.open = watched

    def _of_handle(self, handle: int) -> str:
        return self._name(Path(f"/proc/self/fd/{handle}").readlink())

    def _name(self, path: Path) -> str:
        if path.name.isdigit() and self._names:
            return self._names[int(path.name)]
        return path.suffix if path.suffix in (".partial", ".f16") else path.name


class _Torn:
    """A file whose writes happen in two halves."""

    def __init__(self, file: Any, name: str, at: Callable[[str], None]) -> None:
        self._file, self._name, self._at = file, name, at

    def write(self, data: Any) -> None:
        data = memoryview(data).cast("B") if not isinstance(data, str) else data
        self._at(f"write {self._name}")
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        self._at(f"half-write {self._name}")
        self._file.write(data[len(data) // 2 :])

    def __enter__(self) -> "_Torn":
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Kill:
    """SIGKILL at the ``count``-th moment called ``name``, or of any name; notes what was cut."""

    def __init__(self, note: Path, name: str | None, count: int = 1) -> None:
        self._note, self._name, self._left = note, name, count

    def __call__(self, moment: str) -> None:
        if self._name in (None, moment):
            self._left -= 1
            if self._left == 0:
                handle = os.open(self._note, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                os.write(handle, f"{moment}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)


def _cheap_curves(folder: Path, title: str) -> None:
    """Write as many bytes as matter here; drawing takes as long as fifty steps."""
    with (folder / "curves.png").open("wb") as file:
        file.write(title.encode())

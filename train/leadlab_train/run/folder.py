"""The directory of a run.

::

    run.json           what was asked: recipe, cohort, weights; and every start, with versions
    recipe.toml        the resolved recipe, ready for another run
    metrics.jsonl      loss, gradient norm and rate every few steps; every validation
    events.out.*       the same for TensorBoard
    curves.png         the same for eyes
    last.safetensors   where the run stands, for going on
    best.safetensors   the weights to keep, under the published names; best.json says what they are
"""

import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from filelock import FileLock, Timeout

from leadlab_train.errors import TrainingError
from leadlab_train.files import replace_files
from leadlab_train.recipe import Recipe
from leadlab_train.run.disk import writing

FORMAT: Final = 1
PACKAGES: Final = ("leadlab", "torch", "numpy", "scipy", "safetensors", "polars")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is for; a run goes on only with the same.

    Attributes
    ----------
    recipe
        The recipe.
    cohort_sha256, simulated
        Content hash of the cohort, and whether it was drawn from a model.
    weights_sha256
        Hash of the file of pretrained weights; None from random weights.
    """

    recipe: Recipe
    cohort_sha256: str
    simulated: bool
    weights_sha256: str | None


class RunFolder:
    """Paths of a run's files.

    Attributes
    ----------
    path
        The directory.
    last, best
        Where the run stands; weights to keep.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = path / "last.safetensors"
        self.best = path / "best.safetensors"
        self._record = path / "run.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while this one trains here.

        Raises
        ------
        TrainingError
            Another process trains here.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / "lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise TrainingError(
                f"another process trains in {self.path}. Remedy: wait for it, or give --out "
                "another folder"
            ) from error
        except OSError as error:
            raise TrainingError(
                f"{self.path} cannot be written: {error}. Remedy: give --out a folder that can"
            ) from error
        try:
            for left in self.path.glob(".writing-*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            yield
        finally:
            lock.release()

    def require_same(self, asked: Asked) -> None:
        """Check that what is asked is what this run began with.

        Raises
        ------
        TrainingError
            It is not, or the folder holds something else.
        """
        if not self._record.exists():
            others = [p.name for p in self.path.glob("*") if p.name != "lock"] + [
                p.name for p in self.path.glob(".writing-*")
            ]
            if others and not set(others) <= {"prepared", "recipe.toml"}:
                raise TrainingError(
                    f"{self.path} holds {', '.join(sorted(others)[:5])} and is no run. Remedy: "
                    "give --out an empty or new folder"
                )
            return
        began = json.loads(self._record.read_text(encoding="utf-8"))["asked"]
        differing = list(_differences(began, _plain(asked)))
        if differing:
            raise TrainingError(
                f"{self.path} began with other settings: {'; '.join(differing[:5])}. Remedy: "
                "repeat them to go on, or give --out another folder"
            )

    def record_start(self, asked: Asked, step: int, setting: Mapping[str, Any]) -> None:
        """Write what is asked, and add this start to those before it."""
        starts = []
        if self._record.exists():
            starts = json.loads(self._record.read_text(encoding="utf-8"))["starts"]
        starts.append({"time": datetime.now(UTC).isoformat(), "step": step, **setting})
        record = {"format": FORMAT, "asked": _plain(asked), "starts": starts}
        text = json.dumps(record, indent=2) + "\n"
        recipe = "\n".join(_toml(asdict(asked.recipe))).lstrip() + "\n"
        with writing(self.path):
            replace_files((self._record, text.encode()))
            replace_files((self.path / "recipe.toml", recipe.encode()))


def software() -> dict[str, str]:
    """Return the versions that a run depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def machine(device: torch.device) -> dict[str, Any]:
    """Describe what computes."""
    described = {
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device),
    }
    if device.type == "cuda":
        described["gpu"] = torch.cuda.get_device_name(device)
    return described


def _plain(asked: Asked) -> dict[str, Any]:
    """Return what JSON makes of it."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(asked)))
    return plain


def _differences(began: Any, now: Any, name: str = "") -> Iterator[str]:
    if isinstance(began, dict) and isinstance(now, dict):
        for key in sorted(began.keys() | now.keys()):
            inner = f"{name}.{key}" if name else key
            yield from _differences(began.get(key), now.get(key), inner)
    elif began != now:
        yield f"{name} was {began}, now {now}"


def _toml(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """Write scalars before tables; what is None is left out."""
    if name:
        yield f"\n[{name}]"
    for key, value in table.items():
        if value is not None and not isinstance(value, dict):
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _toml(value, f"{name}.{key}" if name else key)

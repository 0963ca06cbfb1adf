"""Runs that take a second: a small cohort, a tiny network, and what a run left behind."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from leadlab_train.augment import Augmentation
from leadlab_train.cohort import Cohort
from leadlab_train.optimizer import FitSettings
from leadlab_train.recipe import ModelRecipe, Recipe, SelectRecipe, WindowsRecipe
from leadlab_train.run.log import TAGS
from leadlab_train.simulated import simulate_cohort

# Listed windows, prepared once; batch norm, whose running averages are state too.
SETTLED = Recipe(
    windows=WindowsRecipe(batch=8, crop_s=0.5),
    fit=FitSettings(learning_rate=0.01, steps=15, warmup_steps=2, weight_decay=0.1),
    model=ModelRecipe(width="tiny", batch_norm=True),
    select=SelectRecipe(every_steps=3, min_positive_patients=2),
)
# All that can differ from one epoch to the next, and all that is remembered between two steps.
FRESH = replace(
    SETTLED,
    windows=WindowsRecipe(batch=8, crop_s=0.5, per_draw=1, fresh=True),
    fit=replace(SETTLED.fit, average=0.8, layer_decay=0.7),
    augment=Augmentation(gain_share=0.5, noise_share=0.5, flip_share=0.2),
    select=SelectRecipe(every_steps=4, min_positive_patients=2, windows_per_draw=1),
    indicator_balance=0.5,
    seed=3,
)
RECIPES = {"settled": SETTLED, "fresh": FRESH}


def tiny_cohort(path: Path, seed: int = 0) -> Cohort:
    """Return a new simulated cohort of about a hundred windows."""
    return simulate_cohort(path, patients={"train": 20, "val": 24, "test": 6}, seed=seed)


def tensors(path: Path) -> dict[str, bytes]:
    """Return the bits of every tensor of a file, with their shapes and types."""
    loaded = safetensors.torch.load_file(path)
    return {k: repr((v.dtype, v.shape)).encode() + v.numpy().tobytes() for k, v in loaded.items()}


def outcome(folder: Path) -> tuple[Any, ...]:
    """Return all of a run that must not depend on when and how often it was killed."""
    with safetensors.safe_open(folder / "last.safetensors", "pt") as file:
        progress = json.loads(file.metadata()["progress"])
    return (
        tensors(folder / "best.safetensors"),
        json.loads((folder / "best.json").read_text()),
        tensors(folder / "last.safetensors"),
        progress,
        records(folder),
    )


def assert_same_outcome(folder: Path, other: Path) -> None:
    """Compare two runs bit by bit, and say what differs without printing weights."""
    names = ("best weights", "best.json", "last weights", "progress", "metrics")
    for name, a, b in zip(names, outcome(folder), outcome(other), strict=True):
        differing = ""
        if isinstance(a, dict) and a.keys() == b.keys():
            differing = ", ".join(key for key in a if a[key] != b[key])
        elif name == "metrics":
            differing = "\n".join(map(str, [a, b]))
        assert a == b, f"{name}: {differing}"


def records(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of ``metrics.jsonl`` without the one figure that is a timing."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(x).items() if k != "windows_per_s"} for x in lines]


def logged(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return steps and float32 values of ``metrics.jsonl`` under the names of TensorBoard."""
    return {
        tag: [(r["step"], float(np.float32(r[name]))) for r in records(folder) if name in r]
        for name, tag in TAGS.items()
        if name != "windows_per_s"
    }


def shown(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return steps and values as TensorBoard shows them."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not tag.endswith("windows_per_s")
    }

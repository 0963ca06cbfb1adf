"""What ``leadlab export`` starts from: the run of a teacher, or a distilled student."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from leadlab_export.errors import ExportError
from leadlab_export.network import Network, graph_inputs, static
from leadlab_export.rates import RateCost
from leadlab_export.student_file import ABOUT, load_student, shape_name
from leadlab_export.teacher import Teacher, load_teacher
from leadlab_export.windows import compact_windows
from leadlab_train.cohort import Cohort

CHUNK: Final = 512

Rows = NDArray[np.integer[Any]]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A trained network and where it comes from.

    Attributes
    ----------
    folder
        Where it was read.
    network
        The network.
    recipe, teacher
        How it was trained and who taught it, in words, for the pack.
    costs
        What a host loses that does not resample, as measured when a student was distilled.
    """

    folder: Path
    network: Network
    recipe: str
    teacher: str
    costs: tuple[RateCost, ...] = ()


def open_source(folder: Path, cohort: Cohort) -> Source:
    """Read a run of ``leadlab train`` or a folder of ``leadlab distill``.

    Parameters
    ----------
    folder
        Its ``--out``.
    cohort
        The cohort that it was trained on: the panel is that cohort's, and only there is it known
        which patients it has not seen.

    Raises
    ------
    ExportError
        The folder holds neither, or what it holds was trained on another cohort.
    """
    if (folder / ABOUT).exists():
        student, about = load_student(folder)
        teacher = about.teacher
        taught_by = f"{teacher.run}, sha256 {teacher.sha256}" if teacher else "none"
        _require_cohort(folder, about.cohort_sha256, cohort)
        costs = tuple(
            RateCost(cost["rate_hz"], cost["strap_hz"], cost["auroc_change"])
            for cost in about.metrics.get("unresampled", ())
        )
        described = f"{shape_name(student.shape)} student, {student.rate_hz} Hz"
        return Source(folder, student, described, taught_by, costs)
    if not (folder / "run.json").exists():
        raise ExportError(
            f"{folder} holds neither {ABOUT} nor run.json. Remedy: give the --out of "
            "`leadlab distill` or of `leadlab train`"
        )
    trained = load_teacher(folder, len(cohort.panel))
    _require_cohort(folder, trained.cohort_sha256, cohort)
    recipe = trained.recipe
    described = f"ECGFounder, width {recipe.model.width}, seed {recipe.seed}"
    return Source(folder, Teacher(trained.model), described, f"this one, sha256 {trained.sha256}")


def windows_mv(network: Network, cohort: Cohort, rows: Rows) -> Floats:
    """Read windows ``(n, n_samples)``, mV, as a device hands them to the network's front end."""
    if isinstance(network, Teacher):
        return cohort.read_mv(rows)
    return compact_windows(cohort, rows, network.rate_hz, network.n_samples)


def score(
    run: Callable[[Floats], Floats],
    network: Network,
    cohort: Cohort,
    rows: Rows,
    on_progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """Return ``(n, n_labels)`` logits of windows of a cohort, a chunk at a time.

    Parameters
    ----------
    run
        Maps inputs of the graph to logits: ``in_torch(network)``, or a model file in a runtime.
    network, cohort, rows
        Whose inputs these are, and which windows.
    on_progress
        Called with windows done and windows in all.
    """
    logits = []
    for start in range(0, len(rows), CHUNK):
        raw_mv = windows_mv(network, cohort, rows[start : start + CHUNK])
        logits.append(run(graph_inputs(network, raw_mv)))
        if on_progress:
            on_progress(min(start + CHUNK, len(rows)), len(rows))
    return np.concatenate(logits)


def in_torch(network: Network, batch: int = 64) -> Callable[[Floats], Floats]:
    """Return a function that computes a network's logits with PyTorch."""
    graph = static(network)

    def run(inputs: Floats) -> Floats:
        with torch.inference_mode():
            batches = torch.split(torch.from_numpy(inputs), batch)
            return np.concatenate([graph(x).numpy() for x in batches])

    return run


def spread_rows(rows: Rows, count: int) -> Rows:
    """Return ``count`` of some window rows, evenly spread, so over many patients."""
    if count >= len(rows):
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]


def _require_cohort(folder: Path, trained_on: str, cohort: Cohort) -> None:
    given = cohort.manifest.content_sha256
    if trained_on != given:
        raise ExportError(
            f"{folder} was trained on cohort {trained_on[:16]}, and {cohort.path} is {given[:16]}. "
            "Remedy: give the cohort it was trained on"
        )

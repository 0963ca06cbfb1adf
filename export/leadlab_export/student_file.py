"""A student on disk: a folder of ``student.safetensors`` and ``student.json``.

The JSON says what the weights are and where they come from; it names the hash of the weights, so
that neither file passes for whole beside another's.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import safetensors.torch

from leadlab_edge.config import parse_record
from leadlab_export.errors import ExportError
from leadlab_export.student import FAMILY, Student, StudentShape
from leadlab_train.files import replace_files

FORMAT: Final = 1
WEIGHTS, ABOUT = "student.safetensors", "student.json"
CUSTOM: Final = "custom"
_OPEN: Final = ("settings", "metrics")  # tables whose keys are not fixed


@dataclass(frozen=True, slots=True)
class TeacherRef:
    """Who taught a student: name of its run, and hashes of its weights and of its own cohort."""

    run: str
    sha256: str
    cohort_sha256: str


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a student beside its weights.

    Attributes
    ----------
    labels
        Names of the indicators, in the order of the outputs.
    lead
        Lead of the cohort.
    cohort_sha256, simulated
        Content hash of the cohort that it learned from, and whether that was drawn from a model.
    teacher
        Who taught it; None if it learned from measured labels alone.
    settings
        How it learned, as plain JSON.
    metrics
        What was measured of it on validation patients, as plain JSON.
    """

    labels: tuple[str, ...]
    lead: str
    cohort_sha256: str
    simulated: bool
    teacher: TeacherRef | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)


class LoadedStudent(NamedTuple):
    """A student in evaluation mode, and what is known of it."""

    student: Student
    about: About


@dataclass(frozen=True, slots=True)
class _Record:
    """The strict part of ``student.json``."""

    format: int
    sha256: str
    shape: StudentShape
    shape_name: str
    rate_hz: int
    labels: tuple[str, ...]
    lead: str
    cohort_sha256: str
    simulated: bool
    teacher: TeacherRef | None = None


def shape_name(shape: StudentShape) -> str:
    """Return a shape's name in the family, or ``"custom"``."""
    return next((name for name, known in FAMILY.items() if known == shape), CUSTOM)


def save_student(folder: Path, student: Student, about: About) -> str:
    """Write a student into ``folder`` and return the sha256 of its weights.

    Each file appears whole or not at all, and no JSON stands beside weights it does not describe.

    Raises
    ------
    ExportError
        The labels are not as many as the outputs, or the disk refuses.
    TypeError, ValueError
        JSON cannot hold the settings or metrics; nothing is written.
    """
    if len(about.labels) != student.head.out_features:
        raise ExportError(
            f"{len(about.labels)} labels and {student.head.out_features} outputs; name each output"
        )
    state = {name: tensor.cpu().contiguous() for name, tensor in student.state_dict().items()}
    weights = safetensors.torch.save(state, {"format": "pt"})
    sha256 = hashlib.sha256(weights).hexdigest()
    record = {
        "format": FORMAT,
        "sha256": sha256,
        "shape_name": shape_name(student.shape),
        "shape": asdict(student.shape),
        "rate_hz": student.rate_hz,
        **asdict(about),
    }
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    try:
        replace_files((folder / WEIGHTS, weights), (folder / ABOUT, text.encode()))
    except OSError as error:
        raise ExportError(
            f"{folder / WEIGHTS} ({len(weights)} bytes) cannot be written: {error}. "
            "Remedy: make room or give a folder that can be written"
        ) from error
    return sha256


def load_student(folder: Path) -> LoadedStudent:
    """Read what :func:`save_student` wrote.

    Raises
    ------
    ExportError
        The folder holds no student, one of a newer format, or a damaged one.
    """
    table = _read_about(folder / ABOUT)
    open_tables = {name: table.pop(name, {}) for name in _OPEN}
    if not all(isinstance(value, dict) for value in open_tables.values()):
        raise ExportError(f"{folder / ABOUT}: settings and metrics must be tables; write it anew")
    record = parse_record(_Record, table, str(folder / ABOUT), ExportError)
    student = Student(len(record.labels), record.shape, record.rate_hz)
    try:
        weights = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise ExportError(
            f"{folder / WEIGHTS} cannot be read: {error.strerror}. Remedy: restore the file, or "
            "distil again"
        ) from error
    sha256 = hashlib.sha256(weights).hexdigest()
    if sha256 != record.sha256:
        raise ExportError(
            f"{folder / WEIGHTS} has sha256 {sha256[:16]}..., its JSON says "
            f"{record.sha256[:16]}... Remedy: restore both files from one copy"
        )
    try:
        student.load_state_dict(safetensors.torch.load(weights))
    except Exception as error:  # the reader raises its own errors, torch RuntimeError
        raise ExportError(
            f"{folder / WEIGHTS} does not hold the weights of this shape: {error}. "
            "Remedy: restore both files from one copy"
        ) from error
    about = About(
        record.labels,
        record.lead,
        record.cohort_sha256,
        record.simulated,
        record.teacher,
        **open_tables,
    )
    return LoadedStudent(student.eval(), about)


def _read_about(path: Path) -> dict[str, Any]:
    """Read the JSON, and refuse a format that this version does not know."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(
            f"{path.parent} holds no student: {path.name}: {error}. Remedy: give a folder that "
            "`leadlab distill` wrote"
        ) from error
    found = table.get("format") if isinstance(table, dict) else None
    if found != FORMAT:
        raise ExportError(
            f"{path} has format {found!r}; this version of leadlab reads {FORMAT}. Remedy: use the "
            "version that wrote it, or distil again"
        )
    return dict(table)

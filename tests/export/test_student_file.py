"""A student on disk: comes back as it was, and a damaged one not at all."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_student import TINY

from leadlab_export.errors import ExportError
from leadlab_export.student import NANO, SMALL, Student, student_logits, with_input_rate
from leadlab_export.student_file import (
    About,
    TeacherRef,
    load_student,
    save_student,
    shape_name,
)

ABOUT = About(
    labels=("a_high", "b_low", "c_high"),
    lead="II",
    cohort_sha256="c" * 64,
    simulated=True,
    teacher=TeacherRef("demo", "d" * 64, "c" * 64),
    settings={"batch": 64, "fit": {"steps": 10}},
    metrics={"val_auroc": 0.6, "unresampled": [{"rate_hz": 250}]},
)


@pytest.fixture
def folder(student: Student, tmp_path: Path) -> Path:
    save_student(tmp_path / "student", student, ABOUT)
    return tmp_path / "student"


def test_comes_back_whole(folder: Path, student: Student, windows_mv: np.ndarray) -> None:
    loaded = load_student(folder)
    assert loaded.about == ABOUT
    assert loaded.student.shape == TINY
    assert not loaded.student.training
    np.testing.assert_array_equal(
        student_logits(loaded.student, windows_mv), student_logits(student, windows_mv)
    )
    assert {path.name for path in folder.iterdir()} == {"student.safetensors", "student.json"}


def test_the_json_says_what_it_is(folder: Path) -> None:
    table = json.loads((folder / "student.json").read_text())
    assert (table["format"], table["shape_name"], table["rate_hz"]) == (1, "custom", 125)
    assert table["shape"]["widths"] == list(TINY.widths)
    assert (shape_name(SMALL), shape_name(NANO)) == ("small", "nano")


def test_equal_students_give_equal_bytes(folder: Path, student: Student, tmp_path: Path) -> None:
    save_student(tmp_path / "again", student, ABOUT)
    for name in ("student.safetensors", "student.json"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_keeps_the_input_rate_and_the_missing_teacher(student: Student, tmp_path: Path) -> None:
    other = with_input_rate(student, 250)
    save_student(tmp_path, other, replace(ABOUT, teacher=None))
    loaded = load_student(tmp_path)
    assert (loaded.student.rate_hz, loaded.student.n_samples) == (250, other.n_samples)
    assert loaded.about.teacher is None


def test_labels_must_be_as_many_as_outputs(student: Student, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="2 labels and 3 outputs"):
        save_student(tmp_path, student, replace(ABOUT, labels=("a", "b")))
    assert not list(tmp_path.iterdir())


def test_damage_is_refused(folder: Path, tmp_path: Path) -> None:
    weights, about = folder / "student.safetensors", folder / "student.json"
    whole, said = weights.read_bytes(), about.read_text()
    with pytest.raises(ExportError, match="holds no student"):
        load_student(tmp_path / "nowhere")
    for broken, why in (
        (whole[:-1] + bytes([whole[-1] ^ 1]), "its JSON says"),
        (whole[: len(whole) // 2], "its JSON says"),
    ):
        weights.write_bytes(broken)
        with pytest.raises(ExportError, match=why):
            load_student(folder)
    weights.unlink()
    with pytest.raises(ExportError, match="cannot be read"):
        load_student(folder)
    weights.write_bytes(whole)
    for change, why in (
        (lambda t: t | {"format": 2}, "has format 2; this version of leadlab reads 1"),
        (lambda t: t | {"colour": "red"}, "colour is not a known name"),
        (lambda t: t | {"shape": t["shape"] | {"widths": [8, 8, 8]}}, "does not hold the weights"),
        (lambda t: t | {"shape": t["shape"] | {"kernel": 8}}, "kernel is odd"),
        (lambda t: t | {"settings": []}, "must be tables"),
        (lambda t: {k: v for k, v in t.items() if k != "lead"}, "lead is missing"),
        (lambda t: [t], "has format None"),
    ):
        about.write_text(json.dumps(change(json.loads(said))))
        with pytest.raises(ExportError, match=why):
            load_student(folder)
    about.write_text("{")
    with pytest.raises(ExportError, match="holds no student"):
        load_student(folder)

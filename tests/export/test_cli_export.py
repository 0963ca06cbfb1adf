"""``leadlab export``: from a run and from a student to packs with the same bytes every time."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from tiny_run import SETTLED, tiny_cohort
from tiny_student import TINY

from leadlab_edge.pack import read_pack
from leadlab_export.cli_export import export_command
from leadlab_export.errors import ExportError
from leadlab_export.exporting import ExportSettings
from leadlab_export.exporting import export as run_export
from leadlab_export.qat import QatSettings
from leadlab_export.source import open_source
from leadlab_export.student import Student
from leadlab_export.student_file import About, save_student
from leadlab_train.cohort import Cohort
from leadlab_train.optimizer import FitSettings
from leadlab_train.run import train

STUDENT = ("--calibration-windows", "16", "--licence", "cc-by-4.0")
TEACHER = ("--precisions", "fp32,int8", "--formats", "onnx", "--calibration-windows", "16")
HAS_TFLITE = find_spec("litert_torch") is not None


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return tiny_cohort(tmp_path_factory.mktemp("cohort") / "cohort")


@pytest.fixture(scope="module")
def run(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("run") / "run"
    train(SETTLED, cohort, folder)
    return folder


@pytest.fixture(scope="module")
def small(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    student = Student(len(cohort.panel), TINY)
    with torch.no_grad():  # of an untrained student, logits barely move
        student.head.weight *= 30
    folder = tmp_path_factory.mktemp("student")
    names = tuple(indicator.name for indicator in cohort.panel.indicators)
    costs = [
        {"rate_hz": 125, "strap_hz": 130.0, "auroc_change": -0.002, "tolerance": 0.04},
        {"rate_hz": 250, "strap_hz": 256.0, "auroc_change": -0.001, "tolerance": 0.024},
    ]
    sha256 = cohort.manifest.content_sha256
    about = About(names, cohort.lead, sha256, simulated=True, metrics={"unresampled": costs})
    save_student(folder, student, about)
    return folder


def arguments(source: Path, cohort: Cohort, out: Path, *more: str) -> list[str]:
    return [str(source), "--cohort", str(cohort.path), "--out", str(out), *more]


def export(source: Path, cohort: Cohort, out: Path, *more: str) -> Result:
    result = CliRunner().invoke(export_command, arguments(source, cohort, out, *more))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def packs(run: Path, small: Path, cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a student's pack and a teacher's, and what was printed."""
    folder = tmp_path_factory.mktemp("packs")
    for name, source, more in (("student", small, STUDENT), ("teacher", run, TEACHER)):
        result = export(source, cohort, folder / f"{name}.leadpack", *more)
        assert result.exit_code == 0, result.output
        (folder / f"{name}.txt").write_text(result.output)
    return folder


def test_another_process_writes_the_same_bytes(
    packs: Path, run: Path, small: Path, cohort: Cohort, tmp_path: Path
) -> None:
    calls = [
        arguments(small, cohort, tmp_path / "student.leadpack", *STUDENT),
        arguments(run, cohort, tmp_path / "teacher.leadpack", *TEACHER),
    ]
    program = (
        "import torch; torch.set_num_threads(1)\n"
        "from leadlab_export.cli_export import export_command\n"
        f"for call in {calls!r}: export_command(call, standalone_mode=False)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "12345", "OMP_NUM_THREADS": "1"},
    )
    for name in ("student.leadpack", "teacher.leadpack"):
        assert (tmp_path / name).read_bytes() == (packs / name).read_bytes()


def test_a_students_pack_holds_every_precision(packs: Path) -> None:
    pack = read_pack(packs / "student.leadpack")
    formats = ["onnx", "tflite"] if HAS_TFLITE else ["onnx"]
    forms = ("fp32", "fp16", "dynamic", "int8")
    assert {m.file for m in pack.manifest.models} == {
        f"model.{p}.{f}" for p in forms for f in formats
    }
    assert pack.manifest.licence == "cc-by-4.0"
    assert pack.manifest.provenance.simulated
    for file in pack.manifest.models:
        runtime = {"onnx": "onnxruntime", "tflite": "ai_edge_litert"}[file.format]
        assert pack.parity(pack.load(runtime, file.precision)).max_abs < 1e-4


def test_other_rates_have_files_of_their_own(small: Path, cohort: Cohort, tmp_path: Path) -> None:
    path = tmp_path / "rates.leadpack"
    more = ("--rates", "125,250", "--formats", "onnx", "--precisions", "fp32", *STUDENT)
    assert export(small, cohort, path, *more).exit_code == 0
    pack = read_pack(path)
    assert {m.file for m in pack.manifest.models} == {"model.fp32.onnx", "model.int8.250hz.onnx"}
    (other,) = pack.manifest.other_inputs
    assert (other.rate_hz, other.unresampled_auroc_change) == (250, -0.001)
    assert other.unresampled_tolerance == pytest.approx(0.024)
    assert pack.manifest.input.unresampled_tolerance == pytest.approx(0.04)
    loaded = pack.load("onnxruntime", "int8", rate_hz=250.0)
    assert loaded.n_samples == other.n_samples
    assert pack.parity(loaded).max_abs < 1e-4


def test_a_teachers_pack_takes_raw_millivolts(packs: Path) -> None:
    pack = read_pack(packs / "teacher.leadpack")
    assert pack.manifest.front_end == "ecgfounder_v1"
    assert {m.file for m in pack.manifest.models} == {"model.fp32.onnx", "model.int8.onnx"}
    prediction = pack.predict(np.sin(np.arange(6000) / 50), rate_hz=500.0)
    assert np.isfinite(prediction.probabilities).all()


def test_what_was_found_is_printed_and_on_the_card(packs: Path) -> None:
    printed = (packs / "student.txt").read_text()
    assert "model.int8.onnx" in printed
    assert "simulated" in printed
    card = read_pack(packs / "student.leadpack").members["card.md"].decode()
    assert "float32 onnx against PyTorch" in card
    assert "change of AUROC on validation patients" in card


def test_calibration_windows_stay_beside_the_network(
    packs: Path, small: Path, cohort: Cohort
) -> None:
    kept = np.load(small / "calibration.npz")
    assert kept["raw_mv"].shape == (16, 1464)
    train_patients = set(cohort.patient_of(cohort.rows("train")))
    assert set(cohort.patient_of(kept["rows"])) <= train_patients
    golden = read_pack(packs / "student.leadpack").golden()
    for window in kept["raw_mv"]:
        assert not (np.abs(golden.raw_mv - window).max(axis=1) < 1e-3).any()


def test_another_cohort_is_refused(run: Path, small: Path, tmp_path: Path) -> None:
    other = tiny_cohort(tmp_path / "other", seed=1)
    for source in (run, small):
        with pytest.raises(ExportError, match=r"trained on cohort .* give the cohort"):
            export(source, other, tmp_path / "x.leadpack")


def test_what_cannot_be_exported_is_refused(
    run: Path, small: Path, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExportError, match="neither"):
        export(tmp_path, cohort, tmp_path / "x.leadpack")
    with pytest.raises(ExportError, match=r"NAME\.leadpack"):
        export(small, cohort, tmp_path / "x.zip")
    with pytest.raises(ExportError, match="500 Hz only"):
        export(run, cohort, tmp_path / "x.leadpack", "--rates", "250")
    assert (
        "'int4' is not one of fp32"
        in export(small, cohort, tmp_path / "x.leadpack", "--precisions", "int4").output
    )
    monkeypatch.setattr("leadlab_export.exporting.TEACHER_MAX_BYTES", 100_000)
    with pytest.raises(ExportError, match=r"the limit of a pack is 0.*fewer --precisions"):
        export(run, cohort, tmp_path / "x.leadpack", "--precisions", "fp32,fp16")
    broken = tmp_path / "run"
    shutil.copytree(run, broken)
    (broken / "run.json").write_text("{}")
    with pytest.raises(ExportError, match="no run of `leadlab train`"):
        export(broken, cohort, tmp_path / "x.leadpack")
    assert not list(tmp_path.glob("*.leadpack"))


@pytest.mark.parametrize(
    ("aware", "limit", "trained"),
    [("auto", -1.0, True), ("auto", 1.0, False), ("always", 1.0, True)],
)
def test_a_student_is_trained_for_int8_where_it_loses_too_much(
    small: Path,
    cohort: Cohort,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    aware: Literal["auto", "always"],
    limit: float,
    trained: bool,
) -> None:
    monkeypatch.setattr("leadlab_export.quantization_loss.MEAN_LIMIT", limit)
    monkeypatch.setattr("leadlab_export.quantization_loss.WORST_LIMIT", 1.0)
    brief = QatSettings(FitSettings(learning_rate=1e-4, steps=2))
    settings = ExportSettings(("int8",), ("onnx",), 16, aware=aware, qat=brief)
    path, stages = tmp_path / "aware.leadpack", list[str]()
    exported = run_export(open_source(small, cohort), cohort, path, settings, stages.append)
    assert ("quantization-aware training" in stages) == trained
    if aware == "always":
        assert exported.retrained  # "auto" keeps the new weights only if they are better
    card = read_pack(path).members["card.md"].decode()
    assert ("| quantization-aware training | yes |" in card) == exported.retrained

"""``leadlab check`` from files: a sound pack passes, every planted fault is named."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tiny_pack
import torch
from click.testing import CliRunner
from conftest import REQUIRED, need
from tiny_run import SETTLED
from tiny_student import SPARE, TINY

from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import (
    InputSpec,
    Manifest,
    ModelFile,
    Pack,
    Provenance,
    read_pack,
    write_golden,
    write_pack,
)
from leadlab_edge.recordings import Recording
from leadlab_export import quantize_onnx as onnx_module
from leadlab_export.check.cli import check_command
from leadlab_export.check.gate import CHECK_LIMITS
from leadlab_export.check.page import render_page
from leadlab_export.check.pair import CheckSettings, check_pair
from leadlab_export.check.report import PairReport
from leadlab_export.check.to_json import to_json
from leadlab_export.distill import DistillSettings, distill
from leadlab_export.errors import GateFailed
from leadlab_export.models import ModelSet, write_models
from leadlab_export.packing import OtherInput, measured_indicators, pack_network
from leadlab_export.student import Student, with_input_rate
from leadlab_export.to_onnx import to_onnx
from leadlab_export.windows import compact_windows
from leadlab_train.cohort import Cohort
from leadlab_train.cohort.manifest import hash_file
from leadlab_train.fit import FitSettings
from leadlab_train.panel import Panel, load_panel
from leadlab_train.run import train
from leadlab_train.simulated import simulate_cohort

tflite_only = pytest.mark.skipif(
    find_spec("litert_torch") is None, reason="litert-torch has no wheel for this platform"
)
FINDINGS = ("bnp_nt_pro_high", "potassium_low", "creatinine_high")
LIMITS = replace(CHECK_LIMITS, fewest_positives=30)
SETTINGS = CheckSettings(LIMITS, resamples=100, repeats=0)
ONNX_INT8, TFLITE_INT8 = ModelFile.of("onnx", "int8"), ModelFile.of("tflite", "int8")


@dataclass(frozen=True, slots=True)
class Parts:
    """A cohort, a student that learned from it, its files, and what a pack says of it."""

    cohort: Cohort
    student: Student
    models: ModelSet
    calibration_mv: np.ndarray
    folder: Path

    def pack(
        self,
        name: str,
        models: ModelSet | None = None,
        indicators: tuple[Indicator, ...] | None = None,
        **changes: object,
    ) -> Path:
        """Write a pack, with a manifest changed where asked."""
        path = self.folder / f"{name}.leadpack"
        source = Provenance(simulated=True, cohort=self.cohort.manifest.content_sha256)
        models, indicators = models or self.models, indicators or self.indicators()
        pack_network(path, self.student, models, indicators, source, lead="II")
        if changes:
            pack = read_pack(path)
            write_pack(path, replace(pack.manifest, members={}, **changes), dict(pack.members))  # type: ignore[arg-type]
        return path

    def indicators(self) -> tuple[Indicator, ...]:
        n = len(self.cohort.panel)
        return measured_indicators(
            self.cohort.panel.indicators,
            auroc=np.full(n, 0.8),
            positives=np.full(n, 60),
            thresholds=np.full(n, 0.3),
        )

    def with_file(self, file: ModelFile, data: bytes) -> ModelSet:
        return replace(self.models, files=dict(self.models.files) | {file: data})

    def check(self, pack: Path, full: Path | None = None) -> PairReport:
        full = full or self.folder / "full.leadpack"
        return check_pair(full, pack, cohort=self.cohort, settings=SETTINGS)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("check")
    panel = load_panel()
    pick = [panel.index(name) for name in FINDINGS]
    small = Panel(
        tuple(panel.indicators[i] for i in pick), panel.n_all[pick], panel.n_positive[pick]
    )
    people = {"train": 300, "val": 60, "test": 300}
    cohort = simulate_cohort(folder / "cohort", patients=people, strength=1.0, panel=small, seed=1)
    rows = cohort.rows("train")
    strips = compact_windows(cohort, rows, 125.0, 1464, spare=SPARE)
    student = Student(len(small), TINY)
    fit = FitSettings(steps=80, learning_rate=1e-2, warmup_steps=5)
    labels = cohort.labels[cohort.draw_of(rows)]
    distill(student, strips, labels, DistillSettings(fit, batch=32))
    calibration_mv = strips[:64, SPARE:-SPARE].copy()
    made = Parts(cohort, student, write_models(student, calibration_mv), calibration_mv, folder)
    fp32 = {file: data for file, data in made.models.files.items() if file.precision == "fp32"}
    made.pack("full", replace(made.models, files=fp32))
    made.pack("sound")
    return made


@pytest.fixture(scope="module")
def sound(parts: Parts) -> PairReport:
    return parts.check(parts.folder / "sound.leadpack")


def test_a_sound_pack_passes_with_every_figure(parts: Parts, sound: PairReport) -> None:
    assert sound.failures == ()
    assert sound.passed
    assert sound.notes == ()
    assert sound.simulated
    assert "complete labels" in sound.labels
    accuracy = sound.accuracy
    assert accuracy is not None
    assert accuracy.n_windows == len(parts.cohort.rows("test"))
    macro = {row.name: row for row in accuracy.macro}
    assert {"oracle", "full", "compact fp32", "int8 onnxruntime"} <= set(macro)
    assert macro["full"].auroc > 0.65
    compact = macro["compact fp32"].change
    assert compact is not None
    assert abs(compact.mean) < 1e-4
    assert compact.rank_min > 0.9999
    for row in accuracy.indicators:
        change = row.changes["int8 onnxruntime"]
        assert change.interval.low <= change.auroc <= change.interval.high
        assert 0.95 < change.rank < 1
        assert 0 <= change.flips < 0.1
        assert abs(change.ece_shift) < 0.05
    golden, patients = sound.drifts
    assert patients.names[0] == "full"
    fp32 = [name for name in golden.names if name.startswith("fp32")]
    assert golden.largest_between(fp32) < 1e-3
    assert [row.model for row in sound.costs].count("full") == 1
    assert all(row.n_bytes > 5000 and row.median_ms is None for row in sound.costs)


def plant_panel(parts: Parts) -> Path:
    other = replace(parts.indicators()[0], threshold=400.0)
    return parts.pack("panel", indicators=(other, *parts.indicators()[1:]))


def plant_other_names(parts: Parts) -> Path:
    other = Indicator.define("SODIUM", "<", 135.0, "mmol/L")
    return parts.pack("names", indicators=(other, *parts.indicators()[1:]))


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (plant_panel, "bnp_nt_pro_high is BNP, NT-PRO > 400.0 pg/mL, not BNP, NT-PRO > 300.0"),
        (plant_other_names, "1 of 3 indicators missing, 1 unknown"),
    ],
)
def test_a_pack_of_another_panel_is_refused(
    parts: Parts, plant: Callable[[Parts], Path], named: str
) -> None:
    with pytest.raises(GateFailed, match=re.escape(named)):
        parts.check(plant(parts))


def plant_full_range(parts: Parts) -> Path:
    original = onnx_module.quantize_static

    def full_range(*args: object, **options: object) -> None:
        original(*args, **options | {"reduce_range": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_module, "quantize_static", full_range)
        fp32 = parts.models.files[ModelFile.of("onnx", "fp32")]
        data = onnx_module.quantize_onnx(fp32, parts.calibration_mv)
    return parts.pack("range", parts.with_file(ONNX_INT8, data))


def plant_moving_average_tflite(parts: Parts) -> Path:
    from ai_edge_quantizer.utils import qsv_utils

    from leadlab_export.quantize_tflite import quantize_tflite

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qsv_utils, "min_max_update", qsv_utils.moving_average_update)
        fp32 = parts.models.files[ModelFile.of("tflite", "fp32")]
        data = quantize_tflite(fp32, parts.calibration_mv)
    return parts.pack("average", parts.with_file(TFLITE_INT8, data))


def plant_moving_average_onnx(parts: Parts) -> Path:
    original = onnx_module.quantize_static

    def averaged(*args: object, extra_options: dict[str, object], **options: object) -> None:
        original(*args, extra_options=extra_options | {"CalibMovingAverage": True}, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_module, "quantize_static", averaged)
        fp32 = parts.models.files[ModelFile.of("onnx", "fp32")]
        data = onnx_module.quantize_onnx(fp32, parts.calibration_mv)
    return parts.pack("average_onnx", parts.with_file(ONNX_INT8, data))


def plant_swapped_labels(parts: Parts) -> Path:
    indicators = parts.indicators()
    return parts.pack("swapped", indicators=(*indicators[1:], indicators[0]))


def plant_front_end(parts: Parts) -> Path:
    taps = parts.student.front.taps
    kept = taps.clone()
    try:
        taps.zero_()
        taps[..., :2] = torch.tensor([-1.0, 1.0])  # a differentiator instead of the band pass
        data = to_onnx(parts.student)
    finally:
        taps.copy_(kept)
    file = ModelFile.of("onnx", "fp32")
    return parts.pack("front", replace(parts.models, files={file: data}))


def plant_rate(parts: Parts) -> Path:
    return parts.pack("rate", input=InputSpec(130.0, 1464, 107))


def plant_rate_with_fitting_margin(parts: Parts) -> Path:
    return parts.pack("fast", input=InputSpec(146.0, 1464, 2))


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (plant_full_range, "model.int8.onnx: int8 weights reach 127; the limit is 64"),
        (plant_moving_average_onnx, "model.int8.onnx: .* of its activations lie at an end"),
        pytest.param(
            plant_moving_average_tflite,
            "model.int8.tflite: .* of its activations lie at an end",
            marks=tflite_only,
        ),
        (plant_swapped_labels, "compact fp32 lies below the full model by 0"),
        (plant_front_end, "compact fp32 lies below the full model by 0"),
        (plant_rate, "at 130 Hz lasts 9.62 s; the cohort has 10.00 s"),
        (
            plant_rate_with_fitting_margin,
            "compact fp32(: the calibration error exceeds| lies below the full model)",
        ),
    ],
)
def test_planted_faults_fail_the_gate(
    parts: Parts, plant: Callable[[Parts], Path], named: str
) -> None:
    report = parts.check(plant(parts))
    assert not report.passed
    assert any(re.search(named, failure) for failure in report.failures), report.failures


EMULATED = """
import sys
from leadlab_edge.pack import read_pack
from leadlab_export.check.files import examine_int8
for path in sys.argv[1:]:
    print(*(row.saturation for row in examine_int8(read_pack(path), {}) if row.largest_weight))
"""


def test_full_range_weights_are_seen_in_numbers_where_they_saturate(parts: Parts) -> None:
    """Integer kernels and float arithmetic part on x86 without VNNI, here an emulated Haswell."""
    emulator = shutil.which("qemu-x86_64")
    need("qemu", emulator is not None and "qemu" in REQUIRED, "slow: name it in LEADLAB_REQUIRE")
    packs = [parts.folder / "sound.leadpack", plant_full_range(parts)]
    command = [emulator, "-cpu", "Haswell", sys.executable, "-c", EMULATED, *packs]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # type: ignore[arg-type]
    sound, full_range = map(float, done.stdout.split())
    assert sound < LIMITS.saturation < full_range / 2


def test_a_full_model_at_chance_fails_the_gate(parts: Parts) -> None:
    """Anything agrees with a network that knows nothing: here random sums of samples."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 1464)).astype(np.float32)
    data = tiny_pack.onnx_bytes(weights.tobytes(), 1464)
    windows = rng.normal(size=(2, 1464)).astype(np.float32)
    file = ModelFile.of("onnx", "fp32")
    path = parts.folder / "chance.leadpack"
    manifest = Manifest(
        *("chance", parts.indicators(), "II", InputSpec(125.0, 1464, 107), (file,)),
        provenance=Provenance(simulated=True),
    )
    members = {
        file.file: data,
        "golden.npz": write_golden(windows, {file.file: windows @ weights.T}),
        "card.md": b"# Chance\n",
    }
    write_pack(path, manifest, members)
    report = parts.check(path, full=path)
    assert [f for f in report.failures if "the full model's macro AUROC may be as low as" in f]
    assert sum("trained on another cohort (not said)" in note for note in report.notes) == 2


def test_a_run_is_a_full_model(parts: Parts, tmp_path: Path) -> None:
    recipe = replace(SETTLED, model=replace(SETTLED.model, batch_norm=False))
    train(recipe, parts.cohort, tmp_path / "run")
    report = check_pair(
        tmp_path / "run",
        parts.folder / "sound.leadpack",
        cohort=parts.cohort,
        settings=replace(SETTINGS, windows=100),
    )
    assert report.full == "run, ECGFounder of width tiny, PyTorch"
    assert (report.costs[0].model, report.costs[0].runtime) == ("full", "torch")
    assert report.accuracy is not None
    assert report.accuracy.n_windows == 100
    assert not any("another cohort" in note for note in report.notes)


def test_a_cohort_of_people_is_scored_on_its_observed_labels(parts: Parts, tmp_path: Path) -> None:
    folder = shutil.copytree(parts.cohort.path, tmp_path / "cohort")
    labels = parts.cohort.labels.copy()
    labels[:, 2] = -1
    np.save(folder / "labels.npy", labels)
    files = {
        name: entry for name, entry in parts.cohort.manifest.files.items() if "truth" not in name
    }
    files["labels.npy"] = hash_file(folder / "labels.npy")
    replace(parts.cohort.manifest, simulated=False, files=files).write(folder)
    report = check_pair(
        parts.folder / "full.leadpack",
        parts.folder / "sound.leadpack",
        cohort=Cohort.open(folder),
        settings=SETTINGS,
    )
    assert report.labels == "observed labels"
    assert report.accuracy is not None
    assert "oracle" not in {row.name for row in report.accuracy.macro}
    known = [np.isfinite(row.auroc["full"]) for row in report.accuracy.indicators]
    assert known == [True, True, False]
    assert len([note for note in report.notes if "another cohort" in note]) == 2
    assert render_page(report)


def test_int8_alone_answers_for_distillation(parts: Parts) -> None:
    int8 = {file: data for file, data in parts.models.files.items() if file.precision == "int8"}
    report = parts.check(parts.pack("slim", replace(parts.models, files=int8)))
    assert "no float32 file" in report.notes[0]
    assert report.accuracy is not None
    changes = {row.name: row.change for row in report.accuracy.macro if row.change}
    assert {change.against for change in changes.values()} == {"full"}


def test_front_ends_for_other_rates_are_scored_at_their_rate(parts: Parts) -> None:
    other = with_input_rate(parts.student, 250)
    rows = parts.cohort.rows("train")[:32]
    windows_mv = compact_windows(parts.cohort, rows, 250.0, other.n_samples)
    files = write_models(other, windows_mv, precisions=["int8"], formats=["onnx"], rate_hz=250.0)
    source = Provenance(simulated=True, cohort=parts.cohort.manifest.content_sha256)
    path = parts.folder / "rates.leadpack"
    others = [OtherInput(other, files)]
    pack_network(
        path, parts.student, parts.models, parts.indicators(), source, lead="II", others=others
    )
    report = parts.check(path)
    assert report.accuracy is not None
    (change,) = [r.change for r in report.accuracy.macro if r.name == "int8 onnxruntime 250 Hz"]
    assert change is not None
    assert abs(change.mean) < 0.02
    assert change.rank_median > 0.95


def test_a_recording_is_enough(parts: Parts) -> None:
    strip = np.tile(parts.calibration_mv[0], 3) * 1000
    strip[40] = np.nan
    recording = Recording("night.csv", strip.astype(np.float32), 125.0, "I")
    path = parts.folder / "sound.leadpack"
    report = check_pair(
        parts.folder / "full.leadpack", path, recording=recording, settings=SETTINGS
    )
    assert report.passed
    assert report.accuracy is None
    assert report.notes == (
        "Accuracy was not judged: no cohort was given.",
        "The recording is of lead I; the pack was trained on II.",
    )
    golden, recorded = report.drifts
    assert (golden.n_windows, recorded.n_windows, recorded.windows) == (4, 3, "night.csv")
    assert recorded.names[0] == "full"
    with pytest.raises(GateFailed, match="another panel than the full model"):
        check_pair(parts.folder / "full.leadpack", plant_panel(parts), settings=SETTINGS)


def test_logits_that_are_not_the_golden_ones_fail(parts: Parts) -> None:
    pack: Pack = read_pack(parts.folder / "sound.leadpack")
    golden = pack.golden()
    shifted = {name: logits + np.float32(0.5) for name, logits in golden.logits.items()}
    path = parts.folder / "golden.leadpack"
    members = dict(pack.members) | {"golden.npz": write_golden(golden.raw_mv, shifted)}
    write_pack(path, replace(pack.manifest, members={}), members)
    report = check_pair(parts.folder / "full.leadpack", path, settings=SETTINGS)
    assert sum("differs from the golden logits by 0.5" in f for f in report.failures) == len(
        report.parity
    )


def test_the_page_stands_alone_and_json_holds_everything(sound: PairReport) -> None:
    page = render_page(sound)
    assert not re.search(r"(src=|href=|url\()[\"']?http", page)
    assert "<script" not in page
    assert "not a medical device" in page
    assert "Simulated." in page
    assert "NaN" not in page
    assert page.count("<svg") >= 6
    for indicator in FINDINGS:
        assert f"{indicator}" in to_json(sound)
    table = json.loads(to_json(sound))
    assert table["passed"] is True
    assert table["accuracy"]["indicators"][0]["changes"]["int8 onnxruntime"]["interval"]["low"]
    assert table["limits"]["fewest_positives"] == 30


def test_the_verb_exits_with_1_past_the_gate(parts: Parts) -> None:
    limits = parts.folder / "limits.toml"
    limits.write_text("fewest_positives = 30\nfull_floor = 0.99\n")
    words = ["full.leadpack", "sound.leadpack", "--cohort", "cohort", "--limits", "limits.toml"]
    more = ["--repeats", "0", "--windows", "200", "--resamples", "20", "--html", "page.html"]
    page = parts.folder / "page.html"
    result = CliRunner().invoke(
        check_command,
        [str(parts.folder / w) if "." in w or w == "cohort" else w for w in [*words, *more]],
    )
    assert isinstance(result.exception, GateFailed)
    assert "the limit is 0.99" in result.output
    assert "Limits broken" in page.read_text()


BLOCKED = """
import importlib.machinery as machinery, sys
blocked, find = {"torch", "onnx", "tensorflow", "matplotlib"}, machinery.PathFinder.find_spec
machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, path=None, target=None:
    None if name.partition(".")[0] in blocked else find(name, path, target)
)
from leadlab_export.check.cli import check_command
check_command(sys.argv[1:], standalone_mode=False)
assert not blocked & set(sys.modules)
"""


def test_a_teacher_pack_needs_neither_torch_nor_onnx_nor_tensorflow(parts: Parts) -> None:
    full, pack = parts.folder / "full.leadpack", parts.folder / "sound.leadpack"
    limits = parts.folder / "few.toml"
    limits.write_text("fewest_positives = 30\n")
    words = ["--cohort", parts.cohort.path, "--limits", limits, "--json", "--repeats", "1"]
    words += ["--html", parts.folder / "blocked.html", "--windows", "200", "--resamples", "20"]
    command = [sys.executable, "-c", BLOCKED, full, pack, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    assert {row["runtime"] for row in table["costs"]} >= {"onnxruntime"}
    assert all(row["peak_rss_mb"] > 10 and row["median_ms"] > 0 for row in table["costs"])

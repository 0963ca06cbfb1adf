"""`leadlab distill`: from a run and a cohort to a student on disk, stopped and gone on with."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from leadlab_bridge.errors import LeadlabError
from leadlab_edge.errors import ConfigError
from leadlab_export.answers import ask_teacher
from leadlab_export.cli_distill import distill_command
from leadlab_export.distill_run import load_distill_recipe
from leadlab_export.distill_worth import counted_indicators
from leadlab_export.rates import unresampled_costs
from leadlab_export.student import FAMILY, Student, student_logits, with_input_rate
from leadlab_export.student_file import load_student
from leadlab_export.teacher import load_teacher
from leadlab_export.windows import compact_windows
from leadlab_train.cohort import Cohort
from leadlab_train.inputs import CohortInputs
from leadlab_train.metrics import auroc
from leadlab_train.predict import predict
from leadlab_train.recipe import load_recipe
from leadlab_train.run import train
from leadlab_train.simulated import simulate_cohort

RECIPE = """
seeds = 2
[shape]
stem = 8
widths = [12, 16]
blocks = [1, 1]
[learning]
batch = 16
feature_weight = 0.1
[learning.fit]
steps = {steps}
learning_rate = 5e-3
[learning.wearable]
band_share = 0.5
"""


class Made:
    """A cohort, a teacher, and a distillation of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        patients = {"train": 60, "val": 60, "test": 5}
        self.cohort = simulate_cohort(folder / "cohort", patients=patients)
        recipe = load_recipe("quick")
        quick = {"fit": {"steps": 2, "learning_rate": 5e-3}, "model": {"width": "tiny"}}
        text = f"[windows]\nbatch = {recipe.windows.batch}\n" + "".join(
            f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in table.items())
            for name, table in quick.items()
        )
        (folder / "teacher.toml").write_text(text)
        train(load_recipe(folder / "teacher.toml"), self.cohort, folder / "run")
        (folder / "mine.toml").write_text(RECIPE.format(steps=3))
        self.first = self.distil("--alone")

    def distil(self, *more: str, recipe: str = "mine.toml", out: str = "out") -> Result:
        paths = [str(self.folder / name) for name in (recipe, "run", "cohort", out)]
        asked = [paths[0], "--teacher", paths[1], "--cohort", paths[2], "--out", paths[3]]
        return CliRunner().invoke(distill_command, [*asked, *more])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("distill"))


def test_ships_the_better_student_and_says_what_the_teacher_is_worth(made: Made) -> None:
    assert made.first.exit_code == 0, made.first.output
    out = made.folder / "out"
    result = json.loads((out / "distill.json").read_text())
    scores, worth = result["val_auroc"], result["teacher_worth"]
    assert set(scores) == {"teacher", "taught-0", "alone-0", "taught-1", "alone-1"}
    each = [scores[f"taught-{seed}"] - scores[f"alone-{seed}"] for seed in (0, 1)]
    assert worth["of_each_seed"] == pytest.approx(each)
    assert worth["difference"] == pytest.approx(np.mean(each))
    better = "taught" if worth["difference"] > 0 else "alone"
    expected = max((name for name in scores if name.startswith(better)), key=scores.get)
    assert result["shipped"] == expected
    student, about = load_student(out)
    assert about.metrics["val_auroc"] == pytest.approx(scores[expected])
    assert about.simulated
    assert about.lead == made.cohort.lead
    assert about.labels == tuple(made.cohort.panel.names)
    assert (about.teacher is not None) == (better == "taught")
    assert [cost["rate_hz"] for cost in about.metrics["unresampled"]] == [125, 250, 500]
    kept = load_student(out / "seeds" / expected).student.state_dict()
    assert all((kept[name] == value).all() for name, value in student.state_dict().items())
    assert f"Kept {expected}" in made.first.output
    assert "over 2 seeds" in made.first.output


def test_students_differ_by_seed_and_by_teacher(made: Made) -> None:
    seeds = made.folder / "out" / "seeds"
    students = {path.name: load_student(path) for path in seeds.iterdir()}
    heads = [loaded.student.head.weight.detach().numpy() for loaded in students.values()]
    assert all(not np.array_equal(a, b) for i, a in enumerate(heads) for b in heads[:i])
    assert students["taught-0"].about.teacher.run == "run"
    assert students["alone-0"].about.teacher is None
    assert students["taught-1"].about.settings["seed"] == 1


def test_again_trains_nothing_and_goes_on_with_what_is_missing(made: Made) -> None:
    seeds = made.folder / "out" / "seeds"
    paths = [path / "student.safetensors" for path in sorted(seeds.iterdir())]
    before = [(path.stat().st_mtime_ns, path.read_bytes()) for path in paths]
    for name in ("student.json", "student.safetensors"):
        (seeds / "taught-1" / name).unlink()
    again = made.distil("--alone")
    assert again.exit_code == 0, again.output
    after = [(path.stat().st_mtime_ns, path.read_bytes()) for path in paths]
    assert [a[1] for a in after] == [b[1] for b in before]
    kept = [path.parent.name for path, a, b in zip(paths, after, before, strict=True) if a == b]
    assert kept == ["alone-0", "alone-1", "taught-0"]


def test_other_settings_in_the_same_folder_are_refused(made: Made) -> None:
    (made.folder / "other.toml").write_text(RECIPE.format(steps=4))
    result = made.distil(recipe="other.toml")
    assert isinstance(result.exception, LeadlabError)
    assert "a student of other settings" in str(result.exception)


def test_without_alone_only_taught_students_are_trained(made: Made) -> None:
    cache = str(made.folder / "out" / "cache")
    result = made.distil("--cache", cache, out="taught")
    assert result.exit_code == 0, result.output
    assert {p.name for p in (made.folder / "taught/seeds").iterdir()} == {"taught-0", "taught-1"}
    assert not (made.folder / "taught" / "cache").exists()
    written = json.loads((made.folder / "taught" / "distill.json").read_text())
    assert written["teacher_worth"] is None


def test_cached_answers_and_windows_are_what_they_stand_for(made: Made) -> None:
    rows = made.cohort.rows("train")
    teacher = load_teacher(made.folder / "run", len(made.cohort.panel))
    asked: list[int] = []
    cache = made.folder / "out" / "cache"
    answers = ask_teacher(teacher, made.cohort, rows, cache, lambda *a: asked.append(a[0]))
    assert not asked, "the answers were computed anew"
    expected = predict(teacher.model, CohortInputs(made.cohort, rows))
    np.testing.assert_allclose(answers.logits, expected, atol=1e-5)
    assert answers.features.shape == (len(rows), teacher.model.dense.in_features)
    (file,) = cache.glob("windows-*.f32")
    student, _ = load_student(made.folder / "out")
    strips = np.memmap(file, np.float32, "r").reshape(len(rows), -1)
    spare = (strips.shape[1] - student.n_samples) // 2
    place = (student.rate_hz, student.n_samples)
    np.testing.assert_array_equal(strips, compact_windows(made.cohort, rows, *place, spare))


def test_no_window_of_a_test_patient_is_read(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = set(made.cohort.rows("test").tolist())
    read = Cohort.read_mv

    def guarded(self: Cohort, rows: np.ndarray, margin_s: float = 0.0) -> np.ndarray:
        assert hidden.isdisjoint(np.asarray(rows).tolist())
        return read(self, rows, margin_s)

    monkeypatch.setattr(Cohort, "read_mv", guarded)
    result = made.distil(out="guarded")
    assert result.exit_code == 0, result.exception


def test_a_student_does_what_its_file_says(made: Made) -> None:
    student, about = load_student(made.folder / "out")
    rows = made.cohort.rows("val")
    windows_mv = compact_windows(made.cohort, rows, student.rate_hz, student.n_samples)
    logits = student_logits(student, windows_mv)
    assert logits.shape == (len(rows), len(about.labels))
    assert np.isfinite(logits).all()


def test_front_ends_of_all_families_say_the_same_of_the_same_ecg(
    made: Made, student: Student
) -> None:
    rows = made.cohort.rows("val")

    def logits(network: Student) -> np.ndarray:
        place = (network.rate_hz, network.n_samples)
        return student_logits(network, compact_windows(made.cohort, rows, *place))

    own = logits(student)
    for rate_hz in (250, 500):
        other = logits(with_input_rate(student, rate_hz))
        assert np.abs(other - own).mean() < 0.03 * own.std()


def test_what_not_resampling_costs_is_the_difference_in_auroc(made: Made) -> None:
    rows = made.cohort.rows("val")
    labels = made.cohort.labels[made.cohort.draw_of(rows)]
    counted = counted_indicators(labels, made.cohort.patient_of(rows))
    student, _ = load_student(made.folder / "out")
    costs = unresampled_costs(student, made.cohort, rows, labels, counted)
    assert [(c.rate_hz, c.strap_hz) for c in costs] == [(125, 130), (250, 256), (500, 512)]
    assert [round(c.tolerance, 3) for c in costs] == [0.04, 0.024, 0.024]
    scores = []
    for rate_hz in (125.0, 130.0):
        windows_mv = compact_windows(made.cohort, rows, rate_hz, student.n_samples)
        values = student_logits(student, windows_mv)[:, counted]
        scores.append(auroc(values, labels[:, counted]).mean())
    assert costs[0].auroc_change == pytest.approx(scores[1] - scores[0], abs=1e-9)


def test_a_folder_that_is_no_run_is_refused(made: Made) -> None:
    made.folder.joinpath("empty").mkdir()
    paths = [str(made.folder / name) for name in ("mine.toml", "empty", "cohort", "none")]
    result = CliRunner().invoke(
        distill_command,
        [paths[0], "--teacher", paths[1], "--cohort", paths[2], "--out", paths[3]],
    )
    assert isinstance(result.exception, LeadlabError)
    assert "no run of `leadlab train`" in str(result.exception)


@pytest.mark.parametrize("name", FAMILY)
def test_shipped_recipes_are_read_strictly(name: str, tmp_path: Path) -> None:
    recipe = load_distill_recipe(name)
    assert recipe.student_shape == FAMILY[name]
    assert recipe.seeds == 3
    assert recipe.learning.wearable.active
    fit = "[learning.fit]\nsteps = 1\nlearning_rate = 1e-3\n"
    for shape, why in (
        ("shape = 'smal'", "shape is 'smal'; it must be one of small, nano"),
        ("[shape]\nstem = 4\nwidths = [4, 4]\nblocks = [1]", "2 stages and blocks 1"),
        ("colour = 'red'", "colour is not a known name"),
    ):
        (tmp_path / "bad.toml").write_text(f"{shape}\n{fit}")
        with pytest.raises(ConfigError, match=why):
            load_distill_recipe(tmp_path / "bad.toml")

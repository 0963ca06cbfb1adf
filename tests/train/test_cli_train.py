"""`leadlab train`: from a recipe and a cohort to weights, stopped and continued by hand."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from faults import Moments
from forked import Child, Ended, in_child
from tiny_run import FRESH, SETTLED, assert_same_outcome, records, tiny_cohort

from leadlab_edge.cli import main
from leadlab_train.checkpoint import save_weights
from leadlab_train.cohort import Cohort
from leadlab_train.learner import Learner
from leadlab_train.net1d import ecgfounder
from leadlab_train.recipe import Recipe, shipped_recipes
from leadlab_train.run.folder import _toml
from leadlab_train.run.state import load_state

INTERRUPTED = 130
SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return tiny_cohort(tmp_path_factory.mktemp("cli") / "cohort")


def write(recipe: Recipe, path: Path) -> Path:
    path.write_text("\n".join(_toml(asdict(recipe))))
    return path


@pytest.fixture
def recipe(tmp_path) -> Path:
    return write(SETTLED, tmp_path / "settled.toml")


def leadlab(
    recipe: object,
    cohort: Cohort | Path,
    out: Path,
    *options: object,
    on_moment: Callable[[str], None] = lambda _: None,
) -> Callable[[], None]:
    """Return the command as work for a child, which gets the cohort already open.

    The threads of the table reader do not survive a fork.
    """
    folder = cohort if isinstance(cohort, Path) else cohort.path
    words = ["train", recipe, "--cohort", folder, "--out", out, "--device", "cpu", *options]

    def work() -> None:
        Moments(on_moment).install()
        if isinstance(cohort, Cohort):
            Cohort.open = lambda _: cohort
        main(list(map(str, words)), prog_name="leadlab")

    return work


def refused(ended: Ended, *words: str) -> None:
    """Check that the command ended with one error and no traceback."""
    assert ended.status == 1, ended
    assert "Traceback" not in ended.said
    said = " ".join(ended.said.split())
    assert said.startswith("Error: ")
    for word in words:
        assert word in said


@pytest.fixture(scope="module")
def whole(cohort, tmp_path_factory) -> tuple[Path, str]:
    """Return a run from beginning to end, and what was said of it."""
    folder = tmp_path_factory.mktemp("whole")
    ended = in_child(leadlab(write(SETTLED, folder / "r.toml"), cohort, folder / "run"))
    assert ended.status == 0, ended
    return folder / "run", ended.said


def test_it_says_what_it_does_and_where_the_result_is(whole):
    folder, said = whole
    words = " ".join(said.split())
    assert "ECGFounder, width tiny" in words
    assert "simulated" in words
    assert "15 steps of 8 windows, 5 an epoch, on cpu, 1 process" in words
    assert "Done after 15 steps." in words
    best = max((r for r in records(folder) if "val_auroc" in r), key=lambda r: r["val_auroc"])
    assert f"of step {best['step']}, macro AUROC {best['val_auroc']:.4f}" in words
    assert f"step {best['step']} macro AUROC {best['val_auroc']:.4f}" in words
    assert "\x1b" not in said


def test_a_run_that_is_done_is_left_as_it_is(whole, cohort, recipe):
    before = {path: path.read_bytes() for path in whole[0].iterdir() if path.is_file()}

    def work() -> None:
        Learner.step = None
        leadlab(recipe, cohort, whole[0])()

    ended = in_child(work)
    assert ended.status == 0, ended
    assert "Done after 15 steps" in ended.said
    assert {path: path.read_bytes() for path in whole[0].iterdir() if path.is_file()} == before


def test_help_names_the_recipes_and_how_to_start_many():
    said = CliRunner().invoke(main, ["train", "--help"]).output
    for word in (*shipped_recipes(), "torchrun", "--cohort", "test patients"):
        assert word in said


# Stopped by a signal


def at(moment: str, count: int, send: Callable[[], None]) -> Callable[[str], None]:
    left = [count]

    def on_moment(name: str) -> None:
        left[0] -= name == moment
        if name == moment and left[0] == 0:
            send()

    return on_moment


@pytest.mark.parametrize(
    ("number", "moment", "count"),
    [
        (signal.SIGINT, "after step", 4),
        (signal.SIGTERM, "score", 1),
        (signal.SIGINT, "half-write last.safetensors", 2),
    ],
)
def test_a_signal_stops_and_the_same_command_goes_on(
    number, moment, count, whole, cohort, recipe, tmp_path
):
    send = at(moment, count, lambda: os.kill(os.getpid(), number))
    out = tmp_path / "run"
    ended = in_child(leadlab(recipe, cohort, out, on_moment=send))
    assert ended.status == INTERRUPTED, ended
    step = load_state(out / "last.safetensors")[1].step
    assert 0 < step < 15
    said = " ".join(ended.said.split())
    assert f"Stopped after step {step}. The same command goes on from there" in said
    ended = in_child(leadlab(recipe, cohort, out))
    assert ended.status == 0, ended
    assert_same_outcome(out, whole[0])


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_the_workers_too(number, cohort, tmp_path):
    send = at("after step", 7, lambda: os.killpg(0, number))
    recipe, out = write(FRESH, tmp_path / "fresh.toml"), tmp_path / "run"
    ended = in_child(leadlab(recipe, cohort, out, "--workers", 2, on_moment=send))
    assert ended.status == INTERRUPTED, ended
    assert load_state(out / "last.safetensors")[1].step in (7, 8)


@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGINT, "half-write .partial"), (signal.SIGTERM, "half-write run.json")],
)
def test_a_signal_before_the_first_step(number, moment, whole, cohort, recipe, tmp_path):
    send = at(moment, 1, lambda: os.kill(os.getpid(), number))
    ended = in_child(leadlab(recipe, cohort, tmp_path / "run", on_moment=send))
    assert in_child(leadlab(recipe, cohort, tmp_path / "run")).status == 0
    assert_same_outcome(tmp_path / "run", whole[0])
    assert ended.status == INTERRUPTED, ended
    assert "The same command goes on" in " ".join(ended.said.split())


def test_a_second_ctrl_c_ends_at_once_and_loses_nothing_saved(whole, cohort, recipe, tmp_path):
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0)

    ended = in_child(leadlab(recipe, cohort, tmp_path / "run", on_moment=at("step", 7, twice)))
    assert ended.status in (1, INTERRUPTED, -signal.SIGINT), ended
    assert "Traceback" not in ended.said
    assert load_state(tmp_path / "run" / "last.safetensors")[1].step == 6
    assert in_child(leadlab(recipe, cohort, tmp_path / "run")).status == 0
    assert_same_outcome(tmp_path / "run", whole[0])


# Refused


def test_two_processes_in_one_folder(cohort, recipe, tmp_path):
    ready, go = os.pipe(), os.pipe()

    def hold() -> None:
        os.write(ready[1], b".")
        os.read(go[0], 1)

    first = Child(leadlab(recipe, cohort, tmp_path / "run", on_moment=at("step", 5, hold)))
    os.read(ready[0], 1)
    try:
        refused(
            in_child(leadlab(recipe, cohort, tmp_path / "run")),
            "another process trains in",
            "Remedy",
        )
    finally:
        os.write(go[1], b".")
    assert first.wait().status == 0


def test_other_settings_are_named(whole, cohort, recipe, tmp_path):
    out = whole[0]
    fit = replace(SETTLED.fit, learning_rate=0.5, clip_norm=2.0)
    faster = write(replace(SETTLED, fit=fit), tmp_path / "faster.toml")
    refused(
        in_child(leadlab(faster, cohort, out)),
        "recipe.fit.learning_rate was 0.01, now 0.5",
        "recipe.fit.clip_norm was 1.0, now 2.0",
        "--out",
    )
    unselected = write(replace(SETTLED, select=None), tmp_path / "unselected.toml")
    refused(in_child(leadlab(unselected, cohort, out)), "recipe.select was")
    other = tiny_cohort(tmp_path / "other", seed=1)
    refused(
        in_child(leadlab(recipe, other, out)),
        f"cohort_sha256 was {cohort.manifest.content_sha256}",
        f"now {other.manifest.content_sha256}",
    )
    sha256 = save_weights(tmp_path / "w.safetensors", ecgfounder(3, width="tiny"), {})
    refused(
        in_child(leadlab(recipe, cohort, out, "--weights", tmp_path / "w.safetensors")),
        f"weights_sha256 was None, now {sha256}",
    )


def test_a_folder_that_is_no_run_is_left_alone(cohort, recipe, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("years of work")
    refused(in_child(leadlab(recipe, cohort, tmp_path / "run")), "thesis.tex", "is no run")
    assert (tmp_path / "run" / "thesis.tex").read_text() == "years of work"
    (tmp_path / "file").write_text("")
    refused(in_child(leadlab(recipe, cohort, tmp_path / "file")), "cannot be written", "--out")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe": "demmo"}, ["demmo", "does not exist"]),
        ({"cohort": Path("nowhere")}, ["nowhere"]),
        ({"weights": "nothing.pth"}, ["nothing.pth cannot be read", "Remedy"]),
        ({"device": "tpu"}, ["--device is", "tpu"]),
        ({"device": "cuda"}, ["--device is cuda", "Remedy"]),
        ({"device": "mps"}, ["--device is mps"]),
    ],
)
def test_what_is_not_there(change, words, cohort, recipe, tmp_path):
    if change.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is such a device here")
    options = [x for k in ("weights", "device") if k in change for x in (f"--{k}", change[k])]
    ended = in_child(
        leadlab(
            change.get("recipe", recipe), change.get("cohort", cohort), tmp_path / "run", *options
        )
    )
    refused(ended, *words)
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_damaged_cohort_is_refused(cohort, recipe, tmp_path):
    copy = tmp_path / "cohort"
    shutil.copytree(cohort.path, copy)
    os.truncate(copy / "strips-00000.npy", 1000)
    refused(in_child(leadlab(recipe, copy, tmp_path / "run")), "has 1000 bytes", "restore")


def test_prepared_windows_are_shared_between_runs(whole, cohort, recipe, tmp_path):
    cache = tmp_path / "cache"
    for name in ("a", "b"):
        ended = in_child(leadlab(recipe, cohort, tmp_path / name, "--cache", cache))
        assert ended.status == 0, ended
        assert_same_outcome(tmp_path / name, whole[0])
        assert not (tmp_path / name / "prepared").exists()
        times = {path: path.stat().st_mtime_ns for path in cache.glob("*.f16")}
        assert len(times) == 2
        if name == "a":
            first = times
    assert times == first

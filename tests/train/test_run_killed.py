"""A run that was killed at any moment and started again ends as if nothing had happened."""

import errno
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from faults import Kill, Moments
from forked import FAILED, Ended, in_child
from tensorboard.summary.writer.record_writer import RecordWriter
from tiny_run import FRESH, RECIPES, SETTLED, assert_same_outcome, logged, shown, tiny_cohort

from leadlab_train.batches import Crops, RandomCrops
from leadlab_train.cohort import Cohort
from leadlab_train.learner import Learner
from leadlab_train.recipe import Recipe
from leadlab_train.run import Options, train
from leadlab_train.run.log import MetricsLog
from leadlab_train.run.state import load_state

# Two records between validations, so that some steps are pending at most checkpoints.
EVERY_STEP = Options(log_steps=2, checkpoint_s=0.0)
AT_VALIDATIONS = replace(EVERY_STEP, checkpoint_s=1e9)

# In the order in which a run that is started again and again meets them.
IN_ORDER = (
    *("half-write .partial", "fsync .partial", "replace .f16", "after replace .f16"),
    *("half-write run.json", "replace run.json", "after replace run.json"),
    *("half-write recipe.toml", "after replace recipe.toml"),
    *("half-write metrics.jsonl", "replace metrics.jsonl", "step", "after step"),
    *("mkdtemp", "after mkdtemp", "half-write last.safetensors", "fsync last.safetensors"),
    *("replace last.safetensors", "after replace last.safetensors", "event", "after event"),
    *("score", "after score", "half-write best.safetensors", "half-write best.json"),
    *(
        "unlink best.json",
        "replace best.safetensors",
        "replace best.json",
        "after replace best.json",
    ),
    *("write curves.png", "half-write curves.png"),
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return tiny_cohort(tmp_path_factory.mktemp("killed") / "cohort")


@pytest.fixture(scope="module")
def whole(cohort, tmp_path_factory) -> Callable[[str], Path]:
    """Return runs that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")

    def run(name: str) -> Path:
        if not (folder / name).exists():
            assert start(cohort, RECIPES[name], folder / name).status == 0
        return folder / name

    return run


def start(
    cohort: Cohort,
    recipe: Recipe,
    folder: Path,
    options: Options = EVERY_STEP,
    on_moment: Callable[[str], None] = lambda _: None,
) -> Ended:
    def work() -> None:
        Moments(on_moment).install()
        train(recipe, cohort, folder, options=options)

    return in_child(work)


@pytest.mark.parametrize(("name", "moments"), [("settled", IN_ORDER), ("fresh", IN_ORDER[::3])])
def test_killed_at_every_kind_of_moment(name, moments, cohort, whole, tmp_path):
    note = tmp_path / "note"
    for moment in moments:
        ended = start(cohort, RECIPES[name], tmp_path / "run", on_moment=Kill(note, moment))
        assert ended.status == -signal.SIGKILL, f"{moment}: {ended}"
    assert note.read_text().splitlines() == list(moments)
    assert start(cohort, RECIPES[name], tmp_path / "run").status == 0
    assert_same_outcome(tmp_path / "run", whole(name))
    assert not list((tmp_path / "run").glob(".writing-*"))


def test_killed_at_random_moments_with_few_checkpoints(cohort, whole, tmp_path):
    rng, note, kills = np.random.default_rng(0), tmp_path / "note", 0
    while True:
        kill = Kill(note, None, int(rng.integers(20, 160)))
        ended = start(cohort, FRESH, tmp_path / "run", AT_VALIDATIONS, kill)
        if ended.status == 0:
            break
        assert ended.status == -signal.SIGKILL, ended
        kills += 1
    assert kills > 1
    assert_same_outcome(tmp_path / "run", whole("fresh"))


@pytest.mark.parametrize("name", RECIPES)
def test_killed_with_workers_and_started_again_at_once_without(name, cohort, whole, tmp_path):
    two = replace(AT_VALIDATIONS, workers=2)
    kill = Kill(tmp_path / "note", "after step", 6)
    assert start(cohort, RECIPES[name], tmp_path / "run", two, kill).status == -signal.SIGKILL
    ended = start(cohort, RECIPES[name], tmp_path / "run")
    assert ended.status == 0, ended.said
    assert_same_outcome(tmp_path / "run", whole(name))


def test_killed_without_workers_and_started_again_with(cohort, whole, tmp_path):
    kill = Kill(tmp_path / "note", "after step", 6)
    assert start(cohort, FRESH, tmp_path / "run", on_moment=kill).status == -signal.SIGKILL
    ended = start(cohort, FRESH, tmp_path / "run", replace(EVERY_STEP, workers=2))
    assert ended.status == 0, ended.said
    assert_same_outcome(tmp_path / "run", whole("fresh"))


def test_tensorboard_shows_what_was_logged_before_and_after_a_kill(cohort, whole, tmp_path):
    kill = Kill(tmp_path / "note", "after step", 5)
    assert start(cohort, SETTLED, tmp_path / "run", on_moment=kill).status == -signal.SIGKILL
    assert start(cohort, SETTLED, tmp_path / "run").status == 0
    assert shown(tmp_path / "run") == logged(tmp_path / "run") == logged(whole("settled"))


def test_a_run_killed_after_its_end_is_done(cohort, whole, tmp_path):
    shutil.copytree(whole("settled"), tmp_path / "run")

    def work() -> None:
        Learner.step = None
        done = train(SETTLED, cohort, tmp_path / "run")
        assert done.progress.finished
        assert done.model is not None

    assert in_child(work).status == 0
    assert_same_outcome(tmp_path / "run", whole("settled"))


# What fails without a kill: the run says what to do, and goes on when that is done.


class DiskFull:
    """No space at the ``count``-th moment called ``name``."""

    def __init__(self, name: str, count: int = 1) -> None:
        self._name, self._left = name, count

    def __call__(self, moment: str) -> None:
        if moment == self._name:
            self._left -= 1
            if self._left <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FULL = (
    *("half-write .partial", "half-write run.json", "half-write recipe.toml", "mkdtemp"),
    *("half-write metrics.jsonl", "fsync last.safetensors", "half-write best.safetensors"),
    *("half-write best.json", "half-write curves.png"),
)


def says_what_to_do(ended: Ended, *words: str) -> None:
    """Check that a child ended with one of leadlab's own errors, which names a remedy."""
    assert ended.status == FAILED, ended
    assert ended.error.startswith("leadlab_"), f"not leadlab's own error: {ended.error}"
    for word in words:
        assert word in ended.error


@pytest.mark.parametrize("moment", FULL)
def test_a_full_disk_is_named_and_costs_nothing(moment, cohort, tmp_path):
    ended = start(cohort, SETTLED, tmp_path / "run", on_moment=DiskFull(moment))
    says_what_to_do(ended, "No space left on device", "Remedy")
    if (tmp_path / "run" / "last.safetensors").exists():
        load_state(tmp_path / "run" / "last.safetensors")


def test_a_run_that_met_full_disks_ends_as_if_it_had_not(cohort, whole, tmp_path):
    for moment in FULL:
        assert start(cohort, SETTLED, tmp_path / "run", on_moment=DiskFull(moment)).status
    assert start(cohort, SETTLED, tmp_path / "run").status == 0
    assert_same_outcome(tmp_path / "run", whole("settled"))


def test_a_log_that_cannot_be_flushed_is_named(cohort, whole, tmp_path):
    def work() -> None:
        enter = MetricsLog.__enter__

        def entered(log: MetricsLog) -> MetricsLog:
            log._file = Path("/dev/full").open("w")  # noqa: SIM115
            return enter(log)

        MetricsLog.__enter__ = entered
        train(SETTLED, cohort, tmp_path / "run", options=EVERY_STEP)

    says_what_to_do(in_child(work), "No space left on device", "metrics.jsonl")
    assert start(cohort, SETTLED, tmp_path / "run").status == 0
    assert_same_outcome(tmp_path / "run", whole("settled"))


def test_events_that_cannot_be_written_are_named(cohort, whole, tmp_path):
    def work() -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        RecordWriter.write = full
        train(SETTLED, cohort, tmp_path / "run", options=EVERY_STEP)

    says_what_to_do(in_child(work), "No space left on device", "Remedy")
    assert start(cohort, SETTLED, tmp_path / "run").status == 0
    assert_same_outcome(tmp_path / "run", whole("settled"))


def after_steps(count: int, act: Callable[[], object]) -> Callable[[str], None]:
    left = [count]

    def on_moment(moment: str) -> None:
        left[0] -= moment == "after step"
        if moment == "after step" and left[0] == 0:
            act()

    return on_moment


@pytest.mark.parametrize(("name", "workers"), [("settled", 0), ("fresh", 0), ("fresh", 2)])
@pytest.mark.parametrize("harm", ["vanished", "cut short"])
def test_a_cohort_that_goes_away(harm, name, workers, cohort, whole, tmp_path):
    copy = shutil.copytree(cohort.path, tmp_path / "cohort")
    shard = copy / "strips-00000.npy"

    def act() -> object:
        return os.truncate(shard, 1000) if harm == "cut short" else shutil.rmtree(copy)

    options = replace(EVERY_STEP, workers=workers)
    opened = Cohort.open(copy)
    run = tmp_path / "run"
    says_what_to_do(start(opened, RECIPES[name], run, options, after_steps(4, act)), "restore")
    again = in_child(lambda: train(RECIPES[name], Cohort.open(copy), run, options=EVERY_STEP))
    says_what_to_do(again, "CohortError")
    shutil.copytree(cohort.path, copy, dirs_exist_ok=True)
    assert start(opened, RECIPES[name], run).status == 0
    assert_same_outcome(run, whole(name))


def test_a_window_that_is_not_a_number(cohort, whole, tmp_path):
    def work() -> None:
        made = RandomCrops.__getitem__

        def poisoned(batches: RandomCrops, step: int) -> Crops:
            crops = made(batches, step)
            return crops._replace(x=crops.x * torch.nan) if step == 7 else crops

        RandomCrops.__getitem__ = poisoned
        train(SETTLED, cohort, tmp_path / "run", options=EVERY_STEP)

    says_what_to_do(in_child(work), "the loss is nan at step 7; it must be finite")
    assert load_state(tmp_path / "run" / "last.safetensors")[1].step == 7
    assert start(cohort, SETTLED, tmp_path / "run").status == 0
    assert_same_outcome(tmp_path / "run", whole("settled"))


@pytest.mark.parametrize("rate", [1e15, 1e30])
@pytest.mark.parametrize("every_steps", [1, 5])
def test_a_rate_that_throws_the_weights_away(rate, every_steps, cohort, tmp_path):
    assert SETTLED.select is not None
    recipe = replace(
        SETTLED,
        fit=replace(SETTLED.fit, learning_rate=rate, warmup_steps=0),
        model=replace(SETTLED.model, batch_norm=False),
        select=replace(SETTLED.select, every_steps=every_steps),
    )
    says_what_to_do(start(cohort, recipe, tmp_path / "run"), "lower the learning rate")
    for file in (tmp_path / "run").glob("*.safetensors"):
        for name, tensor in safetensors.torch.load_file(file).items():
            assert tensor.isfinite().all(), f"{name} of {file.name}"


def test_a_damaged_checkpoint_is_named_and_left_alone(cohort, whole, tmp_path):
    shutil.copytree(whole("settled"), tmp_path / "run")
    last = tmp_path / "run" / "last.safetensors"
    damaged = last.read_bytes()[:-100]
    last.write_bytes(damaged)
    says_what_to_do(start(cohort, SETTLED, tmp_path / "run"), "last.safetensors", "Remedy")
    assert last.read_bytes() == damaged


def test_prepared_windows_that_were_cut_short_are_noticed(cohort, whole, tmp_path):
    kill = Kill(tmp_path / "note", "after step", 5)
    assert start(cohort, SETTLED, tmp_path / "run", on_moment=kill).status == -signal.SIGKILL
    for file in (tmp_path / "run" / "prepared").glob("*.f16"):
        os.truncate(file, file.stat().st_size - 1000)
    ended = start(cohort, SETTLED, tmp_path / "run")
    if ended.status:
        says_what_to_do(ended, ".f16")
    else:
        assert_same_outcome(tmp_path / "run", whole("settled"))

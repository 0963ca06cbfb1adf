"""Processes that share every batch: the same parameters as one process, and nobody left waiting."""

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.distributed.run
from faults import Kill, Moments
from forked import Child, Ended, in_child
from tiny_run import FRESH, SETTLED, outcome, records, tiny_cohort

from leadlab_train.batches import Crops, RandomCrops
from leadlab_train.cohort import Cohort
from leadlab_train.errors import TrainingError
from leadlab_train.learner import Learner
from leadlab_train.loss import measured_weight
from leadlab_train.net1d import ecgfounder
from leadlab_train.optimizer import FitSettings
from leadlab_train.recipe import Recipe
from leadlab_train.run import Options, train
from leadlab_train.run.folder import _toml
from leadlab_train.run.loop import SharedLoss
from leadlab_train.run.state import load_state
from leadlab_train.world import ALONE, World, join_world

N, N_LABELS, TIME = 60, 5, 200
CPU = torch.device("cpu")
PLAIN = replace(SETTLED, model=replace(SETTLED.model, batch_norm=False))
SPREAD = replace(FRESH, model=replace(FRESH.model, batch_norm=False))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def together(size: int, work: Callable[[World], object], timeout_s: float = 40.0) -> list[Ended]:
    """Run ``work`` in processes that find each other as under torchrun."""
    port = str(free_port())

    def one(rank: int) -> None:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        with join_world(CPU) as world:
            work(world)

    children = [Child(lambda rank=rank: one(rank)) for rank in range(size)]
    try:
        return [child.wait(timeout_s) for child in children]
    finally:
        for child in children:
            child.kill()


# The pieces


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("batch", [5, 8])
def test_the_parts_of_a_batch_are_disjoint_and_cover_it(size, batch):
    inputs = np.repeat(np.arange(N, dtype=np.float32)[:, None], TIME, axis=1)
    inputs += np.linspace(0, 0.5, TIME, dtype=np.float32)

    def batches(world: World) -> RandomCrops:
        return RandomCrops(lambda _: inputs, lambda rows: rows, N, batch, 50, 4, world)

    whole, parts = batches(ALONE), [batches(World(rank, size)) for rank in range(size)]
    for step in (0, 1, whole.steps_per_epoch, 3 * whole.steps_per_epoch - 1):
        expected, found = whole[step], [part[step] for part in parts]
        assert all(len(part.x) for part in found)
        assert len(set(expected.labels.tolist())) == batch
        assert torch.equal(torch.cat([part.x for part in found]), expected.x)
        assert torch.equal(torch.cat([part.labels for part in found]), expected.labels)


def test_more_processes_than_windows_in_a_batch_are_refused():
    with pytest.raises(TrainingError, match="9 processes share a batch of 8; start at most 8"):
        RandomCrops(lambda _: np.zeros((N, TIME)), np.asarray, N, 8, 50, world=World(0, 9))


def twenty_steps(world: World, weighted: bool, settings: FitSettings, path: Path) -> None:
    """Train in float64 where the second half of every batch has hardly any labels."""
    rng = np.random.default_rng(0)
    windows = rng.standard_normal((N, TIME)).astype(np.float32)
    labels = rng.integers(0, 2, (N, N_LABELS)).astype(np.int8)
    batch, torch_seed = 9, 1
    torch.manual_seed(torch_seed)
    model = ecgfounder(N_LABELS, width="tiny").double()
    learner = Learner(model, settings, world.spread(model))
    batches = RandomCrops(lambda _: windows, lambda r: labels[r], N, batch, 100, 7, world)
    weights = torch.tensor([0.2, 3.0, 1.0, 0.0, 0.7]) if weighted else None
    for step in range(20):
        x, y = batches[step]
        place = np.arange(batch)[world.part(batch)]
        y[place >= 4, 1 + step % 4 :] = -1
        if step % 5 == 2:  # nothing at all
            y[place >= 4] = -1
        (total,) = world.sum(measured_weight(y, weights))
        learner.step(Crops(x.double(), y), SharedLoss(weights, total, world.size))
    safetensors.torch.save_file(model.state_dict(), path / f"{world.size}-{world.rank}")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
def test_two_processes_hold_the_parameters_of_one(weighted, clip_norm, tmp_path):
    settings = FitSettings(
        learning_rate=0.01, steps=20, clip_norm=clip_norm, weight_decay=0.1, average=0.9
    )
    for ended in together(2, lambda world: twenty_steps(world, weighted, settings, tmp_path)):
        assert ended.status == 0, ended.said
    one = in_child(lambda: twenty_steps(ALONE, weighted, settings, tmp_path))
    assert one.status == 0, one.said
    single, first, second = (
        safetensors.torch.load_file(tmp_path / name) for name in ("1-0", "2-0", "2-1")
    )
    torch.manual_seed(1)
    start = ecgfounder(N_LABELS, width="tiny").double().state_dict()
    assert (single["dense.weight"] - start["dense.weight"]).abs().max() > 0.01
    for name, expected in single.items():
        assert torch.equal(first[name], second[name]), name
        assert (first[name] - expected).abs().max() <= 1e-6, name


def test_processes_add_up_gather_and_compare():
    def work(world: World) -> None:
        assert world.sum(world.rank + 1, 0.5) == [3.0, 1.0]
        rows = np.arange(7, dtype=np.float32)[:, None]
        assert np.array_equal(world.gather(rows[world.part(7)], 7), rows)
        world.require_same("numbers", 3)
        with pytest.raises(TrainingError, match=r"2 processes see different ranks: \['0', '1'\]"):
            world.require_same("ranks", world.rank)
        assert world.leads == (world.rank == 0)

    for ended in together(2, work):
        assert ended.status == 0, ended.said


# Whole runs


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return tiny_cohort(tmp_path_factory.mktemp("distributed") / "cohort")


def run_on(
    size: int,
    recipe: Recipe,
    cohort: Cohort,
    folder: Path,
    on_moment: Callable[[World], Callable[[str], None]] | None = None,
    timeout_s: float = 40.0,
) -> list[Ended]:
    def work(world: World) -> None:
        Moments(on_moment(world) if on_moment else lambda _: None).install()
        options = Options(log_steps=4, checkpoint_s=0.0, world=world)
        train(recipe, cohort, folder, options=options)

    if size == 1:
        return [in_child(lambda: work(ALONE), timeout_s)]
    return together(size, work, timeout_s)


@pytest.fixture(scope="module")
def two(cohort, tmp_path_factory) -> Path:
    """Return a run of two processes."""
    folder = tmp_path_factory.mktemp("two") / "run"
    assert [ended.status for ended in run_on(2, SPREAD, cohort, folder)] == [0, 0]
    return folder


def assert_close_outcome(folder: Path, other: Path, tolerance: float) -> None:
    for name in ("best.safetensors", "last.safetensors"):
        a, b = (safetensors.torch.load_file(path / name) for path in (folder, other))
        assert a.keys() == b.keys()
        for key in a:
            assert (a[key].double() - b[key].double()).abs().max() <= tolerance, key
    assert len(records(folder)) == len(records(other))
    for a, b in zip(records(folder), records(other), strict=True):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-4)


def test_a_run_of_two_processes_is_a_run_of_one(two, cohort, tmp_path):
    assert run_on(1, SPREAD, cohort, tmp_path / "run")[0].status == 0
    assert_close_outcome(two, tmp_path / "run", 1e-5)


def test_two_processes_killed_and_started_again_end_as_if_they_had_not_been(two, cohort, tmp_path):
    def both(world: World) -> Callable[[str], None]:
        return Kill(tmp_path / f"note{world.rank}", "after step", 7)

    ended = run_on(2, SPREAD, cohort, tmp_path / "run", both)
    assert [e.status for e in ended] == [-signal.SIGKILL] * 2
    assert [e.status for e in run_on(2, SPREAD, cohort, tmp_path / "run")] == [0, 0]
    for name, a, b in zip("bjlpm", outcome(two), outcome(tmp_path / "run"), strict=True):
        assert a == b, f"{name}: {[a, b] if name == 'm' else ''}"


def test_a_run_goes_on_with_another_number_of_processes(two, cohort, tmp_path):
    kill = Kill(tmp_path / "note", "after step", 7)
    run_on(1, SPREAD, cohort, tmp_path / "run", lambda _: kill)
    assert [e.status for e in run_on(2, SPREAD, cohort, tmp_path / "run")] == [0, 0]
    assert_close_outcome(two, tmp_path / "run", 1e-5)


def test_a_signal_to_one_process_stops_both_where_they_can_go_on(two, cohort, tmp_path):
    def second(world: World) -> Callable[[str], None]:
        left = [7]

        def on_moment(moment: str) -> None:
            left[0] -= moment == "after step"
            if world.rank == 1 and moment == "after step" and left[0] == 0:
                os.kill(os.getpid(), signal.SIGTERM)

        return on_moment

    assert [e.status for e in run_on(2, SPREAD, cohort, tmp_path / "run", second)] == [0, 0]
    assert not outcome(tmp_path / "run")[3]["finished"]
    assert [e.status for e in run_on(2, SPREAD, cohort, tmp_path / "run")] == [0, 0]
    assert_close_outcome(two, tmp_path / "run", 1e-5)


@pytest.mark.parametrize("moment", ["half-write .partial", "half-write run.json", "score"])
def test_no_process_waits_for_ever_for_one_that_failed(moment, cohort, tmp_path):
    def first(world: World) -> Callable[[str], None]:
        def on_moment(name: str) -> None:
            if world.rank == 0 and name == moment:
                raise OSError(28, "No space left on device")

        return on_moment

    ended = run_on(2, PLAIN, cohort, tmp_path / "run", first, timeout_s=8.0)
    assert all(e.status for e in ended)


def test_batch_norm_is_refused_in_more_than_one_process(cohort, tmp_path):
    for ended in run_on(2, SETTLED, cohort, tmp_path / "run"):
        assert ended.error.startswith(
            "leadlab_train.errors.TrainingError: model.batch_norm is true"
        )


# torchrun, two agents as two nodes


LONG = replace(
    PLAIN, fit=replace(PLAIN.fit, steps=60), select=replace(PLAIN.select, every_steps=20)
)


def agents(cohort: Cohort, recipe: Path, out: Path) -> list[Child]:
    endpoint = f"127.0.0.1:{free_port()}"

    def agent(node: int) -> None:
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.distributed.run.main(
            [
                *("--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"),
                *("--rdzv-id", "run", "--rdzv-endpoint", endpoint),
                *("--rdzv-conf", f"is_host={int(node == 0)}", "--local-addr", "127.0.0.1"),
                *("-m", "leadlab", "train", str(recipe), "--cohort", str(cohort.path)),
                *("--out", str(out), "--device", "cpu", "--checkpoint-minutes", "0"),
            ]
        )

    return [Child(lambda node=node: agent(node)) for node in range(2)]


def descendants(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return [pid for child in children for pid in (child, *descendants(child))]


def test_torchrun_on_two_nodes_one_of_which_dies(cohort, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("\n".join(_toml(asdict(LONG))))
    out = tmp_path / "run"
    first, second = agents(cohort, recipe, out)
    until = time.monotonic() + 60
    while not (out / "last.safetensors").exists() and time.monotonic() < until:
        time.sleep(0.01)
    for pid in (second.pid, *descendants(second.pid)):
        os.kill(pid, signal.SIGKILL)
    assert second.wait().status == -signal.SIGKILL
    ended = first.wait(60)
    assert ended.status != 0
    assert not outcome_of_last(out)["finished"], "it died too late to show anything"
    for agent in agents(cohort, recipe, out):
        ended = agent.wait(60)
        assert ended.status == 0, ended.said
    assert outcome_of_last(out)["finished"]
    assert run_on(1, LONG, cohort, tmp_path / "one")[0].status == 0
    a, b = (safetensors.torch.load_file(x / "best.safetensors") for x in (out, tmp_path / "one"))
    for name in b:
        assert (a[name] - b[name]).abs().max() <= 1e-5, name


def outcome_of_last(folder: Path) -> dict[str, object]:
    progress = load_state(folder / "last.safetensors")[1]
    return {"finished": progress.finished, "step": progress.step}

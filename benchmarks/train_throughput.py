"""Training speed: leadlab's loop beside the published one, and beside what the machine can do.

    python benchmarks/train_throughput.py [--quick] [--device cpu|cuda] [--batch N] [--json FILE]

Same full-width network, weights, windows, batch and machine; the two take turns, round by round.
The data path and the step are timed apart and together. Operations and bytes of a step are counted
and held against a large product and a large copy, timed in the same run. docs/training-speed.md
says what each figure means.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from published_loop import PublishedNet1D, published_batches, published_step
from roofline import (
    Kernel,
    kernels_of,
    measure_ceilings,
    report_rooflines,
    roofline_of,
    synchronize,
)
from torch import Tensor
from torch.profiler import profile

from leadlab_train.batches import PREFETCH, Crops, load_ahead
from leadlab_train.cohort import Cohort
from leadlab_train.cohort.training import TrainingCohort
from leadlab_train.learner import Learner
from leadlab_train.loss import measured_weight
from leadlab_train.net1d import ecgfounder
from leadlab_train.optimizer import FitSettings
from leadlab_train.recipe import Recipe, WindowsRecipe
from leadlab_train.run.data import Reader
from leadlab_train.run.folder import machine, software
from leadlab_train.run.loop import SharedLoss
from leadlab_train.simulated.cohort import simulate_cohort
from leadlab_train.world import ALONE

BATCH = {"cpu": 8, "cuda": 256}
ENDLESS = 2**30  # steps that nobody reaches
SETTINGS = FitSettings(1e-4, steps=ENDLESS, weight_decay=1e-5, schedule="constant")
PUBLISHED_PREFETCH = 2  # torch's default
EPOCHS = 20  # of the study
WARM_UP = 3  # steps, the first of which compiles
SAME = 1e-5  # of logits of order one

DTYPES = {  # published, leadlab
    "cpu": (torch.float32, torch.float32),
    "cuda": (torch.float32, torch.bfloat16),
}

Weights = dict[str, Tensor]
Batch = tuple[Tensor, Tensor]
Step = Callable[[Batch], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to measure: device, sizes, and rounds of at least so many seconds a figure."""

    device: torch.device
    batch: int
    workers: int
    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Source:
    """A data path: starts workers and yields host batches for ever; they make ``stock`` ahead."""

    batches: Callable[[], Iterator[Batch]]
    stock: int


def published_source(cohort: Cohort, plan: Plan) -> Source:
    """Items filtered one by one by the workers."""
    loader = published_batches(cohort, plan.batch, plan.workers, plan.device)
    return Source(lambda: iter(loader), PUBLISHED_PREFETCH * plan.workers)


def our_source(cohort: Cohort, plan: Plan, folder: Path, *, prepare: bool) -> Source:
    """Batches as a run reads them: prepared once, or filtered whenever they are read.

    Prepared windows are read in this process: sending them here from another costs more.
    """
    recipe = Recipe(WindowsRecipe(plan.batch, prepare=prepare), SETTINGS)
    reader = Reader(TrainingCohort(cohort), folder, plan.workers, ALONE, lambda *_: None)
    crops = reader.batches(recipe, reader.plan(recipe, "train"))
    workers, pin = 0 if prepare else plan.workers, plan.device.type == "cuda"
    return Source(lambda: load_ahead(crops, 0, ENDLESS, workers, pin), PREFETCH * workers)


def our_step(weights: Weights, device: torch.device, *, compiles: bool) -> Step:
    """Return the step of a run: float32 on a CPU; bfloat16, and compiled if asked, on a GPU."""
    network = ecgfounder(len(weights["dense.bias"]))
    network.load_state_dict(weights)
    network.to(device).train()
    called: Any = torch.compile(network) if compiles else network
    learner = Learner(network, SETTINGS, called, autocast=device.type == "cuda")

    def step(batch: Batch) -> object:
        loss = SharedLoss(None, measured_weight(batch[1]), ALONE.size)
        return learner.step(Crops(*(part.to(device, non_blocking=True) for part in batch)), loss)

    return step


def rate(run: Callable[[], object], plan: Plan, multiple: int = 1) -> float:
    """Windows per second of a run that handles a batch, over a multiple of so many batches."""
    synchronize(plan.device)
    done, start_s = 0, time.perf_counter()
    while done % multiple or time.perf_counter() - start_s < plan.seconds:
        run()
        done += 1
    synchronize(plan.device)
    return plan.batch * done / (time.perf_counter() - start_s)


def data_rate(source: Source, plan: Plan, step: Step | None = None) -> float:
    """Windows per second that a data path yields, or that a loop trains on.

    What the workers have made ahead is thrown away first: a loop cannot live on its stock.
    """
    batches = source.batches()
    for _ in range(source.stock):
        next(batches)
    if step is None:
        return rate(lambda: next(batches), plan, multiple=plan.workers)
    return rate(lambda: step(next(batches)), plan)


def measure(
    sources: dict[str, Source], steps: dict[str, Step], resident: dict[str, Batch], plan: Plan
) -> dict[str, list[float]]:
    """Take all figures in turns: windows per second of every round, by name."""
    runs: dict[str, Callable[[], float]] = {}
    for name, source in sources.items():
        runs[f"data, {name}"] = partial(data_rate, source, plan)
    for name, step in steps.items():
        runs[f"step, {name}"] = partial(rate, partial(step, resident[name]), plan)
        runs[f"both, {name}"] = partial(data_rate, sources[name], plan, step)
        for _ in range(WARM_UP):
            step(resident[name])
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(plan.rounds):
        for name, run in runs.items():
            say(f"round {number + 1} of {plan.rounds}: {name}")
            rates[name].append(run())
    say("")
    rates["data, leadlab for all epochs"] = [
        EPOCHS / (1 / filtering + EPOCHS / reading)
        for filtering, reading in zip(
            rates["data, leadlab filtering"], rates["data, leadlab"], strict=True
        )
    ]
    return rates


def say(progress: str) -> None:
    """Show on the terminal's last line what is being measured."""
    if sys.stderr.isatty():
        print(f"\r{progress:60s}\r", end="", file=sys.stderr, flush=True)


def count_step(step: Step, batch: Batch) -> list[Kernel]:
    """Count the kernels of a step that is not the first, which allocates the optimizer's state."""
    step(batch)
    return kernels_of(lambda: step(batch))


def first_batch(source: Source, device: torch.device) -> Batch:
    """Return a batch whose windows are on the device already."""
    x, labels = next(source.batches())
    return x.to(device), labels


def logits_differ(weights: Weights, x: Tensor) -> float:
    """Return the largest difference between the logits of both networks, on the CPU.

    Raises
    ------
    SystemExit
        They are not the same network.
    """
    n_labels, logits = len(weights["dense.bias"]), []
    for network in (PublishedNet1D(n_labels), ecgfounder(n_labels)):
        network.load_state_dict(weights)
        with torch.inference_mode():
            logits.append(network(x))
    difference = float((logits[0] - logits[1]).abs().max())
    if not difference < SAME:
        raise SystemExit(f"the logits differ by {difference:.1e}, more than {SAME:.0e}")
    return difference


def describe(results: dict[str, Any]) -> None:
    """Print what was compared, and on what."""
    about = results["machine"] | results["software"]
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print(
        f"batch {results['batch']}, {results['workers']} workers, load before"
        f" {results['load']:.1f}; same weights: logits differ by {results['logits differ by']:.1e}"
        " at most\n"
    )


def report_rates(rates: dict[str, list[float]]) -> None:
    """Print the median of each figure, its range over the rounds, and ratios of medians."""
    print(f"{'windows/s: median (lowest to highest)':42s}{'published':>26s}{'leadlab':>26s}")
    rows = (
        ("data path, windows prepared before", "data, published", "data, leadlab"),
        (
            f"  with the preparation, {EPOCHS} epochs",
            "data, published",
            "data, leadlab for all epochs",
        ),
        ("  filtered at every read", "data, published", "data, leadlab filtering"),
        ("step alone", "step, published", "step, leadlab"),
        ("data path and step together", "both, published", "both, leadlab"),
    )
    for title, theirs, ours in rows:
        times = median(rates[ours]) / median(rates[theirs])
        print(f"{title:42s}{_spread(rates[theirs]):>26s}{_spread(rates[ours]):>26s}{times:8.2f} x")


def _spread(values: list[float]) -> str:
    digits = 1 if median(values) < 100 else 0
    low, middle, high = (f"{v:.{digits}f}" for v in (min(values), median(values), max(values)))
    return f"{middle} ({low} to {high})"


def write_profile(path: Path, steps: dict[str, Step], resident: dict[str, Batch]) -> None:
    """Write torch's table of the kernels of three steps of each loop."""
    tables = []
    for name, step in steps.items():
        on_gpu = resident[name][0].is_cuda
        order = "self_device_time_total" if on_gpu else "self_cpu_time_total"
        with profile(record_shapes=True) as recorded:  # of all the devices there are
            for _ in range(3):
                step(resident[name])
        by_shape = recorded.key_averages(group_by_input_shape=True)
        tables.append(f"{name}\n{by_shape.table(sort_by=order, row_limit=40)}\n")
    path.write_text("\n".join(tables), encoding="utf-8")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Training speed beside the published loop.")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--batch", type=int, help="8 on a CPU, 256 on a GPU")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="least time of one figure")
    parser.add_argument("--quick", action="store_true", help="two short rounds, to see it work")
    parser.add_argument("--profile", type=Path, help="write the kernels of a step to this file")
    parser.add_argument("--json", type=Path, help="write every figure of every round to this file")
    arguments = parser.parse_args()
    if arguments.device == "auto":
        arguments.device = "cuda" if torch.cuda.is_available() else "cpu"
    arguments.batch = arguments.batch or BATCH[arguments.device]
    if min(arguments.batch, arguments.workers, arguments.rounds) < 1:
        parser.error("--batch, --workers and --rounds must be at least 1")
    if arguments.quick:
        arguments.rounds, arguments.seconds = 2, 0.5
    return arguments


def main() -> None:
    """Measure and print."""
    arguments = parse()
    device = torch.device(arguments.device)
    plan = Plan(device, arguments.batch, arguments.workers, arguments.rounds, arguments.seconds)
    with tempfile.TemporaryDirectory() as folder:
        results = run(plan, Path(folder), arguments.profile)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def run(plan: Plan, folder: Path, profile_path: Path | None) -> dict[str, Any]:
    """Take, print and return every figure, with files in ``folder``."""
    patients = {"train": max(250, 4 * plan.batch), "val": 1, "test": 1}  # two windows each
    cohort = simulate_cohort(folder / "cohort", patients=patients)
    device = plan.device.type
    torch.manual_seed(0)
    weights = ecgfounder(len(cohort.panel)).state_dict()
    sources = {
        "published": published_source(cohort, plan),
        "leadlab": our_source(cohort, plan, folder, prepare=True),
        "leadlab filtering": our_source(cohort, plan, folder, prepare=False),
    }
    steps = {
        "published": published_step(weights, plan.device),
        "leadlab": our_step(weights, plan.device, compiles=device == "cuda"),
    }
    resident = {name: first_batch(sources[name], plan.device) for name in steps}
    results: dict[str, Any] = {
        "machine": machine(plan.device),
        "software": software(),
        "load": os.getloadavg()[0],
        "batch": plan.batch,
        "workers": plan.workers,
        "logits differ by": logits_differ(weights, resident["leadlab"][0][:8].cpu()),
    }
    describe(results)
    results["rates"] = rates = measure(sources, steps, resident, plan)
    report_rates(rates)
    # What is compiled cannot be counted.
    counted = steps | {"leadlab": our_step(weights, plan.device, compiles=False)}
    ceilings = {dtype: measure_ceilings(plan.device, dtype) for dtype in set(DTYPES[device])}
    results["roofline"] = rooflines = {
        name: roofline_of(
            count_step(counted[name], resident[name]),
            ceilings[dtype],
            plan.batch / median(rates[f"step, {name}"]),
        )
        for name, dtype in zip(steps, DTYPES[device], strict=True)
    }
    report_rooflines(*rooflines.values())
    if profile_path:
        write_profile(profile_path, steps, resident)
    return results


if __name__ == "__main__":
    main()

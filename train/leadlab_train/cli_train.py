"""``leadlab train``: fine-tune ECGFounder's network on a cohort, in a run directory."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from leadlab_train.checkpoint import Checkpoint, read_checkpoint
from leadlab_train.cohort import Cohort
from leadlab_train.errors import TrainingError
from leadlab_train.hub import PREFIX, fetch_weights
from leadlab_train.recipe import load_recipe, shipped_recipes
from leadlab_train.run import Options, Outcome, View, train
from leadlab_train.world import World, join_world

INTERRUPTED: Final = 130  # what a shell reports of a program that Ctrl-C ended
QUIET_LINE_S: Final = 30.0  # where there is no terminal, a line so often

EPILOG = f"""\b
RECIPE is a TOML file or one of: {", ".join(shipped_recipes())}.

\b
Examples:
  leadlab cohort simulate cohort --recipe demo
  leadlab train demo --cohort cohort --out runs/demo           two minutes on two cores
  leadlab train anyecg_lab --cohort mcmed --out runs/study --weights 1_lead_ECGFounder.pth
  leadlab train finetune --cohort mcmed --out runs/ours --weights hf:PKUDigitalHealth/ECGFounder

\b
Eight GPUs of one node:
  torchrun --nproc-per-node 8 -m leadlab train finetune --cohort ... --out ...
"""


@click.command(epilog=EPILOG)
@click.argument("recipe")
@click.option(
    "--cohort",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of a cohort. Its test patients are never read.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The run directory to make."
)
@click.option(
    "--weights",
    metavar="FILE|hf:ORG/NAME",
    help="Pretrained ECGFounder: a file, or a repository of the Hugging Face hub, from where it is "
    "fetched.  [default: random weights]",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of prepared windows, to share between runs.  [default: in the run directory]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Processes that read and filter windows.  [default: 0 on a CPU, else one a core to 16]",
)
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Longest work that a power cut can cost.",
)
@click.option("--no-compile", is_flag=True, help="Run the network eagerly on a GPU as well.")
def train_command(recipe: str, cohort: Path, out: Path, weights: str | None, **how: Any) -> None:
    """Train ECGFounder's network on a cohort by a recipe.

    The run directory holds everything: recipe, versions, metrics.jsonl, TensorBoard events,
    curves.png, checkpoints. Ctrl-C, a kill or a power cut lose nothing but the work since the last
    checkpoint: the same command goes on. On a CPU the end is the same to the last bit.
    """
    device = _device(how["device"])
    with join_world(device) as world:
        console = Console(quiet=not world.leads, highlight=False)
        workers = how["workers"] if how["workers"] is not None else _workers(device, world)
        options = Options(
            device=device,
            workers=workers,
            cache=how["cache"],
            checkpoint_s=60 * how["checkpoint_minutes"],
            compiles=not how["no_compile"],
            world=world,
        )
        with ConsoleView(console) as view:
            outcome = train(
                load_recipe(recipe),
                Cohort.open(cohort),
                out,
                weights=_weights(weights, world),
                options=options,
                view=view,
            )
        console.print(_describe(outcome), soft_wrap=True)
    if not outcome.progress.finished:
        raise SystemExit(INTERRUPTED)


class ConsoleView(View):
    """A bar on a terminal; elsewhere a line every half minute, as a batch job's log wants."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, note="")
        self._line_s = time.monotonic()

    def __enter__(self) -> "ConsoleView":
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def begin(self, description: str) -> None:
        """Print what is about to happen."""
        self._print(description)

    def advance(self, what: str, done: int, total: int) -> None:
        """Move the bar of what precedes training."""
        self._move(what, done, total, "")

    def step(self, done: int, steps: int, loss: float) -> None:
        """Move the bar of training."""
        self._move("train", done, steps, f"loss {loss:.4f}")

    def validated(self, step: int, auroc: float, best: bool) -> None:
        """Print a validation."""
        mark = "  best so far" if best else ""
        self._print(f"step {step:,}  macro AUROC {auroc:.4f} on validation patients{mark}")

    def _move(self, what: str, done: int, total: int, note: str) -> None:
        self._bar.update(self._task, description=what, completed=done, total=total, note=note)
        if not self._console.is_terminal and time.monotonic() - self._line_s >= QUIET_LINE_S:
            self._line_s = time.monotonic()
            self._print(f"{what} {done:,} of {total:,}  {note}")

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise TrainingError(f"--device is {name!r}; give auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda") or (
        device.type == "cuda" and not torch.cuda.is_available()
    ):
        raise TrainingError(
            f"--device is {name} and torch {torch.__version__} finds no such device here. "
            "Remedy: give cpu, or install the build of torch that matches your driver"
        )
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def _workers(device: torch.device, world: World) -> int:
    """One a core for a GPU, shared by the processes of the node; a CPU is busy enough."""
    if device.type == "cpu":
        return 0
    here = int(os.environ.get("LOCAL_WORLD_SIZE", world.size))
    return max(1, min(16, (os.cpu_count() or 1) // here))


def _weights(spec: str | None, world: World) -> Checkpoint | None:
    if spec is None:
        return None
    if not spec.startswith(PREFIX):
        return read_checkpoint(spec)
    # One fetches, the others find it in the hub client's cache.
    world.first(partial(fetch_weights, spec))
    return read_checkpoint(fetch_weights(spec))


def _describe(outcome: Outcome) -> str:
    progress, folder = outcome.progress, outcome.folder
    if not progress.finished:
        return (
            f"Stopped after step {progress.step:,}. The same command goes on from there: "
            f"everything is in {folder}"
        )
    auroc = f", macro AUROC {progress.best_auroc:.4f}" if progress.best_auroc is not None else ""
    return (
        f"Done after {progress.step:,} steps. {folder}/best.safetensors holds the weights of step "
        f"{progress.best_step:,}{auroc}; {folder}/curves.png shows how they came about"
    )

"""``leadlab distill``: train a compact student, and say what its teacher is worth."""

from pathlib import Path

import click
import torch
from rich.console import Console

from leadlab_export.distill_run import Outcome, distill_students, load_distill_recipe
from leadlab_export.student import FAMILY
from leadlab_export.teacher import load_teacher
from leadlab_train.cli_train import ConsoleView
from leadlab_train.cohort import Cohort

EPILOG = f"""\b
RECIPE is a TOML file or one of: {", ".join(FAMILY)}.

\b
Examples:
  leadlab distill small --teacher runs/demo --cohort cohort --out students/small
  leadlab distill nano --teacher runs/demo --cohort cohort --out students/nano --alone
"""


@click.command(epilog=EPILOG)
@click.argument("recipe")
@click.option(
    "--teacher",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Run directory of `leadlab train`.",
)
@click.option(
    "--cohort",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of a cohort. Its test patients are never read.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The student's folder to make."
)
@click.option(
    "--alone",
    is_flag=True,
    help="Train the same students without the teacher beside them, state the difference with its "
    "interval, and ship the better.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of windows and the teacher's answers, to share.  [default: in --out]",
)
def distill_command(
    recipe: str, teacher: Path, cohort: Path, out: Path, alone: bool, cache: Path | None
) -> None:
    """Distil a compact student from a teacher.

    The student learns the teacher's softened probabilities of every indicator, measured or not, and
    the measured labels. It is trained from several seeds; the best on validation patients is kept.

    The teacher is asked once and its answers are kept on disk. Stopped, the same command goes on
    with the next student.
    """
    torch.set_num_threads(1)  # a net this small computes no faster on two, and often far slower
    console = Console(highlight=False)
    whole = Cohort.open(cohort)
    trained = load_teacher(teacher, len(whole.panel))
    if trained.cohort_sha256 != whole.manifest.content_sha256:
        console.print(
            "The teacher was trained on another cohort. Should its patients be among this one's "
            "validation or test patients, every figure flatters."
        )
    with ConsoleView(console) as view:
        outcome = distill_students(
            load_distill_recipe(recipe),
            trained,
            whole,
            out,
            run=teacher.resolve().name,
            cache=cache,
            alone=alone,
            view=view,
        )
    console.print(describe(outcome), soft_wrap=True)


def describe(outcome: Outcome) -> str:
    """Say which student is kept, how it scores, and what the teacher is worth."""
    scores, worth = outcome.auroc, outcome.worth
    lines = [
        f"Kept {outcome.shipped}: macro AUROC {scores[outcome.shipped]:.4f} on validation "
        f"patients, its teacher {scores['teacher']:.4f}"
    ]
    if worth is not None:
        seeds, patients = worth.over_seeds, worth.over_patients
        over_seeds = f"[{seeds[0]:+.4f}, {seeds[1]:+.4f}] over seeds, " if seeds else ""
        lines.append(
            f"Taught less alone: {worth.difference:+.4f} over {len(worth.of_each_seed)} seeds, 95 %"
            f" interval {over_seeds}[{patients[0]:+.4f}, {patients[1]:+.4f}] over patients"
        )
    return "\n".join([*lines, f"{outcome.folder} holds the student: `leadlab export` it"])

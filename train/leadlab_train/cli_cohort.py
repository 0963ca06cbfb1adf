"""``leadlab cohort``: simulate a cohort, and show what one holds."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from leadlab_edge.errors import ConfigError
from leadlab_train.cohort import Cohort
from leadlab_train.cohort_view import SIMULATED, cohort_view

if TYPE_CHECKING:
    from leadlab_train.recipe import CohortRecipe

SIMULATE_EPILOG = """\b
Examples:
  leadlab cohort simulate runs/cohort                  the demo's cohort: 10,000 patients, 254 MB
  leadlab cohort simulate runs/small --recipe quick    300 patients, in a second
  leadlab cohort simulate runs/large --train-patients 100000
                                                       200,000 windows to learn from, 2.6 GB
  leadlab cohort simulate runs/easy --strength 0.5     all AUROC ceilings half as far again from .5
"""

SHOW_EPILOG = """\b
Examples:
  leadlab cohort show runs/cohort             what it holds and where it came from
  leadlab cohort show runs/cohort --verify    also hash every file, the samples included
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cohort() -> None:
    """Simulate cohorts, and show what one holds.

    A cohort is a folder of raw ECG strips, blood draws around them and what these showed, split by
    patient into train, val and test. `leadlab train` reads one.
    """


@cohort.command(epilog=SIMULATE_EPILOG)
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--recipe",
    metavar="NAME|FILE",
    default="demo",
    show_default=True,
    help="Recipe whose [cohort] table to follow; the options below replace its values.",
)
@click.option("--train-patients", metavar="N", type=click.IntRange(min=1), help="To learn from.")
@click.option(
    "--val-patients", metavar="N", type=click.IntRange(min=1), help="To select and calibrate by."
)
@click.option("--test-patients", metavar="N", type=click.IntRange(min=1), help="To score.")
@click.option(
    "--strength",
    metavar="S",
    type=click.FloatRange(min=-1),
    help="Best reachable AUROCs are .5 + (study's AUROC - .5) * (1 + S); at -1 nothing shows.",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    help="Equal seeds and settings give equal cohorts.",
)
def simulate(out: Path, recipe: str, **changes: Any) -> None:
    """Simulate a cohort into the new folder OUT.

    Patients, visits, blood draws and the ECG around them are drawn from a model in which blood
    moves the ECG as far as AnyECG-Lab reports, so that the best reachable AUROC of every indicator
    is known. No data is needed, and nothing learned from it says anything about people.

    Ctrl-C leaves nothing behind.
    """
    from leadlab_train.simulated import simulate_cohort

    given = {name: value for name, value in changes.items() if value is not None}
    settings = replace(_settings(recipe), **given)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn())
    begin = time.perf_counter()
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("Simulating strips", total=None)
        made = simulate_cohort(
            out,
            patients=settings.patients,
            strength=settings.strength,
            seed=settings.seed,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    size_mb = sum(entry.n_bytes for entry in made.manifest.files.values()) / 1e6
    click.echo(
        f"{SIMULATED}\n"
        f"Wrote {out}: {len(made.patients):,} patients, {len(made.draws):,} blood draws, "
        f"{len(made):,} windows, {size_mb:,.0f} MB, in {time.perf_counter() - begin:.0f} s\n"
        f"content sha256 {made.manifest.content_sha256}\n"
        f"See it with `leadlab cohort show {out}`"
    )


def _settings(recipe: str) -> "CohortRecipe":
    from leadlab_train.recipe import load_recipe

    settings = load_recipe(recipe).cohort
    if settings is None:
        raise ConfigError(
            f"recipe {recipe} has no [cohort] table: it is meant for data of your own. "
            "Remedy: follow another with --recipe demo"
        )
    return settings


@cohort.command(epilog=SHOW_EPILOG)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Hash every file: reads the whole cohort once.")
def show(folder: Path, verify: bool) -> None:
    """Show what the cohort in DIR holds and where it came from.

    For each split and indicator: the share of blood draws that measured the analyte, and the number
    of patients with a positive, which bounds what can be learned and how sure any score can be.

    The tables and the size of every file are always checked; a damaged cohort exits with status 1.
    """
    console = Console()
    opened = Cohort.open(folder)
    if verify:
        with console.status("Hashing every file"):
            opened.verify()
    console.print(cohort_view(opened))
    if verify:
        click.echo(f"Every file matches its SHA-256 ({len(opened.manifest.files)} files).")

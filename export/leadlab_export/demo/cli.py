"""``leadlab demo``: the whole loop in minutes, with no data, no weights and no radio."""

import asyncio
import shutil
from pathlib import Path

import click
from rich.console import Console

from leadlab_export.check.accuracy_view import check_view
from leadlab_export.demo.build import build
from leadlab_export.demo.recipe import load_recipe
from leadlab_export.demo.report import render_report
from leadlab_export.demo.show import play
from leadlab_export.demo.steps import Steps
from leadlab_export.errors import GateFailed
from leadlab_train.cohort.manifest import read_manifest

STEPS = 6


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for the cohort, the pack and the report.",
)
@click.option("--quick", is_flag=True, help="A minute instead of ten; its figures mean nothing.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--ship", type=click.Path(dir_okay=False, path_type=Path), help="Write an int8-only pack here."
)
def demo(out: Path, quick: bool, seed: int, ship: Path | None) -> None:
    """See the whole loop: train, compress, check, run on real ECG.

    Simulates a cohort of patients with blood tests, trains ECGFounder's network on it, distils
    and quantizes a student, checks the compact model against the full one on patients neither has
    seen, and runs the pack on real ECG that a simulated Polar H10 sends over Bluetooth. All is
    real but the patients and the radio. Exits with status 1 if a limit of the gate is broken.
    """
    console = Console()
    recipe = load_recipe("quick" if quick else "demo", seed)
    console.print("[bold]leadlab demo[/]  Simulated patients. Not a medical device.\n")
    _clear(out)
    steps = Steps(console, STEPS)
    built = build(out, recipe, steps, ship)
    console.print(check_view(built.report))
    with steps.step("Run it on real ECG over Bluetooth") as step:
        show = asyncio.run(play(built.pack, built.pack.load(), recipe.export.show, console))
        stats = show.summary.stats
        step.outcome = (
            f"{show.summary.windows} windows; {stats.lost_samples} samples lost, "
            f"{stats.duplicates} doubled, {stats.reordered} late"
            f"{', not' if show.failures else ','} as scripted"
        )
    report = out / "report.html"
    report.write_text(render_report(built, show, steps.seconds), encoding="utf-8")
    console.print(f"\nPack    {out / 'demo.leadpack'}\nReport  {report}")
    if quick:
        console.print("Quick: trained on next to nothing, and no accuracy was asked for.")
    failures = [*built.report.failures, *show.failures]
    if failures:
        raise GateFailed("\n  ".join([f"{len(failures)} limits broken:", *failures]))


def _clear(out: Path) -> None:
    """Remove an earlier demo's cohort and run. Anything else stays, and is refused later."""
    cohort, run = out / "cohort", out / "teacher"
    if (cohort / "cohort.toml").is_file() and read_manifest(cohort).simulated:
        shutil.rmtree(cohort)
    if (run / "run.json").is_file():
        shutil.rmtree(run)

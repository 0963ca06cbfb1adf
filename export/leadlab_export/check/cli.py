"""``leadlab check``: whether the compact model keeps the full model's judgement."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from leadlab_edge.recordings import open_recording
from leadlab_export.check.accuracy import RESAMPLES
from leadlab_export.check.gate import CHECK_LIMITS, read_limits
from leadlab_export.check.page import render_page
from leadlab_export.check.pair import CheckSettings, check_pair
from leadlab_export.check.text import limits_text, pair_view
from leadlab_export.check.to_json import to_json
from leadlab_export.errors import ExportError, GateFailed
from leadlab_train.cohort import Cohort

EPILOG = f"""\b
Limits, as TOML; a file given with --limits replaces some of them:
{chr(10).join("  " + line for line in limits_text(CHECK_LIMITS).splitlines())}

\b
Examples:
  leadlab check runs/demo small.leadpack --cohort cohort
  leadlab check teacher.leadpack small.leadpack --cohort cohort --html check.html
  leadlab check teacher.leadpack small.leadpack --recording night.edf
"""


@click.command(epilog=EPILOG)
@click.argument("full", type=click.Path(exists=True, path_type=Path))
@click.argument("pack", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--cohort",
    type=click.Path(file_okay=False, path_type=Path),
    help="Score both on its test patients.",
)
@click.option(
    "--recording",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Compare logits on an ECG of yours: CSV, WFDB or EDF.",
)
@click.option(
    "--limits",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="TOML with other limits than those below.",
)
@click.option(
    "--windows",
    type=click.IntRange(min=1),
    metavar="N",
    help="Score so many windows at most, evenly spread.  [default: all]",
)
@click.option(
    "--resamples",
    type=click.IntRange(min=10),
    default=RESAMPLES,
    show_default=True,
    help="Of patients, for the intervals.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Windows to time each file on; 0 measures no latency and no memory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write a page with pictures.",
)
def check_command(full: Path, pack: Path, **options: Any) -> None:
    """Hold the compact model in PACK against the full model FULL.

    FULL is a run of `leadlab train` or, without PyTorch, a teacher pack. Both are given the same
    raw millivolts, each through its own front end; every file of PACK on every installed runtime.
    Without --cohort accuracy is not judged: golden logits, int8 arithmetic and costs are.

    Exits with status 1 if a limit of the gate is broken.
    """
    limits = read_limits(options["limits"])
    cohort = None if options["cohort"] is None else Cohort.open(options["cohort"])
    recording = None if options["recording"] is None else open_recording(options["recording"])
    settings = CheckSettings(limits, options["windows"], options["resamples"], options["repeats"])
    console = Console(highlight=False)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(24),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=None)
        report = check_pair(
            full,
            pack,
            cohort=cohort,
            recording=recording,
            settings=settings,
            on_progress=lambda stage, done, total: progress.update(
                task, description=stage, completed=done, total=total
            ),
        )
    if options["as_json"]:
        click.echo(to_json(report))
    else:
        console.print(pair_view(report))
    if options["page"] is not None:
        _write(options["page"], render_page(report))
    if not report.passed:
        count = len(report.failures)
        raise GateFailed(f"{count} limit{'s' * (count > 1)} of the gate broken, as listed")


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ExportError(
            f"{path} cannot be written: {error}. Remedy: name another file"
        ) from error


if __name__ == "__main__":
    check_command()

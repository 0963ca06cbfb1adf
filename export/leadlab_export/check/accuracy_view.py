"""The check as tables in a terminal."""

import math
from collections.abc import Collection

from numpy import nanmean
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from leadlab_export.check.accuracy import Change, CheckReport
from leadlab_export.check.comparison import ALONE, COMPACT, FULL, HEART_RATE
from leadlab_train.metrics import Interval

STRONGEST = 12


def check_view(report: CheckReport, strongest: int = STRONGEST) -> Group:
    """Return macro figures, the strongest indicators, the files and the verdict.

    Parameters
    ----------
    report
        The comparison.
    strongest
        How many indicators to show, by AUROC of the full model.
    """
    parts: list[RenderableType] = [
        _macro(report),
        indicator_table(report, strongest),
        _files(report),
    ]
    nulls = [row.auroc[FULL] for row in report.indicators if row.null]
    if nulls:
        parts.append(
            Text(f"{len(nulls)} indicators have no effect; {FULL}: mean AUROC {nanmean(nulls):.3f}")
        )
    if report.passed:
        parts.append(Text("The compact model passed the gate.", style="bold green"))
    parts += [Text(f"Gate: {failure}", style="bold red") for failure in report.failures]
    return Group(*parts)


def table(title: str | None, caption: str | None, left: tuple[str, ...], right: list[str]) -> Table:
    """Return an empty table with headings, those of numbers to the right."""
    shown = Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for heading in left:
        shown.add_column(heading, no_wrap=True, max_width=36)
    for heading in right:
        shown.add_column(heading, justify="right")
    return shown


def _macro(report: CheckReport) -> Table:
    shown = table(
        f"Mean AUROC, {report.n_patients:,} test patients, {report.n_windows:,} windows",
        f"+- 95 % over patients; changes: {COMPACT} against {FULL}, others against {COMPACT}",
        ("model",),
        ["AUROC", "efficiency", "change", "mean |change|", "worst"],
    )
    for row in report.macro:
        shown.add_row(
            row.name,
            f"{row.auroc:.4f} +-{half(row.interval):.4f}",
            "" if row.efficiency is None else f"{row.efficiency:.2f}",
            *_change(row.change),
        )
    return shown


def _change(change: Change | None) -> tuple[str, str, str]:
    if change is None:
        return "", "", ""
    mean = f"{change.mean:+.4f} +-{half(change.interval):.4f}"
    return mean, f"{change.mean_absolute:.4f}", f"{change.worst:+.4f}"


def half(interval: Interval) -> float:
    """Return half the width of an interval."""
    return float(interval.high - interval.low) / 2


def indicator_table(
    report: CheckReport, strongest: int, left_out: Collection[str] = (HEART_RATE, ALONE)
) -> Table:
    """Return AUROC of the indicators that the full model knows best, but for some models."""
    columns = [name for name in report.indicators[0].auroc if name not in left_out]
    shown = table(
        f"The {strongest} strongest of {len(report.indicators)} indicators",
        f"all {len(report.indicators)} in the report",
        ("indicator",),
        ["patients", *(name.replace(" ", "\n") for name in columns)],
    )
    scored = [row for row in report.indicators if not math.isnan(row.auroc[FULL])]
    for row in sorted(scored, key=lambda row: -row.auroc[FULL])[:strongest]:
        values = [f"{row.auroc[name]:.3f}" for name in columns]
        shown.add_row(row.indicator.label, str(row.positives), *values)
    return shown


def _files(report: CheckReport) -> Table:
    shown = table(
        "Files, one thread on this machine", None, ("file", "runtime"), ["kB", "ms per window"]
    )
    for row in report.files:
        shown.add_row(row.file, row.runtime, f"{row.n_bytes / 1e3:.1f}", f"{row.latency_ms:.2f}")
    return shown

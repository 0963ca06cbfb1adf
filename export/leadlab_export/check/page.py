"""``leadlab check`` as a page: one file without references to others."""

import html
import math
from collections.abc import Iterator
from string import Template

from leadlab_export import html_parts
from leadlab_export.check import plots as plots
from leadlab_export.check.accuracy import CheckReport, IndicatorRow
from leadlab_export.check.comparison import COMPACT, FULL
from leadlab_export.check.report import PairReport
from leadlab_export.check.text import limits_text, number

PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>leadlab check: $title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 1040px; margin: 2rem auto;
       padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #d9e2ec; }
.lead, figcaption, caption { color: #52606d; }
.banner { background: #fff4e5; border-left: 4px solid #d9822b; padding: .6rem 1rem; }
.passed { border-color: #2a9d8f; background: #e6f5f3; }
.failed { border-color: #b3261e; background: #fdecea; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: .8rem; }
.cards div { border: 1px solid #d9e2ec; border-radius: 6px; padding: .5rem .8rem; }
.cards b { display: block; font-size: 1.5rem; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1rem; }
figure { margin: 1rem 0; } svg { width: 100%; height: auto; font-family: inherit; }
table { border-collapse: collapse; font-size: 13px; margin: 1rem 0; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #e4e7eb; }
th:first-child, td:first-child { text-align: left; } th { background: #f5f7fa; }
details > summary { cursor: pointer; color: #1d4e89; } .scroll { overflow-x: auto; }
</style>
<h1>$title</h1>
<p class="lead">Does the compact model keep the full model's judgement?</p>
$body
<p class="lead">leadlab is research software, not a medical device.</p>
</html>
""")


def render_page(report: PairReport) -> str:
    """Return the page."""
    parts = [_verdict(report), _cards(report)]
    if report.accuracy is not None:
        parts += ["<h2>Full against compact</h2>", *_accuracy(report, report.accuracy)]
    parts += ["<h2>Every file on every runtime</h2>", _drifts(report), _files(report)]
    parts += ["<h2>Cost</h2>", _costs(report)]
    if report.accuracy is not None:
        parts += ["<h2>All indicators</h2>", _indicators(report.accuracy)]
    parts += ["<h2>What was compared</h2>", _provenance(report)]
    return PAGE.substitute(title=html.escape(report.pack), body="\n".join(parts))


def _verdict(report: PairReport) -> str:
    simulated = (
        '<p class="banner"><b>Simulated.</b> Patients and labels are drawn from a model: no figure '
        "on this page says anything of people.</p>"
        if report.simulated
        else ""
    )
    if report.failures:
        items = "".join(f"<li>{html.escape(failure)}</li>" for failure in report.failures)
        told = f'<div class="banner failed"><b>Limits broken</b><ul>{items}</ul></div>'
    else:
        told = '<p class="banner passed"><b>Passed</b> every limit of the gate.</p>'
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in report.notes)
    return simulated + told + (f"<ul>{notes}</ul>" if notes else "")


def _cards(report: PairReport) -> str:
    cards = []
    if report.accuracy is not None:
        for row in report.accuracy.macro:
            if row.change is not None:
                shown = f"{row.change.mean:+.4f}"
                cards.append((shown, f"mean AUROC, {row.name} against {row.change.against}"))
    smallest = min((row for row in report.costs if row.model == "compact"), key=lambda r: r.n_bytes)
    cards.append((f"{smallest.n_bytes / 1e3:,.0f} kB", f"smallest file, {smallest.file}"))
    timed = [(r.median_ms, r) for r in report.costs if r.model == "compact" and r.median_ms]
    if timed:
        fastest_ms, fastest = min(timed, key=lambda pair: pair[0])
        told = f"a window, {fastest.file} on {fastest.runtime}, one thread"
        cards.append((f"{fastest_ms:.2f} ms", told))
    items = [f"<div><b>{html.escape(a)}</b>{html.escape(b)}</div>" for a, b in cards]
    return f'<div class="cards">{"".join(items)}</div>'


def _accuracy(report: PairReport, accuracy: CheckReport) -> Iterator[str]:
    yield _macro(accuracy, report.labels)
    compact = COMPACT if COMPACT in accuracy.indicators[0].auroc else _made(accuracy)[0]
    scored = [row for row in accuracy.indicators if math.isfinite(row.auroc[FULL])]
    aurocs = [_mark(row, row.auroc[FULL], row.auroc[compact]) for row in scored]
    ranks = [
        _mark(row, row.auroc[FULL], row.changes[compact].rank)
        for row in scored
        if math.isfinite(row.changes[compact].rank)
    ]
    limits = report.limits
    figure = plots.beside(aurocs, "AUROC of the full model", f"AUROC, {compact}", chance=0.5)
    ranked = plots.scatter(ranks, "AUROC of the full model", f"rank correlation, {compact}")
    yield html_parts.row(
        html_parts.figure(
            figure, "Every indicator under both models. Point at one to see which it is."
        ),
        html_parts.figure(ranked, "Do both put the same windows in the same order?"),
    )
    for name in _made(accuracy):
        marks = [_change(row, name) for row in scored if name in row.changes]
        against = scored[0].changes[name].against
        limit = limits.distillation_worst_drop if against == FULL else limits.int8_worst_drop
        drawn = plots.changes(marks, limit, "change of AUROC")
        yield html_parts.figure(drawn, f"{name} against {against}, with 95 % over patients.")


def _made(accuracy: CheckReport) -> list[str]:
    return [row.name for row in accuracy.macro if row.change is not None]


def _mark(row: IndicatorRow, x: float, y: float) -> plots.Mark:
    label = f"{row.indicator.label}, {row.positives} positive patients"
    return plots.Mark(label, x, y, y, y, row.enough)


def _change(row: IndicatorRow, name: str) -> plots.Mark:
    change = row.changes[name]
    low, high = change.interval
    if not math.isfinite(low):
        low = high = change.auroc
    label = f"{row.indicator.label}, {row.positives} positive patients"
    return plots.Mark(label, 0.0, change.auroc, low, high, row.enough)


def _macro(accuracy: CheckReport, labels: str) -> str:
    rows = []
    for row in accuracy.macro:
        low, high = row.interval
        cells = [row.name, f"{row.auroc:.4f}", f"{low:.3f} to {high:.3f}"]
        cells += [number(row.efficiency, ".2f"), number(row.ece, ".4f")]
        if (change := row.change) is None:
            cells += [""] * 6
        else:
            low, high = change.interval
            cells += [
                f"{change.mean:+.4f} ({low:+.4f} to {high:+.4f}) vs {change.against}",
                f"{change.worst:+.4f}",
                f"{change.rank_median:.4f}",
                f"{change.rank_min:.4f}",
                number(change.flips, ".2%"),
                number(change.ece_shift, "+.4f"),
            ]
        rows.append(cells)
    heads = (
        *("model", "macro AUROC", "95 %", "efficiency", "ECE", "change of AUROC", "worst"),
        *("ranks, median", "lowest", "decisions flipped", "ECE shift"),
    )
    caption = (
        f"{accuracy.n_patients:,} test patients, {accuracy.n_windows:,} windows, {labels}. "
        "Intervals over patients; changes are paired."
    )
    return html_parts.table(caption, heads, rows)


def _drifts(report: PairReport) -> str:
    figures = [
        html_parts.figure(
            plots.heatmap(drift),
            f"Root mean square difference of logits on {drift.windows}, {drift.n_windows:,} "
            "windows. Dark is far.",
        )
        for drift in report.drifts
    ]
    return html_parts.row(*figures)


def _files(report: PairReport) -> str:
    int8 = {row.file: row for row in report.int8}
    rows = []
    for row in report.parity:
        cells = [row.file, row.runtime, f"{row.parity.judged:.2g}", f"{row.parity.limit:.2g}"]
        found = int8.get(row.file)
        if found is None:
            cells += ["", "", ""]
        else:
            weight = found.largest_weight
            cells += ["" if weight is None else str(weight), number(found.saturation, ".2%")]
            cells.append(number(found.clipped_share, ".4%"))
        rows.append(cells)
    heads = (
        *("file", "runtime", "difference from golden logits", "limit"),
        *("largest int8 weight", "saturation here", "activations clipped"),
    )
    return html_parts.table(
        "Golden windows, and the arithmetic of int8 files on this machine.", heads, rows
    )


def _costs(report: PairReport) -> str:
    sizes = [
        (f"{r.model} {r.file}", r.n_bytes / 1e3, f"{r.n_bytes / 1e3:,.0f} kB")
        for r in {(r.model, r.file): r for r in report.costs}.values()
    ]
    times = [
        (f"{r.model} {r.runtime} {r.file.split('.')[1]}", r.median_ms, f"{r.median_ms:.2f} ms")
        for r in report.costs
        if r.median_ms
    ]
    pictures = [html_parts.figure(plots.bars(sizes, "file size"), "Size of each file.")]
    if times:
        told = "Median time of one window on one thread, raw millivolts to logits."
        pictures.append(html_parts.figure(plots.bars(times, "time"), told))
    heads = ("model", "file", "runtime", "kB", "median ms", "p99 ms", "load s", "peak MB")
    rows = [
        (
            *(r.model, r.file, r.runtime, f"{r.n_bytes / 1e3:,.1f}"),
            *(number(v, ".2f") for v in (r.median_ms, r.p99_ms, r.load_s, r.peak_rss_mb)),
        )
        for r in report.costs
    ]
    machine = report.machine
    caption = (
        f"{machine.get('processor')}, {machine.get('cores')} cores, {machine.get('system')}; load "
        f"before: {number(machine.get('load_before'), '.1f')}. Peak memory of a process that only "
        "predicts."
    )
    return html_parts.row(*pictures) + html_parts.table(caption, heads, rows)


def _indicators(accuracy: CheckReport) -> str:
    columns = list(accuracy.indicators[0].auroc)
    made = _made(accuracy)
    heads = ["indicator", "positive patients", *columns]
    for name in made:
        heads += [f"{name}: change", "95 %", "ranks", "flipped", "ECE shift"]
    rows = []
    for row in sorted(accuracy.indicators, key=_strength, reverse=True):
        null = " (no effect)" if row.null else ""
        cells = [row.indicator.label + null, str(row.positives)]
        cells += [number(row.auroc[name], ".3f") for name in columns]
        for name in made:
            change = row.changes[name]
            low, high = change.interval
            between = f"{low:+.4f} to {high:+.4f}" if math.isfinite(low) else ""
            cells += [number(change.auroc, "+.4f"), between, number(change.rank, ".4f")]
            cells += [number(change.flips, ".2%"), number(change.ece_shift, "+.4f")]
        rows.append(cells)
    shown = html_parts.table("AUROC on the test patients, and what changed.", heads, rows)
    return (
        f"<details><summary>{len(rows)} indicators</summary>"
        f'<div class="scroll">{shown}</div></details>'
    )


def _strength(row: IndicatorRow) -> float:
    value = row.auroc[FULL]
    return value if math.isfinite(value) else -1.0


def _provenance(report: PairReport) -> str:
    rows = [
        ("full model", report.full),
        ("pack", f"{report.pack} {report.pack_id}"),
        ("cohort", report.cohort or "none"),
        ("labels", report.labels or "none"),
    ]
    limits = html.escape(limits_text(report.limits))
    return (
        html_parts.table("", ("", ""), rows)
        + f"<details><summary>Limits of the gate</summary><pre>{limits}</pre></details>"
    )

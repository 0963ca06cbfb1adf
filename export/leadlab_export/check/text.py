"""``leadlab check`` in a terminal of 80 columns."""

import math
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from leadlab_export.check.accuracy import CheckReport
from leadlab_export.check.accuracy_view import half, indicator_table, table
from leadlab_export.check.drift import Drift
from leadlab_export.check.gate import Limits
from leadlab_export.check.report import CostRow, PairReport

STRONGEST = 12

Parts = Iterator[RenderableType]


def pair_view(report: PairReport) -> Group:
    """Return what a check found: accuracy, agreement, costs, and whether it passed."""
    parts = [*_who(report)]
    if report.accuracy is not None:
        parts += _accuracy(report.accuracy)
        parts += _agreement(report.accuracy)
        parts += _indicators(report.accuracy)
    for drift in report.drifts:
        parts += _drift(drift)
    parts += _files(report)
    parts += _costs(report)
    parts += [Text(f"Note: {note}") for note in report.notes]
    parts += [Text(f"Gate: {failure}", style="bold red") for failure in report.failures]
    if report.passed:
        judged = "" if report.accuracy else " for what could be judged"
        parts.append(Text(f"The compact model passed the gate{judged}.", style="bold green"))
    return Group(*parts)


def _who(report: PairReport) -> Parts:
    rows = {"Full": report.full, "Compact": f"{report.pack}  {report.pack_id[:16]}"}
    if report.cohort is not None:
        rows["Cohort"] = f"{report.cohort}, {report.labels}"
    for what, value in rows.items():
        yield Text.assemble((f"{what:<9}", "bold"), value)
    if report.simulated:
        yield Text("Simulated patients: no figure here says anything of people.")
    yield Text()


def _accuracy(report: CheckReport) -> Parts:
    yield _title(f"Mean AUROC, {report.n_patients:,} test patients, {report.n_windows:,} windows")
    shown = table(None, None, ("model", "against"), ["AUROC", "change", "worst"])
    for row in report.macro:
        against, figures = "", ("", "")
        if row.change is not None:
            against = row.change.against
            mean = f"{row.change.mean:+.4f} +-{half(row.change.interval):.4f}"
            figures = (mean, f"{row.change.worst:+.4f}")
        auroc = f"{row.auroc:.4f} +-{half(row.interval):.4f}"
        shown.add_row(row.name, against, auroc, *figures)
    yield shown
    yield _told("+- 95 % over patients, changes paired; worst: with enough positive patients")


def _agreement(report: CheckReport) -> Parts:
    yield _title("Agreement, window by window")
    shown = table(None, None, ("model",), ["ranks", "lowest", "flips", "ECE", "shift"])
    for row in report.macro:
        if (change := row.change) is not None:
            shown.add_row(
                row.name,
                f"{change.rank_median:.4f}",
                f"{change.rank_min:.4f}",
                number(change.flips, ".2%"),
                number(row.ece, ".4f"),
                number(change.ece_shift, "+.4f"),
            )
    yield shown
    yield _told("ranks: Spearman, median indicator and lowest; flips: decided otherwise at the")
    yield _told("operating threshold; ECE: calibration error, and by how much it grew")


def _indicators(report: CheckReport) -> Parts:
    between = ("fp16", "dynamic")
    yield indicator_table(
        report, STRONGEST, [row.name for row in report.macro if row.name.startswith(between)]
    )


def _drift(drift: Drift) -> Parts:
    """Yield the matrix; models have numbers, so that many fit."""
    yield _title(f"Largest difference of a logit, {drift.windows}, {drift.n_windows:,} windows")
    numbers = [str(place) for place in range(1, len(drift.names) + 1)]
    shown = table(None, None, ("model",), numbers)
    for place, (name, row) in enumerate(zip(drift.names, drift.max_abs.tolist(), strict=True)):
        others = ["" if place == other else f"{value:.1g}" for other, value in enumerate(row)]
        shown.add_row(f"{place + 1} {name}", *others)
    yield shown


def _files(report: PairReport) -> Parts:
    yield _title("Files beside their golden logits; int8 arithmetic on this machine")
    heads = ["differs", "limit", "weights", "kernels", "clipped"]
    shown = table(None, None, ("file", "runtime"), heads)
    int8 = {row.file: row for row in report.int8}
    for row in report.parity:
        extra = ("", "", "")
        if (found := int8.get(row.file)) is not None:
            extra = (
                number(found.largest_weight, "d"),
                number(found.saturation, ".2%"),
                number(found.clipped_share, ".4%"),
            )
        judged, limit = f"{row.parity.judged:.2g}", f"{row.parity.limit:.2g}"
        shown.add_row(row.file, row.runtime, judged, limit, *extra)
    yield shown
    yield _told("weights: largest of int8 that meet 8 bits; kernels: integer arithmetic against")
    yield _told("float, share of the spread of logits; clipped: activations at the end of a range")


def _costs(report: PairReport) -> Parts:
    yield _title(f"Cost on one thread of {report.machine.get('processor', 'this machine')}")
    heads = ["kB", "ms", "p99 ms", "load s", "MB"]
    shown = table(None, None, ("model", "file", "runtime"), heads)
    for row in report.costs:
        shown.add_row(row.model, row.file, row.runtime, f"{row.n_bytes / 1e3:,.1f}", *_timed(row))
    yield shown
    load = report.machine.get("load_before")
    busy = f"; load {load:.1f}: times are upper bounds" if load is not None and load > 0.5 else ""
    yield _told(f"ms: median of one window; MB: peak memory of a process that only predicts{busy}")
    for row in report.costs:
        if row.failure:
            yield Text(f"{row.file} on {row.runtime}: {row.failure}")


def _timed(row: CostRow) -> tuple[str, ...]:
    return (
        number(row.median_ms, ".2f"),
        number(row.p99_ms, ".2f"),
        number(row.load_s, ".2f"),
        number(row.peak_rss_mb, ".1f"),
    )


def _title(words: str) -> Text:
    return Text(words, style="italic")


def _told(words: str) -> Text:
    return Text(words, style="dim")


def number(value: float | None, form: str) -> str:
    """Return a figure as text, empty where it is not known."""
    return "" if value is None or math.isnan(value) else format(value, form)


def limits_text(limits: Limits) -> str:
    """Return the limits as the TOML that ``--limits`` reads; what is not limited is left out."""
    values = {name: getattr(limits, name) for name in limits.__slots__}
    return "\n".join(f"{name} = {value!r}" for name, value in values.items() if value is not None)

"""A cohort as tables in a terminal."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from leadlab_train.cohort.store import Cohort
from leadlab_train.cohort.summary import SplitSummary, summarize

SIMULATED = "Simulated: every patient, blood test and ECG in it was drawn from a model."
RECORDED = "Not simulated: its provenance says where it was recorded."


def cohort_view(cohort: Cohort) -> Group:
    """Return what a cohort is, what its splits hold, and the labels of every indicator."""
    summaries = summarize(cohort)
    kind = Text(SIMULATED, "bold yellow") if cohort.simulated else Text(RECORDED)
    parts: list[RenderableType] = [kind, _facts(cohort), _splits(summaries)]
    return Group(*parts, _indicators(cohort, summaries))


def _facts(cohort: Cohort) -> Table:
    manifest = cohort.manifest
    table = Table.grid("", "", padding=(0, 2, 0, 0))
    facts = {
        "signal": f"lead {manifest.lead}, {manifest.rate_hz:g} Hz, {manifest.window_s:g} s windows",
        "panel": f"{len(cohort.panel)} indicators of {len(cohort.panel.analytes)} analytes",
        "written by": manifest.software,
        "content sha256": manifest.content_sha256,
        **manifest.provenance,
    }
    for name, value in facts.items():
        table.add_row(Text(name, "dim"), Text(str(value)))
    return table


def _splits(summaries: list[SplitSummary]) -> Table:
    table = Table("split", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("patients", "visits", "blood draws", "windows", "hours of ECG"):
        table.add_column(heading, justify="right")
    for s in summaries:
        counts = (s.patients, s.visits, s.draws, s.windows)
        table.add_row(s.split, *(f"{count:,}" for count in counts), f"{s.ecg_h:,.1f}")
    return table


def _indicators(cohort: Cohort, summaries: list[SplitSummary]) -> Table:
    """Tabulate coverage and positive patients, where any cohort is thinnest."""
    table = Table(
        "indicator",
        title="Share of draws that measured it | patients with a positive",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for s in summaries:
        table.add_column(s.split, justify="right")
    for i, name in enumerate(cohort.panel.names):
        counts = (f"{s.coverage[i]:.1%} |{s.positive_patients[i]:6,}" for s in summaries)
        table.add_row(Text(name), *counts)
    return table

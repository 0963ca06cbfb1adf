"""``leadlab bench``: what each way to run a pack costs on this machine."""

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from leadlab_edge.bench import Cost, Row, fastest, machine, measure, ways
from leadlab_edge.pack import TEACHER_MAX_BYTES, read_trusted_pack
from leadlab_edge.pack.manifest import Precision
from leadlab_edge.pack.pins import Pin, store_pin
from leadlab_edge.pack.reader import DEMO_PACK, read_pack
from leadlab_edge.printable import printable
from leadlab_edge.runtimes import RUNTIMES

if TYPE_CHECKING:
    from rich.console import Console

EPILOG = """\b
Examples:
  leadlab bench                              the pack that ships with leadlab
  leadlab bench my.leadpack --pin            use the fastest on this machine from now on
  leadlab bench my.leadpack --threads 1 --runtime onnxruntime --json
"""
_MOST_THREADS = 4


@click.command(epilog=EPILOG)
@click.argument("pack_path", metavar="[PACK]", type=Path, required=False)
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    type=click.Choice([runtime.name for runtime in RUNTIMES]),
    help="Only this one; may be repeated. tensorflow runs by name only.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(get_args(Precision)),
    help="Only this one; may be repeated.",
)
@click.option(
    "--threads",
    multiple=True,
    type=click.IntRange(1, 64),
    help=f"May be repeated. Default: 1, and all cores up to {_MOST_THREADS}.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1, 100_000),
    default=300,
    show_default=True,
    help="Windows to time; fewer where they take longer than 20 s.",
)
@click.option("--pin", is_flag=True, help="Use the fastest that is right from now on.")
@click.option(
    "--unpin", is_flag=True, help="Forget what was pinned for this pack; measure nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--require-signature", metavar="KEY", help="A public key, or a file of them.")
def bench(pack_path: Path | None, **options: Any) -> None:
    """Measure PACK on every installed runtime: the demo pack without PACK.

    Each combination of runtime, precision and threads runs in a process of its own, and must give
    the pack's golden logits. Latency is from raw millivolts to logits, one window at a time.
    """
    path = pack_path or DEMO_PACK
    if pack_path is None:
        pack = read_pack(path)
    else:
        pack, _ = read_trusted_pack(path, options["require_signature"], TEACHER_MAX_BYTES)
    name = printable(pack.manifest.name)
    if options["unpin"]:
        click.echo(f"{name} is not pinned any more, says {store_pin(pack.id, None)}")
        return
    cores = min(_MOST_THREADS, os.cpu_count() or 1)
    threads = sorted(set(options["threads"] or (1, cores)))
    described = machine()
    found = ways(pack, threads, options["runtimes"], options["precisions"])
    rows = [measure(path, way, repeats=options["repeats"]) for way in found]
    if options["as_json"]:
        click.echo(json.dumps(_report(name, pack.id, described, rows), indent=2))
    else:
        _print(f"{name} {pack.id[:12]}", described, rows)
    if options["pin"]:
        way = fastest(rows)
        file = store_pin(pack.id, way)
        click.echo(
            f"Pinned for {name}: {way.runtime}, {way.precision}, threads"
            f" {way.threads}. leadlab run and Pack.load() use it from now on, unless told"
            f" otherwise; it is kept in {file}. Undo: --unpin",
            err=options["as_json"],
        )
    elif all(row.cost is None for row in rows):
        raise click.ClickException("nothing could be measured; the reasons are above")


def _report(name: str, pack_id: str, described: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """Return everything measured, for programs."""
    measured = []
    for row in rows:
        table: dict[str, Any] = dataclasses.asdict(row.way)
        if row.cost is None:
            table |= {"failure": row.failure}
        else:
            table |= dataclasses.asdict(row.cost)
            table["real_time_factor"] = row.cost.real_time_factor
        measured.append(table)
    return {"pack": name, "pack_id": pack_id, "machine": described, "rows": measured}


def _print(title: str, described: dict[str, Any], rows: list[Row]) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    load = described["load_before"]
    busy = load is not None and load > 0.5
    console.print(
        f"{title} on {described['processor']}, {described['cores']} cores, {described['system']}",
        markup=False,
    )
    if busy:
        console.print(f"The machine is busy (load {load:.1f}): times are upper bounds.")
    print_rows(console, rows)
    console.print(
        "ms: median of one window. MB: peak memory of a process that only predicts. x live: seconds"
        "\nof ECG scored in a second. max diff: from the golden logits."
    )


def print_rows(console: "Console", rows: list[Row], *, costs: bool = True) -> None:
    """Print measurements as a table; without ``costs`` only whether the logits are right."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("runtime", "precision"):
        table.add_column(title, no_wrap=True)
    figures = ("threads", "ms", "p99 ms", "load s", "MB", "x live")
    for title in (*(figures if costs else ()), "max diff", "golden"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        if row.cost is not None:
            shown = _figures(row.way, row.cost) if costs else ()
            verdict = "right" if row.cost.passed else "WRONG"
            difference = f"{row.cost.max_abs:.2g}"
            table.add_row(row.way.runtime, row.way.precision, *shown, difference, verdict)
    if table.row_count:
        console.print(table)
    for row in rows:
        if row.cost is None:
            console.print(f"{row.way.runtime} {row.way.precision}: {escape(row.failure)}")
        elif not row.cost.passed:
            console.print(
                f"{row.way.runtime} {row.way.precision}: differs by {row.cost.max_abs:.2g} at most"
                f" and {row.cost.rms:.2g} rms; the limit is {row.cost.limit:.2g}. Do not use it"
            )


def _figures(way: Pin, cost: Cost) -> tuple[str, ...]:
    return (
        f"{way.threads}",
        f"{cost.median_ms:.2f}",
        f"{cost.p99_ms:.2f}",
        f"{cost.load_s:.2f}",
        f"{cost.peak_rss_mb:.1f}",
        f"{1 / cost.real_time_factor:,.0f}",
    )

"""``leadlab export``: a trained network to ONNX and TFLite, verified, in one pack."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from leadlab_export.errors import ExportError
from leadlab_export.exporting import Exported, ExportSettings, export
from leadlab_export.models import FORMATS, PRECISIONS
from leadlab_export.rates import STRAPS_HZ
from leadlab_export.source import open_source
from leadlab_export.student import Student
from leadlab_train.cohort import Cohort

EPILOG = """\b
Precisions, largest file first:
  fp32     what was trained
  fp16     half of it; computed in float32
  dynamic  weights in 8 bits, activations in float32 (ONNX) or quantized on the fly (TFLite)
  int8     weights and activations in 8 bits, ranges from windows of training patients

\b
Examples:
  leadlab export students/small --cohort cohort --out small.leadpack
  leadlab export students/small --cohort cohort --out small.leadpack --rates 250,500
  leadlab export runs/demo --cohort cohort --out teacher.leadpack --precisions fp32,dynamic
"""


def _one_of(*legal: Any) -> Callable[[Any, Any, str | None], tuple[Any, ...]]:
    """Return a callback that reads names separated by commas, and refuses others."""
    known = {str(name): name for name in legal}

    def read(_ctx: Any, _param: Any, value: str | None) -> tuple[Any, ...]:
        words = [word.strip() for word in (value or "").split(",") if word.strip()]
        for word in words:
            if word not in known:
                raise click.BadParameter(f"{word!r} is not one of {', '.join(known)}")
        return tuple(known[word] for word in dict.fromkeys(words))

    return read


@click.command(epilog=EPILOG)
@click.argument("source", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--cohort",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the cohort that it was trained on.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="NAME.leadpack."
)
@click.option(
    "--precisions",
    callback=_one_of(*PRECISIONS),
    metavar="NAMES",
    help="Separated by commas.  [default: all of a student, fp32 of a teacher]",
)
@click.option(
    "--formats",
    callback=_one_of(*FORMATS),
    metavar="NAMES",
    default=",".join(FORMATS),
    show_default=True,
)
@click.option(
    "--rates",
    callback=_one_of(*STRAPS_HZ),
    metavar="HZ",
    help="Further input rates, for hosts that cannot resample: int8 files of their own.",
)
@click.option(
    "--calibration-windows",
    type=click.IntRange(min=16),
    help="Windows of training patients that set int8 ranges.  [default: 256, of a teacher 64]",
)
@click.option(
    "--aware",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Quantization-aware training of a student; auto: where int8 loses more than .005 mean or "
    ".02 worst AUROC.",
)
@click.option(
    "--licence", default="", help="Of the weights, as hubs write it: cc-by-4.0.  [default: none]"
)
def export_command(source: Path, cohort: Path, out: Path, **how: Any) -> None:
    """Export the run of a teacher, or a distilled student, as one pack.

    SOURCE is the --out of `leadlab train` or of `leadlab distill`. Every file is compared with
    PyTorch, or with its own float32 file, before it is packed. The calibration windows stay in
    SOURCE; nothing of a patient enters the pack. The same command gives the same bytes.
    """
    if out.suffix != ".leadpack":
        raise ExportError(f"--out is {out}; a pack is named NAME.leadpack")
    # Bound to this stream: the converters' silence swaps sys.stdout, and the spinner shall turn.
    console = Console(file=sys.stdout, highlight=False)
    opened = Cohort.open(cohort)
    trained = open_source(source, opened)
    default = PRECISIONS if isinstance(trained.network, Student) else PRECISIONS[:1]
    settings = ExportSettings(
        precisions=how["precisions"] or default,
        formats=how["formats"],
        calibration_windows=how["calibration_windows"],
        aware=how["aware"],
        rates_hz=how["rates"],
        licence=how["licence"],
    )
    with console.status("") as status:
        exported = export(trained, opened, out, settings, lambda stage: status.update(stage))
    console.print(_table(exported))
    for reason in exported.models.missing.values():
        console.print(reason, soft_wrap=True)
    simulated = ", simulated" if opened.simulated else ""
    retrained = ", trained for int8" if exported.retrained else ""
    line = f"{out}  {out.stat().st_size:,} bytes  {exported.id[:16]}{simulated}{retrained}"
    console.print(line, soft_wrap=True)


def _table(exported: Exported) -> Table:
    """Show what verification found: logits, ranks and AUROC against PyTorch or float32."""
    table = Table(box=None, pad_edge=False)
    table.add_column("file", no_wrap=True)
    for heading in ("bytes", "change", "ranks (worst)", "AUROC (worst)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for file, data in exported.models.files.items():
        size, drift = f"{len(data):,}", exported.models.drift.get(file)
        if drift is None:
            table.add_row(file.file, size, f"{exported.models.parity[file.format].from_raw:.1g}")
            continue
        loss = exported.losses.get(file)
        table.add_row(
            file.file,
            size,
            f"{drift.max_abs:.3f}",
            f"{drift.rank_median:.4f} ({drift.rank_min:.4f})",
            f"{-loss.mean:+.4f} ({-loss.worst:+.4f})" if loss else "",
        )
    return table


if __name__ == "__main__":
    export_command()

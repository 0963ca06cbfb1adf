"""``leadlab weights``: say what a file of weights holds, and write it as safetensors."""

from pathlib import Path

import click
import torch

from leadlab_train.checkpoint import (
    Checkpoint,
    build_ecgfounder,
    read_checkpoint,
    save_weights,
)
from leadlab_train.errors import CheckpointError
from leadlab_train.state_diff import compare

PUBLISHED_LABELS = 150

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def weights() -> None:
    """Inspect and convert ECGFounder checkpoints.

    Reads the authors' .pth files, bare state dicts and safetensors. Nothing in a file is executed.
    """


@weights.command()
@FILE
def inspect(file: Path) -> None:
    """Say what FILE holds and whether it loads strictly."""
    checkpoint = read_checkpoint(file)
    info = checkpoint.info
    rows = {
        "layout": info.layout,
        "leads": info.leads,
        "labels": info.labels,
        "keys": info.keys,
        "parameters": f"{info.parameters:,}",
        "epoch": info.epoch,
        "step": info.step,
        "val_auroc": info.val_auroc,
        "sha256": checkpoint.sha256,
        "loads": _loads(checkpoint),
    }
    for name, value in rows.items():
        if value is not None:
            click.echo(f"{name:<12}{value}")


def _loads(checkpoint: Checkpoint) -> str:
    info = checkpoint.info
    leads, labels, width = info.leads or 1, info.labels or PUBLISHED_LABELS, info.width or "full"
    found = compare(checkpoint.state, labels, leads=leads, width=width)
    network = f"ECGFounder ({leads}-lead, {labels} labels, width {width})"
    if not found:
        return f"strictly into {network}"
    return f"not into {network}:\n" + "\n".join(f"  {line}" for line in str(found).splitlines())


@weights.command()
@FILE
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="NAME.safetensors to write; NAME.json goes beside it.",
)
@click.option(
    "--labels",
    type=click.IntRange(min=1, max=100_000),
    help="Replace the head by a new one with so many outputs.  [default: keep the file's]",
)
def convert(file: Path, out: Path, labels: int | None) -> None:
    """Write FILE as safetensors with a JSON sidecar."""
    if out.exists() and out.samefile(file):
        raise CheckpointError(f"--out is {file} itself. Remedy: give the copy another name")
    checkpoint = read_checkpoint(file)
    info = checkpoint.info
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # a new head is the same at every call
        loaded = build_ecgfounder(
            checkpoint,
            labels or info.labels or PUBLISHED_LABELS,
            leads=info.leads or 1,
            width=info.width or "full",
            replace_head=labels is not None,
        )
    source = {
        "file": file.name,
        "sha256": checkpoint.sha256,
        "layout": info.layout,
        "labels": info.labels,
        "epoch": info.epoch,
        "step": info.step,
        "val_auroc": info.val_auroc,
    }
    sha256 = save_weights(out, loaded.model, {"source": source, "new_head": labels is not None})
    click.echo(f"Wrote {out} and {out.with_suffix('.json').name}, sha256 {sha256}")

"""``curves.png``: how a run learns, at a glance."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leadlab_train.run.log import Record, read_metrics

BLUE, RED = "#1f6f8b", "#c0392b"
SMOOTHED_PARTS = 20  # the bold line is a mean over a twentieth of the run


def draw_curves(folder: Path, title: str) -> None:
    """Draw loss and learning rate of a run over its steps, and validation AUROC if there is any."""
    records = read_metrics(folder)
    validations = [record for record in records if "val_auroc" in record]
    panels = 2 if validations else 1
    figure = Figure(figsize=(5.0 * panels, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _draw_losses(axes[0], [record for record in records if "loss" in record])
    if validations:
        _draw_validations(axes[1], validations)
    figure.savefig(folder / "curves.png", dpi=120)


def _draw_losses(axes: Axes, records: list[Record]) -> None:
    axes.set(xlabel="step", ylabel="training loss")
    if not records:  # validated before the first record
        return
    steps, losses, rates = (
        np.array([record[key] for record in records]) for key in ("step", "loss", "learning_rate")
    )
    width = max(1, len(losses) // SMOOTHED_PARTS)
    smooth = np.convolve(losses, np.ones(width) / width, "valid")
    axes.plot(steps, losses, color=BLUE, lw=0.6, alpha=0.35)
    axes.plot(steps[width - 1 :], smooth, color=BLUE, lw=1.6)
    right = axes.twinx()
    right.plot(steps, rates, "k:", lw=0.8)
    right.set(ylabel="learning rate (dotted)")
    right.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))


def _draw_validations(axes: Axes, records: list[Record]) -> None:
    steps, aurocs = ([record[key] for record in records] for key in ("step", "val_auroc"))
    best = int(np.argmax(aurocs))
    axes.plot(steps, aurocs, "o-", color=BLUE, ms=3, lw=1)
    axes.plot(steps[best], aurocs[best], "o", color=RED, label=f"best {aurocs[best]:.3f}")
    axes.set(xlabel="step", ylabel="macro AUROC, validation patients")
    axes.legend(frameon=False)

"""``curves.png``: how a run learns, at a glance."""

from pathlib import Path

from matplotlib.figure import Figure

from leadlab_train.run.log import read_metrics

BLUE, RED = "#1f6f8b", "#c0392b"


def draw_curves(folder: Path, title: str) -> None:
    """Draw loss, learning rate and validation AUROC of a run over its steps."""
    records = read_metrics(folder)
    steps = [r for r in records if "loss" in r]
    validations = [r for r in records if "val_auroc" in r]
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=10)
    losses, aurocs = figure.subplots(1, 2)
    losses.plot([r["step"] for r in steps], [r["loss"] for r in steps], color=BLUE, lw=1)
    losses.set(xlabel="step", ylabel="training loss")
    rates = losses.twinx()
    rates.plot([r["step"] for r in steps], [r["learning_rate"] for r in steps], "k:", lw=0.8)
    rates.set(ylabel="learning rate (dotted)")
    rates.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    aurocs.set(xlabel="step", ylabel="macro AUROC, validation patients")
    if validations:
        x, y = ([r[key] for r in validations] for key in ("step", "val_auroc"))
        best = max(range(len(y)), key=y.__getitem__)
        aurocs.plot(x, y, "o-", color=BLUE, ms=3, lw=1)
        aurocs.plot(x[best], y[best], "o", color=RED, label=f"best {y[best]:.3f}")
        aurocs.legend(frameon=False)
    else:
        aurocs.text(0.5, 0.5, "not validated", ha="center", transform=aurocs.transAxes)
    figure.savefig(folder / "curves.png", dpi=120)

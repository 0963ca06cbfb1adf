"""The search as a picture: accuracy against time, file and memory."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from leadlab_export.search.trial import Trial

COLOURS: Final = {
    "reference": "#1f2933",
    "rate": "#1d4e89",
    "stem": "#5b8db8",
    "width": "#d1495b",
    "depth": "#2a9d8f",
    "kernel": "#b7791f",
    "nano": "#7a5195",
}
STYLE: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "leadlab",  # equal figures give equal bytes
    "font.size": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
Quantity = Callable[[Trial], float | None]
PANELS: Final[tuple[tuple[str, Quantity], ...]] = (
    ("int8 LiteRT, ms of CPU a window", lambda trial: trial.cost.tflite_ms),
    ("int8 TFLite file, kB", lambda trial: trial.cost.tflite_bytes / 1e3),
    ("TensorFlow Lite Micro arena, kB", lambda trial: _kb(trial.cost.arena_bytes)),
)


@mpl.rc_context(STYLE)  # type: ignore[arg-type]
def plot_trials(trials: Sequence[Trial], path: Path) -> None:
    """Draw agreement with the teacher against each cost into an SVG file."""
    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for axes, (label, cost_of) in zip(panels, PANELS, strict=True):
        _draw(axes, trials, cost_of)
        axes.set(xlabel=label, xscale="log")
        for ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            ticks(FuncFormatter(_few_ticks))
        axes.margins(x=0.15)
    panels[0].set_ylabel("rank agreement with the teacher")
    handles, labels = panels[0].get_legend_handles_labels()
    distinct = dict(zip(labels, handles, strict=True))
    panels[-1].legend(distinct.values(), distinct.keys(), loc="lower right")
    figure.savefig(path, format="svg", metadata={"Date": None})


def _draw(axes: Axes, trials: Sequence[Trial], cost_of: Quantity) -> None:
    """Draw one panel; only what nothing beats is named, and the reference."""
    costs = [(cost, trial) for trial in trials if (cost := cost_of(trial)) is not None]
    for cost, trial in costs:
        axes.plot(cost, trial.agreement, "o", color=COLOURS[trial.axis], label=trial.axis)
        beaten = any(c < cost and t.agreement > trial.agreement for c, t in costs)
        if not beaten or trial.axis == "reference":
            place = (cost, trial.agreement)
            axes.annotate(trial.name, place, (4, -3), textcoords="offset points", fontsize=7)


def _few_ticks(value: float, _: int) -> str:
    """Write 1, 2 and 5 of every decade."""
    return f"{value:g}" if f"{value:.0e}"[0] in "125" else ""


def _kb(n_bytes: int | None) -> float | None:
    return None if n_bytes is None else n_bytes / 1e3

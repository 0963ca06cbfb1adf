"""The report's pictures, each an inline SVG."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from leadlab_export.demo.show import Show

Floats = NDArray[np.floating]

INK, FULL, COMPACT, GOOD, BAD, QUIET = (
    *("#1f2933", "#1d4e89", "#d1495b"),
    *("#2a9d8f", "#b3261e", "#9aa5b1"),
)
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "leadlab",  # equal figures give equal bytes
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def svg(figure: Figure) -> str:
    """Return a figure as an SVG element without XML prologue."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


@mpl.rc_context(STYLE)  # type: ignore[arg-type]
def losses(curves: Mapping[str, Sequence[float]]) -> str:
    """Draw the running mean of each training loss over the share of its steps."""
    figure, axes = _figure(4.6, 3.0)
    for (name, values), colour in zip(curves.items(), (FULL, COMPACT, GOOD), strict=False):
        width = max(1, len(values) // 20)
        smooth = np.convolve(values, np.ones(width) / width, mode="valid")
        axes.plot(np.linspace(0, 100, len(smooth)), smooth / smooth[0], color=colour, label=name)
    axes.set(xlabel="% of the steps", ylabel="loss, first = 1")
    axes.legend()
    return svg(figure)


@mpl.rc_context(STYLE)  # type: ignore[arg-type]
def reached(oracle: Floats, models: Mapping[str, Floats], counted: NDArray[np.bool_]) -> str:
    """Draw each indicator's AUROC against the oracle's on the same draws."""
    figure, axes = _figure(4.6, 4.2)
    seen = np.concatenate([values[counted] for values in (oracle, *models.values())])
    low, high = float(seen.min()) - 0.02, float(seen.max()) + 0.02
    axes.plot([low, high], [low, high], color=QUIET, lw=0.8)
    axes.axhline(0.5, color=QUIET, lw=0.8, ls=":")
    for (name, values), colour in zip(models.items(), (FULL, COMPACT), strict=False):
        axes.scatter(oracle[counted], values[counted], s=14, color=colour, label=name, lw=0)
        axes.scatter(oracle[~counted], values[~counted], s=14, color=colour, alpha=0.25, lw=0)
    axes.set(xlabel="AUROC of the oracle", ylabel="AUROC of the model", xlim=(low, high))
    axes.set(ylim=(low, high))
    axes.legend(loc="upper left")
    return svg(figure)


@mpl.rc_context(STYLE)  # type: ignore[arg-type]
def changes(by_runtime: Mapping[str, Floats], counted: NDArray[np.bool_], limit: float) -> str:
    """Draw the change of AUROC from fp32 to int8 of every counted indicator, sorted."""
    figure, axes = _figure(4.6, 3.0)
    for (name, values), colour in zip(by_runtime.items(), (COMPACT, GOOD, FULL), strict=False):
        axes.plot(np.sort(values[counted]) * 1000, ".", ms=4, color=colour, label=name)
    axes.axhline(0, color=QUIET, lw=0.8)
    axes.axhline(-limit * 1000, color=BAD, lw=0.8, ls="--")
    axes.annotate("limit", (0, -limit * 1000), (2, 3), textcoords="offset points", color=BAD)
    axes.set(xlabel="indicator, sorted", ylabel="change of AUROC, thousandths")
    axes.legend()
    return svg(figure)


@mpl.rc_context(STYLE)  # type: ignore[arg-type]
def strip(show: Show, start_s: float = 60.0, seconds: float = 12.0) -> str:
    """Draw some seconds of the ECG as it came over Bluetooth, on ECG paper."""
    first = round(start_s * show.strip_rate_hz)
    values = show.strip_mv[first : first + round(seconds * show.strip_rate_hz)]
    figure, axes = _figure(9.4, 2.2)
    axes.plot(start_s + np.arange(values.size) / show.strip_rate_hz, values, color=INK, lw=0.8)
    axes.set_xticks(np.arange(start_s, start_s + seconds, 0.2), minor=True)
    axes.set_xticks(np.arange(start_s, start_s + seconds + 0.1, 2.0))
    axes.grid(which="both", color="#f4c7c3", lw=0.4)
    axes.set(xlabel="s of the stream", ylabel="mV", xlim=(start_s, start_s + seconds))
    return svg(figure)


@mpl.rc_context(STYLE)  # type: ignore[arg-type]
def stream(show: Show, rows: Sequence[tuple[int, str]]) -> str:
    """Draw heart rate and a few indicators' trends over the stream; abstentions are shaded."""
    figure = Figure(figsize=(9.4, 4.2))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    times = np.array([result.end_s for result in show.results])
    rates = [np.nan if r.heart_rate_bpm is None else r.heart_rate_bpm for r in show.results]
    top.plot(times, rates, color=INK, marker=".", ms=4, lw=0.8)
    top.set(ylabel="heart rate, bpm")
    for column, label in rows:
        trend = [np.nan if r.trend is None else r.trend.probabilities[column] for r in show.results]
        bottom.plot(times, trend, lw=1.2, label=label)
    for result in show.results:
        if not result.quality.usable:
            for axes in (top, bottom):
                axes.axvspan(result.end_s - show.hop_s, result.end_s, color="#fde8d7", lw=0)
    bottom.set(xlabel="s of the stream", ylabel="trend", ylim=(0, 1))
    if rows:
        bottom.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return svg(figure)

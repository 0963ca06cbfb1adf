"""Pictures of a check: SVG elements written by hand, with a tooltip on every mark.

No plotting library: the check also runs on a device.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leadlab_export.check.drift import Drift

INK, GRID, BAR = "#1f2933", "#e4e7eb", "#b8c4d0"
LOSS, GAIN, BAD = "#d1495b", "#1d4e89", "#b3261e"
_FAINT = 0.3


@dataclass(frozen=True, slots=True)
class Mark:
    """One indicator in a picture.

    Attributes
    ----------
    label
        Its tooltip begins with this.
    x, y
        Where it lies.
    low, high
        Ends of the bar through it; equal to ``y`` where it has none.
    strong
        Whether enough patients stand behind it.
    """

    label: str
    x: float
    y: float
    low: float
    high: float
    strong: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    """Maps figures to pixels."""

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    left: float = 66.0
    bottom: float = 40.0
    top: float = 10.0
    right: float = 10.0

    def at_x(self, value: float) -> float:
        share = (value - self.x[0]) / (self.x[1] - self.x[0])
        return self.left + share * (self.width - self.left - self.right)

    def at_y(self, value: float) -> float:
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return self.height - self.bottom - share * (self.height - self.bottom - self.top)

    def element(self, parts: Sequence[str], x_label: str, y_label: str) -> str:
        middle = (self.top + self.height - self.bottom) / 2
        labels = [
            _text((self.left + self.width) / 2, self.height - 6, x_label, "middle"),
            f'<g transform="rotate(-90 12 {middle:.1f})">'
            + _text(12, middle, y_label, "middle")
            + "</g>",
        ]
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{html.escape(y_label)} by {html.escape(x_label)}">'
            + "".join([*parts, *labels])
            + "</svg>"
        )

    def y_axis(self, form: str) -> list[str]:
        parts = []
        for value in _ticks(*self.y):
            y = self.at_y(value)
            parts.append(_line(self.left, y, self.width - self.right, y, GRID))
            parts.append(_text(self.left - 5, y + 3.5, format(value, form), "end"))
        return parts

    def x_axis(self, form: str) -> list[str]:
        parts = []
        for value in _ticks(*self.x):
            x = self.at_x(value)
            parts.append(_line(x, self.top, x, self.height - self.bottom, GRID))
            parts.append(_text(x, self.height - self.bottom + 14, format(value, form), "middle"))
        return parts


def beside(marks: Sequence[Mark], x_label: str, y_label: str, chance: float | None = None) -> str:
    """Draw one figure of the full model against that of the compact one, with the diagonal.

    Parameters
    ----------
    marks
        Indicators.
    x_label, y_label
        What the axes are.
    chance
        A value to mark on both axes.
    """
    values = [value for mark in marks for value in (mark.x, mark.y)]
    low, high = _padded(values)
    frame = _Frame(440, 400, (low, high), (low, high))
    parts = frame.x_axis(".2f") + frame.y_axis(".2f")
    ends = (frame.at_x(low), frame.at_y(low), frame.at_x(high), frame.at_y(high))
    parts.append(_line(*ends, INK, 0.8))
    if chance is not None and low < chance < high:
        x, y = frame.at_x(chance), frame.at_y(chance)
        parts.append(_line(x, frame.top, x, frame.height - frame.bottom, INK, 0.6, "2 3"))
        parts.append(_line(frame.left, y, frame.width - frame.right, y, INK, 0.6, "2 3"))
    for mark in _weak_first(marks):
        colour = GAIN if mark.y >= mark.x else LOSS
        parts.append(_dot(frame, mark, f"{mark.x:.3f} to {mark.y:.3f}", colour))
    return frame.element(parts, x_label, y_label)


def scatter(marks: Sequence[Mark], x_label: str, y_label: str) -> str:
    """Draw one figure of every indicator against another."""
    frame = _Frame(440, 400, _padded([m.x for m in marks]), _padded([m.y for m in marks]))
    parts = frame.x_axis(".2f") + frame.y_axis(".3g")
    parts += [_dot(frame, mark, f"{mark.y:.4f}", GAIN) for mark in _weak_first(marks)]
    return frame.element(parts, x_label, y_label)


def changes(marks: Sequence[Mark], limit: float | None, y_label: str) -> str:
    """Draw the change of every indicator, sorted, with its interval and the gate's limit.

    Parameters
    ----------
    marks
        Indicators; ``x`` is ignored.
    limit
        Largest drop allowed; None for none.
    y_label
        What changed.
    """
    ordered = sorted(marks, key=lambda mark: mark.y)
    strong = [mark for mark in marks if mark.strong] or marks
    low, high = _padded([end for m in strong for end in (m.low, m.high)] + [0.0, -(limit or 0.0)])
    frame = _Frame(900, 300, (-1, len(marks)), (low, high))
    parts = frame.y_axis("+.3f")
    parts.append(_line(frame.left, frame.at_y(0), frame.width - frame.right, frame.at_y(0), INK))
    if limit is not None:
        y = frame.at_y(-limit)
        parts.append(_line(frame.left, y, frame.width - frame.right, y, BAD, 1.0, "5 4"))
        parts.append(_text(frame.width - frame.right, y - 4, "limit", "end", BAD))
    for place, mark in enumerate(ordered):
        at = replace(mark, x=place, y=min(max(mark.y, low), high))
        x = frame.at_x(place)
        bottom, top = (min(max(end, low), high) for end in (mark.low, mark.high))
        bar = _line(x, frame.at_y(bottom), x, frame.at_y(top), BAR, 3)
        parts.append(f'<g opacity="{1.0 if mark.strong else _FAINT:g}">{bar}</g>')
        told = f"{mark.y:+.4f} ({mark.low:+.4f} to {mark.high:+.4f})"
        parts.append(_dot(frame, at, told, GAIN if mark.y >= 0 else LOSS))
    return frame.element(parts, f"{len(marks)} indicators, sorted; pale: few positives", y_label)


def heatmap(drift: Drift) -> str:
    """Draw how far every model's logits lie from every other's, dark for far."""
    n, cell, margin = len(drift.names), 62.0, 150.0
    width, height = margin + n * cell + 70, margin + n * cell + 10
    largest = max(1e-9, float(drift.rms.max()))
    smallest = min((v for v in drift.rms.ravel().tolist() if v > 0), default=largest)
    span = max(1e-9, math.log(largest / smallest))
    parts = []
    for i, name in enumerate(drift.names):
        y = margin + i * cell
        parts.append(_text(margin - 6, y + cell / 2 + 4, name, "end"))
        x = margin + i * cell + cell / 2
        turned = _text(0, 0, name, "start")
        parts.append(f'<g transform="translate({x + 4:g} {margin - 8:g}) rotate(-50)">{turned}</g>')
        for j, other in enumerate(drift.names):
            rms = float(drift.rms[i, j])
            share = 0.0 if rms <= 0 else 0.12 + 0.88 * math.log(rms / smallest) / span
            tip = (
                f"{name} and {other}: rms {rms:.3g}, largest {drift.max_abs[i, j]:.3g}, "
                f"ranks {drift.rank[i, j]:.4f}"
            )
            shown = "" if i == j else f"{rms:.2g}"
            parts.append(_cell(margin + j * cell, y, cell, share, shown, tip))
    label = f"Differences of logits on {drift.windows}"
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{html.escape(label)}" '
        f'style="max-width:{width:g}px">' + "".join(parts) + "</svg>"
    )


def bars(rows: Sequence[tuple[str, float, str]], x_label: str) -> str:
    """Draw one bar a row on a logarithmic scale: a label, a figure above 0, and its text."""
    figures = [value for _, value, _ in rows]
    low, high = math.log10(min(figures)) - 0.4, math.log10(max(figures)) + 0.05
    width, left, pitch = 440.0, 190.0, 22.0
    parts = []
    for place, (label, value, shown) in enumerate(rows):
        y = 4 + place * pitch
        length = (math.log10(value) - low) / (high - low) * (width - left - 70)
        colour = GAIN if label.startswith("full") else LOSS
        parts.append(_text(left - 6, y + 13, label, "end"))
        parts.append(
            f'<rect x="{left:g}" y="{y:g}" width="{length:.1f}" height="16" rx="2" '
            f'fill="{colour}"><title>{html.escape(f"{label}: {shown}")}</title></rect>'
        )
        parts.append(_text(left + length + 5, y + 13, shown, "start"))
    height = 4 + len(rows) * pitch + 18
    parts.append(_text((left + width) / 2, height - 4, f"{x_label}, logarithmic", "middle"))
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img">' + "".join(parts) + "</svg>"


def _weak_first(marks: Sequence[Mark]) -> list[Mark]:
    return sorted(marks, key=lambda mark: mark.strong)


def _dot(frame: _Frame, mark: Mark, figures: str, colour: str) -> str:
    opacity = 0.85 if mark.strong else _FAINT
    return (
        f'<circle cx="{frame.at_x(mark.x):.1f}" cy="{frame.at_y(mark.y):.1f}" r="3.4" '
        f'fill="{colour}" opacity="{opacity:g}">'
        f"<title>{html.escape(f'{mark.label}: {figures}')}</title></circle>"
    )


def _cell(x: float, y: float, size: float, share: float, shown: str, tip: str) -> str:
    ink = "#fff" if share > 0.6 else INK
    return (
        f'<g><rect x="{x:g}" y="{y:g}" width="{size - 2:g}" height="{size - 2:g}" rx="3" '
        f'fill="{GAIN}" fill-opacity="{share:.2f}"/>'
        + _text(x + size / 2 - 1, y + size / 2 + 3, shown, "middle", ink)
        + f"<title>{html.escape(tip)}</title></g>"
    )


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 0.8, dash: str = ""
) -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width:g}"{dashes}/>'
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
        f'font-size="11">{html.escape(text)}</text>'
    )


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.01
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Return round values between two ends, about five of them."""
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
    first = math.ceil(low / step)
    return [step * n for n in range(first, math.floor(high / step) + 1)]

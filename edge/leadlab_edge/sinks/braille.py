"""A trace drawn in braille characters: two by four dots in every cell of a terminal."""

import numpy as np
from numpy.typing import NDArray

_BLANK = 0x2800
# Bit of each dot, [row of 4][column of 2], as Unicode lays the braille cell out.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


def braille_trace(
    values: NDArray[np.float32], columns: int, rows: int, low: float, high: float
) -> list[str]:
    """Draw ``values`` as a line from ``low`` (bottom) to ``high`` (top); NaN leaves a gap.

    Parameters
    ----------
    values
        ``(n,)`` in any unit, oldest first, stretched over the whole width.
    columns, rows
        Size in characters.
    low, high
        Range shown; what lies beyond is drawn at the edge.

    Returns
    -------
    list of str
        ``rows`` strings of ``columns`` characters.
    """
    dots = np.zeros((rows * 4, columns * 2), dtype=bool)
    if values.size >= 2:
        top, bottom = _column_spans(values, columns * 2, rows * 4, low, high)
        heights = np.arange(rows * 4)[:, None]
        dots = (heights >= top) & (heights <= bottom)
    cells = (dots.reshape(rows, 4, columns, 2) * _DOTS[None, :, None, :]).sum(axis=(1, 3))
    return ["".join(chr(_BLANK + int(cell)) for cell in row) for row in cells]


def _column_spans(
    values: NDArray[np.float32], width: int, height: int, low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first and last dot row of the line in every dot column; none where NaN."""
    edges = np.linspace(0, values.size - 1, width + 1)
    scale = (height - 1) / max(high - low, 1e-9)
    row = (height - 1) - np.clip((values - low) * scale, 0, height - 1)
    top = np.full(width, np.inf)
    bottom = np.full(width, -np.inf)
    for column in range(width):
        # One sample of overlap joins neighbouring columns into a line.
        span = row[int(edges[column]) : int(np.ceil(edges[column + 1])) + 1]
        if np.isfinite(span).all():
            top[column], bottom[column] = np.floor(span.min()), np.ceil(span.max())
    return top, bottom

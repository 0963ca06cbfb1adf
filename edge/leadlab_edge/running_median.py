"""The exact running median of many rows at once, by minima and maxima of whole arrays."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

_Floats = NDArray[np.float32]


def running_median(x: _Floats, window: int) -> _Floats:
    """Return the median around each sample, zeros beyond the ends of each row.

    Equal to ``scipy.signal.medfilt`` row by row, and faster where there are several rows.

    Parameters
    ----------
    x
        ``(rows, time)``, finite.
    window
        Samples per median, odd.

    Returns
    -------
    ``(rows, time)``.

    Notes
    -----
    A block of neighbouring windows shares most of its samples. Sort those once; of them only the
    middle ones, as many as the block has windows, can be a median in it. Then halve the blocks
    again and again: the windows of a half share some further samples, those of them sorted join
    the candidates, and half as many candidates stay. All sorting after the first is merging of
    sorted runs, which takes the same comparisons whatever the data.

    Adams A., "Fast Median Filters Using Separable Sorting Networks", ACM Trans. Graph. 40(4),
    2021, here in one dimension. Batcher K., "Sorting Networks and Their Applications", 1968.
    """
    n_rows, n = x.shape
    # Larger blocks sort less and merge more; at a quarter of the window both cost the same.
    block = 1 << max(0, ((window + 1) // 4).bit_length() - 1)
    half, n_blocks = window // 2, -(-n // block)
    span = n_blocks * block
    padded = np.zeros((n_rows, span + window + 1), x.dtype)
    padded[:, half + 1 : half + 1 + n] = x  # window i is padded[i + 1 : i + 1 + window]

    shared = sliding_window_view(padded, window + 1 - block, axis=1)[:, block::block]
    middle = np.sort(shared[:, :n_blocks], axis=2)[..., half + 1 - block : half + 1]
    candidates = _time_last(middle)
    runs = _sorted_runs(padded[:, :span], padded[:, window + 1 :], block)
    while len(candidates) > 1:
        candidates = _halve(candidates, runs.pop())
    medians = candidates.reshape(block, n_rows, n_blocks).transpose(1, 2, 0)
    return medians.reshape(n_rows, span)[:, :n]


def _time_last(blocks: _Floats) -> _Floats:
    """Return ``(rows, blocks, k)`` as ``(k, 1, rows * blocks)``: long arrays to compare."""
    return np.ascontiguousarray(np.moveaxis(blocks, 2, 0)).reshape(blocks.shape[2], 1, -1)


def _sorted_runs(before: _Floats, after: _Floats, block: int) -> list[_Floats]:
    """Return runs of 1, 2, 4 ... block / 2 samples, each sorted along the first axis.

    ``(run, 2, block / run, rows * blocks)``: the samples ``(rows, time)`` that windows lose at
    their beginning, and those that they gain at their end, from one window to the next.
    """
    sides = [s.reshape(len(s), -1, block) for s in (before, after)]
    run = np.stack([_time_last(s)[:, 0] for s in sides])[np.newaxis]
    runs = [run]
    while 2 * len(run) < block:
        size = len(run)
        first, second = run[:, :, 0::2], run[::-1, :, 1::2]
        run = np.empty((2 * size, *first.shape[1:]), run.dtype)
        np.minimum(first, second, out=run[:size])
        np.maximum(first, second, out=run[size:])
        run = _sort_bitonic(run, size)
        runs.append(run)
    return runs


def _halve(candidates: _Floats, run: _Floats) -> _Floats:
    """Return the candidates of both halves of every block.

    Of ``2 n`` candidates and the ``n`` samples that join them the middle ``n`` stay: the largest
    of the lower half and the run, then the smallest of these and the upper half.

    Parameters
    ----------
    candidates
        ``(2 n, blocks, ...)``, sorted.
    run
        ``(n, 2, 2 * blocks, ...)``, sorted.

    Returns
    -------
    ``(n, 2 * blocks, ...)``, sorted.
    """
    n, (_, n_blocks, width) = len(run), candidates.shape
    lower, upper = candidates[:n], candidates[n:][::-1]
    kept = np.empty((n, n_blocks, 2, width), run.dtype)
    np.maximum(lower, run[::-1, 0, 1::2], out=kept[:, :, 0])
    np.maximum(lower, run[::-1, 1, 0::2], out=kept[:, :, 1])
    kept = _sort_bitonic(kept, n)
    np.minimum(kept, upper[:, :, np.newaxis], out=kept)
    return _sort_bitonic(kept, n).reshape(n, 2 * n_blocks, width)


def _sort_bitonic(x: _Floats, size: int) -> _Floats:
    """Sort each bitonic piece of ``size`` (a power of two) of the first axis; overwrites ``x``."""
    spare = np.empty_like(x)
    while size > 1:
        size //= 2
        pairs, swapped = (a.reshape(-1, 2, size, *x.shape[1:]) for a in (x, spare))
        np.minimum(pairs[:, 0], pairs[:, 1], out=swapped[:, 0])
        np.maximum(pairs[:, 0], pairs[:, 1], out=swapped[:, 1])
        x, spare = spare, x
    return x

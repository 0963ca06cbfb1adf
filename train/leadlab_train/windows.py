"""Which windows an epoch reads, and from which blood draw each takes its labels."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leadlab_train.cohort.training import TrainingCohort, TrainingSplit
from leadlab_train.cohort.windows import Spans, Windows
from leadlab_train.errors import TrainingError
from leadlab_train.streams import Purpose, stream


class WindowPlan(Protocol):
    """The windows of every epoch. Their number is the same in each, and so are their draws."""

    @property
    def draw(self) -> NDArray[np.int64]:
        """``(n,)``: blood draw of each window."""
        ...

    @property
    def fixed(self) -> bool:
        """Whether every epoch reads the same windows."""
        ...

    def windows(self, epoch: int) -> Windows:
        """Return the ``n`` windows of an epoch."""
        ...


class TableWindows:
    """The windows that the cohort itself lists."""

    fixed = True

    def __init__(self, cohort: TrainingCohort, split: TrainingSplit) -> None:
        self._windows = cohort.windows(cohort.rows(split))
        self.draw = self._windows.draw

    def windows(self, epoch: int) -> Windows:
        """Return all of them, whatever the epoch."""
        del epoch
        return self._windows


class DrawnWindows:
    """Windows at random places around each blood draw, as AnyECG-Lab takes them.

    A draw gives up to ``per_draw`` windows that lie whole within ``within_s`` of it, and no more
    than would fit there side by side. They are a function of seed, draw and epoch alone: neither
    the number of workers nor the other draws change them.

    Parameters
    ----------
    cohort
        What training may see.
    split
        Whose draws.
    per_draw
        Most windows of a draw.
    within_s
        Farthest edge of a window from its draw, in seconds.
    seed
        Seed of the places.
    fresh
        Draw anew in every epoch; otherwise once.

    Raises
    ------
    TrainingError
        No draw has a window.
    """

    def __init__(
        self,
        cohort: TrainingCohort,
        split: TrainingSplit,
        per_draw: int,
        within_s: float,
        seed: int = 0,
        fresh: bool = False,
    ) -> None:
        spans = cohort.around(cohort.draws(split), within_s)
        if not len(spans.draw):
            raise TrainingError(
                f"no blood draw of the {split} patients has a whole window within {within_s:g} s; "
                "widen within_s or look at the times of strips and draws"
            )
        self.fixed = not fresh
        self._seed = seed
        self._spans = spans
        # Spans of a draw are neighbours: `edge[i]:edge[i + 1]` are those of the i-th draw.
        self._draws, first = np.unique(spans.draw, return_index=True)
        self._edge = np.append(first, len(spans.draw))
        legal = spans.last - spans.first + 1
        fits = (legal + cohort.n_samples - 1) // cohort.n_samples
        self._count = np.minimum(per_draw, np.add.reduceat(fits, first))
        self.draw = np.repeat(self._draws, self._count)

    def windows(self, epoch: int) -> Windows:
        """Return the windows of an epoch, draw by draw."""
        place = np.empty(len(self.draw), np.int64)
        ends = np.cumsum(self._count)
        seen = 0 if self.fixed else epoch
        for draw, low, high in zip(self._draws, ends - self._count, ends, strict=True):
            rng = stream(Purpose.PLACE, self._seed, seen, int(draw))
            place[low:high] = rng.integers(1 << 53, size=high - low)
        return _locate(self._spans, self._edge, self._count, place / (1 << 53), self.draw)


def _locate(
    spans: Spans,
    edge: NDArray[np.int64],
    count: NDArray[np.int64],
    fraction: NDArray[np.float64],
    draw: NDArray[np.int64],
) -> Windows:
    """Turn fractions of each draw's legal starts, laid end to end, into strips and starts."""
    through = np.concatenate([[0], np.cumsum(spans.last - spans.first + 1)])
    begin, end = (np.repeat(through[of], count) for of in (edge[:-1], edge[1:]))
    number = begin + np.floor(fraction * (end - begin)).astype(np.int64)
    span = np.searchsorted(through, number, side="right") - 1
    return Windows(spans.strip[span], spans.first[span] + number - through[span], draw)

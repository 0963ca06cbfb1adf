"""Windows through ``ecgfounder_v1``, ``(n, 5000)``, read and filtered when they are asked for."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.signal import ecgfounder_v1
from leadlab_train.augment import Augmentation
from leadlab_train.cohort.store import Cohort
from leadlab_train.cohort.training import TrainingCohort
from leadlab_train.cohort.windows import Windows
from leadlab_train.streams import Purpose, stream


class Inputs(Protocol):
    """Preprocessed windows by number: an array, or one of the classes here."""

    def __len__(self) -> int:
        """Return the number of windows."""

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return windows ``(k, time)`` for a slice or for an array of ``k`` numbers."""


class CohortInputs:
    """Any windows of a cohort's table, for scoring."""

    def __init__(self, cohort: Cohort, rows: NDArray[np.integer[Any]]):
        self._cohort, self._rows = cohort, rows

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._rows)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """Return windows ``(k, 5000)`` float32 for a slice or an array of ``k`` numbers."""
        return ecgfounder_v1(self._cohort.read_mv(self._rows[index]))


class TrainingInputs:
    """Windows of training or validation patients at any place.

    Parameters
    ----------
    cohort
        What training may see.
    windows
        Where they are.
    augmentation
        What they undergo before the filters.
    key
        Seed and epoch. With the number of a window, it seeds what that window undergoes.
    """

    def __init__(
        self,
        cohort: TrainingCohort,
        windows: Windows,
        augmentation: Augmentation | None = None,
        key: tuple[int, int] = (0, 0),
    ) -> None:
        self._cohort, self._windows = cohort, windows
        self._augmentation, self._key = augmentation, key

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._windows)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """Return windows ``(k, 5000)`` float32 for a slice or an array of ``k`` numbers."""
        self._cohort.check_files()  # a map of a file that was cut short would end the process
        places = self._windows.take(index)
        raw_mv = self._cohort.read_mv(places.strip, places.start)
        if self._augmentation is not None:
            numbers = np.arange(len(self))[index].tolist()
            rngs = [stream(Purpose.AUGMENTATION, *self._key, number) for number in numbers]
            raw_mv = self._augmentation(raw_mv, self._cohort.rate_hz, rngs)
        return ecgfounder_v1(raw_mv)

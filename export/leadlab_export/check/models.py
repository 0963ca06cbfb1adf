"""The two sides of a check: the full model, and every model file of the pack on every runtime."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import TEACHER_MAX_BYTES, Pack, PackModel, read_trusted_pack
from leadlab_edge.pack.pack import PRECISION_ORDER
from leadlab_edge.runtimes import find, missing
from leadlab_export.check.measure import open_models
from leadlab_export.check.windows import Input

Windows = NDArray[np.float32]


class Model(Input, Protocol):
    """Raw millivolts in, its own front end included, calibrated logits out."""

    def logits(self, raw_mv: Windows) -> Windows:
        """Map ``(n, n_samples)`` millivolts to ``(n, n_indicators)`` logits."""
        ...


class OneByOne:
    """A model file of a pack; windows pass one at a time, as on a device.

    Attributes
    ----------
    way
        File and runtime.
    """

    def __init__(self, way: PackModel, temperature: float) -> None:
        self.way = way
        self.rate_hz, self.n_samples, self.margin = way.rate_hz, way.n_samples, way.margin
        self._temperature = np.float32(temperature)

    def logits(self, raw_mv: Windows) -> Windows:
        """Map ``(n, n_samples)`` millivolts to ``(n, n_indicators)`` logits."""
        return np.stack([self.way.logits(window) for window in raw_mv]) / self._temperature


@dataclass(frozen=True, slots=True, eq=False)
class FullModel:
    """What the compact model is measured by.

    Attributes
    ----------
    name
        For people.
    model
        The model.
    path
        Its folder or file.
    pack
        The teacher pack; None for a run.
    cohort, weights_sha256
        Hash of the cohort that it was trained on, and of a run's weights; may be empty.
    """

    name: str
    model: Model
    path: Path
    pack: Pack | None
    cohort: str
    weights_sha256: str = ""

    @property
    def indicators(self) -> tuple[Indicator, ...] | None:
        """Of the teacher pack; None for a run, which keeps none."""
        return None if self.pack is None else self.pack.manifest.indicators

    @property
    def thresholds(self) -> NDArray[np.float64] | None:
        """Operating thresholds, where the model came with any."""
        return None if self.indicators is None else thresholds_of(self.indicators)


def open_full(path: Path, n_labels: int) -> FullModel:
    """Open a run of ``leadlab train``, with torch, or a teacher pack, without.

    Parameters
    ----------
    path
        A folder or a ``.leadpack`` file.
    n_labels
        Indicators of the pack that it is compared with.

    Raises
    ------
    ExportError
        The folder is no run.
    PackError
        The pack is damaged or not trusted.
    RuntimeMissing
        Nothing installed executes the pack.
    CheckpointError
        The run's weights are absent, damaged or of another panel.
    """
    if path.is_dir():
        from leadlab_export.check.full_run import RunModel

        run = RunModel(path, n_labels)
        return FullModel(run.name, run, path, None, run.cohort, run.weights_sha256)
    pack, _ = read_trusted_pack(path, max_bytes=TEACHER_MAX_BYTES)
    way = _most_precise(pack)
    return FullModel(
        f"{pack.manifest.name} ({way.file.file} on {way.runtime})",
        OneByOne(way, pack.manifest.calibration.value),
        path,
        pack,
        pack.manifest.provenance.cohort,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Compact:
    """The pack under check: every model file on every installed runtime that executes it.

    Attributes
    ----------
    pack, path
        The pack and its file.
    ways
        Files on runtimes.
    """

    pack: Pack
    path: Path
    ways: tuple[PackModel, ...]

    @classmethod
    def open(cls, path: Path) -> "Compact":
        """Read a pack and open all that can run here.

        Raises
        ------
        PackError
            It is damaged or not trusted.
        RuntimeMissing
            Nothing installed executes any of it.
        """
        pack, _ = read_trusted_pack(path, max_bytes=TEACHER_MAX_BYTES)
        ways = tuple(open_models(pack))
        if not ways:
            raise missing({file.format for file in pack.manifest.models})
        return cls(pack, path, ways)

    @property
    def indicators(self) -> tuple[Indicator, ...]:
        """What it scores."""
        return self.pack.manifest.indicators

    def by_input(self) -> list[list[OneByOne]]:
        """Return the models, those that take the same input together."""
        temperature = self.pack.manifest.calibration.value
        rates = dict.fromkeys(way.file.rate_hz for way in self.ways)
        return [
            [OneByOne(way, temperature) for way in self.ways if way.file.rate_hz == rate]
            for rate in rates
        ]


def thresholds_of(indicators: Sequence[Indicator]) -> NDArray[np.float64]:
    """Return operating thresholds as probabilities, NaN where a pack has none."""
    return np.array([i.operating_threshold for i in indicators], np.float64)


def _most_precise(pack: Pack) -> PackModel:
    """Open the file of a pack that is nearest to what was trained."""
    for precision in reversed(PRECISION_ORDER):
        main = [file for file in pack.manifest.models if file.rate_hz is None]
        if find({file.format for file in main if file.precision == precision}) is not None:
            return pack.load(precision=precision)
    return pack.load()  # says what is missing

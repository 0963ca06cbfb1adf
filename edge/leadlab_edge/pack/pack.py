"""Pack: a verified model file with its manifest, ready to load and predict."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leadlab_edge.errors import PackError, RuntimeMissing
from leadlab_edge.pack.golden import Golden, read_golden
from leadlab_edge.pack.manifest import Manifest, ModelFile, Precision
from leadlab_edge.pack.model import PackModel
from leadlab_edge.pack.parity import Parity
from leadlab_edge.pack.pins import Pin, pin_of
from leadlab_edge.runtimes import find, missing, open_session

PRECISION_ORDER: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Scores of one strip, one row per 10-s window.

    Attributes
    ----------
    logits, probabilities
        ``(n_windows, n_indicators) float32``.
    starts_s
        ``(n_windows,) float64``, start of each 10-s body in the strip.
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    starts_s: NDArray[np.float64]


class Pack:
    """What :func:`leadlab_edge.pack.read_pack` returns; all its bytes are verified.

    Attributes
    ----------
    manifest
        What the pack says about itself.
    id
        SHA-256 of the manifest, hexadecimal; names the pack and all it contains.
    members
        File name to content, the manifest excepted.
    """

    def __init__(self, manifest: Manifest, id: str, members: Mapping[str, bytes]) -> None:
        self.manifest = manifest
        self.id = id
        self.members = members

    def load(
        self,
        runtime: str | None = None,
        precision: Precision | None = None,
        threads: int | None = None,
        rate_hz: float | None = None,
    ) -> PackModel:
        """Open a model file of this pack: the smallest that can run, on the best runtime.

        With no argument at all, what ``leadlab bench --pin`` stored for this pack comes first.

        Parameters
        ----------
        runtime
            One of ``leadlab_edge.runtimes.RUNTIMES`` by name; None takes the first that fits.
        precision
            ``"int8"``, ``"dynamic"``, ``"fp16"`` or ``"fp32"``; None takes the smallest file that
            can run here.
        threads
            Threads for one inference; None takes one.
        rate_hz
            One of the pack's input rates, for a host that cannot resample; None takes the main one.

        Raises
        ------
        RuntimeMissing
            Nothing installed executes what the pack holds, or its front end.
        PackError
            The pack has no such model, or its model does not match the manifest.
        """
        if all(choice is None for choice in (runtime, precision, threads, rate_hz)):
            pin = pin_of(self.id)
            if pin is not None and self._can_run(pin):
                return self._open(pin.runtime, pin.precision, pin.threads, None, pinned=True)
        return self._open(runtime, precision, threads or 1, rate_hz, pinned=False)

    def _can_run(self, pin: Pin) -> bool:
        """Whether a pin still fits; a runtime may have been removed since."""
        formats = {m.format for m in self._files(pin.precision, None)}
        return find(formats, pin.runtime) is not None

    def _files(self, precision: Precision | None, rate_hz: float | None) -> list[ModelFile]:
        rate = None if rate_hz == self.manifest.input.rate_hz else rate_hz
        return [
            model
            for model in self.manifest.models
            if model.rate_hz == rate and precision in (None, model.precision)
        ]

    def _open(
        self,
        runtime: str | None,
        precision: Precision | None,
        threads: int,
        rate_hz: float | None,
        *,
        pinned: bool,
    ) -> PackModel:
        for candidate in [precision] if precision else PRECISION_ORDER:
            files = {m.format: m for m in self._files(candidate, rate_hz)}
            chosen = find(files, runtime)
            if chosen is not None:
                file = files[chosen.format]
                session = open_session(self.members[file.file], file.format, chosen.name, threads)
                return PackModel(self.manifest, file, chosen.name, session, pinned)
        held = ", ".join(model.file for model in self.manifest.models)
        formats = {model.format for model in self._files(precision, rate_hz)}
        if not formats:
            wanted = [precision or "", f"{rate_hz:g} Hz" if rate_hz else ""]
            raise PackError(f"pack has no {' '.join(filter(None, wanted))} model; it holds {held}")
        raise RuntimeMissing(f"pack holds {held}: {missing(formats, runtime)}")

    def predict(self, raw_mv: ArrayLike, rate_hz: float | None = None) -> Prediction:
        """Score one lead, on the model file that ``load()`` chooses.

        Parameters
        ----------
        raw_mv
            ``(time,)``, raw millivolts: no filter, no resampling, no scaling.
        rate_hz
            True sampling rate. The strip is then cut into consecutive 10-s windows; a remainder
            is not scored. Where the first and last window need more signal than there is, they
            take its mirror image. None: ``raw_mv`` is exactly one window of the model, its margins
            included.

        Raises
        ------
        SignalError
            Wrong shape, too short, samples missing, or not millivolts.
        RuntimeMissing
            Nothing installed executes what the pack holds.
        """
        from leadlab_edge.pack.strip import checked_strip, cut_windows

        model = self._default_model
        windows = checked_strip(raw_mv)[np.newaxis]
        starts_s = np.array([model.margin / model.rate_hz])
        if rate_hz is not None:
            windows, starts_s = cut_windows(windows[0], rate_hz, model)
        logits = np.stack([model.logits(window) for window in windows])
        return Prediction(logits, model.probabilities(logits), starts_s)

    @cached_property
    def _default_model(self) -> PackModel:
        return self.load()

    def golden(self) -> Golden:
        """Return the golden vectors this pack carries.

        Raises
        ------
        PackError
            They are damaged or do not fit the manifest.
        """
        golden = read_golden(self.members["golden.npz"])
        golden.check(self.manifest)
        return golden

    def parity(self, model: PackModel) -> Parity:
        """Return how far ``model``, on its runtime here, is from the logits it must give."""
        golden = self.golden()
        actual = np.stack([model.logits(window) for window in golden.windows(model.file)])
        return Parity.between(actual, golden.logits[model.file.file], model.file.precision)

    def verify_golden(self, model: PackModel) -> float:
        """Return the largest absolute difference in logits between ``model`` and what it must give.

        :meth:`parity` also says whether that is within the limit.
        """
        return self.parity(model).max_abs

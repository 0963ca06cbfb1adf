"""Pack: a verified model file with its manifest, ready to load and predict."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leadlab_edge.errors import PackError, RuntimeMissing
from leadlab_edge.pack.golden import Golden, read_golden
from leadlab_edge.pack.manifest import Manifest, Precision
from leadlab_edge.pack.model import PackModel
from leadlab_edge.runtimes import find, missing, open_session

PRECISION_ORDER: tuple[Precision, ...] = ("int8", "fp32")


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
        threads: int = 1,
    ) -> PackModel:
        """Open a model file of this pack: int8 before fp32, on the best installed runtime.

        Parameters
        ----------
        runtime
            One of ``leadlab_edge.runtimes.RUNTIMES`` by name; None takes the first that fits.
        precision
            ``"int8"`` or ``"fp32"``; None takes the smaller one that can run here.
        threads
            Threads for one inference.

        Raises
        ------
        RuntimeMissing
            Nothing installed executes what the pack holds.
        PackError
            The pack has no model of this precision, or its model does not match the manifest.
        """
        for candidate in [precision] if precision else PRECISION_ORDER:
            files = {m.format: m for m in self.manifest.models if m.precision == candidate}
            chosen = find(files, runtime)
            if chosen is not None:
                file = files[chosen.format]
                session = open_session(self.members[file.file], file.format, chosen.name, threads)
                return PackModel(self.manifest, file, chosen.name, session)
        held = ", ".join(model.file for model in self.manifest.models)
        formats = {m.format for m in self.manifest.models if precision in (None, m.precision)}
        if not formats:
            raise PackError(f"pack has no {precision} model; it holds {held}")
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
        """Return the golden vectors this pack carries."""
        return read_golden(self.members["golden.npz"])

    def verify_golden(self, model: PackModel) -> float:
        """Return the largest absolute difference in logits between ``model`` and what it must give.

        Raises
        ------
        PackError
            The pack carries no golden logits for the model's file.
        """
        golden = self.golden()
        expected = golden.logits.get(model.file.file)
        if expected is None:
            raise PackError(f"golden.npz has no logits of {model.file.file}; write the pack anew")
        actual = np.stack([model.logits(window) for window in golden.raw_mv])
        return float(np.abs(actual - expected).max())

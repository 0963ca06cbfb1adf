"""PackModel: one model file of a pack, opened on one runtime."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.errors import PackError, RuntimeMissing
from leadlab_edge.indicators import Indicator
from leadlab_edge.pack.manifest import ECGFOUNDER_INPUT, FrontEnd, Manifest, ModelFile
from leadlab_edge.runtimes import Session
from leadlab_edge.signal import SignalError, ecgfounder_v1

Filter = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def _in_graph() -> Filter:
    return lambda window: window


def _ecgfounder_v1() -> Filter:
    """Load scipy now, so that a missing one is an error of loading and no window waits for it."""
    try:
        ecgfounder_v1(np.zeros(ECGFOUNDER_INPUT.n_samples, np.float32))
    except ModuleNotFoundError as missing:
        raise RuntimeMissing(
            f"this pack holds a full network: its front end ecgfounder_v1 needs {missing.name},"
            " which is not installed. Remedy: pip install 'leadlab[teacher]'"
        ) from missing
    return ecgfounder_v1


_FRONT_ENDS: dict[FrontEnd, Callable[[], Filter]] = {
    "in-graph": _in_graph,
    "ecgfounder_v1": _ecgfounder_v1,
}


class PackModel:
    """Raw millivolts to logits. Satisfies :class:`leadlab_edge.pipeline.Model`.

    Attributes
    ----------
    file
        The model file in use.
    runtime
        Name of the runtime that executes it.
    pinned
        Whether ``leadlab bench --pin`` chose file and runtime.
    rate_hz, n_samples, margin, lead, indicators
        What the model takes and gives, as in the manifest.
    """

    def __init__(
        self,
        manifest: Manifest,
        file: ModelFile,
        runtime: str,
        session: Session,
        pinned: bool = False,
    ) -> None:
        taken = manifest.input_of(file)
        self.file = file
        self.runtime = runtime
        self.pinned = pinned
        self.rate_hz: float = taken.rate_hz
        self.n_samples: int = taken.n_samples
        self.margin: int = taken.margin
        self.lead: str = manifest.lead
        self.indicators: tuple[Indicator, ...] = manifest.indicators
        self._temperature = np.float32(manifest.calibration.value)
        self._front_end = _FRONT_ENDS[manifest.front_end]()
        self._session = session
        for what, shape, size in (
            ("takes", session.input_shape, self.n_samples),
            ("gives", session.output_shape, len(self.indicators)),
        ):
            if len(shape) != 2 or shape[0] not in (1, None) or shape[1] not in (size, None):
                raise PackError(f"{file.file} {what} {shape}; the manifest says (1, {size})")

    def logits(self, raw_mv: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map ``(n_samples,) float32, mV @ rate_hz`` to ``(n_indicators,) float32`` logits.

        Raises
        ------
        SignalError
            Wrong length, or a value that is not finite.
        """
        window = np.ascontiguousarray(raw_mv, dtype=np.float32)
        if window.shape != (self.n_samples,):
            raise SignalError(
                f"window has shape {window.shape}; the model takes ({self.n_samples},) at"
                f" {self.rate_hz:g} Hz. Give predict() the rate_hz of your strip to have it cut"
            )
        if not np.isfinite(window).all():
            raise SignalError(
                f"window has {np.count_nonzero(~np.isfinite(window))} samples that are not finite;"
                " the limit is 0. Cut the strip where samples are missing"
            )
        filtered = self._front_end(window)
        logits: NDArray[np.float32] = self._session.run(filtered[np.newaxis])[0]
        return logits

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map logits to calibrated probabilities of the same shape."""
        scaled = np.asarray(logits, dtype=np.float32) / self._temperature
        probabilities: NDArray[np.float32] = np.exp(-np.logaddexp(np.float32(0.0), -scaled))
        return probabilities

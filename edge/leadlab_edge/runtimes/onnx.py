"""ONNX Runtime on the CPU."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_ERRORS_ONLY = 3


class OnnxSession:
    """An ONNX model; meets :class:`leadlab_edge.runtimes.Session`."""

    def __init__(self, session: Any) -> None:
        self._session = session
        (source,) = session.get_inputs()
        (result,) = session.get_outputs()
        self._input = source.name
        self.input_shape = _known(source.shape)
        self.output_shape = _known(result.shape)

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map ``(1, n_samples) float32`` to ``(1, n_indicators) float32``."""
        result: NDArray[np.float32] = self._session.run(None, {self._input: inputs})[0]
        return result


def open_session(model: bytes, _runtime: str, threads: int) -> OnnxSession:
    """Open an ONNX model on the CPU."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Never ONNX Runtime's own format, which the pack reader does not look into.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return OnnxSession(session)


def _known(shape: list[int | str | None]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)

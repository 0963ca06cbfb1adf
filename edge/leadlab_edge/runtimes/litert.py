"""LiteRT and its forerunners: one ``Interpreter`` interface under three package names."""

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray


class LitertSession:
    """A TFLite model; meets :class:`leadlab_edge.runtimes.Session`."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        (source,) = interpreter.get_input_details()
        (result,) = interpreter.get_output_details()
        self._input, self._output = source["index"], result["index"]
        self.input_shape = tuple(int(size) for size in source["shape"])
        self.output_shape = tuple(int(size) for size in result["shape"])

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map ``(1, n_samples) float32`` to ``(1, n_indicators) float32``."""
        self._interpreter.set_tensor(self._input, inputs)
        self._interpreter.invoke()
        result: NDArray[np.float32] = self._interpreter.get_tensor(self._output)
        return result


def open_session(model: bytes, runtime: str, threads: int) -> LitertSession:
    """Open a TFLite model on the named package."""
    interpreter_class = _interpreter_class(runtime)
    with _without_chatter():
        interpreter = interpreter_class(model_content=model, num_threads=threads)
        interpreter.allocate_tensors()
    return LitertSession(interpreter)


def _interpreter_class(runtime: str) -> Any:
    if runtime == "tensorflow":  # only the attribute has it; a module tensorflow.lite is another
        return importlib.import_module("tensorflow").lite.Interpreter
    return importlib.import_module(f"{runtime}.interpreter").Interpreter


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Drop the ``INFO:`` lines that native code prints to stderr; pass all others on.

    There is no switch for them, and they would tear a live view apart.
    """
    try:
        kept = os.dup(2)
    except OSError:  # a service may run without a stderr
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught:
                if not line.startswith(b"INFO:"):
                    os.write(2, line)

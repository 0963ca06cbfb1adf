"""Runtimes: whatever executes a model file, behind one small interface.

Nothing here imports a runtime until a session is opened.
"""

import importlib
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.errors import PackError, RuntimeMissing

Format = Literal["onnx", "tflite"]


class Session(Protocol):
    """A model opened on a runtime, for one thread at a time.

    Attributes
    ----------
    input_shape, output_shape
        As the graph declares them; None where it leaves a dimension open.
    """

    @property
    def input_shape(self) -> tuple[int | None, ...]: ...  # noqa: D102
    @property
    def output_shape(self) -> tuple[int | None, ...]: ...  # noqa: D102

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map ``(1, n_samples) float32`` to ``(1, n_indicators) float32``."""
        ...


@dataclass(frozen=True, slots=True)
class Runtime:
    """How to find, open and install one runtime.

    Attributes
    ----------
    name
        Top-level module, also the name users pin.
    format
        Model format it executes.
    adapter
        Module whose ``open_session(model, name, threads)`` opens a model on it.
    install
        Command that installs it.
    by_name_only
        Never chosen unless pinned.
    """

    name: str
    format: Format
    adapter: str
    install: str
    by_name_only: bool = False


_LITERT, _ONNX = "leadlab_edge.runtimes.litert", "leadlab_edge.runtimes.onnx"

RUNTIMES = (
    Runtime("ai_edge_litert", "tflite", _LITERT, "pip install ai-edge-litert"),
    Runtime("onnxruntime", "onnx", _ONNX, "pip install onnxruntime"),
    Runtime("tflite_runtime", "tflite", _LITERT, "pip install tflite-runtime 'numpy<2'"),
    Runtime("tensorflow", "tflite", _LITERT, "pip install tensorflow", by_name_only=True),
)
"""In order of preference."""


def available() -> tuple[str, ...]:
    """Return the names of the installed runtimes, best first, without importing any."""
    return tuple(runtime.name for runtime in RUNTIMES if find_spec(runtime.name) is not None)


def find(formats: Collection[Format], name: str | None = None) -> Runtime | None:
    """Return the runtime to use for models held in ``formats``, None if none is installed.

    ``name`` pins one; otherwise it is the first in order of preference.
    """
    installed = available()
    for runtime in _able(formats, name):
        if runtime.name in installed and (name or not runtime.by_name_only):
            return runtime
    return None


def missing(formats: Collection[Format], name: str | None = None) -> RuntimeMissing:
    """Return the error that says why :func:`find` found nothing, and what to install."""
    able = _able(formats, name) or _able(formats, None)
    remedy = " or ".join(f"`{runtime.install}`" for runtime in able[:2])
    return RuntimeMissing(
        f"no runtime{f' {name!r}' if name else ''} for {' or '.join(sorted(formats))} models;"
        f" installed: {', '.join(available()) or 'none'}. Remedy: {remedy}"
    )


def _able(formats: Collection[Format], name: str | None) -> list[Runtime]:
    return [r for r in RUNTIMES if r.format in formats and r.name == (name or r.name)]


def open_session(
    model: bytes, format: Format, runtime: str | None = None, threads: int = 1
) -> Session:
    """Open ``model`` on a runtime. Give it verified bytes only: a model file is a program.

    Parameters
    ----------
    model
        Content of the ``.onnx`` or ``.tflite`` file.
    format
        ``"onnx"`` or ``"tflite"``.
    runtime
        Name of the runtime to use; None takes the best installed one.
    threads
        Threads for one inference.

    Raises
    ------
    RuntimeMissing
        No installed runtime executes this format.
    PackError
        The runtime refuses the model.
    """
    chosen = find([format], runtime)
    if chosen is None:
        raise missing([format], runtime)
    adapter = importlib.import_module(chosen.adapter)
    try:
        session: Session = adapter.open_session(model, chosen.name, threads)
    except Exception as cause:  # each runtime has errors of its own
        raise PackError(
            f"{chosen.name} refuses this {format} model: {cause}."
            f" Update it (`{chosen.install}`) or choose another runtime"
        ) from cause
    return session

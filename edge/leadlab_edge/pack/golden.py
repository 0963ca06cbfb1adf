"""Golden vectors: simulated windows and the logits every model file of a pack gave for them."""

import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.errors import PackError
from leadlab_edge.pack.canonical import decode_zip, encode_zip
from leadlab_edge.pack.manifest import Manifest, ModelFile, rate_tag

_INPUT = "raw_mv"
_MAX_ARRAYS = 64
_NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)"
    rb"(\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d{1,9}), (\d{1,9})\), \} *\n)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """What a runtime must reproduce.

    Attributes
    ----------
    raw_mv
        ``(n, n_samples) float32``, mV at the pack's rate. Always simulated, never a patient's.
    logits
        Model file name to ``(n, n_indicators) float32``.
    other_raw_mv
        Such windows for each of the pack's other inputs, by the tag of their rate: ``".250hz"``.
    """

    raw_mv: NDArray[np.float32]
    logits: Mapping[str, NDArray[np.float32]]
    other_raw_mv: Mapping[str, NDArray[np.float32]]

    def windows(self, model: ModelFile) -> NDArray[np.float32]:
        """Return the windows that a model file takes."""
        return self.raw_mv if model.rate_hz is None else self.other_raw_mv[rate_tag(model.rate_hz)]

    def check(self, manifest: Manifest) -> None:
        """Refuse vectors that do not fit the manifest they travel with.

        Raises
        ------
        PackError
            Windows or logits are missing or of another shape.
        """
        count = max(1, len(self.raw_mv))
        shapes = {_INPUT: (count, manifest.input.n_samples)}
        for spec in manifest.other_inputs:
            shapes[f"{_INPUT}{rate_tag(spec.rate_hz)}"] = (count, spec.n_samples)
        for model in manifest.models:
            shapes[model.file] = (count, len(manifest.indicators))
        held = {name: array.shape for name, array in self._arrays().items()}
        for name, shape in shapes.items():
            if held.get(name) != shape:
                raise PackError(
                    f"golden.npz holds {name} of shape {held.get(name)}; the manifest needs {shape}"
                )

    def _arrays(self) -> dict[str, NDArray[np.float32]]:
        others = {f"{_INPUT}{tag}": array for tag, array in self.other_raw_mv.items()}
        return {_INPUT: self.raw_mv, **others, **self.logits}


def write_golden(
    raw_mv: NDArray[np.float32],
    logits: Mapping[str, NDArray[np.float32]],
    other_raw_mv: Mapping[float, NDArray[np.float32]] | None = None,
) -> bytes:
    """Return ``golden.npz`` with the same bytes for the same arrays; ``numpy.load`` opens it.

    Parameters
    ----------
    raw_mv
        ``(n, n_samples)`` simulated windows, mV.
    logits
        Model file name to ``(n, n_indicators)``.
    other_raw_mv
        Windows for the pack's other inputs, by their rate in Hz.
    """
    arrays = {_INPUT: raw_mv}
    for rate_hz, windows in sorted((other_raw_mv or {}).items()):
        arrays[f"{_INPUT}{rate_tag(rate_hz)}"] = windows
    arrays |= {file: logits[file] for file in sorted(logits)}
    return encode_zip({f"{name}.npy": _to_npy(array) for name, array in arrays.items()})


def read_golden(data: bytes) -> Golden:
    """Read what :func:`write_golden` wrote.

    Raises
    ------
    PackError
        Not a canonical zip of float32 arrays with one row per window.
    """
    members = decode_zip(data, _MAX_ARRAYS)
    arrays = {name.removesuffix(".npy"): _from_npy(name, npy) for name, npy in members.items()}
    raw_mv = arrays.pop(_INPUT, None)
    if raw_mv is None or any(len(array) != len(raw_mv) for array in arrays.values()):
        raise PackError(f"golden.npz must hold {_INPUT}.npy and one row of logits per window")
    others = [name for name in arrays if name.startswith(f"{_INPUT}.")]
    return Golden(
        raw_mv,
        other_raw_mv={name.removeprefix(_INPUT): arrays.pop(name) for name in others},
        logits=arrays,
    )


def _to_npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    ordered = np.ascontiguousarray(array, dtype="<f4")
    np.lib.format.write_array(buffer, ordered, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _from_npy(name: str, data: bytes) -> NDArray[np.float32]:
    """Read one array; NumPy's own reader would allocate whatever size the header claims."""
    header = _NPY_HEADER.match(data)
    if header is None or int.from_bytes(header[1], "little") != len(header[2]):
        raise PackError(f"golden.npz: {name} is not a plain 2-D array of little-endian float32")
    shape = int(header[3]), int(header[4])
    if len(data) - header.end() != 4 * math.prod(shape):
        raise PackError(
            f"golden.npz: {name} has {len(data) - header.end()} bytes of values;"
            f" its shape {shape} needs {4 * math.prod(shape)}"
        )
    array = np.frombuffer(data, "<f4", offset=header.end()).reshape(shape)
    if not np.isfinite(array).all():
        raise PackError(f"golden.npz: {name} has NaN or infinite values; none may be")
    return array.astype(np.float32)

"""Golden vectors: simulated windows and the logits every model file of a pack gave for them."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.errors import PackError
from leadlab_edge.pack.canonical import decode_zip, encode_zip

_INPUT = "raw_mv.npy"


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """What a runtime must reproduce.

    Attributes
    ----------
    raw_mv
        ``(n, n_samples) float32``, mV at the pack's rate. Always simulated, never a patient's.
    logits
        Model file name to ``(n, n_indicators) float32``.
    """

    raw_mv: NDArray[np.float32]
    logits: Mapping[str, NDArray[np.float32]]


def write_golden(raw_mv: NDArray[np.float32], logits: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return ``golden.npz`` with the same bytes for the same arrays; ``numpy.load`` opens it."""
    arrays = {_INPUT: raw_mv} | {f"{file}.npy": logits[file] for file in sorted(logits)}
    return encode_zip({name: _to_npy(array) for name, array in arrays.items()})


def read_golden(data: bytes) -> Golden:
    """Read what :func:`write_golden` wrote.

    Raises
    ------
    PackError
        Not a canonical zip of float32 arrays with one row per window.
    """
    arrays = {name: _from_npy(name, npy) for name, npy in decode_zip(data).items()}
    raw_mv = arrays.pop(_INPUT, None)
    if raw_mv is None or any(len(array) != len(raw_mv) for array in arrays.values()):
        raise PackError(f"golden.npz must hold {_INPUT} and one row of logits per window")
    return Golden(raw_mv, {name.removesuffix(".npy"): array for name, array in arrays.items()})


def _to_npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    ordered = np.ascontiguousarray(array, dtype="<f4")
    np.lib.format.write_array(buffer, ordered, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _from_npy(name: str, data: bytes) -> NDArray[np.float32]:
    try:
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, SyntaxError) as cause:
        raise PackError(f"golden.npz: {name} is not a plain array: {cause}") from cause
    if array.dtype != np.float32 or array.ndim != 2:
        raise PackError(
            f"golden.npz: {name} is {array.dtype} {array.shape}; it must be 2-D float32"
        )
    return np.asarray(array, dtype=np.float32)

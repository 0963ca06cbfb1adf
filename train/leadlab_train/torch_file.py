"""Reading what ``torch.save`` wrote without running anything that the file asks for.

A torch file is a pickle, and a pickle names functions to call. torch's restricted reader knows
those that tensors need. ECGFounder's checkpoints need one more: a numpy float64 scalar. It gets
stand-ins here that can yield a float and nothing else, so numpy's own readers never see the file.
There is no unrestricted way to read.
"""

import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from leadlab_train.errors import CheckpointError


class _Float64:
    """Stands for ``numpy.dtype``; can be nothing but little-endian float64."""

    def __init__(self, code: object, *flags: object) -> None:
        del flags
        if code != "f8":
            raise ValueError(f"numpy type {code!r}; a checkpoint may hold float64 scalars only")

    def __setstate__(self, state: tuple[object, ...]) -> None:
        if state[1] != "<":
            raise ValueError(f"byte order {state[1]!r}; a checkpoint holds '<' only")


def _scalar(kind: object, data: object) -> float:
    """Stand for numpy's ``scalar``."""
    if not isinstance(kind, _Float64) or not isinstance(data, bytes) or len(data) != 8:
        raise ValueError("a numpy scalar that is not 8 bytes of float64")
    value: float = struct.unpack("<d", data)[0]
    return value


ALLOWED: Final[list[Callable[..., Any] | tuple[Callable[..., Any], str]]] = [
    (_Float64, "numpy.dtype"),
    (_scalar, "numpy.core.multiarray.scalar"),  # numpy 1
    (_scalar, "numpy._core.multiarray.scalar"),  # numpy 2
]


def read_torch_file(path: Path) -> object:
    """Return what ``torch.save`` wrote to ``path``, tensors on the CPU.

    Raises
    ------
    CheckpointError
        The file is damaged, not torch's, or names a function that no checkpoint needs.
    """
    try:
        archive = zipfile.is_zipfile(path)  # torch before 1.6 wrote bare pickles
        if archive:
            _verify_checksums(path)
        with torch.serialization.safe_globals(ALLOWED):
            # Mapped, so that the optimizer's state (two thirds of the authors' file) stays on disk.
            contents: object = torch.load(
                str(path), map_location="cpu", weights_only=True, mmap=archive
            )
    except Exception as error:  # a damaged pickle can raise anything
        raise CheckpointError(_refusal(path, error)) from error
    return contents


def _verify_checksums(path: Path) -> None:
    """Compare each member with its CRC-32, which torch writes and does not read."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"member {damaged} does not match its CRC-32")


def _refusal(path: Path, error: Exception) -> str:
    called = re.search(r"GLOBAL (\S+)", str(error))
    if called:
        return (
            f"{path} asks to call {called[1]}, and a checkpoint may hold tensors, numbers and text "
            "only; nothing was run. Remedy: do not use this file; fetch the authors' own"
        )
    with path.open("rb") as file:
        truncated = file.read(2) == b"PK" and not zipfile.is_zipfile(path)
    cause = "the archive has no end" if truncated else _cause(error)
    return (
        f"{path} ({path.stat().st_size} bytes) is damaged, or neither a torch checkpoint nor "
        f"safetensors: {cause}. "
        "Remedy: compare its size and sha256 with the source's and fetch it again"
    )


def _cause(error: Exception) -> str:
    """Return the first sentence of torch's message: the rest advises to read unrestricted."""
    _, _, reason = str(error).rpartition("WeightsUnpickler error: ")
    line = reason.strip().partition("\n")[0].rstrip(". ")[:200]
    return f"{type(error).__name__}: {line}" if line else "it ends too early"

"""Reading a pack: every byte is verified before any runtime sees one."""

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

from leadlab_edge.errors import PackError
from leadlab_edge.pack.canonical import decode_zip
from leadlab_edge.pack.manifest import Manifest, Member, Precision
from leadlab_edge.pack.onnx_check import check_onnx
from leadlab_edge.pack.pack import Pack
from leadlab_edge.pack.tflite_check import check_tflite
from leadlab_edge.runtimes import Format

DEVICE_MAX_BYTES = 64 * 2**20
TEACHER_MAX_BYTES = 256 * 2**20

DEMO_PACK = Path(__file__).parents[1] / "packs" / "demo.leadpack"

MANIFEST, GOLDEN, CARD = "manifest.json", "golden.npz", "card.md"
MAX_MEMBERS = 40
LIMITS = {MANIFEST: 2**20, GOLDEN: 16 * 2**20, CARD: 2**20}
"""Bytes of a member at most; model files are bounded by the size of the pack."""

_PRECISIONS = get_args(Precision)
_RATE = r"[1-9]\d{0,4}(?:\.\d{1,3})?"
_MODEL_NAME = re.compile(rf"model\.({'|'.join(_PRECISIONS)})(?:\.({_RATE})hz)?\.(tflite|onnx)")
_CHECKS: dict[Format, Callable[[bytes], None]] = {"onnx": check_onnx, "tflite": check_tflite}


def read_pack(path: str | Path, max_bytes: int = DEVICE_MAX_BYTES) -> Pack:
    """Read and verify a pack.

    Parameters
    ----------
    path
        The ``.leadpack`` file.
    max_bytes
        Largest file to read; give ``TEACHER_MAX_BYTES`` for a full-size network.

    Raises
    ------
    PackError
        Missing, too large, damaged, not canonical, of a schema this leadlab does not know, or
        with a model that needs other files or operators of its own.
    """
    try:
        members = decode_zip(_read_bounded(Path(path), max_bytes), MAX_MEMBERS)
        ordered = in_file_order(members)
        if list(ordered) != list(members):
            raise PackError(f"members are {list(members)}; their order must be {list(ordered)}")
        head = members.pop(MANIFEST, b"")
        manifest = Manifest.from_bytes(head)
        check_members(manifest, members)
    except PackError as fault:
        raise PackError(f"{path}: {fault}") from None
    return Pack(manifest, hashlib.sha256(head).hexdigest(), members)


def demo_pack() -> Pack:
    """Return the pack that ships inside leadlab; all it learnt is simulated."""
    return read_pack(DEMO_PACK)


def in_file_order(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return members in the one legal order; refuse names and sizes a pack cannot have."""
    for name, data in members.items():
        if len(data) > (limit := LIMITS.get(name, len(data))):
            raise PackError(f"member {name} has {len(data)} bytes; the limit is {limit}")
    return {name: members[name] for name in sorted(members, key=_place)}


def _place(name: str) -> tuple[int, float, int, bool]:
    """Return what sorts members: manifest, models by rate, precision and format, the others."""
    if name in LIMITS:
        return (0 if name == MANIFEST else 2, 0.0, list(LIMITS).index(name), False)
    match = _MODEL_NAME.fullmatch(name)
    if match is None:
        raise PackError(
            f"member {name!r} is not one of {', '.join(LIMITS)}, model.PRECISION.FORMAT and "
            "model.PRECISION.RATEhz.FORMAT"
        )
    precision, rate, format = match.groups()
    return (1, float(rate or 0), _PRECISIONS.index(precision), format == "onnx")


def check_members(manifest: Manifest, members: Mapping[str, bytes]) -> None:
    """Refuse members that are not exactly those the manifest describes, or do what none may."""
    expected = {model.file for model in manifest.models} | {GOLDEN, CARD}
    if set(members) != expected:
        raise PackError(
            f"members are {sorted(members)}; the manifest's models need {sorted(expected)}"
        )
    for name, data in members.items():
        if manifest.members.get(name) != Member.of(data):
            raise PackError(f"member {name!r} differs from the size and sha256 in the manifest")
    if len(manifest.members) != len(members):
        raise PackError("the manifest describes members that the pack does not hold")
    for model in manifest.models:
        try:
            _CHECKS[model.format](members[model.file])
        except PackError as fault:
            raise PackError(f"{model.file} {fault}") from None


def _read_bounded(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise PackError(
                    f"has {size} bytes; the limit is {max_bytes}. A full-size network needs"
                    " max_bytes=TEACHER_MAX_BYTES"
                )
            return file.read(size)
    except OSError as cause:
        raise PackError(
            f"cannot be read: {cause.strerror or cause}; give the path of a .leadpack file"
        ) from cause

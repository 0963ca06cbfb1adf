"""Reading a pack: every byte is verified before any runtime sees one."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from leadlab_edge.errors import PackError
from leadlab_edge.pack.canonical import decode_zip
from leadlab_edge.pack.manifest import Manifest, Member
from leadlab_edge.pack.pack import Pack

DEVICE_MAX_BYTES = 64 * 2**20
TEACHER_MAX_BYTES = 256 * 2**20

MANIFEST = "manifest.json"
MEMBER_ORDER = (
    "model.int8.tflite",
    "model.int8.onnx",
    "model.fp32.tflite",
    "model.fp32.onnx",
    "golden.npz",
    "card.md",
)
_REQUIRED = ("golden.npz", "card.md")
_MANIFEST_MAX_BYTES = 2**20


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
        Missing, too large, damaged, not canonical, or of a schema this leadlab does not know.
    """
    try:
        members = decode_zip(_read_bounded(Path(path), max_bytes))
        head = members.pop(MANIFEST, b"")
        if len(head) > _MANIFEST_MAX_BYTES:
            raise PackError(f"manifest has {len(head)} bytes; the limit is {_MANIFEST_MAX_BYTES}")
        manifest = Manifest.from_bytes(head)
        if list(in_file_order(members)) != list(members):
            raise PackError(f"members are {list(members)}; their order must be {MEMBER_ORDER}")
        check_members(manifest, members)
    except PackError as fault:
        raise PackError(f"{path}: {fault}") from None
    return Pack(manifest, hashlib.sha256(head).hexdigest(), members)


def demo_pack() -> Pack:
    """Return the pack that ships inside leadlab; all it learnt is simulated."""
    return read_pack(Path(__file__).parents[1] / "packs" / "demo.leadpack")


def in_file_order(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return members in the one legal order; refuse names a pack cannot have."""
    for name in members:
        if name not in MEMBER_ORDER:
            raise PackError(f"member {name!r} is not one of {', '.join(MEMBER_ORDER)}")
    return {name: members[name] for name in MEMBER_ORDER if name in members}


def check_members(manifest: Manifest, members: Mapping[str, bytes]) -> None:
    """Refuse members that are not exactly those the manifest describes."""
    models = {model.file for model in manifest.models}
    expected = models | set(_REQUIRED)
    if set(members) != expected:
        raise PackError(
            f"members are {sorted(members)}; the manifest's models need {sorted(expected)}"
        )
    for name, data in members.items():
        if manifest.members.get(name) != Member.of(data):
            raise PackError(f"member {name!r} differs from the size and sha256 in the manifest")
    if len(manifest.members) != len(members):
        raise PackError("the manifest describes members that the pack does not hold")


def _read_bounded(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise PackError(f"has {size} bytes; the limit is {max_bytes} (see max_bytes)")
            return file.read(size)
    except OSError as cause:
        raise PackError(
            f"cannot be read: {cause.strerror or cause}; give the path of a .leadpack file"
        ) from cause

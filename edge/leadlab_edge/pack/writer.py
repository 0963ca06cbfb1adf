"""Writing a pack: same manifest and members, same bytes, and never half a file."""

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from leadlab_edge.pack.canonical import encode_zip
from leadlab_edge.pack.golden import read_golden
from leadlab_edge.pack.manifest import Manifest, Member
from leadlab_edge.pack.reader import GOLDEN, MANIFEST, check_members, in_file_order


def write_pack(path: str | Path, manifest: Manifest, members: Mapping[str, bytes]) -> str:
    """Write ``path`` atomically and return the pack id.

    Parameters
    ----------
    path
        ``NAME.leadpack``; an existing file is replaced.
    manifest
        Its ``members`` are computed here; ``created_by`` too, where empty.
    members
        The model files that ``manifest.models`` lists, ``golden.npz`` and ``card.md``.

    Raises
    ------
    PackError
        Manifest or members would be refused by :func:`leadlab_edge.pack.read_pack`.
    """
    ordered = in_file_order(members)
    manifest = dataclasses.replace(
        manifest,
        members={name: Member.of(data) for name, data in ordered.items()},
        created_by=manifest.created_by or f"leadlab {_version()}",
    )
    check_members(manifest, ordered)
    head = manifest.to_bytes()
    read_golden(ordered[GOLDEN]).check(manifest)
    write_atomically(Path(path), encode_zip(in_file_order({MANIFEST: head, **ordered})))
    return hashlib.sha256(head).hexdigest()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow, and devices do not write

    try:
        return version("leadlab")
    except PackageNotFoundError:
        return "unknown"


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` so that a power cut leaves the old or the new, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary_name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(temporary_name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name must survive a power cut too
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

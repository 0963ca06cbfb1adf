"""Trust: which packs a machine runs, by who signed them.

The rule. A signature that does not fit its pack is refused, always. Where keys are required, by the
caller or by the user's file ``trusted_keys``, only packs signed by one of them are read. Where none
are, an unsigned pack is read and the caller is told so. The pack inside leadlab needs no signature:
it is part of the program.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leadlab_edge.errors import PackError, RuntimeMissing
from leadlab_edge.pack.pack import Pack
from leadlab_edge.pack.pins import user_folder
from leadlab_edge.pack.reader import DEVICE_MAX_BYTES, read_pack
from leadlab_edge.pack.signature import read_signature, signature_path

_KEY = re.compile(r"([0-9a-f]{64})(?:\s+(.*))?")
_MAX_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Standing:
    """Who vouches for a pack.

    Attributes
    ----------
    key
        Public key it is signed by; None where it is unsigned.
    trusted
        Whether that key is one of those required.
    checked
        Whether the signature was checked; without ``leadlab[sign]`` it cannot be.
    name
        Name of the key in the trust file.
    part_of_leadlab
        Whether it is the pack inside leadlab.
    """

    key: str | None = None
    trusted: bool = False
    checked: bool = False
    name: str = ""
    part_of_leadlab: bool = False

    def __str__(self) -> str:
        if self.part_of_leadlab:
            return "part of leadlab"
        if self.key is None:
            return "unsigned: nobody vouches for this pack"
        if not self.checked:
            return f"signed by {self.key}, not checked: pip install 'leadlab[sign]'"
        if self.trusted:
            return f"signed by {self.name or self.key}, trusted"
        return f"signed by {self.key}, a key not known here"


def read_trusted_pack(
    path: str | Path, required: str | None = None, max_bytes: int = DEVICE_MAX_BYTES
) -> tuple[Pack, Standing]:
    """Read and verify a pack and its signature.

    Parameters
    ----------
    path
        The ``.leadpack`` file; its signature is looked for beside it.
    required
        A public key of 64 hexadecimal digits, or a file with one a line; None takes the user's
        file ``trusted_keys`` where there is one, and requires nothing where there is not.
    max_bytes
        Largest file to read.

    Raises
    ------
    PackError
        As :func:`read_pack`; or the signature is missing, damaged, or not by a required key.
    RuntimeMissing
        A signature is required and cannot be checked here.
    """
    pack = read_pack(path, max_bytes)
    return pack, check_standing(Path(path), pack.id, required_keys(required))


def check_standing(path: Path, pack_id: str, keys: Mapping[str, str] | None) -> Standing:
    """Return who signed a pack; refuse it where the rule of this module says so.

    Parameters
    ----------
    path, pack_id
        The pack's file and id.
    keys
        Names by required key; None where no signature is required.
    """
    signature = read_signature(path)
    if signature is None:
        if keys is not None:
            raise PackError(
                f"{path}: has no signature {signature_path(path).name}; one by {len(keys)} trusted"
                " keys is required. Remedy: have it signed (leadlab pack sign)"
            )
        return Standing()
    try:
        signature.check(pack_id)
    except PackError as fault:
        raise PackError(f"{path}: {fault}") from None
    except RuntimeMissing:
        if keys is not None:
            raise
        return Standing(signature.key)
    if keys is not None and signature.key not in keys:
        raise PackError(
            f"{path}: is signed by {signature.key}, which is none of {len(keys)} trusted keys."
            " Remedy: add it to the trusted keys if you know whose it is"
        )
    trusted = keys is not None
    return Standing(signature.key, trusted, True, keys[signature.key] if keys is not None else "")


def required_keys(required: str | None = None) -> Mapping[str, str] | None:
    """Return names by trusted key; None where no signature is required.

    Raises
    ------
    PackError
        ``required`` is neither a key nor a readable file of keys.
    """
    if required is not None and _KEY.fullmatch(required):
        return {required: ""}
    if required is not None:
        return _read_keys(Path(required))
    try:
        default = user_folder() / "trusted_keys"
        exists = default.exists()
    except (OSError, RuntimeError):  # a service without a home
        return None
    return _read_keys(default) if exists else None


def _read_keys(file: Path) -> Mapping[str, str]:
    """Read one key a line, a name behind it; ``#`` starts a comment."""
    try:
        with file.open(encoding="utf-8") as content:
            text = content.read(_MAX_BYTES)
    except (OSError, ValueError) as cause:
        raise PackError(
            f"{file}: no trusted keys can be read: {cause}; give a public key of 64 hexadecimal"
            " digits, or a file with one a line"
        ) from cause
    keys = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        match = _KEY.fullmatch(line)
        if match is None:
            raise PackError(f"{file}, line {number}: {line[:80]!r} is not a key and a name")
        keys[match[1]] = match[2] or ""
    return keys

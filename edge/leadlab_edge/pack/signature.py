"""Detached Ed25519 signatures: ``NAME.leadpack.sig`` beside ``NAME.leadpack``.

What is signed is the pack id, which covers every byte of the pack. Keys are those of RFC 8032:
public ones as 64 hexadecimal digits, private ones as PKCS #8 PEM files, as OpenSSL writes them.
"""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from leadlab_edge.config import parse_record
from leadlab_edge.errors import PackError, RuntimeMissing

SUFFIX = ".sig"
_CONTEXT = b"leadlab pack signature 1\n"  # so that a signature of anything else never fits
_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Signature:
    """Content of a signature file; all hexadecimal."""

    pack_id: str
    key: str
    signature: str
    algorithm: Literal["ed25519"] = "ed25519"

    def __post_init__(self) -> None:
        for what, text, digits in (
            ("pack_id", self.pack_id, 64),
            ("key", self.key, 64),
            ("signature", self.signature, 128),
        ):
            if len(text) != digits or set(text) - set("0123456789abcdef"):
                raise PackError(f"{what} is {text[:140]!r}; it must be {digits} hexadecimal digits")

    def check(self, pack_id: str) -> None:
        """Refuse a signature that is not of this pack by this key.

        Raises
        ------
        PackError
            It is another pack's, or it is forged.
        RuntimeMissing
            Nothing is installed that can check it.
        """
        if self.pack_id != pack_id:
            raise PackError(
                f"signature is for pack {self.pack_id[:12]}, this is {pack_id[:12]};"
                " copy pack and signature from the same place"
            )
        ed25519 = _ed25519()
        from cryptography.exceptions import InvalidSignature

        try:
            public = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key))
            public.verify(bytes.fromhex(self.signature), _message(pack_id))
        except (InvalidSignature, ValueError):
            raise PackError(
                f"signature is not by key {self.key}: pack or signature was changed."
                " Copy both again from their maker"
            ) from None


def signature_path(pack: Path) -> Path:
    """Return where the signature of a pack lies."""
    return pack.with_name(pack.name + SUFFIX)


def read_signature(pack: Path) -> Signature | None:
    """Return the signature beside a pack, unchecked; None where there is none.

    Raises
    ------
    PackError
        The file is not a signature.
    """
    path = signature_path(pack)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise PackError(f"{path}: cannot be read: {cause.strerror or cause}") from cause
    try:
        if len(data) > _MAX_BYTES:
            raise PackError(f"has more than {_MAX_BYTES} bytes")
        return parse_record(Signature, json.loads(data), error=PackError)
    except (ValueError, RecursionError, PackError) as cause:
        raise PackError(f"{path}: is not a signature: {cause}") from None


def write_signature(pack: Path, signature: Signature) -> Path:
    """Write a signature beside its pack and return its path."""
    from leadlab_edge.pack.writer import write_atomically

    path = signature_path(pack)
    text = json.dumps(dataclasses.asdict(signature), sort_keys=True, separators=(",", ":"))
    write_atomically(path, text.encode() + b"\n")
    return path


def sign(pack_id: str, key_file: Path) -> Signature:
    """Sign a pack by its id.

    Raises
    ------
    PackError
        ``key_file`` is not an unencrypted Ed25519 private key in PEM.
    RuntimeMissing
        Nothing is installed that can sign.
    """
    ed25519 = _ed25519()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(key_file.read_bytes(), password=None)
    except OSError as cause:
        raise PackError(f"{key_file}: cannot be read: {cause.strerror or cause}") from cause
    except (ValueError, TypeError) as cause:
        raise PackError(f"{key_file}: is not a plain PEM key: {cause}") from cause
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise PackError(f"{key_file}: is not an Ed25519 key. Remedy: leadlab pack key FILE")
    signature = private.sign(_message(pack_id))
    return Signature(pack_id, private.public_key().public_bytes_raw().hex(), signature.hex())


def new_key(key_file: Path) -> str:
    """Write a new private key, readable by its owner alone; return the public key.

    Raises
    ------
    PackError
        The file exists or cannot be written.
    RuntimeMissing
        Nothing is installed that can make keys.
    """
    ed25519 = _ed25519()
    from cryptography.hazmat.primitives import serialization

    private = ed25519.Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        handle = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as cause:
        raise PackError(f"{key_file}: cannot be made: {cause.strerror or cause}") from cause
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
    public: str = private.public_key().public_bytes_raw().hex()
    return public


def _message(pack_id: str) -> bytes:
    return _CONTEXT + bytes.fromhex(pack_id)


def _ed25519() -> ModuleType:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as missing:
        raise RuntimeMissing(
            "signatures need cryptography, which is not installed."
            " Remedy: pip install 'leadlab[sign]'"
        ) from missing
    return ed25519

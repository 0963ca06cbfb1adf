"""A zip file that can be written in one way only, so that a changed byte cannot go unseen.

Stored members, fixed date and attributes, no extra fields, no comment, no slack: the bytes follow
from names and contents alone. The reader re-encodes what it read and compares. Any zip tool opens
the result. Written by hand rather than with ``zipfile``, whose bytes may differ between versions.
"""

import binascii
import struct
from collections.abc import Iterator, Mapping

from leadlab_edge.errors import PackError

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"

_VERSION_NEEDED = 10  # 1.0: stored, no encryption
_MADE_BY = 3 << 8 | _VERSION_NEEDED  # Unix, so that the permissions below count
_DATE = 1 << 5 | 1  # 1980-01-01, the first that the format knows
_PERMISSIONS = 0o100644 << 16


def encode_zip(members: Mapping[str, bytes]) -> bytes:
    """Return the canonical zip of ``members``, in the order given; names are ASCII."""
    return b"".join(_pieces(members))


def decode_zip(data: bytes, max_members: int) -> dict[str, bytes]:
    """Return the members of a canonical zip in file order.

    Needs memory for ``data`` once more, whatever the headers claim: nothing is compressed, and
    members lie end to end.

    Raises
    ------
    PackError
        ``data`` is not what :func:`encode_zip` gives for the members it holds.
    """
    view = memoryview(data)
    members: dict[str, bytes] = {}
    position = 0
    while view[position : position + 4] == _LOCAL_MARK:
        if len(members) == max_members:
            raise _refusal(position, f"holds more than {max_members} members")
        try:
            header = _LOCAL.unpack_from(view, position)
            size, name_length = header[8], header[9]
            start = position + _LOCAL.size + name_length
            name = bytes(view[position + _LOCAL.size : start]).decode("ascii")
        except (struct.error, UnicodeDecodeError) as cause:
            raise _refusal(position, "has a damaged member header") from cause
        if name in members or start + size > len(view):
            raise _refusal(position, f"has member {name!r} twice or cut short")
        members[name] = bytes(view[start : start + size])
        position = start + size
    position = 0
    for piece in _pieces(members):
        if view[position : position + len(piece)] != piece:
            raise _refusal(position, "is not canonical")
        position += len(piece)
    if position != len(view):
        raise _refusal(position, f"has {len(view) - position} bytes too many")
    return members


def _pieces(members: Mapping[str, bytes]) -> Iterator[bytes]:
    directory = []
    offset = 0
    for name, data in members.items():
        raw_name = name.encode("ascii")
        crc, size = binascii.crc32(data), len(data)
        common = (_VERSION_NEEDED, 0, 0, 0, _DATE, crc, size, size, len(raw_name), 0)
        yield _LOCAL.pack(_LOCAL_MARK, *common) + raw_name
        yield data
        entry = _CENTRAL.pack(_CENTRAL_MARK, _MADE_BY, *common, 0, 0, 0, _PERMISSIONS, offset)
        directory.append(entry + raw_name)
        offset += _LOCAL.size + len(raw_name) + size
    listing = b"".join(directory)
    yield listing
    yield _END.pack(_END_MARK, 0, 0, len(members), len(members), len(listing), offset, 0)


def _refusal(position: int, fault: str) -> PackError:
    return PackError(
        f"file {fault} (byte {position}); it was cut, changed or not written by leadlab:"
        " copy it again from where it was made"
    )

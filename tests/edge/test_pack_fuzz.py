"""Whatever bytes a pack is made of, reading it gives a pack or a PackError, in bounded memory."""

import contextlib
import io
import json
import struct
import tracemalloc
import zipfile

import pytest
import tiny_pack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadlab_edge.errors import PackError
from leadlab_edge.pack import read_golden, read_pack
from leadlab_edge.pack.canonical import decode_zip, encode_zip
from leadlab_edge.pack.manifest import Manifest
from leadlab_edge.pack.reader import MAX_MEMBERS

MANIFEST = json.loads(tiny_pack.manifest().to_bytes())
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def pack_bytes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    tiny_pack.tiny_pack(folder)
    return (folder / "tiny.leadpack").read_bytes()


def refused(folder, data):
    file = folder / "x.leadpack"
    file.write_bytes(data)
    with pytest.raises(PackError):
        read_pack(file)


@QUICK
@given(data=st.data())
def test_a_pack_with_any_one_byte_changed_is_refused(tmp_path, pack_bytes, data):
    position = data.draw(st.integers(0, len(pack_bytes) - 1))
    changed = bytearray(pack_bytes)
    changed[position] ^= data.draw(st.integers(1, 255))
    refused(tmp_path, bytes(changed))


@QUICK
@given(data=st.data())
def test_a_pack_cut_doubled_or_shifted_is_refused(tmp_path, pack_bytes, data):
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(pack_bytes))] * 2)))
    filling = data.draw(st.binary(max_size=20) | st.just(pack_bytes[start:stop]))
    changed = pack_bytes[:start] + filling + pack_bytes[stop:]
    if changed != pack_bytes:
        refused(tmp_path, changed)


@QUICK
@given(names=st.lists(st.text(st.characters(codec="ascii"), max_size=20), max_size=4, unique=True))
def test_no_other_members_are_read(tmp_path, names):
    refused(tmp_path, encode_zip(dict.fromkeys(names, b"x")))


@QUICK
@given(key=st.sampled_from(sorted(MANIFEST)) | st.text(max_size=9), value=JSON)
def test_any_value_in_a_manifest_is_read_or_refused(key, value):
    for version in ("1.1", "1.999"):
        table = MANIFEST | {"schema_version": version, key: value}
        with contextlib.suppress(PackError, UnicodeEncodeError):
            text = json.dumps(table, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            Manifest.from_bytes(text.encode() + b"\n")


@QUICK
@given(part=st.sampled_from(["columns", "rows"]), value=JSON)
def test_any_indicators_are_read_or_refused(part, value):
    table = MANIFEST | {"indicators": MANIFEST["indicators"] | {part: value}}
    text = json.dumps(table, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    with pytest.raises(PackError):
        Manifest.from_bytes(text.encode() + b"\n")


@QUICK
@given(name=st.sampled_from(["raw_mv.npy", "model.int8.onnx.npy"]), data=st.data())
def test_any_golden_array_is_read_or_refused(name, data):
    members = decode_zip(tiny_pack.members()["golden.npz"], MAX_MEMBERS)
    changed = bytearray(members[name])
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, 140))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PackError):
        read_golden(encode_zip(members | {name: bytes(changed)}))


def bombs(pack_bytes):
    """Files that are small, or claim to be, and unpack to much or to no end."""
    deflated = io.BytesIO()
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", bytes(50_000_000))
    yield deflated.getvalue()
    for field in (18, 22):  # compressed and uncompressed size of the first header
        for size in (0xFFFFFFFF, 0x7FFFFFFF, 100_000_000):
            claimed = bytearray(pack_bytes)
            struct.pack_into("<I", claimed, field, size)
            yield bytes(claimed)
    yield pack_bytes[: pack_bytes.index(b"PK\x01\x02")] * 2  # overlapping members need two listings
    yield encode_zip({"manifest.json": b"[" * 2**20})
    yield encode_zip({"manifest.json": b"[" + b"[]," * 100_000 + b"[]]\n"})
    yield encode_zip({"manifest.json": b"9" * 2**20 + b"\n"})
    yield encode_zip({str(n): b"" for n in range(5_000)})


def test_bombs_are_refused_in_bounded_memory(tmp_path, pack_bytes):
    largest = 0
    for bomb in bombs(pack_bytes):
        largest = max(largest, len(bomb))
        tracemalloc.start()
        refused(tmp_path, bomb)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 30e6, len(bomb)
    assert largest < 2e6

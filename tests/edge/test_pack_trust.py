"""Signatures, and which packs a machine runs."""

import json
import stat
import subprocess
import sys

import pytest
import tiny_pack

from leadlab_edge.errors import PackError, RuntimeMissing
from leadlab_edge.pack import read_pack, read_trusted_pack, write_pack
from leadlab_edge.pack.signature import new_key, read_signature, sign, write_signature


@pytest.fixture(autouse=True)
def user_folder(tmp_path, monkeypatch):
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setenv("LEADLAB_CONFIG_DIR", str(folder))
    return folder


@pytest.fixture
def pack(tmp_path):
    write_pack(tmp_path / "x.leadpack", tiny_pack.manifest(), tiny_pack.members())
    return tmp_path / "x.leadpack"


@pytest.fixture
def signed(pack, tmp_path):
    """Return a signed pack and the key it was signed by."""
    key = new_key(tmp_path / "maker.pem")
    opened, _ = read_trusted_pack(pack)
    write_signature(pack, sign(opened.id, tmp_path / "maker.pem"))
    return pack, key


def edit_signature(pack, **changes):
    file = pack.with_name("x.leadpack.sig")
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_signed_pack_is_trusted_where_its_key_is(signed, tmp_path, user_folder):
    pack, key = signed
    _, standing = read_trusted_pack(pack, key)
    assert (standing.key, standing.trusted, standing.checked) == (key, True, True)
    keys = tmp_path / "keys"
    keys.write_text(f"# the lab\n\n{'0' * 64} other\n{key}  maker of packs  # since 2026\n")
    assert read_trusted_pack(pack, str(keys))[1].name == "maker of packs"
    keys.rename(user_folder / "trusted_keys")
    assert str(read_trusted_pack(pack)[1]) == "signed by maker of packs, trusted"


def test_where_no_key_is_required_a_pack_is_read_and_its_standing_said(pack, signed):
    _, key = signed
    standing = read_trusted_pack(pack)[1]
    assert (standing.key, standing.trusted, standing.checked) == (key, False, True)
    assert "not known here" in str(standing)
    pack.with_name("x.leadpack.sig").unlink()
    assert str(read_trusted_pack(pack)[1]).startswith("unsigned")


def test_where_keys_are_required_others_are_refused(pack, signed, user_folder):
    with pytest.raises(PackError, match=r"is signed by \w+, which is none of 1 trusted keys"):
        read_trusted_pack(pack, "0" * 64)
    pack.with_name("x.leadpack.sig").unlink()
    with pytest.raises(PackError, match=r"no signature x\.leadpack\.sig"):
        read_trusted_pack(pack, signed[1])
    (user_folder / "trusted_keys").write_text("# none yet\n")
    with pytest.raises(PackError, match="no signature"):
        read_trusted_pack(pack)


def test_a_signature_of_another_pack_is_refused_though_none_is_required(signed):
    pack, _ = signed
    write_pack(pack, tiny_pack.manifest(name="other"), tiny_pack.members())
    with pytest.raises(PackError, match=r"signature is for pack \w{12}, this is"):
        read_trusted_pack(pack)
    edit_signature(pack, pack_id=read_pack(pack).id)
    with pytest.raises(PackError, match="signature is not by key"):
        read_trusted_pack(pack)


@pytest.mark.parametrize(
    "changes",
    [{"key": "1" * 64}, {"signature": "0" * 128}, {"key": "f" * 64}, {"signature": "f" * 128}],
)
def test_a_forged_signature_is_refused(signed, changes):
    edit_signature(signed[0], **changes)
    with pytest.raises(PackError, match="signature is not by key"):
        read_trusted_pack(signed[0])


def test_every_changed_byte_of_a_signature_is_refused_or_unread(signed):
    pack, key = signed
    file = pack.with_name("x.leadpack.sig")
    original = file.read_bytes()
    for position in range(0, len(original), 7):
        changed = bytearray(original)
        changed[position] ^= 1
        file.write_bytes(changed)
        with pytest.raises(PackError):
            read_trusted_pack(pack, key)


@pytest.mark.parametrize(
    "text", ["", "{}", "[" * 9000, '{"key":"a"}', "\xff", '{"pack_id":1}', "[]", "null"]
)
def test_what_is_no_signature(pack, text):
    pack.with_name("x.leadpack.sig").write_text(text)
    with pytest.raises(PackError, match=r"x\.leadpack\.sig: is not a signature"):
        read_trusted_pack(pack)


def test_what_is_no_key(pack, tmp_path):
    with pytest.raises(PackError, match="give a public key of 64 hexadecimal"):
        read_trusted_pack(pack, "abc")
    (tmp_path / "keys").write_text("0123\n")
    with pytest.raises(PackError, match="keys, line 1: '0123' is not a key"):
        read_trusted_pack(pack, str(tmp_path / "keys"))
    (tmp_path / "no.pem").write_text("no key")
    for file in ("no.pem", "absent.pem"):
        with pytest.raises(PackError, match=file):
            sign("0" * 64, tmp_path / file)


def test_a_key_of_another_kind_is_refused(tmp_path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "ec.pem").write_bytes(pem)
    with pytest.raises(PackError, match="not an Ed25519 key"):
        sign("0" * 64, tmp_path / "ec.pem")


def test_a_new_key_is_its_owners_alone_and_replaces_none(tmp_path):
    file = tmp_path / "maker.pem"
    assert len(new_key(file)) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(PackError, match="cannot be made: File exists"):
        new_key(file)


def test_without_cryptography_a_signature_is_named_and_a_required_one_refused(signed, monkeypatch):
    pack, key = signed
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    standing = read_trusted_pack(pack)[1]
    assert (standing.key, standing.checked, standing.trusted) == (key, False, False)
    assert "not checked" in str(standing)
    with pytest.raises(RuntimeMissing, match=r"pip install 'leadlab\[sign\]'"):
        read_trusted_pack(pack, key)
    assert read_signature(pack).key == key


def test_an_unsigned_pack_loads_no_cryptography():
    code = "import leadlab, sys; leadlab.demo_pack().load(); print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

"""``leadlab pack``: inspect, verify, sign, card."""

import json
from pathlib import Path

import pytest
import tiny_pack
from click.testing import CliRunner

from leadlab_bridge.errors import LeadlabError
from leadlab_edge.cli.pack import pack
from leadlab_edge.pack import Provenance, read_pack, write_pack


@pytest.fixture(autouse=True)
def user_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LEADLAB_CONFIG_DIR", str(tmp_path / "user"))


@pytest.fixture
def path(tmp_path):
    tiny_pack.tiny_pack(tmp_path)
    return str(tmp_path / "tiny.leadpack")


def invoke(*arguments):
    """Return exit status and output; leadlab's errors are what the command would print."""
    result = CliRunner().invoke(pack, list(arguments))
    if isinstance(result.exception, LeadlabError):
        return 1, str(result.exception)
    return result.exit_code, result.output


def test_inspect_says_what_a_pack_is(path):
    status, text = invoke("inspect", path)
    assert status == 0
    for words in (
        "tiny: 3 indicators, 2 shown",
        "unsigned",
        "SIMULATED patients",
        "lead II, 108 samples of mV at 10 Hz (4 of margin a side)",
        "model.int8.onnx",
        "Potassium > 5 mmol/L",
        "1 more (--all)",
    ):
        assert words in text
    assert "Transferrin" not in text
    assert "hidden" in invoke("inspect", path, "--all")[1]


def test_inspect_as_json_holds_the_manifest(path):
    table = json.loads(invoke("inspect", path, "--json")[1])
    assert table["id"] == read_pack(path).id
    assert table["manifest"]["lead"] == "II"
    assert table["signed_by"] is None


def test_verify_checks_bytes_and_runs_golden_vectors(path):
    status, text = invoke("verify", path, "--run")
    assert status == 0
    assert read_pack(path).id in text
    assert text.count("right") == 2
    with Path(path).open("ab") as file:
        file.write(b"\0")
    status, text = invoke("verify", path)
    assert status == 1
    assert "1 bytes too many" in text


def test_verify_sees_a_wrong_model(path):
    wrong = tiny_pack.onnx_bytes((tiny_pack.WEIGHTS * 2).tobytes())
    members = tiny_pack.members() | {"model.int8.onnx": wrong}
    write_pack(path, tiny_pack.manifest(), members)
    assert invoke("verify", path)[0] == 0
    status, text = invoke("verify", path, "--run")
    assert status == 1
    assert "1 of 2 do not give the golden logits of 2 windows" in text


def test_sign_and_require(path, tmp_path):
    key_file = str(tmp_path / "maker.pem")
    key = invoke("key", key_file)[1].strip()
    status, text = invoke("verify", path, "--require-signature", key)
    assert (status, "has no signature" in text) == (1, True)
    status, text = invoke("sign", path, "--key", key_file)
    assert status == 0
    assert f"tiny.leadpack.sig by {key}" in text
    status, text = invoke("verify", path, "--require-signature", key)
    assert status == 0
    assert f"signed by {key}, trusted" in text
    assert f"signed by {key}" in invoke("inspect", path)[1]


def test_card_is_printed_as_it_is(path):
    assert invoke("card", path) == (0, tiny_pack.CARD.decode())


def test_a_pack_cannot_steer_the_terminal(tmp_path):
    source = Provenance(simulated=False, cohort="\x1b]0;owned\x07", teacher="\x1b[2J")
    manifest = tiny_pack.manifest(name="\x1b[31mred", provenance=source)
    members = tiny_pack.members() | {"card.md": b"\x1b[1mbold \xff\n"}
    write_pack(tmp_path / "x.leadpack", manifest, members)
    for verb in ("inspect", "verify", "card"):
        status, text = invoke(verb, str(tmp_path / "x.leadpack"))
        assert status == 0
        assert "\x1b" not in text
        assert "\x07" not in text


def test_without_a_pack_it_is_the_shipped_one():
    status, text = invoke("verify")
    assert status == 0
    assert "part of leadlab" in text
    assert invoke("card")[1].startswith("---\n")

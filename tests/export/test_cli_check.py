"""The verb's own words: what it refuses, and that its help shows the limits."""

from pathlib import Path

import pytest
import tiny_pack
from click.testing import CliRunner

from leadlab_export.check.cli import check_command
from leadlab_export.check.gate import CHECK_LIMITS


def test_help_shows_every_limit() -> None:
    result = CliRunner().invoke(check_command, ["--help"])
    assert result.exit_code == 0
    for name in CHECK_LIMITS.__slots__:
        shown = getattr(CHECK_LIMITS, name) is not None
        assert (f"{name} = " in result.output) == shown


def test_a_pack_is_checked_against_itself_without_a_cohort(tmp_path: Path) -> None:
    """The tiny pack's int8 file is float32 in truth: every difference is 0."""
    tiny_pack.tiny_pack(tmp_path)
    path = str(tmp_path / "tiny.leadpack")
    result = CliRunner().invoke(check_command, [path, path, "--repeats", "0"])
    assert result.exit_code == 0, result.output
    assert "The compact model passed the gate for what could be judged." in result.output
    assert "Accuracy was not judged" in result.output


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["absent.leadpack", "tiny.leadpack"], "does not exist"),
        (["tiny.leadpack", "absent.leadpack"], "absent.leadpack"),
        ([".", "tiny.leadpack"], "run.json"),
        (["tiny.leadpack", "tiny.leadpack", "--cohort", "absent"], "absent"),
        (["tiny.leadpack", "tiny.leadpack", "--recording", "absent.csv"], "no such file"),
        (["tiny.leadpack", "tiny.leadpack", "--limits", "absent.toml"], "absent.toml"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], named: str
) -> None:
    tiny_pack.tiny_pack(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(check_command, words)
    assert result.exit_code != 0
    assert named in result.output + str(result.exception)

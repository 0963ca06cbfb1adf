"""The whole loop, in its quick form: every joint, no figures."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from leadlab_edge.cli import main
from leadlab_edge.pack import read_pack
from leadlab_export.demo.recipe import load_recipe


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    result = CliRunner().invoke(
        main, ["demo", "--quick", "--out", str(folder), "--ship", str(folder / "slim.leadpack")]
    )
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_every_step_says_what_it_came_to(made: tuple[Path, str]) -> None:
    _, printed = made
    for number in range(1, 7):
        assert re.search(rf"^{number}/6 \S.*\d+ s", printed, re.MULTILINE)
    assert "report.html" in printed
    assert "219 samples lost, 2 doubled, 1 late, as scripted" in printed


def test_the_packs_hold_every_format_and_are_marked_simulated(made: tuple[Path, str]) -> None:
    folder, _ = made
    full, slim = read_pack(folder / "demo.leadpack"), read_pack(folder / "slim.leadpack")
    assert {m.file for m in full.manifest.models} == {
        f"model.{precision}.{format}"
        for precision in ("fp32", "int8")
        for format in ("onnx", "tflite")
    }
    assert {m.precision for m in slim.manifest.models} == {"int8"}
    for pack in (full, slim):
        assert pack.manifest.provenance.simulated
        assert len(pack.manifest.indicators) == 108
        for model in pack.manifest.models:
            if model.precision == "int8":
                assert len(pack.members[model.file]) <= 200_000


def test_the_report_is_one_file_that_says_it_is_simulated(made: tuple[Path, str]) -> None:
    folder, _ = made
    page = (folder / "report.html").read_text()
    assert "simulated" in page.lower()
    assert "not a medical device" in page
    assert page.count("<svg") == 6
    assert not re.search(r"(src=|href=|url\()[\"']?http", page)
    assert "Potassium &gt; 5 mmol/L" in page


def test_the_recipes_are_read_strictly() -> None:
    demo, quick = load_recipe("demo", seed=3), load_recipe("quick")
    seeds = (demo.cohort.seed, demo.training.seed, demo.export.student.seed)
    assert seeds == (3, 3, 3)
    assert demo.cohort.test_patients >= 1500
    assert demo.cohort.strength == 0.0
    assert (quick.training.fit.steps or 0) < (demo.training.fit.steps or 0)


def test_a_cohort_that_is_not_the_demos_stays(tmp_path: Path) -> None:
    keepsake = tmp_path / "cohort" / "keepsake"
    keepsake.parent.mkdir()
    keepsake.write_text("mine")
    result = CliRunner().invoke(main, ["demo", "--quick", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "cohort" in result.output
    assert keepsake.read_text() == "mine"

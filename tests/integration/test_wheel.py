"""What a user installs: wheel and sdist build, and the wheel runs alone in a clean place."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, need

PACKAGES = ("leadlab", "leadlab_edge", "leadlab_bridge", "leadlab_train", "leadlab_export")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command outside the checkout; return what it printed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


def test_the_wheel_holds_every_package_and_its_data(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for package in PACKAGES:
        assert f"{package}/py.typed" in names
    assert "leadlab_edge/packs/demo.leadpack" in names
    assert "leadlab_bridge/include/oecg.h" in names
    assert "leadlab_train/data/panel.csv" in names
    assert not any(name.startswith(("tests", "examples")) for name in names)


def test_the_sdist_holds_the_sources(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "edge/leadlab_edge/pipeline.py"} <= names


def test_a_device_only_install_runs(dist: Path, tmp_path: Path) -> None:
    need("index", _index_answers(tmp_path), "this test installs the device's dependencies")
    (wheel,) = dist.glob("*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel)
    printed = run(
        *(python, "-m", "leadlab", "run", "--simulate", "--headless", "--speed", "100"),
        *("--windows", "2"),
        cwd=tmp_path,
    )
    assert "2 windows, 0 of them abstentions" in printed
    listed = run(python, "-m", "pip", "list")
    assert "torch" not in listed
    assert "scipy" not in listed


def _index_answers(folder: Path) -> bool:
    """Whether pip reaches a package index (a proxy or a mirror counts)."""
    probe = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "soxr", "-d", folder],
        capture_output=True,
    )
    return probe.returncode == 0

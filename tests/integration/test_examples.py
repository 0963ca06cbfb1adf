"""The examples run as they are, and are short enough to copy."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from leadlab_bridge.simulated.ecg import simulate_ecg

EXAMPLES = ROOT / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 40


def test_stream_a_strap() -> None:
    printed = run("stream_a_strap.py").splitlines()
    assert len(printed) == 5
    assert all(" s  " in line for line in printed)


def test_score_a_recording(tmp_path: Path) -> None:
    ecg_mv = simulate_ecg() / 1000
    recording = tmp_path / "night.csv"
    rows = np.column_stack([np.arange(ecg_mv.size) / 130, ecg_mv])
    np.savetxt(recording, rows, delimiter=",", header="time_s,ecg_mV", comments="")
    printed = run("score_a_recording.py", str(recording)).splitlines()
    assert printed[0].startswith("night")
    assert len(printed) == 11


def test_read_a_pack() -> None:
    printed = run("read_a_pack.py")
    assert "simulated: True" in printed
    assert "model.int8.tflite" in printed

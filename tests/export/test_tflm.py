"""The nano student on TensorFlow Lite Micro's host interpreter: memory, and LiteRT's numbers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import need
from tiny_student import TINY, simulate

from leadlab_edge.pack.manifest import ModelFile
from leadlab_export.errors import ExportError, ExportUnavailable
from leadlab_export.models import ModelSet
from leadlab_export.quantize_tflite import quantize_tflite
from leadlab_export.search.micro import int8_body, run_litert, run_micro, steps_apart
from leadlab_export.student import NANO, Student
from leadlab_export.to_tflite import to_tflite

ARENA_LIMIT, FILE_LIMIT = 64 * 1024, 120_000
BODY_STEPS, WHOLE_STEPS = 2, 6


@pytest.fixture(scope="module")
def ecg_mv() -> np.ndarray:
    return simulate(24, seed=3)[0]


@pytest.fixture(scope="module")
def nano(ecg_mv: np.ndarray) -> bytes:
    """Return an int8 file of the nano shape whose norms have seen ECG."""
    torch.manual_seed(0)
    student = Student(108, NANO)
    with torch.no_grad():
        for _ in range(20):
            student(torch.from_numpy(ecg_mv))
    return quantize_tflite(to_tflite(student.eval()), ecg_mv)


@pytest.fixture(scope="module")
def micro_python() -> Path:
    """Return a Python that has tflite_micro: LEADLAB_TFLM, or this one."""
    python = Path(os.environ.get("LEADLAB_TFLM", sys.executable))
    command = [python, "-c", "import tflite_micro"]
    present = subprocess.run(command, capture_output=True, check=False).returncode == 0
    need("tflm", present, "set LEADLAB_TFLM to a Python with `pip install --pre tflite-micro`")
    return python


def test_nano_is_small_enough_for_a_microcontroller(
    micro_python: Path, nano: bytes, ecg_mv: np.ndarray
) -> None:
    assert len(nano) <= FILE_LIMIT
    assert run_micro(micro_python, nano, ecg_mv[:1]).arena_bytes <= ARENA_LIMIT


def test_agrees_with_litert_to_a_few_int8_steps(
    micro_python: Path, nano: bytes, ecg_mv: np.ndarray
) -> None:
    body, whole = steps_apart(micro_python, nano, ecg_mv)
    assert body <= BODY_STEPS
    assert whole <= WHOLE_STEPS


def test_the_body_is_the_int8_part_alone(models: ModelSet) -> None:
    body = int8_body(models.files[ModelFile.of("tflite", "int8")])
    inputs = np.random.default_rng(0).integers(-128, 128, (4, 1, 1250, 1)).astype(np.int8)
    outputs = run_litert(body, inputs)
    assert outputs.dtype == np.int8
    assert outputs.shape == (4, 1, 1, TINY.widths[-1])
    assert np.unique(outputs).size > 20


def test_a_float_file_has_no_int8_body(models: ModelSet) -> None:
    with pytest.raises(ExportError, match="no int8 body"):
        int8_body(models.files[ModelFile.of("tflite", "fp32")])


def test_a_python_without_it_is_said(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho \"No module named 'tflite_micro'\" >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(ExportUnavailable, match="pip install --pre tflite-micro"):
        run_micro(python, b"", np.zeros((1, 3), np.float32))

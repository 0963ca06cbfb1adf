"""A small trained student and its model files, made once for all tests of the export."""

import numpy as np
import pytest
import torch
from tiny_student import SPARE, TINY, simulate

from leadlab_export.distill import DistillSettings, distill
from leadlab_export.models import ModelSet, write_models
from leadlab_export.student import Student
from leadlab_train.fit import FitSettings


@pytest.fixture(scope="session")
def windows_mv() -> np.ndarray:
    """Return ``(60, n_samples)`` simulated windows."""
    return simulate(60, seed=1)[0]


@pytest.fixture(scope="session")
def student() -> Student:
    """Return a small student that has learned a little."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    strips, labels = simulate(256, seed=0, spare=SPARE)
    small = Student(3, TINY)
    fit = FitSettings(steps=60, learning_rate=1e-2, warmup_steps=5)
    distill(small, strips, labels, DistillSettings(fit, batch=32))
    return small


@pytest.fixture(scope="session")
def models(student: Student, windows_mv: np.ndarray) -> ModelSet:
    """Return the student's model files in every format this platform can write."""
    return write_models(student, windows_mv)

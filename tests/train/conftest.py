"""A small simulated cohort, made once."""

from pathlib import Path

import pytest

from leadlab_train.cohort import Cohort
from leadlab_train.cohort.training import TrainingCohort
from leadlab_train.simulated import simulate_cohort


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Return a cohort of 60 simulated patients. It is shared: read it only."""
    folder: Path = tmp_path_factory.mktemp("small") / "cohort"
    return simulate_cohort(folder, patients={"train": 40, "val": 12, "test": 8})


@pytest.fixture(scope="session")
def training(small_cohort: Cohort) -> TrainingCohort:
    """Return what training may see of it."""
    return TrainingCohort(small_cohort)

"""Cohorts on disk: strips of raw ECG, their blood draws, and what those draws showed."""

from leadlab_train.cohort.store import Cohort
from leadlab_train.cohort.training import TrainingCohort
from leadlab_train.cohort.windows import Spans, Windows
from leadlab_train.cohort.writer import CohortWriter

__all__ = ["Cohort", "CohortWriter", "Spans", "TrainingCohort", "Windows"]

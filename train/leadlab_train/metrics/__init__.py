"""Figures of merit: AUROC with missing labels, patient-clustered intervals, efficiency."""

from leadlab_train.metrics.auroc import auroc, positive_patients
from leadlab_train.metrics.bootstrap import Interval, PatientBootstrap, interval
from leadlab_train.metrics.efficiency import efficiency

__all__ = [
    "Interval",
    "PatientBootstrap",
    "auroc",
    "efficiency",
    "interval",
    "positive_patients",
]

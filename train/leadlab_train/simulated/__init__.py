"""A cohort drawn from a model: no data needed, and the best reachable AUROC is known."""

from leadlab_train.simulated.cohort import DEMO_PATIENTS, simulate_cohort
from leadlab_train.simulated.oracle import ceilings, oracle_scores

__all__ = ["DEMO_PATIENTS", "ceilings", "oracle_scores", "simulate_cohort"]

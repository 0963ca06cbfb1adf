"""Train a teacher on a simulated cohort and print how much of what can be known it knows.

    python benchmarks/teacher_efficiency.py --folder runs/demo                 2 minutes, 2 cores
    python benchmarks/teacher_efficiency.py --folder runs/full --recipe full_width     one GPU

Makes the recipe's cohort in FOLDER/cohort and the run in FOLDER/run, goes on with either if it is
there, and scores the test patients, whose labels are complete: macro AUROC and efficiency (AUROC
above chance as a share of the oracle's, over the indicators whose ceiling exceeds .60), with
intervals over patients, and the training's windows/s.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch

from leadlab_train.cohort import Cohort
from leadlab_train.inputs import CohortInputs
from leadlab_train.metrics import PatientBootstrap, auroc, efficiency, interval
from leadlab_train.predict import predict
from leadlab_train.recipe import Recipe, load_recipe
from leadlab_train.run import Options, View, train
from leadlab_train.run.log import read_metrics
from leadlab_train.simulated import simulate_cohort
from leadlab_train.simulated.oracle import ceilings, oracle_scores

KNOWABLE = 0.60


class Lines(View):
    """Prints what happens."""

    def begin(self, description: str) -> None:
        """Print what is about to happen."""
        print(description, flush=True)

    def validated(self, step: int, auroc: float, best: bool) -> None:
        """Print a validation."""
        print(f"step {step}: macro AUROC {auroc:.4f}{', best' if best else ''}", flush=True)


def cohort_of(recipe: Recipe, folder: Path) -> Cohort:
    """Open the recipe's cohort, or simulate it."""
    if folder.exists():
        return Cohort.open(folder)
    settings = recipe.cohort
    if settings is None:
        raise SystemExit("the recipe simulates no cohort; give one with a [cohort] table")
    return simulate_cohort(
        folder, patients=settings.patients, strength=settings.strength, seed=settings.seed
    )


def main() -> None:
    """Train and score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path("runs/demo"))
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    device, recipe = torch.device(arguments.device), load_recipe(arguments.recipe)
    on_gpu = device.type == "cuda"
    cohort = cohort_of(recipe, arguments.folder / "cohort")
    workers = min(16, os.cpu_count() or 1) if on_gpu else 0
    outcome = train(
        recipe,
        cohort,
        arguments.folder / "run",
        options=Options(device=device, workers=workers),
        view=Lines(),
    )
    assert outcome.model is not None
    rows = cohort.rows("test")
    assert cohort.truth is not None
    truth, patients = cohort.truth[cohort.draw_of(rows)], cohort.patient_of(rows)
    logits = predict(
        outcome.model.to(device), CohortInputs(cohort, rows), batch=256 if on_gpu else 64
    )
    oracle = oracle_scores(cohort, rows)
    knowable = ceilings(cohort) > KNOWABLE
    bootstrap = PatientBootstrap(patients, seed=0)
    share = float(efficiency(auroc(logits, truth), auroc(oracle, truth), knowable))
    resampled = efficiency(bootstrap.auroc(logits, truth), bootstrap.auroc(oracle, truth), knowable)
    low, high = interval(share, resampled)
    speeds = [r["windows_per_s"] for r in read_metrics(outcome.folder) if "windows_per_s" in r]
    print(
        f"simulated cohort, {len(cohort.rows('train')):,} training windows, "
        f"{len(rows):,} test windows of {len(np.unique(patients)):,} patients\n"
        f"macro AUROC {np.nanmean(auroc(logits, truth)):.4f}, oracle "
        f"{np.nanmean(auroc(oracle, truth)):.4f}; efficiency {share:.3f} [{low:.3f}, {high:.3f}] "
        f"over {int(knowable.sum())} indicators\n"
        f"{np.median(speeds):,.0f} windows/s on {device}"
    )


if __name__ == "__main__":
    main()

"""Try shapes of students alike, and write the table and the plot of docs/students.md.

    python benchmarks/student_search.py --cohort COHORT --teacher RUN --cache CACHE
    python benchmarks/student_search.py ... --micro-python PYTHON     also a microcontroller's arena
    python benchmarks/student_search.py --plot-only

One training of a few hundred steps for each shape: minutes each on a CPU core. The table grows
shape by shape; started again, the search goes on with those that are missing from it. Times are CPU
time of one thread; wall time is not, and other programs lengthen it.
"""

import argparse
import platform
from dataclasses import replace
from pathlib import Path

import torch

from leadlab_export.distill_run import load_distill_recipe
from leadlab_export.lessons import Lessons
from leadlab_export.search.candidates import candidates
from leadlab_export.search.plot import plot_trials
from leadlab_export.search.trial import at_rate, read_trials, run_trial, write_trials
from leadlab_export.teacher import load_teacher
from leadlab_train.cohort import Cohort

DOCS = Path(__file__).parent.parent / "docs"


def main() -> None:
    """Search, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cohort", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--micro-python", type=Path)
    parser.add_argument("--table", type=Path, default=DOCS / "student-search.json")
    parser.add_argument("--plot", type=Path, default=DOCS / "student-search.svg")
    parser.add_argument("--plot-only", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if not asked.plot_only:
        _search(asked)
    plot_trials(read_trials(asked.table), asked.plot)


def _search(asked: argparse.Namespace) -> None:
    cohort = Cohort.open(asked.cohort)
    teacher = load_teacher(asked.teacher, len(cohort.panel))
    learning = load_distill_recipe(asked.recipe).learning
    # Room for the shift at 500 Hz, where strips leave the least.
    moved = replace(learning.augmentation, shift=3)
    fit = replace(learning.fit, steps=asked.steps)
    learning = replace(learning, fit=fit, augmentation=moved)
    done = read_trials(asked.table)
    setting = {
        "cohort_sha256": cohort.manifest.content_sha256,
        "simulated": cohort.simulated,
        "teacher_sha256": teacher.sha256,
        "training_windows": len(cohort.rows("train")),
        "validation_windows": len(cohort.rows("val")),
        "batch": learning.batch,
        "machine": platform.platform(),
        "torch": torch.__version__,
    }
    for candidate in candidates():
        if candidate.name in {trial.name for trial in done}:
            continue
        learning_here = at_rate(learning, candidate.shape.rate_hz)
        lessons = Lessons(
            *(cohort, teacher, candidate.shape, learning_here, asked.cache), lambda *_: None
        )
        trial = run_trial(candidate, lessons, asked.micro_python)
        done.append(trial)
        write_trials(asked.table, done, setting)
        cost = trial.cost
        print(
            f"{trial.name:18} AUROC {trial.val_auroc:.4f}  agreement {trial.agreement:.4f}  "
            f"{cost.macs / 1e6:5.1f} MMAC  tflite {cost.tflite_bytes / 1e3:4.0f} kB "
            f"{cost.tflite_ms:.2f} ms  onnx {cost.onnx_bytes / 1e3:4.0f} kB {cost.onnx_ms:.2f} ms  "
            f"arena {cost.arena_bytes}  {trial.train_s:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()

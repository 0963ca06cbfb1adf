"""Score students on test patients: against their teacher, without it, in int8, on a wearable.

    python benchmarks/student_figures.py --cohort COHORT --teacher RUN --cache CACHE STUDENT ...

With --micro-python PYTHON also the tensor arena, with --json FILE into a file.

A student is an --out of `leadlab distill`. Labels of simulated test patients are complete, so all
108 indicators count. Latency is CPU time of one thread, beside the full-width network's frozen ONNX
float32 in the same run; RSS is that of a fresh process that only predicts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadlab_edge.resample import resample_window
from leadlab_edge.runtimes import Format
from leadlab_export.answers import ask_teacher
from leadlab_export.distill_worth import worth_of
from leadlab_export.quantize_onnx import quantize_onnx
from leadlab_export.quantize_tflite import quantize_tflite
from leadlab_export.rates import unresampled_costs
from leadlab_export.search.cost import cost_of, cpu_ms
from leadlab_export.search.micro import steps_apart
from leadlab_export.student import Student, student_logits
from leadlab_export.student_file import load_student
from leadlab_export.teacher import Teacher, load_teacher
from leadlab_export.to_onnx import to_onnx
from leadlab_export.to_tflite import to_tflite
from leadlab_export.verify import run_model
from leadlab_export.windows import cached_windows, compact_windows
from leadlab_train.augment import Augmentation
from leadlab_train.cohort import Cohort
from leadlab_train.metrics import PatientBootstrap, auroc, efficiency, interval, positive_patients
from leadlab_train.net1d import ecgfounder
from leadlab_train.simulated.oracle import ceilings, oracle_scores

Floats = NDArray[np.float32]
KNOWABLE, FEWEST_POSITIVES, CALIBRATION, RESAMPLES = 0.60, 50, 256, 200
MICRO_WINDOWS, ROUNDS = 100, 5
STRAP_HZ, STRAP_OFF = 130.0, 0.02
STRAP = Augmentation(  # 0.7 to 40 Hz, 14 bits over 33 mV
    band_share=1.0, highpass_hz=0.7, lowpass_hz=40.0, device_share=1.0, resolution_uv=2.0
)
PREDICT = """
import re, sys
import numpy as np
from leadlab_edge.runtimes import open_session
session = open_session(open(sys.argv[1], "rb").read(), sys.argv[2])
for _ in range(20):
    session.run(np.load(sys.argv[3]))
# ru_maxrss would count what the parent held when this process was forked.
print(int(re.search("VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


class Scores:
    """Labels of test patients, and what is made of logits on them."""

    def __init__(self, cohort: Cohort) -> None:
        self.cohort, self.rows = cohort, cohort.rows("test")
        if cohort.truth is None:
            raise SystemExit("only a simulated cohort has complete labels; use `leadlab check`")
        self.truth = cohort.truth[cohort.draw_of(self.rows)]
        self.patients = cohort.patient_of(self.rows)
        self.enough = positive_patients(self.truth, self.patients) >= FEWEST_POSITIVES
        self.oracle = auroc(oracle_scores(cohort, self.rows), self.truth)
        self.knowable = ceilings(cohort) > KNOWABLE
        self.bootstrap = PatientBootstrap(self.patients, RESAMPLES)

    def of(self, logits: Floats) -> dict[str, float]:
        """Return macro AUROC and efficiency."""
        values = auroc(logits, self.truth)
        share = efficiency(values, self.oracle, self.knowable)
        return {"auroc": float(np.nanmean(values)), "efficiency": float(share)}

    def change(self, logits: Floats, reference: Floats) -> dict[str, Any]:
        """Compare with a reference: mean and worst change, with the mean's interval."""
        change = auroc(logits, self.truth) - auroc(reference, self.truth)
        resampled = np.nanmean(
            self.bootstrap.auroc(logits, self.truth) - self.bootstrap.auroc(reference, self.truth),
            axis=1,
        )
        mean = float(np.nanmean(change))
        low, high = interval(mean, resampled)
        worst = float(np.nanmin(change[self.enough]))
        return {"mean": mean, "low": float(low), "high": float(high), "worst": worst}


def on_a_strap(student: Student, scores: Scores, resamples: bool) -> Floats:
    """Score test windows as a chest strap would record them.

    Its clock is off by up to 2 %. A host that resamples has measured the true rate; one that does
    not hands the samples on.
    """
    rng = np.random.default_rng(0)
    windows = np.empty((len(scores.rows), student.n_samples), np.float32)
    for index, row in enumerate(scores.rows):
        strip = scores.cohort.read_mv([row], 1.2)
        fs_hz = scores.cohort.rate_hz
        worn = STRAP(strip, fs_hz, [np.random.Generator(np.random.Philox(key=[0, row]))])[0]
        rate_hz = STRAP_HZ * rng.uniform(1 - STRAP_OFF, 1 + STRAP_OFF)
        n = int(len(worn) / fs_hz * rate_hz) - 2
        recorded = resample_window(worn, fs_hz, rate_hz, n)
        taken_for_hz = rate_hz if resamples else student.rate_hz
        windows[index] = resample_window(recorded, taken_for_hz, student.rate_hz, student.n_samples)
    return student_logits(student, windows)


def int8_files(student: Student, few_mv: Floats) -> dict[Format, bytes]:
    """Export to int8, ranges from training windows."""
    return {
        "onnx": quantize_onnx(to_onnx(student), few_mv),
        "tflite": quantize_tflite(to_tflite(student), few_mv),
    }


def rss_mb(model: bytes, format: Format, window_mv: Floats) -> float:
    """Return the peak RSS of a process that opens a file and predicts."""
    with tempfile.TemporaryDirectory() as folder:
        file, window = Path(folder, "model"), Path(folder, "window.npy")
        file.write_bytes(model)
        np.save(window, window_mv)
        command = [sys.executable, "-c", PREDICT, str(file), format, str(window)]
        return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def latencies(students: dict[str, dict[Format, bytes]], window_mv: Floats) -> dict[str, float]:
    """Return the median CPU time, ms, of every int8 file and of the full-width network.

    The network is frozen, ONNX float32, with random weights. All take turns, so that a change of
    the machine's speed meets them alike.
    """
    torch.manual_seed(0)
    noise = np.random.default_rng(0).standard_normal((1, 5000)).astype(np.float32)
    tried: dict[str, tuple[bytes, Format, Floats]] = {
        "full width, fp32, onnx": (to_onnx(Teacher(ecgfounder(108).eval())), "onnx", noise)
    }
    for name, files in students.items():
        tried |= {f"{name}, int8, {f}": (model, f, window_mv) for f, model in files.items()}
    rounds = [{name: cpu_ms(*one) for name, one in tried.items()} for _ in range(ROUNDS)]
    return {name: float(np.median([each[name] for each in rounds])) for name in tried}


def figures(folder: Path, scores: Scores, teacher: Floats, asked: argparse.Namespace) -> Any:
    """Return all figures of one distillation."""
    cohort, truth = scores.cohort, scores.truth
    student, about = load_student(folder)
    place = (student.rate_hz, student.n_samples)
    test_mv = np.array(cached_windows(cohort, scores.rows, *place, 0, asked.cache))
    logits = student_logits(student, test_mv)
    arms: dict[str, list[Floats]] = {"taught": [], "alone": []}
    for path in sorted((folder / "seeds").iterdir()):
        arms[path.name.split("-")[0]].append(student_logits(load_student(path).student, test_mv))
    found: dict[str, Any] = {
        "taught": about.teacher is not None,
        "test": scores.of(logits),
        "less_teacher": scores.change(logits, teacher),
        "seeds": {arm: [scores.of(one)["auroc"] for one in each] for arm, each in arms.items()},
    }
    if arms["alone"]:
        found["teacher_worth"] = asdict(
            worth_of(arms["taught"], arms["alone"], truth, scores.patients, RESAMPLES)
        )
    few_mv = compact_windows(cohort, cohort.rows("train")[:CALIBRATION], *place)
    found["cost"] = asdict(cost_of(student, few_mv, asked.micro_python))
    for format, model in int8_files(student, few_mv).items():
        int8 = run_model(model, format, test_mv)
        found[f"int8_{format}"] = scores.change(int8, logits) | {
            "bytes": len(model),
            "rss_mb": rss_mb(model, format, test_mv[:1]),
        }
        if format == "tflite" and asked.micro_python is not None:
            body, whole = steps_apart(asked.micro_python, model, test_mv[:MICRO_WINDOWS])
            found["micro_from_litert"] = {"body_steps": body, "whole_steps": whole}
    for name, resamples in (("strap", True), ("strap_unresampled", False)):
        found[name] = scores.change(on_a_strap(student, scores, resamples), logits)
    costs = unresampled_costs(student, cohort, scores.rows, truth, scores.enough)
    found["unresampled"] = [asdict(cost) for cost in costs]
    return found


def _latencies(cohort: Cohort, folders: list[Path]) -> dict[str, float]:
    students = {folder.name: load_student(folder).student for folder in folders}
    rows = cohort.rows("train")[:CALIBRATION]
    files, window_mv = {}, np.empty(0, np.float32)
    for name, student in students.items():
        few_mv = compact_windows(cohort, rows, student.rate_hz, student.n_samples)
        files[name], window_mv = int8_files(student, few_mv), few_mv[:1]
    return latencies(files, window_mv)


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("students", type=Path, nargs="+")
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--micro-python", type=Path)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cohort = Cohort.open(asked.cohort)
    scores = Scores(cohort)
    trained = load_teacher(asked.teacher, len(cohort.panel))
    teacher = np.array(ask_teacher(trained, cohort, scores.rows, asked.cache).logits)
    found: dict[str, Any] = {
        "test_windows": len(scores.rows),
        "indicators_with_50_positives": int(scores.enough.sum()),
        "teacher": scores.of(teacher),
    }
    found["cpu_ms"] = _latencies(cohort, asked.students)
    for folder in asked.students:
        found[folder.name] = figures(folder, scores, teacher, asked)
        print(json.dumps({folder.name: found[folder.name]}, indent=1), flush=True)
        if asked.json is not None:
            asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""The check and its gate: a good student passes, every planted fault is named."""

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from leadlab_edge.indicators import Indicator
from leadlab_export.check.accuracy import CheckReport, check
from leadlab_export.check.accuracy_view import check_view
from leadlab_export.check.comparison import ScoreTable
from leadlab_export.check.gate import Limits
from leadlab_export.check.measure import Measured

N_PATIENTS, K, N_NULL = 500, 20, 4
INDICATORS = tuple(Indicator.define(f"ANALYTE {i}", ">", 1.0, "mmol/L") for i in range(K))
RNG = np.random.default_rng(0)
PATIENTS = np.repeat(np.arange(N_PATIENTS), 2)
SHAPE = (len(PATIENTS), K)
TRUTH = np.repeat(RNG.normal(size=(N_PATIENTS, K)), 2, axis=0)
EFFECT = np.where(np.arange(K) < N_NULL, 0.0, 0.9)


def noisy(scores: np.ndarray, noise: float, seed: int) -> np.ndarray:
    return scores + noise * np.random.default_rng(seed).normal(size=SHAPE)


def measured(logits: np.ndarray, n_bytes: int = 150_000) -> Measured:
    return Measured("model.int8.onnx", "onnxruntime", "int8", "onnx", n_bytes, 0.2, logits)


def good() -> ScoreTable:
    """Return a student that keeps to its teacher, and a teacher that knows most of what can be."""
    labels = (noisy(TRUTH * EFFECT, 1.0, 1) > 0.8).astype(np.int8)
    oracle = TRUTH * EFFECT
    full = noisy(TRUTH * EFFECT, 0.3, 2)
    compact = noisy(full, 0.02, 3)
    return ScoreTable(
        labels=labels,
        patients=PATIENTS,
        full=full,
        compact=compact,
        measured=(measured(noisy(compact, 0.005, 4)),),
        alone=noisy(TRUTH * EFFECT, 1.5, 5),
        heart_rate=np.repeat(TRUTH[:, -1:], K, axis=1),
        oracle=oracle,
        ceilings=np.where(EFFECT > 0, 0.7, 0.5),
    )


def run(scores: ScoreTable, **limits: float) -> CheckReport:
    return check(INDICATORS, scores, Limits(**limits), resamples=100)  # type: ignore[arg-type]


def test_a_good_student_passes() -> None:
    report = run(good())
    assert report.failures == ()
    assert report.passed
    assert (report.n_windows, report.n_patients) == (2 * N_PATIENTS, N_PATIENTS)
    macro = {row.name: row for row in report.macro}
    assert list(macro) == [
        *("heart rate", "oracle", "full", "student alone", "compact fp32", "int8 onnxruntime")
    ]
    assert macro["oracle"].efficiency == 1.0
    int8 = macro["int8 onnxruntime"].change
    assert int8 is not None
    assert int8.against == "compact fp32"
    assert int8.interval.low <= int8.mean <= int8.interval.high
    assert int8.worst <= int8.mean <= int8.mean_absolute
    assert macro["student alone"].change.mean < -0.02  # type: ignore[union-attr]
    assert sum(row.null for row in report.indicators) == N_NULL
    assert all(row.positives > 20 for row in report.indicators)


def swapped_labels() -> ScoreTable:
    return replace(good(), labels=np.roll(good().labels, 500, axis=0))


def swapped_columns() -> ScoreTable:
    scores = good()
    return replace(scores, measured=(measured(np.roll(np.asarray(scores.compact), 1, axis=1)),))


def weak_student() -> ScoreTable:
    weak = noisy(np.asarray(good().full), 1.0, 9)
    return replace(good(), compact=weak, measured=(measured(weak),))


def one_ruined_indicator() -> ScoreTable:
    logits = np.asarray(good().compact).copy()
    logits[:, 7] = np.round(logits[:, 7])
    return replace(good(), measured=(measured(logits),))


def large_file() -> ScoreTable:
    return replace(good(), measured=(measured(np.asarray(good().compact), 200_001),))


def leak() -> ScoreTable:
    scores = good()
    full = np.asarray(scores.full) + 0.6 * scores.labels * (np.arange(K) < N_NULL)
    return replace(scores, full=full)


def heart_rate_is_enough() -> ScoreTable:
    return replace(good(), heart_rate=good().full)


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        (swapped_labels, "check that labels belong to their windows"),
        (swapped_columns, "int8 onnxruntime: mean AUROC drops by"),
        (weak_student, "compact fp32 lies below the full model"),
        (one_ruined_indicator, "the worst indicator's AUROC drops by"),
        (large_file, "model.int8.onnx has 200,001 bytes; the limit is 200,000"),
        (leak, "full: 4 of 4 indicators without effect"),
        (heart_rate_is_enough, "exceeds that of heart rate alone by 0.000"),
    ],
)
def test_planted_faults_fail_the_gate(plant, named: str) -> None:  # type: ignore[no-untyped-def]
    report = run(plant())
    assert not report.passed
    assert any(named in failure for failure in report.failures), report.failures


def test_a_shifted_calibration_fails_though_no_auroc_changes() -> None:
    scores = good()
    shifted = np.asarray(scores.compact) + 1.0
    report = run(replace(scores, measured=(measured(shifted),)), ece_shift=0.01)
    (failure,) = report.failures
    assert "int8 onnxruntime: the calibration error exceeds that of compact fp32 by 0." in failure
    change = {row.name: row.change for row in report.macro}["int8 onnxruntime"]
    assert change is not None
    assert (change.mean, change.worst, change.rank_min) == pytest.approx((0.0, 0.0, 1.0))


def test_one_indicator_lost_in_distillation_is_named_beyond_doubt_only() -> None:
    scores = good()
    compact = np.asarray(scores.compact).copy()
    compact[:, 7] = noisy(compact, 3.0, 6)[:, 7]
    lost = replace(scores, compact=compact, measured=())
    (failure,) = run(lost, distillation_drop=1.0, distillation_worst_drop=0.02).failures
    assert "compact fp32: the worst indicator lies below the full model by at least 0." in failure
    (change,) = [row.change for row in run(lost).macro if row.name == "compact fp32"]
    assert change is not None
    slight = float(-change.worst)
    assert run(lost, distillation_drop=1.0, distillation_worst_drop=slight).passed


def test_decisions_flip_where_logits_cross_the_threshold() -> None:
    scores, thresholds = good(), np.full(K, 0.5)
    thresholds[0] = np.nan
    compact = np.asarray(scores.compact)
    moved = compact.copy()
    moved[:100, 1] = -np.sign(moved[:100, 1])
    report = run(replace(scores, measured=(measured(moved),), thresholds=thresholds))
    flips = [row.changes["int8 onnxruntime"].flips for row in report.indicators]
    assert np.isnan(flips[0])
    assert flips[1] == 100 / len(compact)
    assert set(flips[2:]) == {0.0}
    against_full = [row.changes["compact fp32"].flips for row in report.indicators]
    assert 0 < np.nanmean(against_full) < 0.05
    own = replace(scores, measured=(), thresholds=thresholds, full_thresholds=thresholds)
    (change,) = [row.change for row in run(own).macro if row.name == "compact fp32"]
    assert change is not None
    assert 0 < change.flips < 0.05


def test_limits_are_the_callers() -> None:
    assert run(good(), efficiency=0.999).failures[0].startswith("the full model's efficiency is 0.")
    assert not run(weak_student(), distillation_drop=0.5).failures


def test_real_cohorts_have_no_oracle() -> None:
    scores = replace(good(), oracle=None, ceilings=None, alone=None, heart_rate=None)
    report = run(scores)
    assert report.passed
    assert {row.efficiency for row in report.macro} == {None}
    assert not any(row.null for row in report.indicators)


def test_findings_that_nobody_has_are_left_out() -> None:
    scores = good()
    labels = np.asarray(scores.labels).copy()
    labels[:, [0, 10]] = 0  # a null indicator and one with effect
    labels[:, 1], labels[3, 1] = 0, 1  # one positive window
    report = run(replace(scores, labels=labels))
    assert not [failure for failure in report.failures if "int8" in failure]
    assert [np.isnan(row.auroc["full"]) for row in report.indicators[:2]] == [True, False]
    assert sum(row.null for row in report.indicators) == N_NULL - 1
    assert all(np.isfinite(row.auroc) for row in report.macro)
    assert check_view(report).renderables


def test_view_is_short_and_names_what_failed() -> None:
    console = Console(width=160, file=io.StringIO())
    with console.capture() as capture:
        console.print(check_view(run(large_file())))
    text = capture.get()
    assert "500 test patients" in text
    assert "The 12 strongest of 20 indicators" in text
    assert "all 20 in the report" in text
    assert "Gate: model.int8.onnx has 200,001 bytes" in text
    assert len(text.splitlines()) < 50


def test_check_needs_neither_torch_nor_onnx() -> None:
    program = (
        "import sys, leadlab_export.check.accuracy_view, leadlab_export.windows;"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'tensorflow', 'ai_edge_litert', 'litert_torch'};"
        "sys.exit(len(heavy & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

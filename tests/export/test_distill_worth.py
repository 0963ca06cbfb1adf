"""What a teacher is worth: signs, intervals, and which indicators count."""

import numpy as np
import pytest

from leadlab_export.distill_worth import counted_indicators, worth_of
from leadlab_export.errors import ExportError

N = 400
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, (N, 4)).astype(np.int8)
PATIENTS = np.repeat(np.arange(N // 2), 2)


def scores(signal: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(LABELS.shape)
    return (signal * LABELS + noise).astype(np.float32)


def test_a_better_arm_is_seen_and_both_intervals_hold_the_mean() -> None:
    worth = worth_of(
        [scores(1.0, s) for s in range(3)], [scores(0.5, s + 9) for s in range(3)], LABELS, PATIENTS
    )
    assert worth.difference == pytest.approx(np.mean(worth.of_each_seed))
    assert len(worth.of_each_seed) == 3
    assert worth.over_seeds is not None
    for low, high in (worth.over_seeds, worth.over_patients):
        assert low < worth.difference < high
    assert worth.over_patients[0] > 0
    assert worth.over_seeds[1] - worth.over_seeds[0] == pytest.approx(
        2 * 4.302653 * np.std(worth.of_each_seed, ddof=1) / np.sqrt(3), rel=1e-5
    )


def test_the_same_students_are_worth_nothing() -> None:
    same = [scores(1.0, 0)]
    worth = worth_of(same, same, LABELS, PATIENTS)
    assert (worth.difference, worth.over_seeds, worth.over_patients) == (0, None, (0, 0))


def test_indicators_count_with_ten_patients_of_both_kinds() -> None:
    labels = np.full((N, 3), -1, np.int8)
    labels[:, 0] = LABELS[:, 0]
    labels[: N // 2, 1], labels[:18, 1] = 0, 1  # 18 windows of 9 patients
    assert counted_indicators(labels, PATIENTS).tolist() == [True, False, False]
    labels[18:20, 1] = 1
    assert counted_indicators(labels, PATIENTS).tolist() == [True, True, False]
    with pytest.raises(ExportError, match="no indicator has 10 validation patients"):
        counted_indicators(labels[:, 2:], PATIENTS)

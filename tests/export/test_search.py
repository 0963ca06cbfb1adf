"""The search for a student: what is tried, what it costs, and a table that can be gone on with."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_student import N_SAMPLES, TINY

from leadlab_export.search.candidates import candidates
from leadlab_export.search.cost import Cost, count_macs
from leadlab_export.search.plot import COLOURS, plot_trials
from leadlab_export.search.trial import Trial, agreement, read_trials, write_trials
from leadlab_export.student import NANO, SMALL, Student, with_input_rate

COST = Cost(1000, 10**6, 60_000, 70_000, 0.2, 0.1, None)
TRIALS = [
    Trial("one", "reference", SMALL, 400, 0.6, 0.91, 12.5, COST),
    Trial("two", "nano", NANO, 400, 0.59, 0.85, 9.0, Cost(9, 9, 9, 90_000, 0.2, 0.3, 32_000)),
]


def test_every_candidate_is_another_network_that_runs() -> None:
    tried = candidates()
    assert tried[0].shape == SMALL
    assert max(Counter(c.shape for c in tried).values()) == 1
    assert max(Counter(c.name for c in tried).values()) == 1
    assert {c.axis for c in tried} == set(COLOURS)
    assert {c.shape.rate_hz for c in tried if c.axis == "rate"} == {100, 250, 500}
    for candidate in tried:
        assert Student(3, candidate.shape).pool.kernel_size[1] >= 5


def test_multiplications_are_counted_by_hand() -> None:
    shape = replace(TINY, widths=(12,), blocks=(2,))
    stem = 625 * 8 * 16
    first = 313 * (8 * 9 + 8 * 12)  # from an odd length: all nine taps
    second = 313 * (12 * 9 + 12 * 12)
    front = 1250 * 215
    student = Student(3, shape)
    assert student.n_samples == N_SAMPLES
    assert count_macs(student) == front + stem + first + second + 12 * 3
    # At twice the rate the filter has twice the taps, and still gives 1250 samples.
    assert count_macs(with_input_rate(student, 250)) == count_macs(student) + 1250 * (434 - 215)


def test_agreement_sees_ranks_only() -> None:
    teacher = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    assert agreement(np.exp(3 * teacher), teacher) == pytest.approx(1)
    assert agreement(-teacher, teacher) == pytest.approx(-1)


def test_the_table_comes_back_and_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    assert read_trials(path) == []
    write_trials(path, TRIALS, {"steps": 400})
    assert read_trials(path) == TRIALS
    for name in ("a.svg", "b.svg"):
        plot_trials(TRIALS, tmp_path / name)
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn == (tmp_path / "b.svg").read_text()
    assert drawn.count("two</text>") == 1, "named where nothing beats it: the only arena"
    assert drawn.count("one</text>") == 2

"""The trace in braille: shape, range, gaps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leadlab_edge.sinks.braille import braille_trace

BLANK = chr(0x2800)


def test_a_ramp_climbs_from_bottom_left_to_top_right() -> None:
    rows = braille_trace(np.linspace(0, 1, 500, dtype=np.float32), 20, 4, 0.0, 1.0)
    assert rows[-1][0] != BLANK
    assert rows[0][-1] != BLANK
    assert rows[0][0] == rows[-1][-1] == BLANK


def test_missing_samples_leave_a_gap_and_nothing_else() -> None:
    values = np.zeros(400, dtype=np.float32)
    values[100:300] = np.nan
    rows = braille_trace(values, 20, 2, -1.0, 1.0)
    drawn = [any(row[column] != BLANK for row in rows) for column in range(20)]
    assert not any(drawn[6:14])
    assert all(drawn[:4])
    assert all(drawn[16:])


@given(
    n=st.integers(0, 700),
    columns=st.integers(1, 80),
    rows=st.integers(1, 10),
    seed=st.integers(0, 99),
)
def test_the_size_is_what_was_asked_for(n: int, columns: int, rows: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 100, n).astype(np.float32)
    drawn = braille_trace(values, columns, rows, -1.0, 1.0)
    assert [len(row) for row in drawn] == [columns] * rows

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import medfilt

from leadlab_edge.running_median import running_median


def by_definition(x: np.ndarray, window: int) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (window // 2, window // 2)))
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, window, axis=1), axis=2)


@given(
    st.integers(1, 4),
    st.integers(1, 120),
    st.integers(0, 70).map(lambda k: 2 * k + 1),
    st.integers(1, 20),
    st.integers(0, 2**31),
)
@settings(deadline=None, max_examples=150)
def test_is_the_median_of_every_window(
    n_rows: int, n: int, window: int, n_values: int, seed: int
) -> None:
    """Short rows, windows longer than the row, and few distinct values included."""
    values = np.random.default_rng(seed).integers(-n_values, n_values, (n_rows, n))
    x = values.astype(np.float32)
    np.testing.assert_array_equal(running_median(x, window), by_definition(x, window))


@pytest.mark.parametrize("n_rows", [1, 2, 9])
def test_is_the_published_codes_median(n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    x = np.cumsum(rng.normal(size=(n_rows, 5000)), axis=1).astype(np.float32)
    np.testing.assert_array_equal(running_median(x, 201), [medfilt(row, 201) for row in x])

from pathlib import Path

import numpy as np
import pytest

from leadlab_bridge import LeadlabError
from leadlab_edge.signal import ecgfounder_v1


@pytest.fixture(scope="module")
def synthetic(golden: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(golden / "preprocess_ecgfounder_v1_synthetic.npz") as arrays:
        return arrays["raw_mv"], arrays["preprocessed"]


def test_is_the_published_chain(synthetic: tuple[np.ndarray, np.ndarray]) -> None:
    raw_mv, preprocessed = synthetic
    got = ecgfounder_v1(raw_mv)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, preprocessed, rtol=0, atol=1e-4)


def test_is_the_published_chain_on_real_ecg(golden_real: Path) -> None:
    with np.load(golden_real / "preprocess_ecgfounder_v1_real.npz") as arrays:
        got = ecgfounder_v1(arrays["raw_mv"])
        np.testing.assert_allclose(got, arrays["preprocessed"], rtol=0, atol=1e-4)


def test_alone_or_in_any_batch_the_same_bits(synthetic: tuple[np.ndarray, np.ndarray]) -> None:
    raw_mv = np.concatenate([synthetic[0], synthetic[0][::-1]])
    batch = ecgfounder_v1(raw_mv)
    np.testing.assert_array_equal(batch, np.stack([ecgfounder_v1(row) for row in raw_mv]))
    np.testing.assert_array_equal(batch[3:13], ecgfounder_v1(raw_mv[3:13]))
    grid = raw_mv[:6].reshape(2, 3, 5000)
    np.testing.assert_array_equal(ecgfounder_v1(grid), batch[:6].reshape(2, 3, 5000))
    assert ecgfounder_v1(raw_mv[:0]).shape == (0, 5000)


def test_integers_are_not_truncated_on_the_way(synthetic: tuple[np.ndarray, np.ndarray]) -> None:
    counts = np.round(synthetic[0] * 20).astype(np.int16)  # a coarse converter: 20 LSB per mV
    np.testing.assert_array_equal(ecgfounder_v1(counts), ecgfounder_v1(counts.astype(np.float64)))


def test_the_unit_cancels_out(synthetic: tuple[np.ndarray, np.ndarray]) -> None:
    raw_mv = synthetic[0].astype(np.float64)
    np.testing.assert_allclose(ecgfounder_v1(raw_mv * 1000), ecgfounder_v1(raw_mv), atol=1e-4)


def test_output_is_standardised(synthetic: tuple[np.ndarray, np.ndarray]) -> None:
    got = ecgfounder_v1(synthetic[0]).astype(np.float64)
    np.testing.assert_allclose(got.mean(axis=-1), 0, atol=1e-6)
    np.testing.assert_allclose(got.std(axis=-1), 1, atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    raw = np.zeros((2, 5000))
    raw[1, 17] = bad
    with pytest.raises(LeadlabError, match="1 of 10000 samples"):
        ecgfounder_v1(raw)


@pytest.mark.parametrize("shape", [(4999,), (5000, 2), ()])
def test_another_length_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be 5000 samples"):
        ecgfounder_v1(np.zeros(shape))

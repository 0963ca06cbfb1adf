import numpy as np
import pytest
from gaussian_ecg import steady_ecg_mv
from hypothesis import given, settings
from hypothesis import strategies as st

from leadlab_edge.display import DisplayFilter


def strip_of(x_uv: np.ndarray, fs_hz: float, chunks: list[int] | None = None) -> np.ndarray:
    trace = DisplayFilter(fs_hz, x_uv.size / fs_hz)
    for part in np.split(x_uv.astype(np.float32), np.cumsum(chunks or [])):
        trace.append(part)
    return trace.strip_mv


@given(
    chunks=st.lists(st.integers(0, 120), max_size=15),
    invalid=st.lists(st.integers(0, 900), max_size=3),
)
@settings(deadline=None)
def test_does_not_depend_on_how_the_stream_is_cut(chunks: list[int], invalid: list[int]) -> None:
    x_uv = np.random.default_rng(1).normal(0, 500, 1000)
    for start in invalid:
        x_uv[start : start + 30] = np.nan
    np.testing.assert_allclose(
        strip_of(x_uv, 130.0, chunks), strip_of(x_uv, 130.0), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("fs_hz", [130.0, 250.0, 500.0])
@pytest.mark.parametrize(
    ("tone_hz", "low", "high"),
    [
        (0.05, 0.0, 0.15),
        (3.0, 0.95, 1.05),
        (20.0, 0.95, 1.05),
        (35.0, 0.95, 1.05),
        (50.0, 0.0, 0.01),
        (60.0, 0.0, 0.01),
    ],
)
def test_passes_ecg_and_stops_wander_and_mains(
    fs_hz: float, tone_hz: float, low: float, high: float
) -> None:
    t_s = np.arange(int(40 * fs_hz)) / fs_hz
    out = strip_of(1000 * np.sin(2 * np.pi * tone_hz * t_s), fs_hz)[int(15 * fs_hz) :]
    assert low <= out.std() * np.sqrt(2) <= high


def test_the_delay_is_fixed_and_short() -> None:
    fs_hz = 130.0
    x_mv = steady_ecg_mv(fs_hz, 12.0)
    trace = DisplayFilter(fs_hz, 12.0)
    trace.append((x_mv * 1000).astype(np.float32))
    shown = np.nan_to_num(trace.strip_mv)
    lag = int(np.argmax(np.correlate(shown, x_mv, "full"))) - (x_mv.size - 1)
    assert lag == trace.delay
    assert trace.delay / fs_hz < 0.2


def test_an_offset_is_gone_at_once() -> None:
    x_uv = 1000 * steady_ecg_mv(130.0, 6.0) + 300_000
    assert np.nanmax(np.abs(strip_of(x_uv, 130.0))) < 2.0


def test_missing_samples_are_a_hole_in_its_place() -> None:
    trace = DisplayFilter(130.0, 4.0)
    trace.append(np.zeros(260, np.float32))
    trace.skip(100)
    trace.append(np.zeros(160, np.float32))
    assert trace.strip_mv.size == 520
    # A sample shows `delay` places later; the last ones before the gap never leave the filter.
    holes = [*range(trace.delay), *range(260, 360 + trace.delay)]
    assert np.flatnonzero(np.isnan(trace.strip_mv)).tolist() == holes


def test_a_hole_longer_than_the_strip_clears_it() -> None:
    trace = DisplayFilter(130.0, 4.0)
    trace.append(np.zeros(600, np.float32))
    trace.skip(10**9)
    assert np.isnan(trace.strip_mv).all()

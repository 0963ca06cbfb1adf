import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadlab_edge.resample import first_output
from leadlab_edge.ring import Ring
from leadlab_edge.windows import RESAMPLE_MARGIN_S, WindowGrid, raw_length


@given(
    chunks=st.lists(st.integers(1, 90), min_size=1, max_size=80),
    gaps=st.dictionaries(st.integers(1, 79), st.integers(1, 500), max_size=3),
)
@settings(deadline=None)
def test_windows_cut_from_a_stream_are_those_of_the_recording(
    chunks: list[int], gaps: dict[int, int]
) -> None:
    length, hop = 200, 70
    recording = np.random.default_rng(0).normal(size=sum(chunks) + 2000).astype(np.float32)
    ring, grid = Ring(length + 90), WindowGrid(length, hop)
    segments, cuts = [[0, 0]], []
    for number, n in enumerate(chunks):
        if number in gaps:
            start = ring.stop + gaps[number]
            ring.break_at(start)
            grid.restart(start)
            segments.append([start, start])
        ring.append(recording[ring.stop : ring.stop + n])
        segments[-1][1] = ring.stop
        cuts += [(start, ring.read(start, stop)) for start, stop in grid.complete(ring.stop)]
    expected = [
        start
        for segment_start, segment_stop in segments
        for start in range(segment_start, segment_stop - length + 1, hop)
    ]
    assert [start for start, _ in cuts] == expected
    for start, cut in cuts:
        np.testing.assert_array_equal(cut, recording[start : start + length])


@pytest.mark.parametrize("nominal_hz", [100.0, 130.0, 250.0, 512.0])
@pytest.mark.parametrize(("rate_hz", "n_samples"), [(125.0, 1475), (500.0, 5000)])
@pytest.mark.parametrize("off", [0.95, 1.0, 1.00125, 1.05])
def test_a_device_five_percent_off_still_fills_the_window(
    nominal_hz: float, rate_hz: float, n_samples: int, off: float
) -> None:
    length = raw_length(n_samples, rate_hz, nominal_hz)
    true_hz = nominal_hz * off
    before_s = first_output(length, true_hz, rate_hz, n_samples) / rate_hz
    after_s = (length - 1) / true_hz - before_s - (n_samples - 1) / rate_hz
    assert before_s > RESAMPLE_MARGIN_S - 1 / rate_hz
    assert after_s > RESAMPLE_MARGIN_S - 1 / rate_hz
    assert length / nominal_hz < n_samples / rate_hz + 1.7

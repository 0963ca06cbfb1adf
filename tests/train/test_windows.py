"""Which windows an epoch reads."""

import numpy as np
import pytest

from leadlab_train.cohort.training import TrainingCohort
from leadlab_train.cohort.windows import Spans
from leadlab_train.errors import TrainingError
from leadlab_train.windows import DrawnWindows, TableWindows

N_SAMPLES = 5000


class LongStrips:
    """Three draws of 60 s to two hours of ECG, in one to three strips each."""

    n_samples = N_SAMPLES
    spans = Spans(
        draw=np.array([2, 5, 5, 9]),
        strip=np.array([0, 1, 2, 3]),
        first=np.array([0, 100, 0, 7]),
        last=np.array([25_000, 100, 3_600_000 - N_SAMPLES, 7]),
    )

    def draws(self, split: str) -> np.ndarray:
        assert split == "train"
        return np.array([2, 5, 7, 9])

    def around(self, draws: np.ndarray, within_s: float) -> Spans:
        assert within_s == 3600.0
        keep = np.isin(self.spans.draw, draws)
        return Spans(
            *(getattr(self.spans, name)[keep] for name in ("draw", "strip", "first", "last"))
        )


def drawn(cohort: object = None, **settings: object) -> DrawnWindows:
    return DrawnWindows(cohort or LongStrips(), "train", 200, 3600.0, **settings)  # type: ignore[arg-type]


def test_a_draw_gives_what_fits_side_by_side_and_no_more_than_asked() -> None:
    plan = drawn()
    draws, counts = np.unique(plan.draw, return_counts=True)
    assert dict(zip(draws.tolist(), counts.tolist(), strict=True)) == {2: 6, 5: 200, 9: 1}


def test_windows_lie_in_the_spans_of_their_own_draw_and_reach_both_ends() -> None:
    starts = []
    plan = drawn(fresh=True)
    for epoch in range(60):
        windows = plan.windows(epoch)
        assert np.array_equal(windows.draw, plan.draw)
        for draw, strip, start in zip(windows.draw, windows.strip, windows.start, strict=True):
            spans = LongStrips.spans
            (row,) = np.flatnonzero((spans.draw == draw) & (spans.strip == strip))
            assert spans.first[row] <= start <= spans.last[row]
        starts.append(windows.start[windows.draw == 2])
    seen = np.concatenate(starts)
    assert seen.min() < 500
    assert seen.max() > 24_500
    assert abs(seen.mean() - 12_500) < 4 * 25_000 / np.sqrt(12 * len(seen))


def test_fresh_windows_change_with_the_epoch_and_others_do_not() -> None:
    fixed, fresh = drawn(), drawn(fresh=True)
    assert fixed.fixed
    assert not fresh.fixed
    assert np.array_equal(fixed.windows(0).start, fixed.windows(3).start)
    assert np.array_equal(fixed.windows(0).start, fresh.windows(0).start)
    assert not np.array_equal(fresh.windows(0).start, fresh.windows(3).start)
    assert np.array_equal(fresh.windows(3).start, drawn(fresh=True).windows(3).start)
    assert not np.array_equal(fresh.windows(3).start, drawn(fresh=True, seed=1).windows(3).start)


def test_the_windows_of_a_draw_do_not_depend_on_other_draws() -> None:
    class Fewer(LongStrips):
        def draws(self, split: str) -> np.ndarray:
            return super().draws(split)[1:]

    whole, fewer = drawn(fresh=True).windows(2), drawn(Fewer(), fresh=True).windows(2)
    for name in ("strip", "start"):
        of_five = [getattr(windows, name)[windows.draw == 5] for windows in (whole, fewer)]
        assert np.array_equal(*of_five)


def test_a_cohort_without_any_window_near_a_draw_is_refused() -> None:
    class Empty(LongStrips):
        def draws(self, split: str) -> np.ndarray:
            return super().draws(split)[2:3]

    with pytest.raises(TrainingError, match=r"no blood draw .* within 3600 s; widen within_s"):
        drawn(Empty())


def test_a_simulated_cohort_can_be_drawn_from(training: TrainingCohort) -> None:
    listed = TableWindows(training, "train").windows(0)
    plan = DrawnWindows(training, "train", 200, 3600.0, fresh=True)
    windows = plan.windows(1)
    assert set(windows.strip) <= set(listed.strip)
    assert np.array_equal(np.sort(windows.draw), np.sort(listed.draw))
    assert len(windows) == len(listed)
    assert training.read_mv(windows.strip, windows.start).shape == (len(windows), N_SAMPLES)
    # Strips are 12.4 s long: windows move.
    assert len(np.unique(windows.start)) > len(windows) / 2

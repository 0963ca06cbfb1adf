"""What training sees: windows and draws of train and val patients, and nothing of the others."""

import pickle
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadlab_train.cohort import Cohort, CohortWriter, TrainingCohort, Windows
from leadlab_train.errors import CohortError
from leadlab_train.panel import load_panel
from leadlab_train.simulated import simulate_cohort

PANEL = load_panel()
RATE_HZ, WINDOW_S = 50.0, 10.0
WINDOW = round(RATE_HZ * WINDOW_S)
NOON = datetime(2020, 1, 1, 12)
SPLITS = ("train", "test", "val")

# visit, patient, seconds after noon; the visit of patient 0 has two draws 90 minutes apart
DRAWS = ((10, 0, 0.0), (10, 0, 5400.0), (11, 1, 0.0), (12, 2, 0.0), (13, 0, 0.0))
# visit, patient, seconds after noon, length in seconds
STRIPS = (
    *((10, 0, -3700.0, 250.0), (11, 1, -60.0, 120.0), (12, 2, 3580.0, 60.0), (10, 0, 0.0, 5500.0)),
    *((13, 0, 3595.0, 30.0), (10, 0, -40.0, 9.0)),
)


def cohort_at(path, draws=DRAWS, strips=STRIPS, seed=0, altered=False, timed=True) -> Cohort:
    """A cohort in which ``altered`` changes the test patient's samples and labels, and no other."""
    rng = np.random.default_rng(seed)
    patient = np.array([p for _, p, _ in draws])
    labels = rng.integers(-1, 2, (len(draws), len(PANEL))).astype(np.int8)
    labels[patient == 1] = 1 - altered
    strip = np.flatnonzero([length >= WINDOW_S for *_, length in strips])
    draw = [min(d for d, of in enumerate(draws) if of[1] == strips[s][1]) for s in strip]
    strip_table = {
        "strip": range(len(strips)),
        "gain_mv": [0.0025] * len(strips),
        "lead": ["II"] * len(strips),
        "visit": [s[0] for s in strips],
        "patient": [s[1] for s in strips],
        "time": [NOON + timedelta(seconds=s[2]) for s in strips],
    }
    if not timed:
        del strip_table["time"]
    with CohortWriter(path, PANEL, lead="II", rate_hz=RATE_HZ, simulated=False) as writer:
        for _, owner, _, length_s in strips:
            counts = rng.integers(-999, 999, round(length_s * RATE_HZ)).astype(np.int16)
            writer.add_strip(counts // 2 if altered and owner == 1 else counts)
        return writer.finish(
            pl.DataFrame({"patient": range(3), "split": SPLITS}),
            pl.DataFrame(
                {
                    "draw": range(len(draws)),
                    "visit": [d[0] for d in draws],
                    "patient": patient,
                    "time": [NOON + timedelta(seconds=d[2]) for d in draws],
                }
            ),
            pl.DataFrame(strip_table),
            pl.DataFrame(
                {
                    "window": range(len(strip)),
                    "strip": strip,
                    "start": np.zeros(len(strip), int),
                    "draw": draw,
                    "patient": patient[draw],
                }
            ),
            labels,
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Cohort:
    return cohort_at(tmp_path_factory.mktemp("training") / "cohort")


@pytest.fixture(scope="module")
def seen(whole) -> TrainingCohort:
    return TrainingCohort(whole)


def test_it_is_the_cohort_for_train_and_val(whole, seen):
    for split in ("train", "val"):
        rows = seen.rows(split)
        windows = seen.windows(rows)
        np.testing.assert_array_equal(rows, whole.rows(split))
        np.testing.assert_array_equal(windows.draw, whole.draw_of(rows))
        np.testing.assert_array_equal(
            seen.read_mv(windows.strip, windows.start), whole.read_mv(rows)
        )
        np.testing.assert_array_equal(seen.labels(windows.draw), whole.labels[windows.draw])
        np.testing.assert_array_equal(seen.patients(windows.draw), whole.patient_of(rows))
    assert seen.draws("train").tolist() == [0, 1, 4]
    assert seen.draws("val").tolist() == [3]
    assert seen.content_sha256 == whole.manifest.content_sha256
    for name in ("panel", "rate_hz", "lead", "n_samples", "simulated", "path"):
        assert getattr(seen, name) == getattr(whole, name)


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.rows("test"),
        lambda c: c.draws("test"),
        lambda c: c.rows("dev"),
        lambda c: c.labels([0, 2]),
        lambda c: c.patients([2]),
        lambda c: c.windows([1]),
        lambda c: c.around([2], 60.0),
        lambda c: c.around([0, 1, 2, 3], 60.0),
        lambda c: c.read_mv([0, 1], [0, 0]),
        lambda c: c.read_mv([1], [0], 1),
    ],
)
def test_nothing_of_a_test_patient_is_given(seen, ask):
    with pytest.raises(CohortError, match=r"test|'train' and 'val' only"):
        ask(seen)


@pytest.mark.parametrize("rows", [[-1], [99], [True], [0.0]])
def test_rows_that_are_none_are_refused_and_negative_ones_do_not_count_back(seen, rows):
    for ask in (seen.labels, seen.patients, seen.windows, lambda r: seen.around(r, 60.0)):
        with pytest.raises(CohortError, match=r"outside|row numbers"):
            ask(rows)
    with pytest.raises(CohortError, match=r"outside|row numbers"):
        seen.read_mv(rows, [0])


def test_no_public_attribute_leads_to_the_whole_cohort(seen):
    public = [getattr(seen, name) for name in dir(seen) if not name.startswith("_")]
    assert not [value for value in public if isinstance(value, Cohort | np.ndarray | pl.DataFrame)]


def views(cohort: Cohort) -> list[np.ndarray]:
    """Everything that training can see."""
    seen = TrainingCohort(cohort)
    out = []
    for split in ("train", "val"):
        draws, windows = seen.draws(split), seen.windows(seen.rows(split))
        spans = seen.around(draws, 3600)
        out += [seen.rows(split), draws, seen.labels(draws), seen.patients(draws)]
        out += [windows.strip, windows.start, windows.draw]
        out += [spans.draw, spans.strip, spans.first, spans.last]
        out += [seen.read_mv(windows.strip, windows.start), seen.read_mv(spans.strip, spans.last)]
    return out


def test_other_test_patients_leave_every_view_as_it_was(whole, tmp_path):
    other = cohort_at(tmp_path / "altered", altered=True)
    test_rows = whole.rows("test")
    assert (other.read_mv(test_rows) != whole.read_mv(test_rows)).any()
    assert (other.labels != whole.labels).any()
    for a, b in zip(views(whole), views(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_changing_a_view_does_not_change_the_next(seen):
    draws = seen.draws("train")
    for array in (draws, seen.rows("train"), seen.labels(draws), seen.patients([0])):
        array += 1
    assert seen.draws("train").tolist() == [0, 1, 4]
    assert seen.rows("train").tolist() == [0, 3, 4]
    assert seen.labels([0]).max() <= 1
    assert seen.patients([0]).tolist() == [0]


def brute_force(cohort: Cohort, draws, within_s: float) -> list[tuple[int, int, int, int]]:
    """Try every start of every strip of the visit, in exact microseconds."""
    out = []
    sample_us, reach_us = round(1e6 / cohort.rate_hz), round(within_s * 1e6)
    for d in sorted(set(draws)):
        for s in range(len(cohort.strips)):
            if cohort.strips["visit"][s] != cohort.draws["visit"][d]:
                continue
            lag = cohort.strips["time"][s] - cohort.draws["time"][d]
            begin_us = np.arange(cohort.strips["length"][s] - cohort.n_samples + 1) * sample_us
            begin_us = begin_us + round(lag / timedelta(microseconds=1))
            end_us = begin_us + cohort.n_samples * sample_us
            legal = np.flatnonzero((begin_us >= -reach_us) & (end_us <= reach_us))
            if len(legal):
                out.append((d, s, int(legal[0]), int(legal[-1])))
    return out


def lines(spans) -> list[tuple[int, int, int, int]]:
    return list(
        zip(*(getattr(spans, k).tolist() for k in ("draw", "strip", "first", "last")), strict=True)
    )


def test_spans_by_hand(seen):
    # Strip 0 starts 3700 s before draw 0: its windows are within the hour from 100 s on, to its end
    # at 250 s. Strip 3 runs from draw 0 to 100 s after draw 1. Strip 5 is shorter than a window.
    assert lines(seen.around([1, 0, 0], 3600)) == [
        (0, 0, 100 * 50, 240 * 50),
        (0, 3, 0, 3590 * 50),
        (1, 3, 1800 * 50, 5490 * 50),
    ]
    # A minute around: only where the long strip meets the draws.
    assert lines(seen.around([0, 1], 60)) == [(0, 3, 0, 50 * 50), (1, 3, 5340 * 50, 5450 * 50)]
    # Strips 2 and 4 start 20 s and 5 s before the hour is over; a window takes 10 s.
    assert lines(seen.around([3], 3600)) == [(3, 2, 0, 10 * 50)]
    assert lines(seen.around([4], 3600)) == []
    assert len(seen.around([], 3600)) == 0


@given(
    data=st.data(),
    within_s=st.one_of(st.floats(1, 8000), st.sampled_from([5.0, 10.0, 3600.0])),
)
def test_spans_are_every_window_within_reach(data, within_s, whole, seen):
    draws = data.draw(st.lists(st.sampled_from([0, 1, 3, 4])))
    spans = seen.around(draws, within_s)
    assert lines(spans) == brute_force(whole, draws, within_s)
    assert seen.read_mv(spans.strip, spans.first).shape == (len(spans), WINDOW)
    assert seen.read_mv(spans.strip, spans.last).shape == (len(spans), WINDOW)


@pytest.mark.parametrize("within_s", [0, -1, float("nan"), float("inf")])
def test_a_reach_that_is_none_is_refused(seen, within_s):
    with pytest.raises(CohortError, match="within_s is"):
        seen.around([0], within_s)


def test_without_times_there_is_no_around_and_all_the_rest(tmp_path):
    seen = TrainingCohort(cohort_at(tmp_path / "untimed", timed=False))
    assert len(seen.windows(seen.rows("train"))) == 3
    with pytest.raises(CohortError, match=r"no column 'time'.*train on its stored windows"):
        seen.around(seen.draws("train"), 3600)


def test_windows_are_taken_by_place_and_by_slice(seen):
    windows = seen.windows(seen.rows("train"))
    picked = windows.take(np.array([2, 0, 2]))
    assert isinstance(picked, Windows)
    assert len(picked) == 3
    assert picked.strip.tolist() == [4, 0, 4]
    assert windows.take(slice(1, None)).strip.tolist() == [3, 4]


def test_a_worker_process_sees_the_same_and_no_more(seen):
    packed = pickle.dumps(seen)
    assert len(packed) < 100_000  # no samples
    again = pickle.loads(packed)
    np.testing.assert_array_equal(again.read_mv([3], [7]), seen.read_mv([3], [7]))
    with pytest.raises(CohortError, match="test split"):
        again.read_mv([1], [0])


def test_a_vanished_cohort_is_noticed(tmp_path):
    cohort = cohort_at(tmp_path / "cohort")
    seen = TrainingCohort(cohort)
    seen.check_files()
    (cohort.path / "strips-00000.npy").unlink()
    with pytest.raises(CohortError, match=r"strips-00000.npy is missing"):
        seen.check_files()


def test_a_simulated_window_is_around_its_own_draw(tmp_path):
    cohort = simulate_cohort(tmp_path / "c", patients={"train": 60, "val": 5, "test": 5}, seed=7)
    seen = TrainingCohort(cohort)
    windows = seen.windows(seen.rows("train"))
    spans = seen.around(seen.draws("train"), 3600)
    assert (spans.first == 0).all()
    assert (spans.last == 6200 - 5000).all()
    pairs = np.stack([spans.draw, spans.strip], axis=1)
    own = np.stack([windows.draw, windows.strip], axis=1)
    np.testing.assert_array_equal(pairs, own[np.lexsort((own[:, 1], own[:, 0]))])

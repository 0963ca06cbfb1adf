"""Windows prepared once."""

from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from leadlab_edge.signal import ecgfounder_v1
from leadlab_train import prepared
from leadlab_train.cohort.training import TrainingCohort
from leadlab_train.cohort.windows import Windows
from leadlab_train.errors import TrainingError
from leadlab_train.prepared import prepare


@pytest.fixture
def windows(training: TrainingCohort) -> Windows:
    return training.windows(training.rows("train"))


def test_they_are_the_preprocessed_windows(
    training: TrainingCohort, windows: Windows, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    inputs = prepare(training, windows, tmp_path, on_progress=lambda *done: seen.append(done))
    exact = ecgfounder_v1(training.read_mv(windows.strip, windows.start))
    assert len(inputs) == len(windows)
    assert inputs[:].dtype == np.float16
    np.testing.assert_allclose(inputs[:], exact, rtol=1e-3, atol=1e-6)
    some = np.array([3, 0, 5])
    assert np.array_equal(inputs[some], inputs[:][some])
    assert seen[-1] == (len(windows), len(windows))


def test_a_second_run_finds_them_and_other_windows_get_their_own(
    training: TrainingCohort, windows: Windows, tmp_path: Path
) -> None:
    prepare(training, windows, tmp_path)
    seen: list[tuple[int, int]] = []
    prepare(training, windows, tmp_path, on_progress=lambda *done: seen.append(done))
    assert seen == []
    moved = Windows(windows.strip, windows.start + 1, windows.draw)
    prepare(training, moved, tmp_path)
    assert len(list(tmp_path.glob("*.f16"))) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_cut_short_goes_on(
    training: TrainingCohort,
    windows: Windows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    monkeypatch.setattr(prepared, "CHUNK", 8)
    whole = prepare(training, windows, tmp_path / "whole")[:]

    class Cut(Exception):
        pass

    def stop_early(done: int, total: int) -> None:
        del total
        if done >= 24:
            raise Cut

    with pytest.raises(Cut):
        prepare(training, windows, tmp_path, workers, stop_early)
    (partial,) = tmp_path.glob("*.partial")
    with partial.open("ab") as file:  # and in the middle of a write
        file.write(b"\xff" * 12_345)
    seen: list[int] = []
    resumed = prepare(training, windows, tmp_path, workers, lambda done, _: seen.append(done))
    assert seen[0] == 32
    assert np.array_equal(resumed[:], whole)
    assert not list(tmp_path.glob("*.partial"))


def test_a_disk_that_is_too_small_is_said_before_the_work(
    training: TrainingCohort, windows: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    with pytest.raises(TrainingError, match=r"--cache, lower windows\.per_draw, or set"):
        prepare(training, windows, tmp_path)


def test_two_at_the_same_windows_are_kept_apart(
    training: TrainingCohort, windows: Windows, tmp_path: Path
) -> None:
    prepare(training, windows, tmp_path)
    (path,) = tmp_path.glob("*.f16")
    path.unlink()
    with (
        FileLock(path.with_suffix(".lock")),
        pytest.raises(TrainingError, match="another process makes"),
    ):
        prepare(training, windows, tmp_path)

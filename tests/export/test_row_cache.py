"""Rows computed once: found again, gone on with, and computed anew when anything differs."""

from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from leadlab_export.errors import ExportError
from leadlab_export.row_cache import CHUNK, cache_name, cached_rows

N, WIDTH = 2 * CHUNK + 7, 3
ROWS = np.arange(N * WIDTH, dtype=np.float32).reshape(N, WIDTH)


def test_computes_once_and_tells_how_far(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []
    seen: list[tuple[int, int]] = []

    def compute(start: int, stop: int) -> np.ndarray:
        asked.append((start, stop))
        return ROWS[start:stop]

    path = tmp_path / "folder" / "rows.f32"
    for _ in range(2):
        rows = cached_rows(path, N, WIDTH, compute, lambda *a: seen.append(a))
        np.testing.assert_array_equal(rows, ROWS)
    assert asked == [(0, CHUNK), (CHUNK, 2 * CHUNK), (2 * CHUNK, N)]
    assert seen == [(CHUNK, N), (2 * CHUNK, N), (N, N)]
    with pytest.raises(ValueError, match="read-only"):
        rows[0, 0] = 1


@pytest.mark.parametrize("torn", [0, 5])
def test_goes_on_after_the_last_whole_chunk(tmp_path: Path, torn: int) -> None:
    path, asked = tmp_path / "rows.f32", []

    def killed(start: int, stop: int) -> np.ndarray:
        if start:
            raise KeyboardInterrupt
        return ROWS[start:stop]

    with pytest.raises(KeyboardInterrupt):
        cached_rows(path, N, WIDTH, killed)
    assert not path.exists()
    with path.with_suffix(".partial").open("ab") as file:
        file.write(b"x" * torn)

    def compute(start: int, stop: int) -> np.ndarray:
        asked.append(start)
        return ROWS[start:stop]

    np.testing.assert_array_equal(cached_rows(path, N, WIDTH, compute), ROWS)
    assert asked == [CHUNK, 2 * CHUNK]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "rows.f32"
    with (
        FileLock(path.with_suffix(".lock")),
        pytest.raises(ExportError, match="another process"),
    ):
        cached_rows(path, N, WIDTH, lambda a, b: ROWS[a:b])


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        cached_rows(tmp_path / "file" / "rows.f32", N, WIDTH, lambda a, b: ROWS[a:b])


def test_the_name_changes_with_every_part() -> None:
    rows = np.arange(5)
    names = [
        cache_name("teacher", "ab", "c", rows),
        cache_name("teacher", "a", "bc", rows),
        cache_name("teacher", "ab", "c", rows[::-1]),
        cache_name("windows", "ab", "c", rows),
    ]
    assert len(set(names)) == len(names)
    assert cache_name("teacher", "ab", "c", rows.astype(np.int32)) == names[0]

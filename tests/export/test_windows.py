"""Windows of a cohort for a compact model: the device's resampler, in the middle, with margins."""

import numpy as np
import pytest

from leadlab_edge.resample import resample_window
from leadlab_export.windows import compact_windows
from leadlab_train.cohort import Cohort
from leadlab_train.errors import CohortError
from leadlab_train.simulated import simulate_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    path = tmp_path_factory.mktemp("simulated") / "cohort"
    return simulate_cohort(path, patients={"train": 4, "val": 1, "test": 1})


def test_windows_are_what_the_device_would_cut(cohort: Cohort) -> None:
    rows = cohort.rows("train")[:4]
    seen: list[tuple[int, int]] = []
    windows = compact_windows(cohort, rows, 125.0, 1464, on_progress=lambda *a: seen.append(a))
    assert windows.dtype == np.float32
    assert windows.shape == (4, 1464)
    assert seen == [(4, 4)]
    strips = cohort.read_mv(rows, margin_s=1.196)  # 80 raw samples more than are needed
    wide = np.stack([resample_window(strip, 500.0, 125.0, 1464) for strip in strips])
    np.testing.assert_allclose(windows, wide, atol=0.002)


def test_spare_samples_go_on_both_sides(cohort: Cohort) -> None:
    rows = cohort.rows("train")[:3]
    plain = compact_windows(cohort, rows, 125.0, 1464)
    spare = compact_windows(cohort, rows, 125.0, 1464, spare=20)
    assert spare.shape == (3, 1504)
    np.testing.assert_allclose(spare[:, 20:-20], plain, atol=0.002)


def test_margins_beyond_the_strip_are_refused(cohort: Cohort) -> None:
    with pytest.raises(CohortError, match="beyond its strip"):
        compact_windows(cohort, cohort.rows("train"), 125.0, 1464, spare=60)

"""The cohort on disk: what is written is read back, and no damage or contradiction passes."""

import pickle
import shutil
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from leadlab_train.cohort import Cohort, CohortWriter
from leadlab_train.errors import CohortError
from leadlab_train.panel import load_panel

RATE_HZ, WINDOW = 100.0, 1000
LENGTHS = (1000, 2500, 1400, 1100)  # strips of any length
PANEL = load_panel()


def strips_of(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-32768, 32768, n).astype(np.int16) for n in LENGTHS]


def tables() -> dict[str, pl.DataFrame]:
    """Three patients, one per split; the second has two draws and two strips."""
    day = datetime(2020, 1, 1)
    return {
        "patients": pl.DataFrame({"patient": [0, 1, 2], "split": ["train", "test", "val"]}),
        "draws": pl.DataFrame(
            {
                "draw": [0, 1, 2, 3],
                "visit": [0, 1, 1, 2],
                "patient": [0, 1, 1, 2],
                "time": [day] * 4,
            }
        ),
        "strips": pl.DataFrame(
            {
                "strip": [0, 1, 2, 3],
                "gain_mv": [0.001, 0.002, 0.005, 0.0025],
                "lead": ["II"] * 4,
                "visit": [0, 1, 1, 2],
                "patient": [0, 1, 1, 2],
            }
        ),
        "windows": pl.DataFrame(
            {
                "window": range(6),
                "strip": [0, 1, 1, 2, 2, 3],
                "start": [0, 0, 1500, 200, 400, 50],
                "draw": [0, 1, 2, 2, 1, 3],
                "patient": [0, 1, 1, 1, 1, 2],
            }
        ),
    }


def labels() -> np.ndarray:
    return np.random.default_rng(1).integers(-1, 2, (4, len(PANEL))).astype(np.int8)


def write(path, changed: dict[str, pl.DataFrame] | None = None, **more) -> Cohort:
    settings = {"lead": "II", "rate_hz": RATE_HZ, "simulated": False, "shard_samples": 3000}
    with CohortWriter(path, PANEL, **settings, provenance={"source": 'a "test"'}) as writer:
        for counts in strips_of():
            writer.add_strip(counts)
        return writer.finish(**{**tables(), **(changed or {})}, **{"labels": labels(), **more})


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return write(tmp_path_factory.mktemp("store") / "cohort")


def changed(name: str, **columns) -> dict[str, pl.DataFrame]:
    return {name: tables()[name].with_columns(**{k: pl.Series(v) for k, v in columns.items()})}


def test_windows_are_the_counts_times_the_gain(cohort):
    counts, gain = strips_of(), (0.001, 0.002, 0.005, 0.0025)
    windows = cohort.windows
    got = cohort.read_mv([5, 2, 0, 3])
    assert got.dtype == np.float32
    for line, row in zip(got, (5, 2, 0, 3), strict=True):
        strip, start = windows["strip"][row], windows["start"][row]
        expected = counts[strip][start : start + WINDOW] * np.float32(gain[strip])
        np.testing.assert_array_equal(line, expected)


def test_strips_fill_several_shards_and_never_straddle_them(cohort):
    assert cohort.strips["shard"].to_list() == [0, 1, 2, 2]
    assert cohort.strips["offset"].to_list() == [0, 0, 0, 1400]
    flat = np.load(cohort.path / "strips-00002.npy")
    np.testing.assert_array_equal(flat, np.concatenate(strips_of()[2:]))


def test_margin_is_real_signal(cohort):
    with_margin = cohort.read_mv([3], margin_s=2.0)
    assert with_margin.shape == (1, WINDOW + 400)
    np.testing.assert_array_equal(with_margin[:, 200:-200], cohort.read_mv([3]))


def test_margin_beyond_the_strip_is_refused(cohort):
    with pytest.raises(CohortError, match="window 0 with a margin of 1 samples"):
        cohort.read_mv([3, 0], margin_s=0.01)


@pytest.mark.parametrize("rows", [[6], [-1], [0.5], np.ones(6, bool), [[0, 1]]])
def test_rows_that_are_none_are_refused(cohort, rows):
    with pytest.raises(CohortError, match="rows"):
        cohort.read_mv(rows)


def test_no_rows_give_no_windows(cohort):
    assert cohort.read_mv([]).shape == (0, WINDOW)


def test_splits_draws_and_patients(cohort):
    assert cohort.rows("train").tolist() == [0]
    assert cohort.rows("test").tolist() == [1, 2, 3, 4]
    assert cohort.rows("val").tolist() == [5]
    assert cohort.draw_of([4, 0]).tolist() == [1, 0]
    assert cohort.patient_of(cohort.rows("test")).tolist() == [1, 1, 1, 1]
    with pytest.raises(CohortError, match="'train', 'val', 'test'"):
        cohort.rows("dev")


def test_what_it_says_of_itself(cohort):
    assert (cohort.rate_hz, cohort.lead, cohort.n_samples, len(cohort)) == (100.0, "II", WINDOW, 6)
    assert not cohort.simulated
    assert cohort.truth is None
    assert cohort.manifest.provenance["source"] == 'a "test"'
    assert cohort.panel.indicators == PANEL.indicators
    np.testing.assert_array_equal(cohort.labels, labels())
    cohort.verify()


def test_equal_content_has_equal_hash(cohort, tmp_path):
    again = write(tmp_path / "again")
    assert again.manifest.content_sha256 == cohort.manifest.content_sha256
    other = write(tmp_path / "other", labels=np.zeros_like(labels()))
    assert other.manifest.content_sha256 != cohort.manifest.content_sha256


def test_a_worker_process_maps_the_files_itself(cohort):
    cohort.read_mv([0])
    packed = pickle.dumps(cohort)
    assert len(packed) < 100_000
    np.testing.assert_array_equal(pickle.loads(packed).read_mv([2]), cohort.read_mv([2]))


def test_a_damaged_shard_header_is_found(cohort, tmp_path):
    shutil.copytree(cohort.path, tmp_path / "copy")
    shard = tmp_path / "copy" / "strips-00001.npy"
    data = bytearray(shard.read_bytes())
    data[data.index(b"<i2") + 2] = ord("4")
    shard.write_bytes(data)
    with pytest.raises(CohortError, match="strips-00001"):
        Cohort.open(tmp_path / "copy")


def test_reading_anywhere_is_the_counts_times_the_gain(cohort):
    got = cohort.read_at_mv([1, 3, 1], [2300, 0, 17], 200)
    assert got.dtype == np.float32
    for line, strip, start in zip(got, (1, 3, 1), (2300, 0, 17), strict=True):
        counts = strips_of()[strip][start : start + 200]
        gain_mv = np.float32(cohort.strips["gain_mv"][strip])
        np.testing.assert_array_equal(line, counts * gain_mv)


def test_reading_where_a_window_lies_is_reading_the_window(cohort):
    table = cohort.windows
    by_place = cohort.read_at_mv(table["strip"].to_numpy(), table["start"].to_numpy())
    np.testing.assert_array_equal(by_place, cohort.read_mv(np.arange(6)))


@pytest.mark.parametrize(
    ("strips", "starts", "n_samples", "says"),
    [
        ([0], [1], None, "reach outside strip 0, which has 1000"),
        ([2], [-1], 5, "5 samples from sample -1"),
        ([2], [2**63 - 1], 5, "reach outside strip 2"),
        ([4], [0], None, "strips: 4..4 reach outside 0..3"),
        ([-1], [0], None, "strips: -1..-1"),
        ([0, 1], [0], None, "2 strips, 1 starts"),
        ([0], [0], 0, "0 samples each"),
        ([0.5], [0], None, "row numbers"),
    ],
)
def test_reading_outside_a_strip_is_refused(cohort, strips, starts, n_samples, says):
    with pytest.raises(CohortError, match=says):
        cohort.read_at_mv(strips, starts, n_samples)


@pytest.mark.parametrize("change", ["cut", "remove"])
def test_a_cohort_that_vanishes_while_it_is_open_is_noticed(cohort, tmp_path, change):
    for name in names_in(cohort.path)[1:]:  # all but cohort.toml, which was read
        copy = tmp_path / name
        shutil.copytree(cohort.path, copy)
        opened = Cohort.open(copy)
        opened.check_files()
        if change == "cut":
            (copy / name).write_bytes(b"")
        else:
            (copy / name).unlink()
        with pytest.raises(CohortError, match=name):
            opened.check_files()


def names_in(path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_any_damaged_file_is_found(cohort, tmp_path, change):
    for name in names_in(cohort.path):
        copy = tmp_path / "copy"
        shutil.copytree(cohort.path, copy)
        data = bytearray((copy / name).read_bytes())
        if change == "remove":
            (copy / name).unlink()
        elif change == "cut":
            (copy / name).write_bytes(data[: len(data) - 9])
        else:
            data[len(data) // 2] ^= 1
            (copy / name).write_bytes(data)
        with pytest.raises(CohortError):
            Cohort.open(copy).verify()
        if not name.startswith("strips-") or change != "flip":
            with pytest.raises(CohortError):
                Cohort.open(copy)
        shutil.rmtree(copy)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (changed("windows", patient=[1, 1, 1, 1, 1, 2]), "share patients"),
        (changed("windows", draw=[1, 1, 2, 2, 1, 3]), "share patients"),
        (changed("strips", patient=[1, 1, 1, 2]), "share patients"),
        (changed("windows", draw=[0, 1, 2, 2, 1, 4]), "draw of a window"),
        (changed("windows", strip=[0, 1, 1, 2, 2, -1]), "strip of a window"),
        (changed("windows", start=[1, 0, 1500, 200, 400, 50]), "reaches beyond its strip"),
        (changed("windows", window=[0, 1, 2, 3, 5, 4]), "row number"),
        (changed("windows", start=[0.0] * 6), "whole numbers"),
        (changed("patients", split=["train", "test", "dev"]), "splits"),
        (changed("patients", patient=[0, 1, 1]), "row number"),
        (changed("draws", visit=[0, 1, 1, 0]), "visit 0 belongs to more than one patient"),
        (changed("strips", visit=[0, 1, 1, 0]), "visit 0 belongs to more than one patient"),
        (changed("strips", visit=["a", "b", "b", "c"]), "whole numbers"),
        (changed("strips", time=[0] * 4), "date and time"),
        (changed("strips", time=[datetime(2020, 1, 1)] * 3 + [None]), "1 empty cells"),
        (changed("strips", time=[datetime(2020, 1, 1, tzinfo=UTC)] * 4), "time zone|in zones"),
        (changed("strips", lead=["II", "I", "II", "II"]), "leads"),
        ({"draws": tables()["draws"].drop("time")}, "lacks the columns"),
        ({"windows": tables()["windows"].clear()}, "empty"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(tmp_path, change, says):
    with pytest.raises(CohortError, match=says):
        write(tmp_path / "cohort", change)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "bad", [np.zeros((3, 108), np.int8), np.zeros((4, 108)), np.full((4, 108), 2, np.int8)]
)
def test_bad_labels_are_refused(tmp_path, bad):
    with pytest.raises(CohortError, match="labels"):
        write(tmp_path / "cohort", labels=bad)


def test_truth_has_no_gaps(tmp_path):
    with pytest.raises(CohortError, match="truth"):
        write(tmp_path / "cohort", truth=np.full((4, 108), -1, np.int8))


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "cohort").mkdir()
    with pytest.raises(CohortError, match="exists already"):
        write(tmp_path / "cohort")


def test_an_interrupted_writer_leaves_nothing(tmp_path):
    def interrupted() -> None:
        with CohortWriter(tmp_path / "c", PANEL, lead="II", rate_hz=100, simulated=False) as writer:
            writer.add_strip(np.zeros(10, np.int16))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names_in(tmp_path) == []


def test_a_full_disk_is_said_and_nothing_is_left(tmp_path):
    resource = pytest.importorskip("resource")  # the system's own limit on the size of a file
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with (
            pytest.raises(CohortError, match=r"cannot be written.*make room"),
            CohortWriter(tmp_path / "c", PANEL, lead="II", rate_hz=100, simulated=False) as writer,
        ):
            writer.add_strip(np.zeros(60_000, np.int16))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names_in(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CohortError, match="choose another folder"):
        write(tmp_path / "file" / "cohort")


@pytest.mark.parametrize("counts", [np.zeros(5), np.zeros((2, 5), np.int16), np.zeros(0, np.int16)])
def test_only_int16_strips(tmp_path, counts):
    with (
        pytest.raises(CohortError, match="give int16"),
        CohortWriter(tmp_path / "c", PANEL, lead="II", rate_hz=100, simulated=False) as writer,
    ):
        writer.add_strip(counts)


def test_a_folder_that_is_no_cohort(tmp_path):
    with pytest.raises(CohortError, match="no cohort"):
        Cohort.open(tmp_path)
    (tmp_path / "cohort.toml").write_text("format = 99\n")
    with pytest.raises(CohortError, match="format 99"):
        Cohort.open(tmp_path)

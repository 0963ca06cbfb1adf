import contextlib
import gzip
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadlab_edge.errors import RecordingError
from leadlab_edge.recordings import Recording, open_recording
from leadlab_edge.recordings.base import choose_channel, lead_of, millivolts_per

RNG = np.random.default_rng(5)
N = 6000
MV = np.round(np.sin(np.arange(N) / 20) + 0.1 * RNG.normal(size=N), 4)


def write_csv(path, header, *columns, delimiter=","):
    rows = (delimiter.join(map(str, row)) for row in zip(*columns, strict=True))
    text = "\n".join([*([header] if header else []), *rows]) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def whole(times_s, per_second):
    return np.rint(np.asarray(times_s) * per_second).astype(np.int64).tolist()


# --- text -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [100.0, 130.163, 250.0, 256.4, 500.0, 512.0])
@pytest.mark.parametrize(("unit", "per_second"), [("ms", 1e3), ("us", 1e6), ("ns", 1e9)])
@pytest.mark.parametrize("name", ["time_{}", "Time ({})", "timestamp"])
def test_the_true_rate_comes_from_the_times(tmp_path, rate_hz, unit, per_second, name):
    times = whole(100 + np.arange(N) / rate_hz, per_second)
    header = f"{name.format(unit)},ecg_mV"
    recording = open_recording(write_csv(tmp_path / "x.csv", header, times, MV))
    assert recording.rate_hz == pytest.approx(rate_hz, rel=2 / per_second * rate_hz / N)
    np.testing.assert_array_equal(recording.samples_uv, (MV * 1e3).astype(np.float32))


@pytest.mark.parametrize(
    ("header", "delimiter", "scale"),
    [
        ("time_s,ecg_mV", ",", 1.0),
        ("Time [s];ECG (uV)", ";", 1e3),
        ("timestamp\tmV", "\t", 1.0),
        ("time V", " ", 1e-3),
        ("seconds_time,\u00b5V", ",", 1e3),
        ('"time","ECG \u03bcV"', ",", 1e3),
    ],
)
def test_delimiters_and_units(tmp_path, header, delimiter, scale):
    path = tmp_path / "x.csv"
    write_csv(
        path, header, (np.arange(N) / 250).tolist(), (MV * scale).tolist(), delimiter=delimiter
    )
    recording = open_recording(path)
    np.testing.assert_allclose(recording.samples_uv, MV * 1e3, rtol=1e-6)
    assert recording.rate_hz == pytest.approx(250)


def test_comments_blank_lines_and_gzip(tmp_path):
    path = tmp_path / "x.csv.gz"
    header = "# made by hand\n\n# twice\ntime_ms,II_mV"
    recording = open_recording(write_csv(path, header, range(0, 4 * N, 4), MV))
    assert (recording.rate_hz, recording.lead) == (pytest.approx(250), "II")


def test_a_strap_logger_with_several_clocks(tmp_path):
    """The Polar sensor logger writes the phone's clock as text and the strap's in nanoseconds."""
    phone = ["2024-05-05T14:50:00.006"] * N
    sensor = whole(np.arange(N) / 130.16, 1e9)
    header = "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]"
    path = tmp_path / "x.txt"
    columns = (phone, sensor, [0.0] * N, whole(MV, 1e3))
    recording = open_recording(write_csv(path, header, *columns, delimiter=";"), lead="I")
    assert (recording.rate_hz, recording.lead) == (pytest.approx(130.16, rel=1e-6), "I")
    np.testing.assert_array_equal(recording.to_int_uv(), whole(MV, 1e3))


def test_a_date_is_understood(tmp_path):
    times = whole(1_714_920_600 + np.arange(N) / 250, 1e9)
    recording = open_recording(write_csv(tmp_path / "x.csv", "time_ns,mV", times, MV))
    assert recording.start == datetime(2024, 5, 5, 14, 50, tzinfo=UTC)
    assert recording.rate_hz == pytest.approx(250, rel=1e-9)


def test_one_column_needs_rate_and_unit(tmp_path):
    path = write_csv(tmp_path / "x.txt", "", whole(MV, 500))
    with pytest.raises(RecordingError, match="unit of the samples is not stated"):
        open_recording(path)
    with pytest.raises(RecordingError, match="no time column; give rate_hz"):
        open_recording(path, unit="mV")
    recording = open_recording(path, rate_hz=250, unit=1 / 500)
    np.testing.assert_allclose(recording.samples_uv, np.rint(MV * 500) * 2, rtol=1e-5)
    assert open_recording(path, rate_hz=250, unit="0.002").rate_hz == 250


def test_two_columns_without_names(tmp_path):
    path = write_csv(tmp_path / "x.csv", "", range(0, 4 * N, 4), MV)
    assert open_recording(path, unit="mV").rate_hz == pytest.approx(250)


def test_several_channels(tmp_path):
    columns = ((np.arange(N) / 250).tolist(), MV, -MV, 0 * MV)
    path = write_csv(tmp_path / "x.csv", "time_s,V1,ECG II,resp", *columns)
    assert open_recording(path, unit="mV").samples_uv[1] == pytest.approx(-MV[1] * 1e3)
    assert open_recording(path, "V1", "mV").lead == "V1"
    assert open_recording(path, 1, "mV").lead == "V1"
    with pytest.raises(
        RecordingError, match="no channel 'V9'; channels are time_s, V1, ECG II, resp"
    ):
        open_recording(path, "V9", "mV")


def test_a_gap_becomes_missing_samples_of_the_right_length(tmp_path):
    kept = np.r_[0:1000, 1001:1500, 2250:N]
    jitter = RNG.uniform(-0.2, 0.2, N)
    times = whole((np.arange(N) + jitter)[kept] / 250, 1e6)
    path = write_csv(tmp_path / "x.csv", "time_us,mV", times, MV[kept])
    recording = open_recording(path)
    expected = np.full(N, np.nan, np.float32)
    expected[kept] = MV[kept] * 1e3
    np.testing.assert_array_equal(recording.samples_uv, expected)
    assert recording.rate_hz == pytest.approx(250, rel=1e-3)
    with pytest.raises(RecordingError, match="751 samples are missing"):
        recording.to_int_uv()


@pytest.mark.parametrize("empty", ["", "NaN", "NA", "null", "inf"])
def test_empty_cells_are_missing(tmp_path, empty):
    cells = [*map(str, MV)]
    cells[7] = empty
    path = write_csv(tmp_path / "x.csv", "time_s,mV", (np.arange(N) / 250).tolist(), cells)
    assert np.flatnonzero(np.isnan(open_recording(path).samples_uv)).tolist() == [7]


def seconds(steps):
    return np.cumsum(steps).tolist()


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (seconds(np.full(N, 0.03)), "times are 0.03 apart"),
        (seconds(np.r_[np.full(N - 1, 0.004), -1]), f"backwards at row {N - 1}"),
        (seconds(np.where(np.arange(N) % 4, 0.0, 0.016)), "times are 0 apart"),
        (seconds(np.where(np.arange(N) % 4, 0.004, 0.016)), "only 75 % of the times are evenly"),
        (seconds(np.r_[np.full(N - 1, 0.004), 3600.0]), "gaps make up 151 times"),
        (["nan"] * N, "nan apart"),
    ],
)
def test_times_that_are_no_clock(tmp_path, times, message):
    path = write_csv(tmp_path / "x.csv", "time,mV", times, MV)
    with pytest.raises(RecordingError, match=message):
        open_recording(path)
    assert open_recording(path, rate_hz=250).rate_hz == 250


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no ECG samples"),
        ("# only\n# comments\n", "no ECG samples"),
        ("time_s,mV\n", "no ECG samples"),
        ("time_s,mV\n0,1\n", "time stands"),
        ("time_s,mV\n0,1\n0.004,x\n", "not a table of numbers"),
        ("time_s,mV\n0,1\n0.004\n", "not a table of numbers"),
        ("time_s,mV,II\n0,1\n", "first row has 2 columns"),
        ("\x00\x01\x02", "no ECG samples"),
    ],
)
def test_text_without_an_ecg(tmp_path, content, message):
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(RecordingError, match=message):
        open_recording(path)


def test_bytes_that_are_not_text_or_not_gzip(tmp_path):
    for name in ("x.csv", "x.csv.gz"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(RecordingError, match="not a table of numbers"):
            open_recording(tmp_path / name)


def test_a_damaged_gzip_file(tmp_path):
    path = write_csv(tmp_path / "x.csv.gz", "time_ms,mV", range(0, 4 * N, 4), MV)
    whole_file = path.read_bytes()
    middle = len(whole_file) // 2
    for damaged in (whole_file[:middle], whole_file[:middle] + bytes(99) + whole_file[middle:]):
        path.write_bytes(damaged)
        with pytest.raises(RecordingError, match="not a table of numbers"):
            open_recording(path)


cell = st.one_of(
    st.floats().map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(["", "nan", "1e999", "-", "0x1", "1_0", '"', "#", "\x00", "٣", "NA", "1,5"]),
    st.text(max_size=4),
)
table = st.lists(st.lists(cell, min_size=1, max_size=3), max_size=12)
header = st.sampled_from(
    ["", "time,mV\n", "time_ns,ecg_uV\n", "# c\n", "time_s;II;V\n", "\ufeffa\n"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(header, table, st.sampled_from([",", ";", "\t", " "]), st.sampled_from([None, 250.0]))
def test_any_text_is_a_recording_or_refused(tmp_path, head, rows, mark, rate_hz):
    path = tmp_path / "x.csv"
    text = head + "\n".join(mark.join(row) for row in rows)
    path.write_text(text, encoding="utf-8", errors="replace")
    with contextlib.suppress(RecordingError):
        open_recording(path, rate_hz=rate_hz, unit="uV")


# --- what every format shares ---------------------------------------------------------------


def test_files_that_are_not_there_or_not_known(tmp_path):
    with pytest.raises(RecordingError, match="no such file"):
        open_recording(tmp_path / "x.csv")
    with pytest.raises(RecordingError, match="no such file"):
        open_recording(tmp_path)
    (tmp_path / "x.mp3").touch()
    with pytest.raises(RecordingError, match=r"suffix '\.mp3' is not one of \.csv"):
        open_recording(tmp_path / "x.mp3")


def test_recordings_are_valid_by_construction():
    good = np.zeros(2500, np.float32)
    assert Recording("x", good, 250.0).duration_s == 10
    with pytest.raises(RecordingError, match=r"lasts 9\.996 s; a window takes 10 s"):
        Recording("x", good[:-1], 250.0)
    with pytest.raises(RecordingError, match="rate is 20 Hz"):
        Recording("x", good, 20.0)
    with pytest.raises(RecordingError, match="no ECG samples"):
        Recording("x", np.full(2500, np.nan, np.float32), 250.0)
    with pytest.raises(RecordingError, match="no ECG samples"):
        Recording("x", np.empty(0, np.float32), 250.0)


def test_the_unit_trap():
    ecg = (MV * 1e3).astype(np.float32)
    spike = ecg.copy()
    spike[5] = 1e6
    assert Recording("x", spike, 250.0)  # one saturated sample is no unit
    with pytest.raises(RecordingError, match=r"spans 2\d\d\d mV; an ECG stays within 100 mV"):
        Recording("x", ecg * 1000, 250.0)


@pytest.mark.parametrize(
    ("channel", "lead"),
    [
        ("II", "II"),
        ("ii", "II"),
        ("MLII", "II"),
        ("ECG II", "II"),
        ("Lead_I", "I"),
        ("EKG aVR", "aVR"),
        ("ECG", "unknown"),
        ("ecg_mV", "unknown"),
        ("V", "V"),
        ("V5", "V5"),
        ("MCL1", "MCL1"),
        ("II_mV", "II"),
        ("ABP", None),
        ("PLETH", None),
        ("noise1", None),
    ],
)
def test_leads(channel, lead):
    assert lead_of(channel) == lead


def test_the_channel_that_nobody_named():
    assert choose_channel(["ABP", "V5", "I", "MLII"], None, "x") == 3
    assert choose_channel(["ABP", "V5", "I"], None, "x") == 2
    assert choose_channel(["ABP", "V5"], None, "x") == 1
    assert choose_channel(["ABP", "v5"], "V5", "x") == 1
    with pytest.raises(RecordingError, match=r"channels are ABP, RESP\. Give channel"):
        choose_channel(["ABP", "RESP"], None, "x")
    with pytest.raises(RecordingError, match="no channel 2"):
        choose_channel(["ABP", "V5"], 2, "x")


@pytest.mark.parametrize("unit", ["ADU", "", None, "nan", "inf", "-1", "0", 0, -2.0])
def test_units_that_are_none(unit):
    with pytest.raises(RecordingError, match="it must be V, mV or uV"):
        millivolts_per(unit, "x")


# --- files of other programs ----------------------------------------------------------------


def test_edf(tmp_path):
    edfio = pytest.importorskip("edfio")
    signals = [
        edfio.EdfSignal(np.zeros(1000), 100, label="Resp", physical_dimension="mV"),
        edfio.EdfSignal(MV[:2500], 250, label="ECG II", physical_dimension="mV"),
    ]
    edfio.Edf(signals).write(tmp_path / "x.edf")
    recording = open_recording(tmp_path / "x.edf")
    assert (recording.rate_hz, recording.lead, recording.start) == (250, "II", None)
    np.testing.assert_allclose(recording.samples_uv, MV[:2500] * 1e3, atol=0.1)
    assert open_recording(tmp_path / "x.edf", unit="uV").samples_uv.max() < 2
    (tmp_path / "y.edf").write_bytes(b"0       " + bytes(300))
    with pytest.raises(RecordingError, match="not a readable EDF"):
        open_recording(tmp_path / "y.edf")


@pytest.mark.parametrize(("module", "suffix"), [("wfdb", ".hea"), ("edfio", ".edf")])
def test_a_missing_reader_is_named(tmp_path, monkeypatch, module, suffix):
    (tmp_path / f"x{suffix}").touch()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RecordingError, match=r"pip install 'leadlab\[files\]'"):
        open_recording(tmp_path / f"x{suffix}")


def test_damaged_wfdb(tmp_path):
    pytest.importorskip("wfdb")
    (tmp_path / "x.dat").write_bytes(bytes(30))
    with pytest.raises(RecordingError, match=r"its header x\.hea is not beside it"):
        open_recording(tmp_path / "x.dat")
    (tmp_path / "x.hea").write_text("x 1 250 3000\nx.dat 16 200/mV 16 0 0 0 0 II\n")
    with pytest.raises(RecordingError, match="not a readable WFDB record"):
        open_recording(tmp_path / "x.hea")
    (tmp_path / "x.hea").write_text("nonsense")
    with pytest.raises(RecordingError):
        open_recording(tmp_path / "x.hea")
    (tmp_path / "x.hea").write_text("x 1 250 3000\ny.dat 16 200/mV 16 0 0 0 0 II\n")
    with pytest.raises(RecordingError, match=r"its part y\.dat is missing"):
        open_recording(tmp_path / "x.hea")


REAL = [
    ("polar_h10/polar_h10.csv.gz", {"lead": "II"}, "II", 130.1608, 600.0),
    ("arduino_ecg/ecg_data_1.csv", {"unit": 1.0}, "unknown", 256.31, 10.61),
    ("biosppy/ecg.txt", {"unit": 0.005, "rate_hz": 1000}, "unknown", 1000.0, 15.0),
    ("mitdb/100.hea", {}, "II", 360.0, 1805.56),
    ("mitdb/105.dat", {"channel": "V1"}, "V1", 360.0, 1805.56),
    ("cinc2021/E07500.hea", {}, "II", 500.0, 10.0),
    ("cpsc2021/data_8_2.hea", {}, "II", 200.0, 215.46),
    ("icare/icare_0284a.hea", {"unit": "uV"}, "unknown", 500.0, 600.0),
    ("mimicdb_500hz/03700181.hea", {}, "MCL1", 500.0, 600.0),
    ("wfdb_multisegment/041s/041s.hea", {}, "I", 500.0, 16.0),
    ("wfdb_multisegment/s25047/s25047-2704-05-04-10-44.hea", {}, "II", 125.0, 4345.92),
    ("ptbdb/s0010_re.hea", {}, "II", 1000.0, 38.4),
]


@pytest.mark.parametrize(("file", "options", "lead", "rate_hz", "duration_s"), REAL)
def test_real_recordings(ecg_dir, file, options, lead, rate_hz, duration_s):
    recording = open_recording(ecg_dir / file, **options)
    assert recording.lead == lead
    assert recording.rate_hz == pytest.approx(rate_hz, rel=1e-5)
    assert recording.duration_s == pytest.approx(duration_s, abs=0.01)
    assert recording.samples_uv.dtype == np.float32
    assert 100 < np.nanstd(recording.samples_uv) < 2000


def test_missing_segments_stay_missing(ecg_dir):
    folder = ecg_dir / "wfdb_multisegment" / "s25047"
    recording = open_recording(folder / "s25047-2704-05-04-10-44.hea")
    assert np.isnan(recording.samples_uv).mean() == pytest.approx(0.0487, abs=1e-4)
    assert np.isnan(recording.samples_uv[:25740]).all()


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("icare/icare_0284a.hea", {}, "an ECG stays within 100 mV"),
        ("arduino_ecg/ecg_data_1.csv", {}, "unit of the samples is not stated"),
        ("arduino_ecg/ecg_data_1.csv", {"unit": "V"}, "an ECG stays within 100 mV"),
        ("biosppy/ecg.txt", {"rate_hz": 1000}, "unit of the samples is not stated"),
        ("nstdb/bw_a.hea", {}, "channels are noise1, noise2"),
        (
            "wfdb_multisegment/p000878/p000878-2137-10-26-16-57.hea",
            {},
            r"its part 3269321_0003\.hea is missing",
        ),
    ],
)
def test_real_files_that_are_refused(ecg_dir, file, options, message):
    with pytest.raises(RecordingError, match=message):
        open_recording(ecg_dir / file, **options)

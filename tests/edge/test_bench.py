"""Bench: every combination in a process of its own, right logits first, then the fastest."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import tiny_pack
from click.testing import CliRunner

from leadlab_edge.bench import Cost, Row, fastest, machine, measure, ways
from leadlab_edge.cli.bench import bench
from leadlab_edge.errors import ConfigError, PackError, RuntimeMissing
from leadlab_edge.pack import Parity, read_pack, write_pack
from leadlab_edge.pack.pins import Pin, pin_of, store_pin

COST = Cost(
    load_s=0.1,
    median_ms=1.0,
    p99_ms=2.0,
    repeats=9,
    window_s=10.0,
    rss_mb=40.0,
    peak_rss_mb=50.0,
    max_abs=0.0,
    rms=0.0,
    limit=1e-3,
    passed=True,
)


@pytest.fixture(autouse=True)
def user_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LEADLAB_CONFIG_DIR", str(tmp_path / "user"))
    return tmp_path / "user"


@pytest.fixture
def path(tmp_path):
    tiny_pack.tiny_pack(tmp_path)
    return tmp_path / "tiny.leadpack"


def wrong_pack(path):
    """A pack whose ONNX file does not give its golden logits."""
    wrong = tiny_pack.onnx_bytes((2 * tiny_pack.WEIGHTS).tobytes())
    members = tiny_pack.members() | {"model.int8.onnx": wrong}
    write_pack(path, tiny_pack.manifest(), members)


def row(runtime, threads=1, **changes):
    return Row(Pin(runtime, "int8", threads), dataclasses.replace(COST, **changes))


# --- measuring ------------------------------------------------------------------------------


def test_a_combination_is_measured_in_a_process_of_its_own(path):
    cost = measure(path, Pin("ai_edge_litert", "fp32", 1), repeats=30).cost
    assert cost is not None
    assert cost.repeats == 30
    assert 0 < cost.median_ms <= cost.p99_ms
    assert cost.window_s == 10.0
    assert cost.real_time_factor == cost.median_ms / 1e4
    assert cost.passed
    assert cost.max_abs < 1e-4
    # This process holds onnx and far more: the child's memory must not count it.
    assert 20 < cost.rss_mb <= cost.peak_rss_mb < 80


def test_nothing_of_the_training_side_is_needed(tmp_path, path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "for name in ('torch', 'onnx', 'tensorflow', 'scipy'): sys.modules[name] = None\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = (
        "import sys; from leadlab_edge.cli.bench import bench\n"
        "assert sys.modules['torch'] is None\n"
        f"bench([{str(path)!r}, '--threads', '1', '--repeats', '5', '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {(r["runtime"], r["passed"]) for r in report["rows"]} == {
        ("ai_edge_litert", True),
        ("onnxruntime", True),
    }


def test_wrong_logits_and_failures_are_told_from_costs(path):
    wrong_pack(path)
    cost = measure(path, Pin("onnxruntime", "int8", 1), repeats=1).cost
    assert cost is not None
    assert not cost.passed
    absent = measure(path, Pin("ai_edge_litert", "fp16", 1), repeats=1)
    assert absent.cost is None
    assert absent.failure.startswith("status 1: pack has no fp16 model")


def test_a_runtime_that_crashes_or_hangs_takes_nothing_down(tmp_path, path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -SEGV $$\n")
    python.chmod(0o755)
    way = Pin("onnxruntime", "int8", 1)
    assert measure(path, way, python=python) == Row(way, None, "status -11: no message")
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr("leadlab_edge.bench._START_UP_S", 0.0)
    assert measure(path, way, seconds=0.2, python=python).failure == "not done after 0.2 s"


def test_ways_are_what_is_installed_and_asked_for(path, monkeypatch):
    pack = read_pack(path)
    monkeypatch.setattr(
        "leadlab_edge.bench.available", lambda: ("ai_edge_litert", "onnxruntime", "tensorflow")
    )
    assert ways(pack, [1, 2]) == [
        Pin("ai_edge_litert", "fp32", 1),
        Pin("ai_edge_litert", "fp32", 2),
        Pin("onnxruntime", "int8", 1),
        Pin("onnxruntime", "int8", 2),
    ]
    assert ways(pack, [1], ["tensorflow"]) == [Pin("tensorflow", "fp32", 1)]
    assert ways(pack, [1], (), ["int8"]) == [Pin("onnxruntime", "int8", 1)]
    with pytest.raises(RuntimeMissing, match="no runtime 'tflite_runtime'"):
        ways(pack, [1], ["tflite_runtime"])


def test_the_machine_is_described():
    described = machine()
    assert described["processor"]
    assert described["cores"] >= 1


# --- parity ---------------------------------------------------------------------------------


def test_reduced_precisions_are_judged_by_rms_and_fp32_by_the_largest_difference():
    rng = np.random.default_rng(0)
    golden = rng.normal(size=(4, 100))
    one_off = golden.copy()
    one_off[0, 0] += 0.1
    assert Parity.between(one_off, golden, "int8").passed
    assert not Parity.between(one_off, golden, "fp32").passed
    assert Parity.between(golden + 9e-4, golden, "fp32").passed
    saturated = golden + rng.normal(size=golden.shape) * 0.3
    for precision in ("int8", "dynamic", "fp16"):
        assert not Parity.between(saturated, golden, precision).passed
    assert not Parity.between(golden * np.nan, golden, "int8").passed


# --- pinning --------------------------------------------------------------------------------


def test_the_fastest_that_is_right_is_chosen():
    slow, quick = row("ai_edge_litert", median_ms=3.0), row("onnxruntime")
    assert fastest([slow, quick]) == quick.way
    wrong = row("tflite_runtime", median_ms=0.1, passed=False)
    failed = Row(Pin("tensorflow", "int8", 1), None, "status 139")
    assert fastest([wrong, slow, failed]) == slow.way
    with pytest.raises(PackError, match="no combination gives"):
        fastest([wrong, failed])


def test_a_small_gain_is_not_worth_a_thread_nor_memory():
    one, two = row("onnxruntime", 1, median_ms=1.05), row("onnxruntime", 2, median_ms=1.0)
    assert fastest([two, one]) == one.way
    assert fastest([two, row("onnxruntime", 1, median_ms=1.2)]) == two.way
    lean = row("ai_edge_litert", 1, median_ms=1.09, peak_rss_mb=30.0)
    assert fastest([two, one, lean]) == lean.way


def test_a_pin_is_honoured_unless_the_caller_decides(path):
    pack = read_pack(path)
    assert (pack.load().runtime, pack.load().pinned) == ("onnxruntime", False)
    file = store_pin(pack.id, Pin("ai_edge_litert", "fp32", 2))
    model = pack.load()
    assert (model.runtime, model.file.precision, model.pinned) == ("ai_edge_litert", "fp32", True)
    assert pack.load("onnxruntime").runtime == "onnxruntime"
    for options in ({"precision": "int8"}, {"threads": 1}, {"rate_hz": 10.0}):
        assert not pack.load(**options).pinned
    assert pin_of("0" * 64) is None
    store_pin("0" * 64, Pin("onnxruntime", "int8", 1))
    store_pin(pack.id, None)
    assert not pack.load().pinned
    assert json.loads(file.read_text())["pins"].keys() == {"0" * 64}


def test_a_pin_whose_runtime_is_gone_is_passed_over(path):
    pack = read_pack(path)
    store_pin(pack.id, Pin("tflite_runtime", "fp32", 1))
    assert pack.load().runtime == "onnxruntime"
    store_pin(pack.id, Pin("onnxruntime", "fp16", 1))
    assert pack.load().runtime == "onnxruntime"


@pytest.mark.parametrize("text", ["", "[]", '{"pins":{"a":1}}', "[" * 99_999, "x" * (2**20 + 1)])
def test_a_damaged_file_of_pins_is_named(path, user_folder, text):
    user_folder.mkdir()
    (user_folder / "pins.json").write_text(text)
    with pytest.raises(ConfigError, match=r"pins\.json is damaged: .*delete it"):
        read_pack(path).load()


def test_a_folder_that_cannot_be_written_is_named(path, user_folder):
    user_folder.write_text("a file, not a folder")
    with pytest.raises(ConfigError, match=r"cannot be written.*LEADLAB_CONFIG_DIR"):
        store_pin("0" * 64, Pin("onnxruntime", "int8", 1))
    assert read_pack(path).load().runtime == "onnxruntime"


# --- the verb -------------------------------------------------------------------------------


@pytest.fixture
def measured(monkeypatch):
    """Stand in for the processes: LiteRT twice as fast as ONNX Runtime."""

    def fake(_, way, repeats):
        median_ms = {"ai_edge_litert": 0.5, "onnxruntime": 1.0}[way.runtime]
        return Row(way, dataclasses.replace(COST, median_ms=median_ms, repeats=repeats))

    monkeypatch.setattr("leadlab_edge.cli.bench.measure", fake)


@pytest.mark.usefixtures("measured")
def test_the_verb_prints_pins_and_unpins(path):
    pack = read_pack(path)
    done = CliRunner().invoke(bench, [str(path), "--pin", "--threads", "1"])
    assert done.exit_code == 0, done.output
    assert "20,000" in done.output  # times real time
    assert "Pinned for tiny: ai_edge_litert, fp32, threads 1" in done.output
    assert pack.load().pinned
    done = CliRunner().invoke(bench, [str(path), "--unpin"])
    assert "not pinned any more" in done.output
    assert not pack.load().pinned


@pytest.mark.usefixtures("measured")
def test_the_verb_prints_json_alone(path):
    done = CliRunner().invoke(bench, [str(path), "--json", "--pin", "--runtime", "onnxruntime"])
    report = json.loads(done.stdout)
    assert report["pack_id"] == read_pack(path).id
    assert {row["runtime"] for row in report["rows"]} == {"onnxruntime"}
    assert report["rows"][0]["real_time_factor"] == 1e-4
    assert "Pinned" in done.stderr


def test_the_verb_says_what_is_wrong(path, monkeypatch):
    wrong = row("onnxruntime", max_abs=3.0, rms=1.0, passed=False)
    monkeypatch.setattr("leadlab_edge.cli.bench.measure", lambda *_, **__: wrong)
    done = CliRunner().invoke(bench, [str(path)])
    assert "WRONG" in done.output
    assert "differs by 3 at most" in done.output
    failed = Row(Pin("onnxruntime", "int8", 1), None, "status -11: [bold]gone[/bold]")
    monkeypatch.setattr("leadlab_edge.cli.bench.measure", lambda *_, **__: failed)
    done = CliRunner().invoke(bench, [str(path)])
    assert done.exit_code == 1
    assert "onnxruntime int8: status -11: [bold]gone[/bold]" in done.output

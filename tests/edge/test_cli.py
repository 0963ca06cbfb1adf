"""The command: its verbs, its messages, and what it must not import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from leadlab_bridge.simulated.ecg import simulate_ecg
from leadlab_edge.cli import VERBS, main

HEAVY = ("scipy", "torch", "onnx", "onnxruntime", "tensorflow", "polars", "matplotlib", "bleak")


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.output


def test_help_lists_the_verbs_in_the_order_in_which_a_user_meets_them() -> None:
    status, text = invoke("--help")
    assert status == 0
    places = [text.index(f"\n  {verb} ") for verb in VERBS]
    assert places == sorted(places)
    assert "not a medical device" in text


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_teaches_its_options(verb: str) -> None:
    status, text = invoke(verb, "--help")
    assert status == 0
    assert "Options:" in text


def test_simulate_writes_one_line_a_window(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    status, text = invoke(
        *("run", "--simulate", "--headless", "--speed", "2000", "--windows", "3"),
        *("--out", str(out)),
    )
    assert status == 0, text
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["window"] for line in lines] == [0, 1, 2]
    first = lines[0]
    assert first["simulated"] is True
    assert first["abstained"] == []
    assert 40 < first["heart_rate_bpm"] < 120
    assert all(0 <= p <= 1 for p in first["probabilities"].values())
    assert first["end_s"] <= 15  # of stream time


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], ["none", "--simulate"]),
        (["run", "--simulate", "--device", "X"], ["--device and --simulate", "exactly one"]),
        (["run", "--device", "X", "--speed", "2"], ["--speed is 2", "real time"]),
        (["run", "--simulate", "--pack", "absent.leadpack"], ["absent.leadpack"]),
        (["run", "--replay", "absent.csv"], ["absent.csv"]),
        (["run", "--simulate", "--runtime", "ort"], ["ort", "onnxruntime"]),
    ],
)
def test_bad_input_is_one_clear_message(arguments: list[str], words: list[str]) -> None:
    status, text = invoke(*arguments)
    assert status != 0
    assert text.count("Error:") == 1
    assert "Traceback" not in text
    for word in words:
        assert word in text


def test_a_recording_too_short_for_a_window_is_an_error(tmp_path: Path) -> None:
    recording = tmp_path / "short.csv"
    lines = [f"{n / 130:.5f},{uv / 1000:.3f}" for n, uv in enumerate(simulate_ecg()[: 11 * 130])]
    recording.write_text("\n".join(["time_s,ecg_mV", *lines]))
    out = tmp_path / "results.jsonl"
    status, text = invoke(
        *("run", "--replay", str(recording), "--headless"),
        *("--speed", "1000", "--out", str(out)),
    )
    assert status != 0
    assert "11.0 s of short.csv gave no window; one takes 13.4 s" in text


def test_an_unknown_setting_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("[pipeline]\nhops_s = 2.0\n")
    status, text = invoke("run", "--simulate", "--config", str(config))
    assert status != 0
    assert "hops_s" in text
    assert "hop_s" in text


def test_an_unwritable_result_file_is_refused(tmp_path: Path) -> None:
    status, text = invoke("run", "--simulate", "--headless", "--out", str(tmp_path))
    assert status != 0
    assert "--out" in text


def test_the_device_path_loads_nothing_heavy(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    script = f"""
import sys
from leadlab_edge.cli import main
arguments = ["run", "--simulate", "--headless", "--speed", "2000", "--windows", "2"]
main([*arguments, "--out", {str(out)!r}], standalone_mode=False)
print("loaded", *(name for name in {HEAVY!r} if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded"

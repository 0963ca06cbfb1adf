"""``leadlab simulate``: what the verb says came of a script of faults."""

from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from leadlab_bridge.devices import healthypi
from leadlab_bridge.simulated import fault_script
from leadlab_bridge.simulated.catalog import WEARABLES
from leadlab_bridge.simulated.fault_script import parse_faults
from leadlab_bridge.simulated.faults import Faults
from leadlab_edge.capture import CaptureWriter
from leadlab_edge.cli.simulate import simulate


def invoke(*arguments: str) -> tuple[str, BaseException | None]:
    result = CliRunner().invoke(simulate, list(arguments))
    return result.output, result.exception


@pytest.mark.parametrize("device", WEARABLES)
def test_every_device_streams_in_this_process(device: str):
    # One is polled, in real time; another is timed by arrivals, which a fast clock scatters.
    speed = {"er1": "1", "healthypi": "5"}.get(device, "100")
    seconds = "1.5" if device == "er1" else "0.5"
    said, failure = invoke(device, "--speed", speed, "--seconds", seconds)
    assert failure is None
    assert said.startswith(WEARABLES[device].name)
    assert int(said.split(": ")[1].split()[0]) >= 1
    assert "0 samples lost in 0 gaps, 0 doubled, 0 late, 0 not decodable" in said


def test_faults_come_out_as_asked(tmp_path: Path):
    script = tmp_path / "faults.txt"
    script.write_text("drop@20,50-51  # three of them\ndouble@30,60\nswap@40\n")
    said, failure = invoke(
        *("h10", "--script", str(script), "--faults", "truncate@70 junk@80 reset@85 disconnect@90"),
        *("--speed", "500"),
    )
    assert failure is None
    assert "disconnected" in said
    assert (
        "85 frames, 292 samples lost in 3 gaps, 2 doubled, 1 late, 2 not decodable, "
        "1 clock restarts"
    ) in said


def test_a_recording_is_worn_at_the_wearables_rate(tmp_path: Path):
    path = tmp_path / "slow.csv"
    times_s = np.arange(0, 20, 1 / 250)
    ecg_mv = np.sin(2 * np.pi * times_s)
    rows = [f"{t:.4f},{mv:.3f}" for t, mv in zip(times_s, ecg_mv, strict=True)]
    path.write_text("\n".join(["time_s,ecg_mV", *rows]))
    said, failure = invoke("h10", "--replay", str(path), "--once", "--speed", "500")
    assert failure is None
    assert "36 frames, 0 samples lost" in said  # 20 s at 130 Hz, 73 a frame


def test_a_capture_is_worn(tmp_path: Path):
    path = tmp_path / "c.capture.jsonl"
    with CaptureWriter(path) as writer:
        writer.opened("healthypi5", "HealthyPi", {healthypi.SERVICE: {healthypi.ECG: ["notify"]}})
        writer.passed("subscribe", healthypi.ECG, b"")
        for _ in range(7):
            writer.passed("notify", healthypi.ECG, healthypi.encode_ecg(np.arange(8)))
    said, failure = invoke("capture", "--replay", str(path))
    assert failure is None
    assert "healthypi5: 7 frames, 0 samples lost" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["capture"], "needs --replay"),
        (["h10", "--faults", "drip@5"], "'drip@5' is no fault; do you mean 'drop'"),
        (["h10", "--script", "absent.txt"], "absent.txt"),
        (["h10", "--replay", "absent.csv"], "absent.csv"),
        (["h10", "--transport", "nothing:9"], "nothing:9 could not be opened"),
    ],
)
def test_bad_input_is_one_clear_message(arguments: list[str], words: str):
    said, failure = invoke(*arguments)
    assert words in f"{said}{failure}"


def test_every_fault_has_a_word():
    named = {*fault_script._FRAMES.values(), *fault_script._FRAME.values(), "late_s"}
    named |= set(fault_script._PPM.values())
    assert named == {field.name for field in fields(Faults)}


def test_words():
    text = "drop@5,7-9 late@12:1.5 late@3 reset@40 die@3 low-battery@2 clock:+80 rate:-20000"
    assert parse_faults(text) == Faults(
        dropped=frozenset({5, 7, 8, 9}),
        late_s={12: 1.5, 3: 1.0},
        clock_reset_at=40,
        dies_at=3,
        low_battery_at=2,
        clock_ppm=80.0,
        rate_ppm=-20_000.0,
    )


def test_words_on_demand_mean_the_next_frame():
    base = Faults(dropped=frozenset({1}))
    faults = parse_faults("drop stall late:2", base, now=7)
    assert faults == Faults(dropped=frozenset({1, 7}), stall_at=7, late_s={7: 2.0})


@pytest.mark.parametrize(
    "word",
    [
        *("drop", "drop@", "drop@x", "drop@9-5", "drop@0-9999999", "drop@-5", "drop@1,,2"),
        *("@5", "late@1:-1", "clock", "clock:x", "clock:nan", "clock@5", "rate:1e9"),
    ],
)
def test_words_that_are_refused(word: str):
    with pytest.raises(ValueError, match=r"\S"):
        parse_faults(word)


@given(st.text(max_size=40))
def test_no_script_breaks_the_parser(text: str):
    with suppress(ValueError):
        assert isinstance(parse_faults(text), Faults)

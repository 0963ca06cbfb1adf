"""The fuzzer itself: it runs over every decoder, and it can find something."""

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "fuzz"
FIND = """
import sys, time
sys.path.insert(0, {folder!r})
import decoders
from targets import Target

def hang(data):
    end_s = time.process_time() + 0.1
    while time.process_time() < end_s:
        pass

decoders.LONGEST_S = 0.05
decoders.fuzz(Target("broken", {decoder}, (bytes(20),)), {frames}, seed=1)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def test_every_decoder_stands_a_short_run():
    done = run(str(FUZZ / "decoders.py"), "--frames", "400", "--cases", "10")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("400 frames") == len(done.stdout.splitlines()) >= 17


@pytest.mark.parametrize(
    ("decoder", "frames", "says"),
    [
        ("lambda data: data[15]", 3000, "IndexError"),
        ("lambda data: bytes(10**6)", 1, "bytes held for"),
        ("hang", 1, "an input took 0.1 s"),
    ],
    ids=["exception", "memory", "hang"],
)
def test_the_fuzzer_finds(decoder: str, frames: int, says: str):
    done = run("-c", FIND.format(folder=str(FUZZ), decoder=decoder, frames=frames))
    assert done.returncode == 1
    assert says in done.stderr

"""Coverage-guided fuzzing of every decoder with atheris (``pip install atheris``).

python fuzz/atheris_decoders.py -max_total_time=600 -max_len=1200 [libFuzzer options]

The first byte of an input chooses the decoder. Stops at the first exception that is no FrameError.
"""

import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["leadlab_bridge"]):
    from targets import TARGETS

    from leadlab_bridge import FrameError


def test_one_input(data: bytes) -> None:
    """Run one input through the decoder that it chooses."""
    if data:
        with suppress(FrameError):
            TARGETS[data[0] % len(TARGETS)].run(data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()

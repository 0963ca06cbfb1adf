"""Mutated frames through every decoder: nothing but FrameError, little memory, no hang.

python fuzz/decoders.py [--frames 1000000] [--cases 10000] [--seed 0] [NAME ...]

Inputs start from vendors' vectors and from what the encoders write. Every thousandth is run again
with memory traced. Times are those of this process, whatever else the machine does.
"""

import argparse
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from targets import TARGETS, Target

from leadlab_bridge import FrameError

TRACED_EVERY = 1000
# Memory that an input may take: its own size so many times, and the message of a refusal.
TIMES, MESSAGE_BYTES = 32, 16_384
SLOW_S, LONGEST_S = 0.005, 1.0
_INTERESTING = (0, 1, 0x7F, 0x80, 0xA5, 0xFE, 0xFF)


class Mutator:
    """Well-formed messages, damaged: one to four changes each, the same for the same seed."""

    def __init__(self, seeds: Sequence[bytes], seed: int) -> None:
        self._seeds = seeds
        self._rng = random.Random(seed)

    def __iter__(self) -> Iterator[bytes]:
        """Yield inputs without end."""
        rng = self._rng
        while True:
            data = bytearray(rng.choice(self._seeds))
            for _ in range(rng.randrange(1, 5)):
                self._change(data)
            yield bytes(data)

    def _change(self, data: bytearray) -> None:
        rng = self._rng
        kind = rng.randrange(9)
        at = rng.randrange(len(data) + 1)
        if kind < 3 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 3 and at < len(data):
            data[at] = rng.choice(_INTERESTING)
        elif kind == 4:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 5:
            del data[at : at + rng.randrange(1, 9)]
        elif kind == 6:
            del data[at:]
        elif kind == 7:
            data[at:at] = data[: rng.randrange(64)]
        else:
            data[at:] = rng.choice(self._seeds)[at:]


def refused(run: Callable[[bytes], object], data: bytes) -> bool:
    """Run a decoder and tell whether it refused; any other exception ends the program."""
    try:
        run(data)
    except FrameError:
        return True
    except BaseException:
        print(f"input {data.hex()}", file=sys.stderr)
        raise
    return False


def traced_peak(run: Callable[[bytes], object], data: bytes) -> int:
    """Return the most bytes that a run held beside its input."""
    tracemalloc.start()
    refused(run, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def fuzz(target: Target, frames: int, seed: int) -> str:
    """Run mutated frames through one target and return a line of numbers."""
    refusals, longest_s, most_bytes = 0, 0.0, 0
    start_s = time.perf_counter()
    for number, data in zip(range(frames), Mutator(target.seeds, seed), strict=False):
        before_s = time.process_time()
        refusals += refused(target.run, data)
        if time.process_time() - before_s > SLOW_S:  # its own doing, or the machine's?
            before_s = time.process_time()
            refused(target.run, data)
            longest_s = max(longest_s, time.process_time() - before_s)
        if number % TRACED_EVERY == 0:
            peak = traced_peak(target.run, data)
            most_bytes = max(most_bytes, peak)
            if peak > TIMES * len(data) + MESSAGE_BYTES:
                raise AssertionError(f"{target.name}: {peak} bytes held for {data.hex()}")
    if longest_s > LONGEST_S:
        raise AssertionError(f"{target.name}: an input took {longest_s:.1f} s, above {LONGEST_S} s")
    total_s = time.perf_counter() - start_s
    longest_ms, most_kib = max(longest_s, SLOW_S) * 1e3, most_bytes / 1024
    return (
        f"{target.name:<20} {frames:>9} frames  {refusals / frames:>6.1%} refused  "
        f"at most {longest_ms:>5.1f} ms, {most_kib:>4.1f} KiB  {total_s:>5.0f} s"
    )


def hypothesis_cases(target: Target, cases: int) -> None:
    """Run unstructured bytes that hypothesis chooses."""

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(max_size=1200))
    def run(data: bytes) -> None:
        refused(target.run, data)

    run()


def main() -> None:
    """Fuzz every target, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="targets; all by default")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for target in TARGETS:
        if not options.names or target.name in options.names:
            line = fuzz(target, options.frames, options.seed)
            hypothesis_cases(target, options.cases)
            print(f"{line}  + {options.cases} hypothesis cases", flush=True)


if __name__ == "__main__":
    main()

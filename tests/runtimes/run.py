"""The same pack on four runtimes: its golden vectors, and what each costs.

ai_edge_litert and onnxruntime are those of this environment. The two that time has passed by get
environments of their own under build/runtimes, made once: tflite_runtime (last release 2023: Python
up to 3.11, NumPy 1) and TensorFlow (600 MB to download).

python tests/runtimes/run.py                 the demo pack
python tests/runtimes/run.py my.leadpack     another
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from leadlab_edge.bench import Row, machine, measure, ways
from leadlab_edge.cli.bench import print_rows
from leadlab_edge.pack import TEACHER_MAX_BYTES, read_pack
from leadlab_edge.pack.pins import Pin
from leadlab_edge.pack.reader import DEMO_PACK

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "runtimes"
SOURCES = os.pathsep.join(str(ROOT / package) for package in ("edge", "firmware_bridge"))


@dataclass(frozen=True, slots=True)
class Environment:
    """A runtime that cannot share an environment with leadlab's own tools."""

    runtime: str
    requirements: tuple[str, ...]
    newest_python: tuple[int, int]


ENVIRONMENTS = (
    Environment("tflite_runtime", ("tflite-runtime==2.14.0", "numpy<2"), (3, 11)),
    Environment("tensorflow", ("tensorflow-cpu==2.21.0",), (3, 13)),
)


def main() -> int:
    """Run a pack everywhere; exit status 1 unless every runtime gives the golden logits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path, nargs="?", default=DEMO_PACK)
    parser.add_argument("--repeats", type=int, default=300, help="windows to time (default: 300)")
    options = parser.parse_args()
    rows = list(run(options.pack, options.repeats))
    described = machine()
    print(f"{options.pack.name} on {described['processor']}, load {described['load_before']:.1f}")
    print_rows(Console(highlight=False, soft_wrap=True), rows)
    sound = {row.way.runtime for row in rows if row.cost is not None and row.cost.passed}
    wanted = {"ai_edge_litert", "onnxruntime"} | {each.runtime for each in ENVIRONMENTS}
    if wanted - sound:
        print(f"not shown to work: {', '.join(sorted(wanted - sound))}")
    return (
        0
        if all(row.cost is not None and row.cost.passed for row in rows) and wanted <= sound
        else 1
    )


def run(path: Path, repeats: int) -> Iterator[Row]:
    """Measure every model file of a pack on every runtime that executes it, on one thread."""
    pack = read_pack(path, TEACHER_MAX_BYTES)
    for way in ways(pack, [1]):
        yield measure(path, way, repeats=repeats)
    for environment in ENVIRONMENTS:
        built = build(environment)
        for model in pack.manifest.models:
            if model.format != "tflite" or model.rate_hz is not None:
                continue
            way = Pin(environment.runtime, model.precision, 1)
            if isinstance(built, str):
                yield Row(way, None, built)
            else:
                variables = {**os.environ, "PYTHONPATH": SOURCES}
                yield measure(path, way, repeats=repeats, python=built, environment=variables)


def build(environment: Environment) -> Path | str:
    """Make an environment unless it is there; return its Python, or why there is none."""
    folder = FOLDER / environment.runtime
    python, stamp = folder / "bin" / "python", folder / "requirements"
    text = "\n".join(environment.requirements)
    if stamp.exists() and stamp.read_text() == text:
        return python
    base = base_python(environment.newest_python)
    if base is None:
        major, minor = environment.newest_python
        return f"needs Python {major}.{minor} or older, which is not on the PATH"
    print(f"installing {' '.join(environment.requirements)} into {folder}", flush=True)
    for command in (
        [base, "-m", "venv", folder],
        [python, "-m", "pip", "install", "--quiet", *environment.requirements],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["no message"]
            return f"cannot be installed: {said[-1]}"
    stamp.write_text(text)
    return python


def base_python(newest: tuple[int, int]) -> str | None:
    """Return a Python of at most this version: this one, or one on the PATH."""
    if sys.version_info[:2] <= newest:
        return sys.executable
    candidates = (shutil.which(f"python{newest[0]}.{minor}") for minor in range(newest[1], 10, -1))
    return next(filter(None, candidates), None)


if __name__ == "__main__":
    sys.exit(main())

"""The system's C compiler, for what is written in C. LEADLAB_REQUIRE=cc refuses to go without."""

import os
import shutil
import subprocess
from pathlib import Path

from conftest import ROOT, need

INCLUDE = ROOT / "firmware_bridge" / "include"
PROGRAMS = ROOT / "tests" / "bridge" / "c"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compile_c(out: Path, *arguments: str | Path) -> Path:
    """Compile with every warning an error; return the file made."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    need("cc", compiler is not None, "install a C compiler (gcc or clang)")
    command = [str(compiler), *STRICT, f"-I{INCLUDE}", *map(str, arguments), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def sanitizers(folder: Path) -> tuple[str, ...]:
    """Return the options that switch the sanitizers on, none where the compiler lacks them."""
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    try:
        compile_c(folder / "probe", *SANITIZED, probe)
    except AssertionError:
        return ()
    return SANITIZED

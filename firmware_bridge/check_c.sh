#!/usr/bin/env bash
# The slow proofs of the C side. `make firmware` runs it; FUZZ_S=600 fuzzes for ten minutes.
#   every header and program without a warning: gcc, clang, Cortex-M4
#   ring, sender and Zephyr example under address and undefined-behaviour sanitizers
#   both decoders, the deframer and the encoders under libFuzzer with both sanitizers
#   what a frame costs
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-.venv/bin/python}
FUZZ_S=${FUZZ_S:-30}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

STRICT="-std=c99 -Wall -Wextra -Wpedantic -Wconversion -Werror"
INCLUDE="-Ifirmware_bridge/include"
FAKE="-Itests/bridge/c/zephyr -Iexamples/zephyr_oecg/src"
SANITIZED="-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
C=tests/bridge/c

$PYTHON -c 'from leadlab_edge.cli.firmware import firmware; firmware(["model", "--out", "'"$WORK"'"])'
for header in firmware_bridge/include/*.h; do
    printf '#include "%s"\n' "${header##*/}"
done > "$WORK/headers.c"

for compiler in gcc clang "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb"; do
    if ! command -v "${compiler%% *}" > /dev/null; then
        echo "not run, not installed: $compiler"
        continue
    fi
    for level in -O0 -O2 -Os; do
        $compiler $STRICT $level $INCLUDE -c "$WORK/headers.c" -o "$WORK/headers.o"
        $compiler $STRICT $level $INCLUDE -c $C/oecg_fuzz.c -o "$WORK/every_function.o"
        $compiler $STRICT $level -c "$WORK/demo_model.c" -o "$WORK/demo_model.o"
        $compiler $STRICT $level $INCLUDE $FAKE -c examples/zephyr_oecg/src/oecg_service.c \
            -o "$WORK/service.o"
    done
    echo "without a warning: $compiler"
done

if command -v g++ > /dev/null; then
    g++ -x c++ ${STRICT/c99/c++11} $INCLUDE -c "$WORK/headers.c" -o "$WORK/headers.o"
    echo "without a warning: g++ -std=c++11 (headers)"
fi

for compiler in gcc clang; do
    command -v $compiler > /dev/null || continue
    $compiler $STRICT $SANITIZED $INCLUDE $C/oecg_selftest.c -o "$WORK/selftest"
    "$WORK/selftest"
    $compiler $STRICT -O2 $INCLUDE $C/oecg_bench.c -o "$WORK/bench"
    echo "$compiler -O2, $("$WORK/bench")"
done

if command -v clang > /dev/null; then
    mkdir "$WORK/corpus"
    $PYTHON - "$WORK/corpus" << 'END'
import json
import sys
from pathlib import Path

golden = json.loads(Path("firmware_bridge/include/oecg_golden.json").read_text())
for number, vector in enumerate([*golden["messages"], *golden["refused"]]):
    for first, form in ((0, "hex"), (1, "serial"), (2, "hex")):
        data = bytes([first]) + bytes.fromhex(vector.get(form, ""))
        Path(sys.argv[1], f"{number}_{first}").write_bytes(data)
END
    clang $STRICT $SANITIZED -fsanitize=fuzzer $INCLUDE $C/oecg_fuzz.c -o "$WORK/fuzz"
    nice -n 10 "$WORK/fuzz" -max_total_time="$FUZZ_S" -max_len=1200 -verbosity=0 \
        -print_final_stats=1 -artifact_prefix="$PWD/" "$WORK/corpus" 2>&1 |
        grep -E "ERROR|SUMMARY|executed_units|crash" | tee "$WORK/fuzz.log"
    ! grep -q -E "ERROR|crash" "$WORK/fuzz.log"
else
    echo "not run, not installed: clang with libFuzzer"
fi

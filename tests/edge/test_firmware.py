"""``leadlab firmware``: headers that compile, and a model in C that tests itself."""

import ctypes
import dataclasses
import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiny_pack
from ai_edge_litert import schema_py_generated as schema
from c_compiler import INCLUDE, compile_c
from click.testing import CliRunner

from leadlab_bridge import FrameError
from leadlab_bridge.firmware_model import FirmwareModel, c_prefix, model_to_c
from leadlab_bridge.firmware_tflite import _OPERATORS, summarize_tflite
from leadlab_edge.cli.firmware import ARENA_KEY, _firmware_model, firmware
from leadlab_edge.errors import PackError
from leadlab_edge.pack import Pack, demo_pack

NASTY = 'x "quoted" \\ ??/ */ µ\n#error'


@cache
def demo() -> FirmwareModel:
    return _firmware_model(demo_pack(), None, 2)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("model")
    for file, text in model_to_c(demo()).items():
        (folder / file).write_text(text, encoding="utf-8")
    made = compile_c(folder / "model.so", "-shared", "-fPIC", folder / "demo_model.c")
    return ctypes.CDLL(str(made))


INVOKE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_float)
)


def self_test(
    library: ctypes.CDLL, run: Callable[[np.ndarray], np.ndarray | None]
) -> tuple[int, float]:
    """Run the self-test in C on ``run``; None stands for an interpreter's failure."""
    model = demo()

    def invoke(_: object, raw_mv: object, logits: object) -> int:
        window = np.ctypeslib.as_array(raw_mv, (model.n_samples,))
        result = run(window)
        if result is None:
            return -1
        np.ctypeslib.as_array(logits, (len(model.outputs),))[:] = result
        return 0

    worst = ctypes.c_float(-1)
    status = library.demo_self_test(INVOKE(invoke), None, ctypes.byref(worst))
    return status, worst.value


def test_the_model_in_c_is_the_packs_byte_for_byte_and_aligned(library: ctypes.CDLL):
    data = (ctypes.c_ubyte * len(demo().tflite)).in_dll(library, "demo_model")
    assert bytes(data) == demo_pack().members["model.int8.tflite"]
    assert ctypes.addressof(data) % 16 == 0


def test_the_self_test_passes_on_a_real_runtime(library: ctypes.CDLL):
    model = demo_pack().load("ai_edge_litert", "int8")
    status, worst = self_test(library, model.logits)
    assert (status, worst <= 0.05) == (0, True)


@pytest.mark.parametrize(("off", "status"), [(0.09, 0), (-0.09, 0), (0.11, 1), (-5.0, 1)])
def test_the_self_test_measures_the_worst_logit(library: ctypes.CDLL, off: float, status: int):
    windows = iter(demo().golden_logits)

    def run(_: np.ndarray) -> np.ndarray:
        logits = next(windows).copy()
        logits[3] += off
        return logits

    assert self_test(library, run) == (status, pytest.approx(abs(off), abs=1e-5))


def test_the_self_test_fails_on_nan_and_on_a_failing_interpreter(library: ctypes.CDLL):
    logits = demo().golden_logits[0].copy()
    logits[0] = np.nan
    status, worst = self_test(library, lambda _: logits)
    assert (status, worst) == (1, pytest.approx(np.finfo(np.float32).max))
    assert self_test(library, lambda _: None)[0] == 2


def test_golden_vectors_and_thresholds_arrive_exactly(library: ctypes.CDLL):
    class Output(ctypes.Structure):
        _fields_ = [
            ("name", ctypes.c_char_p),
            ("label", ctypes.c_char_p),
            ("threshold", ctypes.c_float),
            ("shown", ctypes.c_int),
        ]

    model = demo()
    raw = (ctypes.c_float * model.golden_mv.size).in_dll(library, "demo_golden_mv")
    np.testing.assert_array_equal(np.array(raw, np.float32), model.golden_mv.ravel())
    outputs = (Output * len(model.outputs)).in_dll(library, "demo_outputs")
    for row, output in zip(outputs, model.outputs, strict=True):
        assert (row.name.decode(), row.label.decode()) == (output.name, output.label)
        assert row.shown == output.shown
        assert output.threshold is not None
        assert 1 / (1 + math.exp(-row.threshold)) == pytest.approx(output.threshold, rel=1e-5)


def test_the_header_says_what_the_firmware_must_know():
    header = model_to_c(demo())["demo_model.h"]
    for line in (
        "#define DEMO_SIMULATED 1 ",
        "#define DEMO_RATE_HZ 125.0f",
        '#define DEMO_LEAD "II"',
        "#define DEMO_SAMPLES 1464u",
        "#define DEMO_OUTPUTS 108u",
        "#define DEMO_TOLERANCE 0.1f",
        "#define DEMO_ARENA_BYTES 0u /* 0: not measured",
        "What it learnt is simulated.",
        "enters int8 in 1 x 1 x 1250 x 1: scale 0.025746",
        " *   DEPTHWISE_CONV_2D\n",
        demo_pack().id,
    ):
        assert line in header


@pytest.mark.parametrize(
    ("threshold", "logit"),
    [(None, "FLT_MAX"), (1.0, "FLT_MAX"), (0.0, "-FLT_MAX"), (0.5, "0.0f"), (0.75, "2.1972246f")],
)
def test_thresholds_are_compared_with_logits(threshold: float | None, logit: str):
    output = dataclasses.replace(demo().outputs[0], name="only_this", threshold=threshold)
    model = dataclasses.replace(demo(), temperature=2.0, outputs=(output, *demo().outputs[1:]))
    (line,) = re.findall(r".*only_this.*", model_to_c(model)["demo_model.c"])
    assert f", {logit}, " in line


def test_whatever_a_pack_calls_things_the_c_compiles(tmp_path: Path):
    first = dataclasses.replace(demo().outputs[0], name=NASTY, label=NASTY)
    texts = dict.fromkeys(("name", "pack_id", "lead", "licence", "intended_use"), NASTY)
    model = dataclasses.replace(demo(), **texts, outputs=(first, *demo().outputs[1:]))
    for file, text in model_to_c(model).items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    source = tmp_path / f"{c_prefix(NASTY)}_model.c"
    library = ctypes.CDLL(
        str(compile_c(tmp_path / "m.so", "-shared", "-fPIC", "-Wtrigraphs", source))
    )
    table = f"{c_prefix(NASTY)}_outputs"
    assert ctypes.c_char_p.in_dll(library, table).value == NASTY.encode()


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("demo", "demo"), ("My model 2", "my_model_2"), ("2 leads", "model_2_leads"), ("µ", "model")],
)
def test_names_become_c_identifiers(name: str, prefix: str):
    assert c_prefix(name) == prefix


def test_the_operators_have_the_schemas_names():
    for code, name in _OPERATORS.items():
        assert getattr(schema.BuiltinOperator, name) == code


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 1000, 50_000])
def test_a_damaged_model_is_a_frame_error(keep: int):
    with pytest.raises(FrameError):
        summarize_tflite(demo().tflite[:keep])


def test_mutated_models_raise_nothing_but_frame_errors():
    rng = np.random.default_rng(0)
    model = np.frombuffer(demo().tflite, np.uint8)
    tables = np.r_[:64, len(model) - 20_000 : len(model)]  # where most tables lie
    for _ in range(100):
        mutated = model.copy()
        mutated[rng.choice(tables, 20)] = rng.integers(0, 256, 20)
        mutated[4:8] = model[4:8]
        try:
            summarize_tflite(mutated.tobytes())
        except FrameError:
            continue


@pytest.mark.parametrize(
    "changes",
    [
        {"n_samples": 1465},
        {"outputs": ()},
        {"golden_mv": np.zeros((0, 1464), np.float32), "golden_logits": np.zeros((0, 108))},
        {"golden_logits": np.zeros((2, 107), np.float32)},
        {"golden_logits": np.full((2, 108), np.nan, np.float32)},
        {"tflite": tiny_pack.onnx_bytes()},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_model_that_is_not_as_described_is_refused(changes: dict[str, object]):
    with pytest.raises(FrameError):
        model_to_c(dataclasses.replace(demo(), **changes))


def with_quantization(**noted: str) -> Pack:
    pack = demo_pack()
    return Pack(dataclasses.replace(pack.manifest, quantization=noted), pack.id, pack.members)


def test_the_arena_is_as_noted_in_the_pack():
    model = _firmware_model(with_quantization(**{ARENA_KEY: "41952"}), "A", 1)
    assert "#define A_ARENA_BYTES 41952u /* as measured at export" in model_to_c(model)["a_model.h"]
    with pytest.raises(PackError, match="'much'; it must be a whole number"):
        _firmware_model(with_quantization(**{ARENA_KEY: "much"}), None, 1)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(firmware, list(arguments), catch_exceptions=True)
    return result.exit_code, result.output + repr(result.exception)


def test_the_verb_writes_the_headers(tmp_path: Path):
    status, text = run("header", "--out", str(tmp_path / "new"))
    assert status == 0, text
    written = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert written == {path.name: path.read_text() for path in INCLUDE.iterdir()}
    assert "oecg.h" in written


def test_the_verb_writes_a_model(tmp_path: Path):
    status, text = run("model", "--out", str(tmp_path), "--name", "Heart", "--golden", "3")
    assert status == 0, text
    assert {path.name for path in tmp_path.iterdir()} == {"heart_model.h", "heart_model.c"}
    assert "HEART_GOLDEN_WINDOWS 3u" in (tmp_path / "heart_model.h").read_text()
    compile_c(tmp_path / "model.o", "-c", tmp_path / "heart_model.c")


def test_a_pack_without_an_int8_tflite_is_refused(tmp_path: Path):
    tiny_pack.tiny_pack(tmp_path)
    status, text = run("model", str(tmp_path / "tiny.leadpack"), "--out", str(tmp_path))
    assert status != 0
    assert "model.fp32.tflite, model.int8.onnx; a microcontroller needs model.int8.tflite" in text


def test_an_unwritable_folder_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    status, text = run("model", "--out", str(tmp_path / "file" / "below"))
    assert status != 0
    assert "choose another --out" in text

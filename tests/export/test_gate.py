"""The gate's limits: those of the issue, others by TOML, and sentences that need no labels."""

from pathlib import Path

import numpy as np
import pytest

from leadlab_edge.errors import ConfigError
from leadlab_edge.pack import Parity
from leadlab_export.check.drift import drift_between
from leadlab_export.check.files import file_failures
from leadlab_export.check.gate import CHECK_LIMITS, Limits, read_limits
from leadlab_export.check.int8 import Int8Row
from leadlab_export.check.report import ParityRow
from leadlab_export.check.text import limits_text
from leadlab_export.demo.recipe import load_recipe


def test_the_defaults_of_the_check() -> None:
    assert read_limits(None) == CHECK_LIMITS
    assert (CHECK_LIMITS.int8_mean_drop, CHECK_LIMITS.distillation_drop) == (0.005, 0.01)
    assert (CHECK_LIMITS.int8_worst_drop, CHECK_LIMITS.distillation_worst_drop) == (0.02, 0.02)
    assert (CHECK_LIMITS.fewest_positives, CHECK_LIMITS.full_floor) == (50, 0.5)
    assert (CHECK_LIMITS.fp32_parity, CHECK_LIMITS.ece_shift) == (1e-3, 0.01)


def test_the_demo_keeps_its_own() -> None:
    limits = load_recipe("demo").export.limits
    assert (limits.int8_mean_drop, limits.int8_worst_drop) == (0.002, 0.01)
    assert (limits.int8_mean_change, limits.int8_bytes) == (0.003, 200_000)
    assert (limits.fewest_positives, limits.efficiency) == (20, 0.65)
    assert (limits.ece_shift, limits.distillation_worst_drop) == (None, None)


def test_a_file_replaces_some(tmp_path: Path) -> None:
    file = tmp_path / "limits.toml"
    file.write_text("fp32_parity = 0.01\nefficiency = 0.7\n")
    limits = read_limits(file)
    assert (limits.fp32_parity, limits.efficiency) == (0.01, 0.7)
    assert limits.int8_mean_drop == CHECK_LIMITS.int8_mean_drop


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("fp32_partiy = 0.01", "did you mean fp32_parity"),
        ("full_floor = 2", "at most 1"),
        ("full_floor = 'low'", "a number"),
        ("full_floor", "not readable TOML"),
    ],
)
def test_other_limits_are_refused(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "limits.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=named):
        read_limits(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        read_limits(tmp_path / "absent.toml")


def test_limits_are_shown_as_they_are_read(tmp_path: Path) -> None:
    file = tmp_path / "limits.toml"
    file.write_text(limits_text(CHECK_LIMITS))
    assert read_limits(file) == CHECK_LIMITS
    assert "efficiency" not in limits_text(CHECK_LIMITS)


def sentences(*, judged: float = 0.0, apart: float = 0.0, row: Int8Row | None = None) -> list[str]:
    logits = np.zeros((3, 2))
    drift = drift_between({"fp32 a": logits, "fp32 b": logits + apart, "int8 a": logits + 9}, "ECG")
    parity = ParityRow("model.fp32.onnx", "a", Parity(judged, judged, judged, 1e-3))
    rows = [row] if row else []
    return list(file_failures([parity], rows, [drift], ["fp32 a", "fp32 b"], Limits()))


def test_what_is_sound_says_nothing() -> None:
    assert sentences() == []
    assert sentences(row=Int8Row("model.int8.onnx", 64, 0.01, 1e-5)) == []
    assert sentences(row=Int8Row("model.int8.tflite", None, None, None)) == []


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (sentences(judged=0.02), "differs from the golden logits by 0.02; the limit is 0.001"),
        (sentences(judged=float("nan")), "differs from the golden logits by nan"),
        (sentences(apart=0.002), "float32 logits differ by 0.002 on ECG; the limit is 0.001"),
        (sentences(row=Int8Row("m", 65, 0.0, 0.0)), "int8 weights reach 65; the limit is 64"),
        (sentences(row=Int8Row("m", 64, 0.2, 0.0)), "differ from float arithmetic by 20.0%"),
        (sentences(row=Int8Row("m", 64, 0.0, 0.001)), "0.10% of its activations lie at an end"),
    ],
)
def test_each_fault_has_one_sentence(found: list[str], named: str) -> None:
    assert len(found) == 1
    assert named in found[0]

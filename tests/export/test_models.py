"""Model files: they compute what the student computes, with the same bytes every time."""

import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest

from leadlab_edge.pack.manifest import ModelFile
from leadlab_edge.resample import resample_window
from leadlab_edge.runtimes import Format, open_session
from leadlab_export import to_tflite as to_tflite_module
from leadlab_export.errors import ExportError, ExportUnavailable
from leadlab_export.models import ModelSet, write_models
from leadlab_export.quantize_onnx import quantize_onnx
from leadlab_export.quiet import quiet
from leadlab_export.student import Student, folded
from leadlab_export.to_onnx import front_nodes, tidy, to_onnx
from leadlab_export.to_tflite import read_flatbuffer, to_tflite
from leadlab_export.verify import (
    FROM_FRONT_LIMIT,
    FROM_RAW_LIMIT,
    check_reduced_range,
    measure_drift,
    verify_fp32,
)

tflite_only = pytest.mark.skipif(
    find_spec("litert_torch") is None, reason="litert-torch has no wheel for this platform"
)
FORMATS = ["onnx", pytest.param("tflite", marks=tflite_only)]
ONNX_FP32, ONNX_INT8 = ModelFile.of("onnx", "fp32"), ModelFile.of("onnx", "int8")
TFLITE_FP32, TFLITE_INT8 = ModelFile.of("tflite", "fp32"), ModelFile.of("tflite", "int8")


@pytest.mark.parametrize("format", FORMATS)
def test_fp32_files_agree_with_torch(models: ModelSet, format: Format) -> None:
    parity = models.parity[format]
    assert parity.from_front <= FROM_FRONT_LIMIT
    assert parity.from_raw <= FROM_RAW_LIMIT


@pytest.mark.parametrize("format", FORMATS)
def test_fp32_files_agree_with_torch_on_real_ecg(
    student: Student, models: ModelSet, ecg_dir: Path, format: Format
) -> None:
    wfdb = pytest.importorskip("wfdb")
    record = wfdb.rdrecord(str(ecg_dir / "mitdb" / "100"), sampto=5000)
    raw_mv = resample_window(record.p_signal[:, 0], record.fs, 125.0, 1464)
    electrode_offset = np.stack([raw_mv, raw_mv + 300]).astype(np.float32)
    file = ModelFile.of(format, "fp32")
    assert verify_fp32(student, models.files[file], format, electrode_offset).from_raw < 1e-3


@pytest.mark.parametrize("format", FORMATS)
def test_int8_files_keep_the_ranks(models: ModelSet, format: Format) -> None:
    drift = models.drift[ModelFile.of(format, "int8")]
    assert drift.rank_median > 0.98
    assert drift.max_abs > 0  # it was quantized at all


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_file_takes_and_gives_floats(
    models: ModelSet, format: Format, precision: str, windows_mv: np.ndarray
) -> None:
    file = ModelFile.of(format, precision)  # type: ignore[arg-type]
    session = open_session(models.files[file], format)
    assert session.input_shape == (1, 1464)
    assert session.output_shape == (1, 3)
    for extreme in (windows_mv[:1], np.zeros((1, 1464), np.float32), windows_mv[:1] * 1e4 + 300):
        logits = session.run(extreme.astype(np.float32))
        assert logits.dtype == np.float32
        assert np.isfinite(logits).all()


def test_onnx_is_the_same_twice_and_carries_no_traces(student: Student, models: ModelSet) -> None:
    again = to_onnx(student)
    assert again == models.files[ONNX_FP32]
    assert b"/" + b"leadlab_export" not in again
    assert b".py" not in again
    assert len(again) < 4 * sum(p.numel() for p in student.parameters()) + 25_000
    assert onnx.load_from_string(again).ir_version <= 10


def test_onnx_int8_is_float_at_both_ends(models: ModelSet) -> None:
    model = onnx.load_from_string(models.files[ONNX_INT8])
    assert model.graph.node[-1].op_type == "Gemm"
    front = set(front_nodes(model))
    inside = [node.op_type for node in model.graph.node if node.name in front]
    assert inside[0] != "QuantizeLinear"
    assert {"Conv", "Div"} <= set(inside)
    fed = {name for node in model.graph.node if node.name in front for name in node.input}
    made = {
        n for node in model.graph.node if "DequantizeLinear" in node.op_type for n in node.output
    }
    assert not fed & made


@tflite_only
def test_tflite_has_no_padding_and_is_float_at_both_ends(models: ModelSet) -> None:
    from ai_edge_litert.schema_py_generated import BuiltinOperator, TensorType

    for file in (TFLITE_FP32, TFLITE_INT8):
        model = read_flatbuffer(models.files[file])
        (graph,) = model.subgraphs
        codes = [model.operatorCodes[op.opcodeIndex].builtinCode for op in graph.operators]
        assert not {BuiltinOperator.PAD, BuiltinOperator.TRANSPOSE} & set(codes)
    names = [graph.tensors[int(op.outputs[0])].name for op in graph.operators]
    cut = codes.index(BuiltinOperator.QUANTIZE)
    assert all(name.startswith(b"front/") for name in names[:cut])
    assert not any(name.startswith(b"front/") for name in names[cut + 1 :])
    kinds = [graph.tensors[int(op.outputs[0])].type for op in graph.operators]
    assert set(kinds[:cut]) == {TensorType.FLOAT32}
    assert set(kinds[cut:-2]) == {TensorType.INT8}
    assert codes[-2:] == [BuiltinOperator.DEQUANTIZE, BuiltinOperator.FULLY_CONNECTED]
    assert codes.count(BuiltinOperator.QUANTIZE) == codes.count(BuiltinOperator.DEQUANTIZE) == 1
    assert {graph.tensors[graph.inputs[0]].name, graph.tensors[graph.outputs[0]].name} >= {
        b"raw_mv"
    }


def test_quantizing_again_gives_the_same_bytes(models: ModelSet, windows_mv: np.ndarray) -> None:
    assert quantize_onnx(models.files[ONNX_FP32], windows_mv) == models.files[ONNX_INT8]


def test_full_range_weights_are_refused(models: ModelSet) -> None:
    check_reduced_range(models.files[ONNX_INT8])
    model = onnx.load_from_string(models.files[ONNX_INT8])
    weight = next(t for t in model.graph.initializer if t.name.endswith("weight_quantized"))
    doubled = np.clip(onnx.numpy_helper.to_array(weight).astype(np.int16) * 2, -127, 127)
    weight.CopyFrom(onnx.numpy_helper.from_array(doubled.astype(np.int8), weight.name))
    with pytest.raises(ExportError, match=r"the limit is 64.*reduced range"):
        check_reduced_range(tidy(model))


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_of_another_student_is_refused(
    student: Student, models: ModelSet, windows_mv: np.ndarray, format: Format
) -> None:
    other = folded(student)
    other.head.weight.data *= 1.05
    with pytest.raises(ExportError, match=r"the limit is 0\.0001"):
        verify_fp32(other, models.files[ModelFile.of(format, "fp32")], format, windows_mv[:4])
    wrong_front = folded(student)
    wrong_front.front.taps *= 0.0
    with pytest.raises(ExportError, match="raw millivolts"):
        verify_fp32(wrong_front, models.files[ModelFile.of(format, "fp32")], format, windows_mv[:4])


def test_without_the_converter_there_is_onnx_and_a_reason(
    student: Student, windows_mv: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_tflite_module, "find_spec", lambda _name: None)
    with pytest.raises(ExportUnavailable, match="litert_torch"):
        to_tflite(student)
    reduced = write_models(student, windows_mv[:4])
    assert {file.format for file in reduced.files} == {"onnx"}
    assert "wheels" in reduced.missing["tflite"]


def test_drift_tells_order_from_size() -> None:
    reference = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    scaled = measure_drift(reference, 2 * reference)
    assert scaled.rank_min == pytest.approx(1)
    assert scaled.max_abs == pytest.approx(float(abs(reference).max()))
    shuffled = reference.copy()
    shuffled[:, 1] *= -1
    drift = measure_drift(reference, shuffled)
    assert drift.rank_min == pytest.approx(-1)
    assert drift.rank_median == pytest.approx(1)


def test_quiet_is_contained(capfd: pytest.CaptureFixture[str]) -> None:
    def noisy_tool() -> None:
        with quiet():
            print("chatter")
            warnings.warn("noise", stacklevel=1)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken") as caught:
        noisy_tool()
    assert caught.value.__notes__ == ["chatter\n"]
    assert capfd.readouterr() == ("", "")
    print("heard")
    assert capfd.readouterr().out == "heard\n"
    with pytest.warns(UserWarning, match="noise"):
        warnings.warn("noise", stacklevel=1)

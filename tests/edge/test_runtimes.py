import os

import numpy as np
import pytest
import tiny_pack

import leadlab_edge.runtimes as runtimes
from leadlab_edge.errors import PackError, RuntimeMissing
from leadlab_edge.runtimes import available, find, litert, missing, open_session

X = tiny_pack.WINDOWS[:1]
Y = X @ tiny_pack.WEIGHTS.T


@pytest.fixture
def installed(monkeypatch):
    """Pretend that only the named runtimes are installed."""

    def pretend(*names):
        monkeypatch.setattr(runtimes, "find_spec", lambda name: name if name in names else None)

    return pretend


@pytest.mark.parametrize(
    ("format", "runtime", "model"),
    [
        ("tflite", "ai_edge_litert", tiny_pack.tflite_bytes),
        ("onnx", "onnxruntime", tiny_pack.onnx_bytes),
    ],
)
def test_a_session_computes_the_model(format, runtime, model):
    session = open_session(model(), format, runtime, threads=2)
    first = session.run(X)
    np.testing.assert_allclose(first, Y, rtol=1e-5)
    session.run(np.zeros_like(X))
    np.testing.assert_allclose(first, Y, rtol=1e-5)  # results are the caller's own
    assert session.input_shape[1] == tiny_pack.N_SAMPLES
    assert session.output_shape[1] == len(tiny_pack.INDICATORS)


@pytest.mark.parametrize("format", ["tflite", "onnx"])
def test_a_model_the_runtime_refuses(format):
    with pytest.raises(PackError, match=f"refuses this {format} model"):
        open_session(b"no model at all", format)


def test_preference(installed):
    installed("tensorflow", "tflite_runtime", "onnxruntime", "ai_edge_litert")
    assert available() == ("ai_edge_litert", "onnxruntime", "tflite_runtime", "tensorflow")
    assert find(["onnx", "tflite"]).name == "ai_edge_litert"
    assert find(["onnx"]).name == "onnxruntime"
    assert find(["tflite"], "tensorflow").name == "tensorflow"
    installed("tensorflow", "tflite_runtime", "onnxruntime")
    assert find(["onnx", "tflite"]).name == "onnxruntime"
    assert find(["tflite"]).name == "tflite_runtime"


@pytest.mark.parametrize(
    ("present", "formats", "pinned", "message"),
    [
        ((), ["onnx", "tflite"], None, "installed: none. Remedy: `pip install ai-edge-litert` or"),
        (
            ("onnxruntime",),
            ["tflite"],
            None,
            "no runtime for tflite models; installed: onnxruntime",
        ),
        (("tensorflow",), ["tflite"], None, "installed: tensorflow. Remedy: `pip install ai-edge"),
        (("onnxruntime",), ["onnx", "tflite"], "tensorflow", "Remedy: `pip install tensorflow`"),
        (("onnxruntime",), ["tflite"], "onnxruntime", "no runtime 'onnxruntime' for tflite"),
        (("onnxruntime",), ["onnx"], "tvm", "no runtime 'tvm' for onnx models"),
    ],
)
def test_a_missing_runtime_is_named_with_its_remedy(installed, present, formats, pinned, message):
    installed(*present)
    assert find(formats, pinned) is None
    assert message in str(missing(formats, pinned))


def test_a_pack_says_what_it_holds_when_no_runtime_fits(installed, tmp_path):
    pack = tiny_pack.tiny_pack(tmp_path)
    installed()
    with pytest.raises(RuntimeMissing, match=r"pack holds model\.fp32\.tflite, model\.int8\.onnx"):
        pack.load()
    installed("ai_edge_litert")
    assert pack.load().file.precision == "fp32"
    with pytest.raises(RuntimeMissing, match="pip install onnxruntime"):
        pack.load(precision="int8")
    with pytest.raises(RuntimeMissing, match="no runtime for onnx models"):
        open_session(tiny_pack.onnx_bytes(), "onnx")
    with pytest.raises(PackError, match=r"pack has no fp16 model; it holds model\.fp32\.tflite"):
        pack.load(precision="fp16")


def test_native_chatter_is_dropped_and_other_lines_are_not(capfd):
    with litert._without_chatter():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"WARNING: kept\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "WARNING: kept\nafter\n"
    open_session(tiny_pack.tflite_bytes(), "tflite")
    assert capfd.readouterr().err == ""


def test_without_a_stderr_loading_still_works(monkeypatch):
    def closed(_):
        raise OSError("bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with litert._without_chatter():
        pass

"""Golden vectors of a pack, and packs whose files take several input rates."""

import io

import numpy as np
import pytest
import tiny_pack

from leadlab_edge.errors import PackError
from leadlab_edge.pack import InputSpec, ModelFile, read_golden, read_pack, write_golden, write_pack
from leadlab_edge.pack.canonical import decode_zip, encode_zip
from leadlab_edge.pack.reader import MAX_MEMBERS

# --- golden vectors -------------------------------------------------------------------------


def test_golden_vectors_come_back_and_are_deterministic():
    logits = {"b": np.ones((2, 3), np.float64), "a": np.zeros((2, 3), np.float32)}
    data = write_golden(tiny_pack.WINDOWS, logits)
    assert data == write_golden(tiny_pack.WINDOWS.copy(), dict(reversed(logits.items())))
    golden = read_golden(data)
    np.testing.assert_array_equal(golden.raw_mv, tiny_pack.WINDOWS)
    assert list(golden.logits) == ["a", "b"]
    np.testing.assert_array_equal(golden.logits["b"], logits["b"])


def test_golden_files_with_other_content_are_refused():
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([[{}]], dtype=object), allow_pickle=True)
    pickled = encode_zip({"raw_mv.npy": buffer.getvalue()})
    for data in (pickled, encode_zip({"raw_mv.npy": b"x"}), encode_zip({})):
        with pytest.raises(PackError, match=r"golden\.npz"):
            read_golden(data)
    with pytest.raises(PackError, match="one row of logits per window"):
        read_golden(write_golden(tiny_pack.WINDOWS, {"a": np.zeros((1, 3), np.float32)}))


@pytest.mark.parametrize("shape", ["(999999999, 999999999)", "(2, 109)", "(0, 108)", "(1, 1)"])
def test_an_array_that_claims_more_than_it_holds_is_refused(shape):
    """NumPy's reader allocates first: 4 EB for the first of these."""
    members = decode_zip(write_golden(tiny_pack.WINDOWS, {}), MAX_MEMBERS)
    data = members["raw_mv.npy"]
    edited = data.replace(b"(2, 108), }", f"{shape}, }}".encode())
    edited = edited[: len(data)] if len(edited) > len(data) else edited
    header = data[:10] + edited[10:].partition(b"\n")[0].strip().ljust(117) + b"\n"
    members["raw_mv.npy"] = header + data[len(header) :]
    with pytest.raises(PackError, match=r"its shape \(\d+, \d+\) needs"):
        read_golden(encode_zip(members))


@pytest.mark.parametrize(
    ("windows", "logits", "message"),
    [
        (tiny_pack.WINDOWS[:0], np.zeros((0, 3)), r"raw_mv of shape \(0, 108\).* needs \(1, 108\)"),
        (tiny_pack.WINDOWS[:, :9], np.zeros((2, 3)), r"raw_mv of shape \(2, 9\)"),
        (tiny_pack.WINDOWS, np.zeros((2, 1)), r"tflite of shape \(2, 1\).* needs \(2, 3\)"),
        (tiny_pack.WINDOWS, np.full((2, 3), np.nan), "has NaN or infinite"),
    ],
)
def test_golden_vectors_that_do_not_fit_are_not_written(tmp_path, windows, logits, message):
    golden = write_golden(windows, dict.fromkeys(("model.fp32.tflite", "model.int8.onnx"), logits))
    with pytest.raises(PackError, match=message):
        write_pack(
            tmp_path / "x",
            tiny_pack.manifest(),
            tiny_pack.members() | {"golden.npz": golden},
        )


# --- several input rates --------------------------------------------------------------------


def test_a_pack_for_several_rates(tmp_path):
    """The same body under a front end for 20 Hz, for a host that cannot resample."""
    fast = np.repeat(tiny_pack.WINDOWS, 2, axis=1)
    weights = np.repeat(tiny_pack.WEIGHTS, 2, axis=1) / 2
    main, other = ModelFile.of("onnx", "int8"), ModelFile.of("onnx", "int8", 20.0)
    assert other.file == "model.int8.20hz.onnx"
    spec = InputSpec(20.0, 216, 8, unresampled_tolerance=0.02, unresampled_auroc_change=-0.004)
    manifest = tiny_pack.manifest(models=(main, other), other_inputs=(spec,))
    logits = tiny_pack.WINDOWS @ tiny_pack.WEIGHTS.T
    golden = write_golden(tiny_pack.WINDOWS, {main.file: logits, other.file: logits}, {20.0: fast})
    members = {
        main.file: tiny_pack.onnx_bytes(),
        other.file: tiny_pack.onnx_bytes(weights.tobytes(), 216),
        "golden.npz": golden,
        "card.md": b"",
    }
    write_pack(tmp_path / "x.leadpack", manifest, members)
    pack = read_pack(tmp_path / "x.leadpack")
    assert pack.manifest.other_inputs == (spec,)
    assert pack.load().file == pack.load(rate_hz=10.0).file == main
    model = pack.load(rate_hz=20.0)
    assert (model.file, model.rate_hz, model.n_samples, model.margin) == (other, 20.0, 216, 8)
    assert pack.parity(model).max_abs < 1e-4
    with pytest.raises(PackError, match="pack has no 50 Hz model; it holds"):
        pack.load(rate_hz=50.0)


@pytest.mark.parametrize(
    ("models", "others"),
    [
        ((ModelFile.of("onnx", "int8", 20.0),), ()),
        ((ModelFile.of("onnx", "int8"),), (InputSpec(20.0, 216),)),
        ((ModelFile.of("onnx", "int8", 10.0),), (InputSpec(10.0, 108),)),
        ((ModelFile.of("onnx", "int8", 20.0),), (InputSpec(20.0, 216), InputSpec(20.0, 200))),
    ],
)
def test_rates_that_do_not_add_up(models, others):
    with pytest.raises(PackError):
        tiny_pack.manifest(models=models, other_inputs=others)

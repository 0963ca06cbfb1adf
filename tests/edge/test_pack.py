import dataclasses
import io
import json
import os
import zipfile

import numpy as np
import pytest
import tiny_pack
from hypothesis import given
from hypothesis import strategies as st

from leadlab_edge.errors import PackError, RuntimeMissing
from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import (
    Calibration,
    InputSpec,
    Manifest,
    ModelFile,
    PackModel,
    read_pack,
    write_golden,
    write_pack,
)
from leadlab_edge.pack.canonical import decode_zip, encode_zip
from leadlab_edge.pack.reader import MAX_MEMBERS, in_file_order


@pytest.fixture(scope="module")
def pack_bytes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    tiny_pack.tiny_pack(folder)
    return (folder / "tiny.leadpack").read_bytes()


def repacked(pack_bytes, **changes):
    """Return a canonical file whose manifest has other top-level values."""
    members = decode_zip(pack_bytes, MAX_MEMBERS)
    table = json.loads(members["manifest.json"]) | changes
    text = json.dumps(table, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return encode_zip(members | {"manifest.json": text.encode() + b"\n"})


def read_bytes(folder, data, **options):
    file = folder / "x.leadpack"
    file.write_bytes(data)
    return read_pack(file, **options)


# --- what goes in comes out -----------------------------------------------------------------


def test_a_pack_comes_back_as_it_was_written(tmp_path):
    pack = tiny_pack.tiny_pack(tmp_path)
    members = tiny_pack.members()
    assert pack.members == members
    order = ["model.int8.onnx", "model.fp32.tflite", "golden.npz", "card.md"]
    assert list(pack.members) == order
    assert dataclasses.replace(pack.manifest, members={}) == tiny_pack.manifest()


def test_equal_inputs_give_equal_bytes_and_id(tmp_path):
    a, b = tmp_path / "a.leadpack", tmp_path / "deeper" / "b.leadpack"
    shuffled = dict(reversed(tiny_pack.members().items()))
    first = write_pack(a, tiny_pack.manifest(), tiny_pack.members())
    second = write_pack(b, tiny_pack.manifest(), shuffled)
    assert (a.read_bytes(), first) == (b.read_bytes(), second)
    assert first == read_pack(a).id
    third = write_pack(a, tiny_pack.manifest(name="other"), tiny_pack.members())
    assert third != first
    assert list(tmp_path.glob(".*")) == []


def test_numbers_of_any_make_give_the_same_manifest():
    whole, numpy = (
        dataclasses.replace(tiny_pack.INDICATORS[0], threshold=value)
        for value in (5, np.float64(5.0))
    )
    assert (
        tiny_pack.manifest(indicators=(whole,)).to_bytes()
        == tiny_pack.manifest(indicators=(numpy,)).to_bytes()
    )


def test_any_zip_tool_and_numpy_open_it(pack_bytes):
    with zipfile.ZipFile(io.BytesIO(pack_bytes)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "manifest.json"
        with np.load(io.BytesIO(archive.read("golden.npz"))) as golden:
            np.testing.assert_array_equal(golden["raw_mv"], tiny_pack.WINDOWS)


def test_a_failed_write_leaves_the_old_pack(tmp_path, monkeypatch, pack_bytes):
    file = tmp_path / "x.leadpack"
    file.write_bytes(pack_bytes)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_pack(file, tiny_pack.manifest(name="new"), tiny_pack.members())
    assert file.read_bytes() == pack_bytes
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_size_pack_is_small(tmp_path):
    indicators = tuple(
        Indicator(
            **dataclasses.asdict(tiny_pack.INDICATORS[0])
            | {"name": f"red_cell_distribution_width_high_{i}", "auroc": 0.6789 + i / 1e4}
            | {"label": "Red cell distribution width (RDW) > 14.5 %", "positives": 12345}
            | {"operating_threshold": 0.1234567 + i / 1e4}
        )
        for i in range(108)
    )
    golden = write_golden(
        np.zeros((4, tiny_pack.N_SAMPLES), np.float32),
        dict.fromkeys(("model.int8.onnx", "model.fp32.tflite"), np.zeros((4, 108), np.float32)),
    )
    members = tiny_pack.members() | {"golden.npz": golden}
    manifest = tiny_pack.manifest(indicators=indicators)
    write_pack(tmp_path / "x.leadpack", manifest, members)
    assert (tmp_path / "x.leadpack").stat().st_size < 60_000  # two models of 170 kB fit in 450 kB
    assert read_pack(tmp_path / "x.leadpack").manifest.indicators == indicators


# --- what is refused ------------------------------------------------------------------------


def test_every_changed_byte_is_refused(pack_bytes):
    for position in range(len(pack_bytes)):
        for flip in (1 << position % 8, 0xFF):
            changed = bytearray(pack_bytes)
            changed[position] ^= flip
            with pytest.raises(PackError):
                decode_zip(bytes(changed), MAX_MEMBERS)


def test_every_truncation_and_any_appendix_is_refused(tmp_path, pack_bytes):
    for length in range(len(pack_bytes)):
        with pytest.raises(PackError):
            decode_zip(pack_bytes[:length], MAX_MEMBERS)
    for appendix in (b"\0", b"PK\x05\x06", pack_bytes):
        with pytest.raises(PackError):
            read_bytes(tmp_path, pack_bytes + appendix)
        with pytest.raises(PackError):
            read_bytes(tmp_path, appendix + pack_bytes)


def test_nothing_damaged_gets_past_read_pack(tmp_path, pack_bytes):
    for position in range(0, len(pack_bytes), 97):
        changed = bytearray(pack_bytes)
        changed[position] ^= 1
        with pytest.raises(PackError, match=r"x\.leadpack: file .*copy it again"):
            read_bytes(tmp_path, bytes(changed))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data):
    if data != encode_zip({}):
        with pytest.raises(PackError):
            decode_zip(data, MAX_MEMBERS)


def test_another_writer_is_refused(tmp_path, pack_bytes):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in decode_zip(pack_bytes, MAX_MEMBERS).items():
            archive.writestr(name, data)
    with pytest.raises(PackError, match="not canonical"):
        read_bytes(tmp_path, buffer.getvalue())


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m | {"card.md": b"other"}, "differs from the size and sha256"),
        (lambda m: m | {"notes.txt": b""}, "'notes.txt' is not one of"),
        (lambda m: {k: v for k, v in m.items() if k != "card.md"}, "models need"),
        (lambda m: dict(reversed(m.items())), "order must be"),
        (lambda m: m | {"model.fp32.onnx": b""}, "order must be"),
        (lambda m: {k: v for k, v in m.items() if k != "manifest.json"}, "manifest"),
        (lambda _: {}, "manifest"),
        (lambda _: {str(i): b"" for i in range(41)}, "more than 40 members"),
    ],
)
def test_canonical_files_with_the_wrong_members(tmp_path, pack_bytes, edit, message):
    with pytest.raises(PackError, match=message):
        read_bytes(tmp_path, encode_zip(edit(decode_zip(pack_bytes, MAX_MEMBERS))))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": "2.0"}, "schema is '2.0'; this leadlab reads 1.1. Update leadlab"),
        ({"schema_version": None}, "schema is None"),
        ({"licens": "MIT"}, "licens is not a known name; did you mean licence?"),
        ({"lead": 2}, "lead is 2; it must be text"),
        ({"input": {"rate_hz": 125.0, "n_samples": 0}}, "input.n_samples is 0"),
        ({"input": {"rate_hz": 125.0, "n_samples": 10, "margin": 5}}, "must leave a body"),
        ({"input": {"rate_hz": 1.0, "n_samples": 10, "unit": "uV"}}, "input.unit is 'uV'"),
        ({"front_end": "ecgfounder_v2"}, "did you mean ecgfounder_v1?"),
        ({"front_end": "ecgfounder_v1"}, "is defined for InputSpec(rate_hz=500.0"),
        ({"calibration": {"kind": "none", "value": 2.0}}, "kind is 'none'"),
        ({"models": []}, "at least one"),
        ({"members": {}}, "differs from the size"),
        ({"indicators": []}, "columns and rows"),
        ({"indicators": {"columns": ["name"], "rows": [["a", "b"]]}}, "columns and rows"),
        ({"indicators": {"columns": ["name"], "rows": [["a"]]}}, "indicators[0].label is missing"),
        ({"indicators": {"columns": ["nam"], "rows": [["a"]]}}, "did you mean name?"),
    ],
)
def test_manifests_that_are_not_understood(tmp_path, pack_bytes, changes, message):
    with pytest.raises(PackError) as caught:
        read_bytes(tmp_path, repacked(pack_bytes, **changes))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace(b":", b": ", 1),
        lambda text: text.rstrip(),
        lambda text: text.replace(b'"lead":"II"', b'"lead":"II","lead":"II"'),
        lambda text: text.replace(b"5.0", b"NaN"),
        lambda text: text.replace(b"5.0", b"1e999"),
        lambda _: b"[" * 100_000,
        lambda _: b"[]\n",
        lambda _: b"\xff\n",
        lambda _: b'"\\ud800"\n',
    ],
)
def test_manifests_that_are_not_canonical(edit):
    text = tiny_pack.manifest().to_bytes()
    assert Manifest.from_bytes(text)
    with pytest.raises(PackError, match="not canonical JSON"):
        Manifest.from_bytes(edit(text))


def test_a_huge_manifest_is_refused(tmp_path):
    data = encode_zip({"manifest.json": b" " * (2**20 + 1)})
    with pytest.raises(PackError, match="1048577 bytes; the limit is 1048576"):
        read_bytes(tmp_path, data)


def test_a_newer_minor_version_is_read_without_what_it_adds(tmp_path, pack_bytes):
    table = json.loads(decode_zip(pack_bytes, MAX_MEMBERS)["manifest.json"])
    spec = table["input"] | {"jitter": 3}
    models = [model | {"opset": 20} for model in table["models"]]
    columns = [*table["indicators"]["columns"], "loinc"]
    rows = [[*row, "x"] for row in table["indicators"]["rows"]]
    newer = repacked(
        pack_bytes,
        schema_version="1.99",
        region="EU",
        input=spec,
        models=models,
        indicators={"columns": columns, "rows": rows},
    )
    read = read_bytes(tmp_path, newer).manifest
    expected = dataclasses.replace(read, schema_version="1.1")
    assert expected == tiny_pack.tiny_pack(tmp_path).manifest
    with pytest.raises(PackError, match="region is not a known name"):
        read_bytes(tmp_path, repacked(pack_bytes, region="EU"))


def test_a_pack_of_schema_1_0_is_still_read(tmp_path, pack_bytes):
    table = json.loads(decode_zip(pack_bytes, MAX_MEMBERS)["manifest.json"])
    new = ("unresampled_tolerance", "unresampled_auroc_change")
    old = {key: value for key, value in table["input"].items() if key not in new}
    models = [{k: v for k, v in model.items() if k != "rate_hz"} for model in table["models"]]
    read = read_bytes(
        tmp_path, repacked(pack_bytes, schema_version="1.0", input=old, models=models)
    )
    assert read.manifest.input == InputSpec(10.0, 108, 4)


@pytest.mark.parametrize("version", ["1", "1.x", "01.1.1", "-1.0", "1.0.0", "one", 2, "1.99999"])
def test_versions_that_are_none(tmp_path, pack_bytes, version):
    with pytest.raises(PackError, match="pack schema is"):
        read_bytes(tmp_path, repacked(pack_bytes, schema_version=version))


def test_size_is_checked_before_reading(tmp_path, pack_bytes):
    size = len(pack_bytes)
    assert read_bytes(tmp_path, pack_bytes, max_bytes=size)
    with pytest.raises(PackError, match=rf"has {size} bytes; the limit is {size - 1}"):
        read_bytes(tmp_path, pack_bytes, max_bytes=size - 1)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(PackError, match="cannot be read: No such file"):
        read_pack(tmp_path / "no.leadpack")
    with pytest.raises(PackError, match="cannot be read"):
        read_pack(tmp_path)


def test_the_writer_refuses_what_the_reader_would(tmp_path):
    twice = tiny_pack.INDICATORS[:1] * 2
    with pytest.raises(PackError, match="'potassium_high' occurs 2 times"):
        tiny_pack.manifest(indicators=twice)
    with pytest.raises(PackError, match=r"must be model\.fp32\.onnx"):
        ModelFile("net.onnx", "onnx", "fp32")
    bad = dataclasses.replace(tiny_pack.INDICATORS[0], auroc=1.5)
    with pytest.raises(PackError, match=r"auroc is 1\.5; it must be at most 1\.0"):
        write_pack(tmp_path / "x", tiny_pack.manifest(indicators=(bad,)), tiny_pack.members())
    with pytest.raises(PackError, match="models need"):
        write_pack(tmp_path / "x", tiny_pack.manifest(), {"card.md": b""})
    assert list(tmp_path.iterdir()) == []


def test_models_are_ordered_by_rate_then_precision_then_format():
    order = ["manifest.json", "model.int8.tflite", "model.int8.onnx", "model.dynamic.tflite"]
    order += ["model.fp16.onnx", "model.fp32.tflite", "model.int8.62.5hz.tflite"]
    order += ["model.int8.250hz.tflite", "model.fp32.250hz.onnx", "golden.npz", "card.md"]
    assert list(in_file_order(dict.fromkeys(reversed(order), b""))) == order


@pytest.mark.parametrize(
    "name",
    [
        *("../model.int8.onnx", "/etc/passwd", "model.int8.onnx/", "sub/card.md", "card.md\\x"),
        *("C:card.md", "CARD.MD", "model.int8.pt", "model.int4.onnx", "model.int8.0hz.onnx"),
        *("model.int8.007hz.onnx", "model.int8.1e3hz.onnx", "model.int8.onnx\0", "", "golden.npy"),
    ],
)
def test_no_other_name_is_a_member(tmp_path, pack_bytes, name):
    members = decode_zip(pack_bytes, MAX_MEMBERS)
    with pytest.raises(PackError, match="is not one of"):
        read_bytes(tmp_path, encode_zip(members | {name: b"x"}))


@pytest.mark.parametrize(("name", "limit"), [("card.md", 2**20), ("golden.npz", 2**24)])
def test_oversize_members_are_refused(tmp_path, name, limit):
    members = tiny_pack.members() | {name: bytes(limit + 1)}
    with pytest.raises(PackError, match=f"{name} has {limit + 1} bytes; the limit is {limit}"):
        write_pack(tmp_path / "x", tiny_pack.manifest(), members)


# --- loading --------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", ["ai_edge_litert", "onnxruntime"])
def test_each_runtime_reproduces_the_golden_vectors(tmp_path, runtime):
    pack = tiny_pack.tiny_pack(tmp_path)
    model = pack.load(runtime)
    assert model.runtime == runtime
    assert pack.verify_golden(model) < 1e-5
    assert (model.rate_hz, model.n_samples, model.margin) == (10.0, 108, 4)
    assert (model.lead, model.indicators) == ("II", tiny_pack.INDICATORS)


def test_int8_comes_before_fp32_unless_a_precision_is_pinned(tmp_path):
    pack = tiny_pack.tiny_pack(tmp_path)
    assert pack.load().file.precision == "int8"
    assert pack.load(precision="fp32").file.file == "model.fp32.tflite"
    assert pack.load("ai_edge_litert").file.precision == "fp32"


def test_verify_golden_sees_a_wrong_model(tmp_path):
    wrong = tiny_pack.onnx_bytes((tiny_pack.WEIGHTS + np.float32(0.01)).tobytes())
    members = tiny_pack.members() | {"model.int8.onnx": wrong}
    write_pack(tmp_path / "x.leadpack", tiny_pack.manifest(), members)
    pack = read_pack(tmp_path / "x.leadpack")
    assert pack.verify_golden(pack.load()) > 1e-3


def test_a_model_that_does_not_match_its_manifest_is_refused(tmp_path):
    manifest = tiny_pack.manifest(indicators=tiny_pack.INDICATORS[:2])
    logits = dict.fromkeys((model.file for model in manifest.models), np.zeros((2, 2), np.float32))
    golden = write_golden(tiny_pack.WINDOWS, logits)
    members = tiny_pack.members() | {"golden.npz": golden}
    write_pack(tmp_path / "x.leadpack", manifest, members)
    with pytest.raises(PackError, match=r"gives \(None, 3\); the manifest says \(1, 2\)"):
        read_pack(tmp_path / "x.leadpack").load()


def test_calibration_divides_logits():
    class Session:
        input_shape, output_shape = (1, 108), (None, 3)

        def run(self, inputs):
            return inputs[:, :3]

    def model(calibration):
        manifest = tiny_pack.manifest(calibration=calibration)
        return PackModel(manifest, manifest.models[0], "fake", Session())

    logits = np.array([-2000.0, 0.0, 3.0], np.float32)
    expected = 1 / (1 + np.exp(-np.array([-500.0, 0.0, 1.5])))
    warm = model(Calibration("temperature", 2.0))
    np.testing.assert_allclose(warm.probabilities(logits), expected, rtol=1e-6, atol=1e-9)
    assert warm.probabilities(logits).dtype == np.float32
    window = np.zeros(108, np.float32)
    window[:3] = logits
    np.testing.assert_array_equal(model(Calibration()).logits(window), logits)


def test_a_full_network_is_filtered_before_it_runs(tmp_path):
    from leadlab_edge.signal import ecgfounder_v1

    n_samples = 5000
    raw = np.random.default_rng(2).normal(size=n_samples).astype(np.float32)
    weights = np.random.default_rng(3).normal(size=(3, n_samples)).astype(np.float32)
    manifest = tiny_pack.manifest(
        input=InputSpec(500.0, n_samples),
        front_end="ecgfounder_v1",
        models=(ModelFile.of("onnx", "fp32"),),
    )
    logits = (ecgfounder_v1(raw) @ weights.T)[np.newaxis]
    golden = write_golden(raw[np.newaxis], {"model.fp32.onnx": logits})
    model = tiny_pack.onnx_bytes(weights.tobytes(), n_samples)
    members = {"model.fp32.onnx": model, "golden.npz": golden, "card.md": b""}
    write_pack(tmp_path / "x.leadpack", manifest, members)
    pack = read_pack(tmp_path / "x.leadpack")
    assert pack.verify_golden(pack.load()) < 1e-3


def test_a_full_network_without_scipy_names_the_extra(tmp_path, monkeypatch):
    n_samples = 5000
    manifest = tiny_pack.manifest(
        input=InputSpec(500.0, n_samples),
        front_end="ecgfounder_v1",
        models=(ModelFile.of("onnx", "fp32"),),
    )
    weights = np.zeros((3, n_samples), np.float32)
    golden = write_golden(weights[:1], {"model.fp32.onnx": np.zeros((1, 3), np.float32)})
    model = tiny_pack.onnx_bytes(weights.tobytes(), n_samples)
    members = {"model.fp32.onnx": model, "golden.npz": golden, "card.md": b""}
    write_pack(tmp_path / "x.leadpack", manifest, members)

    def no_scipy(_):
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy")

    monkeypatch.setattr("leadlab_edge.pack.model.ecgfounder_v1", no_scipy)
    with pytest.raises(RuntimeMissing, match=r"needs scipy.*pip install 'leadlab\[teacher\]'"):
        read_pack(tmp_path / "x.leadpack").load()

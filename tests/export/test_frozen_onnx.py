"""The full network as model files and as a pack that takes raw millivolts."""

from importlib.util import find_spec

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from golden_fill import fill
from tiny_student import SHOWN

from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import Pack, Provenance, read_pack
from leadlab_edge.signal import ecgfounder_v1
from leadlab_export.errors import ExportError
from leadlab_export.models import FORMATS, PRECISIONS, ModelSet, write_models
from leadlab_export.packing import pack_network
from leadlab_export.teacher import Teacher
from leadlab_train.fit import FitSettings, fit
from leadlab_train.frozen import freeze_for_export
from leadlab_train.net1d import Net1D, ecgfounder
from leadlab_train.simulated.effects import PARAMETERS
from leadlab_train.simulated.waveform import render

N_LABELS = len(SHOWN)
tflite_only = pytest.mark.skipif(
    find_spec("litert_torch") is None, reason="litert-torch has no wheel for this platform"
)
PANEL = [Indicator.define(name, ">", 1.0, "mmol/L", 0.7, (0.6, 0.8)) for name in ("A", "B", "C")]


def simulate(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return windows, mV @ 500 Hz, and what they show: fast heart, tall T wave, long QRS."""
    z = np.random.default_rng(seed).standard_normal((n, len(PARAMETERS)))
    rngs = [np.random.default_rng((seed, i)) for i in range(n)]
    windows = render(z, rngs, rate_hz=500.0, duration_s=10.0)
    return windows, (z[:, SHOWN] > 0.5).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Net1D:
    """Return a network that has learned a little: untrained logits hardly react to an ECG."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = ecgfounder(N_LABELS, width="tiny", batch_norm=True)
    windows, labels = simulate(128, seed=0)
    x, y = torch.from_numpy(ecgfounder_v1(windows)).unsqueeze(1), torch.from_numpy(labels)

    def loss_of(model: Net1D, rows: torch.Tensor) -> torch.Tensor:
        return F.binary_cross_entropy_with_logits(model(x[rows]), y[rows])

    settings = FitSettings(learning_rate=0.01, steps=40, warmup_steps=4)
    fit(model, lambda step: torch.arange(16) + 16 * (step % 8), loss_of, settings)
    return model


@pytest.fixture(scope="module")
def files(model: Net1D) -> ModelSet:
    return write_models(Teacher(model), simulate(24, seed=1)[0], precisions=PRECISIONS)


@pytest.fixture(scope="module")
def pack(model: Net1D, files: ModelSet, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    path = tmp_path_factory.mktemp("teacher") / "teacher.leadpack"
    source = Provenance(simulated=True, teacher="itself")
    pack_network(path, Teacher(model), files, PANEL, source, lead="II")
    return read_pack(path)


def test_the_graph_is_plain(files: ModelSet) -> None:
    file = next(f for f in files.files if f.file == "model.fp32.onnx")
    operators = {node.op_type for node in onnx.load_from_string(files.files[file]).graph.node}
    assert not operators & {"Einsum", "Shape", "Gather", "Transpose"}


def test_every_format_and_precision_is_written_and_verified(files: ModelSet) -> None:
    formats = [format for format in FORMATS if format not in files.missing]
    assert {f.file for f in files.files} == {f"model.{p}.{f}" for p in PRECISIONS for f in formats}
    assert all(parity.from_raw < 1e-4 for parity in files.parity.values())
    for file, drift in files.drift.items():
        assert drift.rank_median > {"fp16": 0.99, "dynamic": 0.95, "int8": 0.95}[file.precision]
        assert drift.max_abs > 0
    sizes = {file.file: len(data) for file, data in files.files.items()}
    for format in formats:
        assert sizes[f"model.fp16.{format}"] < 0.65 * sizes[f"model.fp32.{format}"]
        assert sizes[f"model.dynamic.{format}"] < 0.5 * sizes[f"model.fp32.{format}"]


def test_a_packed_teacher_scores_raw_millivolts_as_the_network_does(
    pack: Pack, model: Net1D
) -> None:
    raw_mv, _ = simulate(3, seed=2)
    with torch.inference_mode():
        expected = model(torch.from_numpy(ecgfounder_v1(raw_mv)).unsqueeze(1)).numpy()
    assert pack.manifest.front_end == "ecgfounder_v1"
    for file in pack.manifest.models:
        runtime = {"onnx": "onnxruntime", "tflite": "ai_edge_litert"}[file.format]
        loaded = pack.load(runtime, file.precision)
        assert pack.parity(loaded).max_abs < 1e-5
        logits = np.stack([loaded.logits(window) for window in raw_mv])
        if file.precision == "fp32":
            np.testing.assert_allclose(logits, expected, atol=1e-3)
    assert "scipy" in pack.members["card.md"].decode()
    assert set(pack.manifest.quantization) >= {"fp16", "dynamic", "int8", "int8.onnx"}


def test_a_copy_that_is_not_the_network_is_refused(
    model: Net1D, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ecgfounder(N_LABELS, width="tiny", batch_norm=True)
    fill(other)
    monkeypatch.setattr(
        "leadlab_export.teacher.freeze_for_export", lambda _, n: freeze_for_export(other, n)
    )
    with pytest.raises(ExportError, match=r"the static copy differs from the network by .*limit"):
        Teacher(model)


def test_the_network_is_left_as_it_was(model: Net1D) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train()
    Teacher(model)
    assert model.training
    model.eval()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@tflite_only
def test_an_int8_teacher_is_float_at_both_ends(files: ModelSet) -> None:
    from ai_edge_litert.schema_py_generated import TensorType

    from leadlab_export.to_tflite import read_flatbuffer

    data = next(data for file, data in files.files.items() if file.file == "model.int8.tflite")
    (graph,) = read_flatbuffer(data).subgraphs
    ends = [graph.tensors[i].type for i in (graph.inputs[0], graph.outputs[0])]
    assert ends == [TensorType.FLOAT32] * 2
    inside = [graph.tensors[int(op.outputs[0])].type for op in graph.operators]
    assert inside.count(TensorType.INT8) > 0.8 * len(inside)

"""Packs of a student: complete, verified, modest about what was measured."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_student import simulate

from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import Pack, Provenance, read_pack
from leadlab_export.check.measure import measure_pack
from leadlab_export.models import ModelSet
from leadlab_export.packing import (
    golden_windows,
    measured_indicators,
    operating_thresholds,
    pack_network,
)
from leadlab_export.student import Student

PANEL = (
    Indicator.define("POTASSIUM", ">", 5.0, "mmol/L", 0.678, (0.677, 0.680)),
    Indicator.define("POTASSIUM", "<", 3.5, "mmol/L", 0.713, (0.712, 0.715)),
    Indicator.define("TRANSFERRIN SATURATION", "<", 20.0, "%", 0.455, (0.443, 0.467)),
)
MEASURED = measured_indicators(
    PANEL,
    auroc=np.array([0.7, 0.8, 0.6]),
    positives=np.array([49, 50, 500]),
    thresholds=np.array([0.3, np.nan, 0.5]),
)
Make = Callable[..., Pack]


@pytest.fixture(scope="module")
def make(student: Student, models: ModelSet, tmp_path_factory: pytest.TempPathFactory) -> Make:
    def pack(**changes: object) -> Pack:
        path: Path = tmp_path_factory.mktemp("pack") / "small.leadpack"
        source = Provenance(simulated=True, cohort="c0ffee", teacher="tiny", details={"seed": "0"})
        figures = {"latency": "0.12 ms"}
        pack_network(path, student, models, MEASURED, source, lead="II", figures=figures, **changes)  # type: ignore[arg-type]
        return read_pack(path)

    return pack


def test_every_file_reproduces_its_golden_logits(make: Make) -> None:
    pack = make()
    assert {file.precision for file in pack.manifest.models} == {"fp32", "int8"}
    for file in pack.manifest.models:
        runtime = {"onnx": "onnxruntime", "tflite": "ai_edge_litert"}[file.format]
        model = pack.load(runtime, file.precision)
        assert model.n_samples == 1464
        assert model.margin == 107
        assert pack.verify_golden(model) < 1e-3


def test_equal_inputs_give_equal_packs(make: Make) -> None:
    assert make().id == make().id


def test_slim_packs_hold_int8_alone(make: Make) -> None:
    pack = make(slim=True)
    assert {file.precision for file in pack.manifest.models} == {"int8"}
    assert set(pack.golden().logits) == {file.file for file in pack.manifest.models}
    assert sum(map(len, pack.members.values())) < sum(map(len, make().members.values()))


def test_card_says_simulated_and_research_only(make: Make) -> None:
    card = make().members["card.md"].decode()
    header, _, text = card.removeprefix("---\n").partition("---\n")
    assert "license: mit" in header
    assert "simulated" in header
    assert "Not a medical device" in text
    assert "knows nothing of real ones" in text
    assert "| mean AUROC, 3 findings | 0.7000 |" in text
    assert "| latency | 0.12 ms |" in text
    assert "c0ffee" in text
    assert "2 of 3 findings are hidden" in text
    assert PANEL[1].label in text
    assert PANEL[0].label not in text


def test_golden_windows_are_simulated_and_always_the_same(student: Student) -> None:
    windows = golden_windows(student)
    assert windows.shape == (4, 1464)
    assert np.ptp(windows, axis=1).min() > 0.3
    np.testing.assert_array_equal(windows, golden_windows(student))


def test_thin_and_below_chance_indicators_are_hidden() -> None:
    assert [indicator.shown for indicator in MEASURED] == [False, True, False]
    assert [indicator.positives for indicator in MEASURED] == [49, 50, 500]
    assert [indicator.operating_threshold for indicator in MEASURED] == [0.3, None, 0.5]
    chance = {"auroc": np.full(3, 0.5), "positives": np.full(3, 900), "thresholds": np.ones(3)}
    assert not any(indicator.shown for indicator in measured_indicators(PANEL, **chance))


def test_threshold_leaves_nine_in_ten_negatives_below() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2000, 3))
    labels = (rng.random((2000, 3)) < 0.3).astype(np.int8)
    labels[:500] = -1
    labels[labels[:, 2] == 0, 2] = -1
    thresholds = operating_thresholds(logits, labels)
    probabilities = 1 / (1 + np.exp(-logits))
    for column in (0, 1):
        below = probabilities[labels[:, column] == 0, column] < thresholds[column]
        assert below.mean() == pytest.approx(0.9, abs=0.01)
    assert np.isnan(thresholds[2])


def test_every_file_is_measured_on_its_runtimes(make: Make) -> None:
    windows, _ = simulate(5, seed=2)
    measured = measure_pack(make(), windows)
    assert {m.precision for m in measured} == {"fp32", "int8"}
    for m in measured:
        assert m.logits.shape == (5, 3)
        assert m.n_bytes > 5000
        assert 0 < m.latency_ms < 100
    fp32 = [m.logits for m in measured if m.precision == "fp32"]
    np.testing.assert_allclose(fp32[0], fp32[-1], atol=1e-3)

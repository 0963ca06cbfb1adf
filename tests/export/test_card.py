"""The card of a pack: a header that hubs read, and text that fits what the pack takes."""

import dataclasses

import pytest
import tiny_pack

from leadlab_edge.pack import DEVICE_MAX_BYTES, InputSpec, Manifest, ModelFile
from leadlab_edge.pack.manifest import ECGFOUNDER_INPUT
from leadlab_export.card import render_card


@pytest.fixture
def manifest() -> Manifest:
    return tiny_pack.manifest(licence="MIT")


def header(card: str) -> dict[str, str]:
    start, text, _ = card.split("---\n", 2)
    assert start == ""
    return dict(line.split(": ", 1) for line in text.splitlines())


def test_the_header_is_what_hubs_read(manifest: Manifest) -> None:
    lines = header(render_card(manifest, {}, {}))
    assert lines == {
        "license": "mit",
        "library_name": "leadlab",
        "tags": "[ecg, wearable, simulated]",
        "metrics": "[roc_auc]",
    }
    real = dataclasses.replace(manifest.provenance, simulated=False)
    card = render_card(dataclasses.replace(manifest, provenance=real, licence=""), {}, {})
    assert header(card)["tags"] == "[ecg, wearable]"
    assert header(card)["license"] == "other"


def test_the_sections_are_those_of_a_model_card(manifest: Manifest) -> None:
    card = render_card(manifest, {"model.int8.onnx": bytes(1234)}, {"latency": "0.1 ms"})
    sections = [line for line in card.splitlines() if line.startswith("## ")]
    assert sections == [
        "## Intended use and limits",
        "## How to use",
        "## Input",
        "## Files",
        "## Evaluation",
        "## Training",
    ]
    assert "| model.int8.onnx | 1,234 |" in card
    assert "| latency | 0.1 ms |" in card


def test_a_full_network_says_what_it_needs(manifest: Manifest) -> None:
    full = dataclasses.replace(manifest, input=ECGFOUNDER_INPUT, front_end="ecgfounder_v1")
    card = render_card(full, {"model.fp32.onnx": bytes(DEVICE_MAX_BYTES)}, {})
    assert "leadlab[teacher]" in card
    assert "inside the graph" not in card
    assert 'leadlab.load("tiny.leadpack", max_bytes=268435456)' in card
    assert "max_bytes" not in render_card(full, {}, {})


def test_other_inputs_are_described_with_their_cost(manifest: Manifest) -> None:
    spec = InputSpec(20.0, 216, 8, unresampled_tolerance=0.02, unresampled_auroc_change=-0.004)
    models = (*manifest.models, ModelFile.of("tflite", "int8", 20.0))
    card = render_card(dataclasses.replace(manifest, other_inputs=(spec,), models=models), {}, {})
    assert "216 samples at 20 Hz" in card
    assert "within 2.0% (mean AUROC -0.0040)" in card

"""Packing: a network's model files, what is known of it, and proof of what it computes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import InputSpec, Manifest, Provenance, write_golden, write_pack
from leadlab_edge.pack.manifest import ModelFile
from leadlab_export.card import render_card
from leadlab_export.models import ModelSet
from leadlab_export.network import Network, graph_inputs
from leadlab_export.rates import RateCost
from leadlab_export.student import Student
from leadlab_export.teacher import Teacher
from leadlab_export.verify import run_model
from leadlab_train.cohort import Cohort
from leadlab_train.simulated.effects import PARAMETERS
from leadlab_train.simulated.waveform import render

SPECIFICITY = 0.9  # of the operating threshold, on validation
FEWEST_POSITIVES = 50  # distinct positive patients; with fewer an AUROC is an anecdote
GOLDEN_WINDOWS = 4
QUANTIZATION = {
    "fp16": "weights in half precision; computed in float32",
    "dynamic": "weights in 8 bits, per channel; float32 front end",
    "dynamic.onnx": "computed in float32",
    "dynamic.tflite": "activations in 8 bits, their ranges taken anew in every window",
    "int8": "static, per channel, min/max over training windows; float32 front end and logits",
    "int8.onnx": "QDQ, weights of reduced range (7 bits): exact on CPUs that saturate",
}


@dataclass(frozen=True, slots=True, eq=False)
class OtherInput:
    """The same body under a front end for another rate, for hosts that cannot resample."""

    student: Student
    models: ModelSet


def pack_network(
    path: Path,
    network: Network,
    models: ModelSet,
    indicators: Sequence[Indicator],
    provenance: Provenance,
    *,
    lead: str,
    figures: Mapping[str, str] | None = None,
    slim: bool = False,
    licence: str = "MIT",
    others: Sequence[OtherInput] = (),
    costs: Iterable[RateCost] = (),
) -> str:
    """Write a ``.leadpack`` and return its id.

    Parameters
    ----------
    path
        The file; its stem is the pack's name.
    network, models
        The trained student or the teacher, and its model files.
    indicators
        One per output, as ``measured_indicators`` returns them.
    provenance
        Where all this comes from, as ``provenance_of`` returns it.
    lead
        Lead of the training cohort.
    figures
        Measured figures for the card: what was measured, and the value as text.
    slim
        Leave out all files but int8.
    licence
        Of the weights, as model hubs write it.
    others, costs
        Inputs for further rates, and what it costs not to resample.

    Raises
    ------
    PackError
        If what is given would not make a valid pack.
    """
    files = dict(models.of_precision("int8") if slim else models.files)
    golden_mv = golden_windows(network)
    golden = _golden_logits(network, files, golden_mv)
    other_mv = {float(other.student.rate_hz): golden_windows(other.student) for other in others}
    for other, windows in zip(others, other_mv.values(), strict=True):
        files |= other.models.files
        golden |= _golden_logits(other.student, other.models.files, windows)
    by_rate = {float(cost.rate_hz): cost for cost in costs}
    manifest = Manifest(
        name=path.stem,
        indicators=tuple(indicators),
        lead=lead,
        input=_input_of(network, by_rate),
        other_inputs=tuple(_input_of(other.student, by_rate) for other in others),
        models=tuple(files),
        provenance=provenance,
        front_end="ecgfounder_v1" if isinstance(network, Teacher) else "in-graph",
        quantization=_quantization(files),
        licence=licence,
    )
    members = {file.file: data for file, data in files.items()}
    members["golden.npz"] = write_golden(golden_mv, golden, other_mv)
    members["card.md"] = render_card(manifest, members, figures or {}).encode()
    return write_pack(path, manifest, members)


def _golden_logits(
    network: Network, files: Mapping[ModelFile, bytes], raw_mv: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    inputs = graph_inputs(network, raw_mv)
    return {file.file: run_model(data, file.format, inputs) for file, data in files.items()}


def _input_of(network: Network, costs: Mapping[float, RateCost]) -> InputSpec:
    rate_hz = float(network.rate_hz)
    spec = InputSpec(rate_hz, network.n_samples, network.margin)
    if rate_hz not in costs:
        return spec
    return replace(
        spec,
        unresampled_tolerance=round(costs[rate_hz].tolerance, 4),
        unresampled_auroc_change=round(costs[rate_hz].auroc_change, 4),
    )


def _quantization(files: Iterable[ModelFile]) -> dict[str, str]:
    """Return how the files that are there were made."""
    held = {f"{file.precision}.{file.format}" for file in files}
    held |= {file.precision for file in files}
    return {what: how for what, how in QUANTIZATION.items() if what in held}


def measured_indicators(
    indicators: Sequence[Indicator],
    *,
    auroc: NDArray[np.floating[Any]],
    positives: NDArray[np.integer[Any]],
    thresholds: NDArray[np.floating[Any]],
) -> tuple[Indicator, ...]:
    """Add to a panel's indicators what was measured of a model.

    An indicator is shown on devices unless the study found it below chance, the model scores it
    below chance, or too few positive patients stand behind its AUROC.

    Parameters
    ----------
    indicators
        The panel's.
    auroc, positives
        ``(n_indicators,)`` AUROC on test patients and distinct positive patients behind it.
    thresholds
        ``(n_indicators,)`` operating thresholds, from ``operating_thresholds``. NaN where unknown.
    """
    return tuple(
        replace(
            indicator,
            auroc=None if np.isnan(value) else round(float(value), 4),
            positives=int(count),
            operating_threshold=None if np.isnan(threshold) else round(float(threshold), 4),
            shown=bool(indicator.shown and count >= FEWEST_POSITIVES and value > 0.5),
        )
        for indicator, value, count, threshold in zip(
            indicators, auroc, positives, thresholds, strict=True
        )
    )


def operating_thresholds(
    logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    """Return the probability that 90 % of the negatives stay below, per indicator.

    Fixed on validation patients, never on those who are tested.

    Parameters
    ----------
    logits, labels
        ``(n, n_indicators)``, labels with -1 for not measured.

    Returns
    -------
    NDArray
        ``(n_indicators,)``, NaN where no negative was measured.
    """
    thresholds = np.full(logits.shape[1], np.nan)
    for column, (scores, truth) in enumerate(zip(logits.T, labels.T, strict=True)):
        if (truth == 0).any():
            logit = np.quantile(scores[truth == 0].astype(np.float64), SPECIFICITY)
            thresholds[column] = 1 / (1 + np.exp(-logit))
    return thresholds


def provenance_of(cohort: Cohort, recipe: str, teacher: str) -> Provenance:
    """Describe where a student comes from: its cohort, how it was trained, and its teacher."""
    manifest = cohort.manifest
    return Provenance(
        simulated=cohort.simulated,
        cohort=manifest.content_sha256,
        recipe=recipe,
        panel=f"{len(cohort.panel)} indicators",
        teacher=teacher,
        details={key: str(value) for key, value in manifest.provenance.items()},
    )


def golden_windows(network: Network) -> NDArray[np.float32]:
    """Return simulated windows ``(4, n_samples)``, mV: a pack never holds a patient's signal."""
    seeds = range(GOLDEN_WINDOWS)
    z = np.random.default_rng(GOLDEN_WINDOWS).standard_normal((len(seeds), len(PARAMETERS)))
    return render(
        z,
        [np.random.default_rng(seed) for seed in seeds],
        rate_hz=network.rate_hz,
        duration_s=network.n_samples / network.rate_hz,
    )

"""Packing: a student's model files, what is known of it, and proof of what it computes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import InputSpec, Manifest, Provenance, write_golden, write_pack
from leadlab_export.card import render_card
from leadlab_export.models import ModelSet
from leadlab_export.student import Student
from leadlab_export.verify import run_model
from leadlab_train.cohort import Cohort
from leadlab_train.simulated.effects import PARAMETERS
from leadlab_train.simulated.waveform import render

SPECIFICITY = 0.9  # of the operating threshold, on validation
FEWEST_POSITIVES = 50  # distinct positive patients; with fewer an AUROC is an anecdote
GOLDEN_WINDOWS = 4
QUANTIZATION = {
    "int8": "static, per channel, min/max over training windows; float32 front end and logits",
    "int8.onnx": "QDQ, weights of reduced range (7 bits): exact on CPUs that saturate",
}


def pack_student(
    path: Path,
    student: Student,
    models: ModelSet,
    indicators: Sequence[Indicator],
    provenance: Provenance,
    *,
    lead: str,
    figures: Mapping[str, str] | None = None,
    slim: bool = False,
) -> str:
    """Write a ``.leadpack`` and return its id.

    Parameters
    ----------
    path
        The file; its stem is the pack's name.
    student, models
        The trained student and its model files.
    indicators
        One per output, as ``measured_indicators`` returns them.
    provenance
        Where all this comes from, as ``provenance_of`` returns it.
    lead
        Lead of the training cohort.
    figures
        Measured figures for the card: what was measured, and the value as text.
    slim
        Leave out the float32 files.

    Raises
    ------
    PackError
        If what is given would not make a valid pack.
    """
    files = models.of_precision("int8") if slim else models.files
    golden_mv = golden_windows(student)
    golden = {file.file: run_model(data, file.format, golden_mv) for file, data in files.items()}
    manifest = Manifest(
        name=path.stem,
        indicators=tuple(indicators),
        lead=lead,
        input=InputSpec(float(student.rate_hz), student.n_samples, student.margin),
        models=tuple(files),
        provenance=provenance,
        quantization=QUANTIZATION,
        licence="MIT",
    )
    members = {file.file: data for file, data in files.items()}
    members["golden.npz"] = write_golden(golden_mv, golden)
    members["card.md"] = render_card(manifest, members, figures or {}).encode()
    return write_pack(path, manifest, members)


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


def golden_windows(student: Student) -> NDArray[np.float32]:
    """Return simulated windows ``(4, n_samples)``, mV: a pack never holds a patient's signal."""
    seeds = range(GOLDEN_WINDOWS)
    z = np.random.default_rng(GOLDEN_WINDOWS).standard_normal((len(seeds), len(PARAMETERS)))
    return render(
        z,
        [np.random.default_rng(seed) for seed in seeds],
        rate_hz=student.rate_hz,
        duration_s=student.n_samples / student.rate_hz,
    )

"""From a trained network to a pack: calibrate, convert, verify, quantize, score, pack."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import TEACHER_MAX_BYTES
from leadlab_edge.pack.manifest import ModelFile, Precision
from leadlab_edge.runtimes import Format
from leadlab_export.errors import ExportError, ExportUnavailable
from leadlab_export.models import FORMATS, PRECISIONS, ModelSet, write_models
from leadlab_export.network import Network
from leadlab_export.packing import (
    OtherInput,
    measured_indicators,
    operating_thresholds,
    pack_network,
    provenance_of,
)
from leadlab_export.qat import QatSettings, train_quantized
from leadlab_export.quantization_loss import QuantizationLoss, quantization_loss
from leadlab_export.source import (
    Floats,
    Rows,
    Source,
    in_torch,
    score,
    spread_rows,
    windows_mv,
)
from leadlab_export.student import Student, with_input_rate
from leadlab_export.teacher import Teacher
from leadlab_export.verify import run_model
from leadlab_train.cohort import Cohort
from leadlab_train.files import replace_files
from leadlab_train.metrics import auroc, positive_patients

FOR_WEAK_HOSTS: Final[tuple[Precision, ...]] = ("int8",)
STUDENT_WINDOWS: Final = 256
TEACHER_WINDOWS: Final = 64
QAT_WINDOWS: Final = 8192
LOSS_WINDOWS: Final = 4096
WEIGHT_BYTES: Final[dict[Precision, int]] = {"fp32": 4, "fp16": 2, "dynamic": 1, "int8": 1}

OnStage = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What to write.

    Attributes
    ----------
    precisions, formats
        Which model files.
    calibration_windows
        Windows of training patients that set the int8 ranges; None takes 256 of a student and 64
        of a teacher.
    aware
        Quantization-aware training of a student: where int8 loses more than the limits, and then
        only if it helps; or always, or never.
    rates_hz
        Further input rates, for hosts that cannot resample: int8 files of their own.
    licence
        Of the weights, as model hubs write it; empty where it is not stated.
    """

    precisions: tuple[Precision, ...] = PRECISIONS
    formats: tuple[Format, ...] = FORMATS
    calibration_windows: int | None = None
    aware: Literal["auto", "always", "never"] = "auto"
    rates_hz: tuple[int, ...] = ()
    licence: str = ""
    qat: QatSettings = field(default_factory=QatSettings)


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """What was written.

    Attributes
    ----------
    id
        The pack's.
    models
        Its files for the main input, and what verification found.
    losses
        By int8 file of a student: what int8 costs on validation patients.
    retrained
        Whether quantization-aware training made the weights.
    """

    id: str
    models: ModelSet
    losses: dict[ModelFile, QuantizationLoss]
    retrained: bool


def export(
    source: Source, cohort: Cohort, path: Path, settings: ExportSettings, on_stage: OnStage
) -> Exported:
    """Write a pack of a trained network.

    Parameters
    ----------
    source, cohort
        The network, and the cohort that it was trained on. Training patients calibrate, validation
        patients set thresholds, test patients are scored.
    path
        ``NAME.leadpack`` to write.
    settings
        What to write.
    on_stage
        Called with the name of each stage before it begins.

    Raises
    ------
    ExportError
        The pack would be too large, a file does not compute what the network computes, or a rate
        has no front end.
    """
    _refuse_oversize(source.network, settings)
    if settings.rates_hz and isinstance(source.network, Teacher):
        raise ExportError("a teacher takes 500 Hz only; leave --rates out, or export a student")
    calibration_mv = _calibration(source, cohort, settings)
    job = _Job(cohort, calibration_mv, settings, on_stage)
    made = job.make(source.network)
    if isinstance(source.network, Student) and job.wants_training(made):
        aware = job.make(job.trained(source.network))
        if settings.aware == "always" or aware.lost < made.lost:
            made = replace(aware, retrained=True)
    others = job.other_inputs(made.network) if isinstance(made.network, Student) else []
    pack_id = pack_network(
        path,
        made.network,
        made.models,
        _scored(made.network, cohort, on_stage),
        provenance_of(cohort, source.recipe, source.teacher),
        lead=cohort.lead,
        figures=_figures(made),
        licence=settings.licence,
        others=others,
        costs=source.costs,
    )
    return Exported(pack_id, made.models, made.losses, made.retrained)


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """Weights and what was made of them."""

    network: Network
    models: ModelSet
    losses: dict[ModelFile, QuantizationLoss]
    retrained: bool = False

    @property
    def lost(self) -> float:
        """AUROC lost, summed over formats."""
        return sum(loss.mean for loss in self.losses.values())


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What does not change while weights are tried."""

    cohort: Cohort
    calibration_mv: Floats
    settings: ExportSettings
    on_stage: OnStage

    def make(self, network: Network) -> _Made:
        """Write the model files; measure on validation patients what int8 costs a student."""
        models = write_models(
            network,
            self.calibration_mv,
            self.on_stage,
            precisions=self.settings.precisions,
            formats=self.settings.formats,
        )
        if not models.files:
            raise ExportUnavailable("; ".join(models.missing.values()))
        int8 = models.of_precision("int8")
        if isinstance(network, Teacher) or not int8:
            return _Made(network, models, {})
        self.on_stage("int8 on validation patients")
        rows = spread_rows(self.cohort.rows("val"), LOSS_WINDOWS)
        labels = self.cohort.labels[self.cohort.draw_of(rows)]
        patients = self.cohort.patient_of(rows)
        fp32 = score(in_torch(network), network, self.cohort, rows)
        losses = {}
        for file, data in int8.items():
            logits = score(partial(run_model, data, file.format), network, self.cohort, rows)
            losses[file] = quantization_loss(fp32, logits, labels, patients)
        return _Made(network, models, losses)

    def wants_training(self, made: _Made) -> bool:
        """Whether int8 loses so much, or somebody asks."""
        if self.settings.aware == "auto":
            return any(loss.too_large for loss in made.losses.values())
        return self.settings.aware == "always" and bool(made.losses)

    def trained(self, student: Student) -> Student:
        """Train for int8 on windows of training patients."""
        self.on_stage("quantization-aware training")
        rows = spread_rows(self.cohort.rows("train"), QAT_WINDOWS)
        windows = windows_mv(student, self.cohort, rows)
        return train_quantized(student, windows, self.settings.qat)

    def other_inputs(self, student: Student) -> list[OtherInput]:
        """Make the front ends that were asked for."""
        count = self.settings.calibration_windows or STUDENT_WINDOWS
        rows = spread_rows(self.cohort.rows("train"), count)
        others = []
        for rate_hz in sorted(set(self.settings.rates_hz) - {student.rate_hz}):
            other = with_input_rate(student, rate_hz)
            models = write_models(
                other,
                windows_mv(other, self.cohort, rows),
                self.on_stage,
                precisions=FOR_WEAK_HOSTS,
                formats=self.settings.formats,
                rate_hz=float(rate_hz),
            )
            others.append(OtherInput(other, models))
        return others


def _refuse_oversize(network: Network, settings: ExportSettings) -> None:
    """Refuse before minutes of conversion what no reader would take."""
    weights = sum(parameter.numel() for parameter in network.parameters())
    per_weight = sum(WEIGHT_BYTES[p] for p in settings.precisions) * len(settings.formats)
    if weights * per_weight > TEACHER_MAX_BYTES:
        raise ExportError(
            f"{weights / 1e6:.1f} M weights in {', '.join(settings.precisions)} as "
            f"{' and '.join(settings.formats)} need {weights * per_weight / 2**20:.0f} MiB; the "
            f"limit of a pack is {TEACHER_MAX_BYTES / 2**20:.0f}. Remedy: fewer --precisions or "
            "--formats, in several packs"
        )


def _calibration(source: Source, cohort: Cohort, settings: ExportSettings) -> Floats:
    """Choose windows of training patients, and keep them beside the network for whoever asks."""
    default = TEACHER_WINDOWS if isinstance(source.network, Teacher) else STUDENT_WINDOWS
    rows = spread_rows(cohort.rows("train"), settings.calibration_windows or default)
    raw_mv = windows_mv(source.network, cohort, rows)
    buffer = io.BytesIO()
    np.savez(buffer, rows=rows, raw_mv=raw_mv)
    path = source.folder / "calibration.npz"
    try:
        replace_files((path, buffer.getvalue()))
    except OSError as error:
        raise ExportError(
            f"{path} ({buffer.tell()} bytes) cannot be written: {error}. Remedy: make room, or "
            "copy the folder to where it can be written"
        ) from error
    return raw_mv


def _scored(network: Network, cohort: Cohort, on_stage: OnStage) -> tuple[Indicator, ...]:
    """Return the panel's indicators with what was measured of the float32 network."""
    run = in_torch(network)

    def scored(rows: Rows, what: str) -> Floats:
        def show(done: int, total: int) -> None:
            on_stage(f"{what}, {done:,} of {total:,} windows")

        return score(run, network, cohort, rows, show)

    val, test = cohort.rows("val"), cohort.rows("test")
    thresholds = operating_thresholds(
        scored(val, "thresholds on validation patients"), cohort.labels[cohort.draw_of(val)]
    )
    logits, truth = scored(test, "AUROC on test patients"), _truth(cohort, test)
    return measured_indicators(
        cohort.panel.indicators,
        auroc=auroc(logits, truth),
        positives=positive_patients(truth, cohort.patient_of(test)),
        thresholds=thresholds,
    )


def _truth(cohort: Cohort, rows: Rows) -> NDArray[np.int8]:
    """Return labels of test patients, without gaps where the cohort was simulated."""
    labels = cohort.labels if cohort.truth is None else cohort.truth
    return labels[cohort.draw_of(rows)]


def _figures(made: _Made) -> dict[str, str]:
    """Return what verification found, for the card."""
    figures = {
        f"float32 {format} against PyTorch, largest difference of a logit": f"{p.from_raw:.1g}"
        for format, p in made.models.parity.items()
    }
    for file, drift in made.models.drift.items():
        figures[f"{file.file} against float32, rank correlation (median, lowest)"] = (
            f"{drift.rank_median:.4f}, {drift.rank_min:.4f}"
        )
    for file, loss in made.losses.items():
        figures[f"{file.file}, change of AUROC on validation patients (mean, worst)"] = (
            f"{-loss.mean:+.4f}, {-loss.worst:+.4f}"
        )
    if made.retrained:
        figures["quantization-aware training"] = "yes"
    return figures

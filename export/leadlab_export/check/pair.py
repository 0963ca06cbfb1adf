"""``leadlab check``: the full model and the pack, side by side, from raw millivolts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from leadlab_edge.bench import machine
from leadlab_edge.recordings import Recording
from leadlab_export.check.accuracy import RESAMPLES, CheckReport, check
from leadlab_export.check.comparison import FULL
from leadlab_export.check.drift import drift_between
from leadlab_export.check.files import (
    costs,
    examine_int8,
    file_failures,
    golden_logits,
    parity_rows,
)
from leadlab_export.check.gate import CHECK_LIMITS, Limits
from leadlab_export.check.identity import body_faults, notes, require_panel
from leadlab_export.check.models import Compact, FullModel, OneByOne, open_full
from leadlab_export.check.report import CostRow, PairReport
from leadlab_export.check.scoring import OnProgress, Windows, score_cohort, score_recording
from leadlab_train.cohort import Cohort


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """How much to look at.

    Attributes
    ----------
    limits
        The gate's.
    windows
        Most windows of test patients, and of a recording, to score; None for all.
    resamples
        Of the patient bootstrap.
    repeats
        Windows to time each file on; 0 times none.
    """

    limits: Limits = CHECK_LIMITS
    windows: int | None = None
    resamples: int = RESAMPLES
    repeats: int = 100


def check_pair(
    full_path: Path,
    pack_path: Path,
    *,
    cohort: Cohort | None = None,
    recording: Recording | None = None,
    settings: CheckSettings | None = None,
    on_progress: OnProgress = lambda _stage, _done, _total: None,
) -> PairReport:
    """Compare a pack with the full model that it stands for.

    Parameters
    ----------
    full_path
        A run of ``leadlab train``, or a teacher pack.
    pack_path
        The compact pack.
    cohort
        Score both on its test patients. Without one, accuracy is not judged.
    recording
        Compare logits on it.
    settings
        How much to look at.
    on_progress
        Called with what is being done, done and total.

    Raises
    ------
    LeadlabError
        One side cannot be opened, they are of different panels, or nothing can be scored.
    """
    settings, described = settings or CheckSettings(), machine()
    compact = Compact.open(pack_path)
    full = _open_full(full_path, compact, cohort)
    drifts = [drift_between(golden_logits(compact), "the golden windows")]
    accuracy: CheckReport | None = None
    windows_mv: Mapping[float | None, Windows] = {}
    if cohort is not None:
        scored = score_cohort(full, compact, cohort, settings.windows, on_progress)
        drifts.append(scored.drift)
        if compact.pack.manifest.provenance.cohort == cohort.manifest.content_sha256:
            windows_mv = scored.windows_mv  # int8 ranges are for windows such as these
        on_progress("patient bootstrap", 0, 1)
        accuracy = check(compact.indicators, scored.table, settings.limits, settings.resamples)
    if recording is not None:
        on_progress(recording.name, 0, 1)
        drifts.append(score_recording(full, compact, recording, settings.windows))
    parity = parity_rows(compact)
    int8 = examine_int8(compact.pack, windows_mv)
    failures = [
        *body_faults(compact, full, cohort),
        *file_failures(parity, int8, drifts, _exact(full, compact), settings.limits),
        *(accuracy.failures if accuracy else ()),
    ]
    on_progress("latency and memory", 0, 1)
    manifest = compact.pack.manifest
    return PairReport(
        full=full.name,
        pack=manifest.name,
        pack_id=compact.pack.id,
        cohort=None if cohort is None else str(cohort.path),
        labels=_labels_in_words(cohort),
        simulated=manifest.provenance.simulated or (cohort is not None and cohort.simulated),
        machine=described,
        accuracy=accuracy,
        parity=parity,
        int8=int8,
        drifts=tuple(drifts),
        costs=tuple(_costs(full, compact, settings.repeats)),
        limits=settings.limits,
        notes=tuple(notes(full, compact, cohort, recording)),
        failures=tuple(failures),
    )


def _open_full(path: Path, compact: Compact, cohort: Cohort | None) -> FullModel:
    """Open the full model; refuse other panels before anything is run."""
    if cohort is not None:
        require_panel(compact.indicators, str(cohort.path), cohort.panel.indicators)
    full = open_full(path, len(compact.indicators))
    if full.indicators is not None:
        require_panel(compact.indicators, "the full model", full.indicators)
    return full


def _costs(full: FullModel, compact: Compact, repeats: int) -> Iterator[CostRow]:
    if full.pack is not None and isinstance(full.model, OneByOne):
        yield from costs("full", full.pack, full.path, [full.model.way], repeats)
    else:
        weights = full.path / "best.safetensors"
        yield CostRow("full", weights.name, "torch", weights.stat().st_size)
    yield from costs("compact", compact.pack, compact.path, compact.ways, repeats)


def _exact(full: FullModel, compact: Compact) -> list[str]:
    """Return the names of all that compute the same network in float32."""
    main = [way for way in compact.ways if way.file.rate_hz is None]
    names = [f"fp32 {way.runtime}" for way in main if way.file.precision == "fp32"]
    sha256, teacher = full.weights_sha256, compact.pack.manifest.provenance.teacher
    itself = bool(sha256) and teacher == f"itself ({sha256[:16]})"
    return [FULL, *names] if itself else names


def _labels_in_words(cohort: Cohort | None) -> str:
    if cohort is None:
        return ""
    if cohort.truth is None:
        return "observed labels"
    return "complete labels, which only a simulation has"

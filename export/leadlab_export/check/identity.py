"""Whether full model, pack and data mean the same: panel, length of a window, lead, origin."""

from collections.abc import Iterator, Sequence

from leadlab_edge.indicators import Indicator
from leadlab_edge.recordings import Recording
from leadlab_export.check.models import Compact, FullModel
from leadlab_export.check.windows import body_s
from leadlab_export.errors import GateFailed
from leadlab_train.cohort import Cohort

_SAME_BODY_S = 0.02


def require_panel(pack: Sequence[Indicator], of: str, others: Sequence[Indicator]) -> None:
    """Refuse a pack that scores other findings than what it is compared with.

    Findings are the same if analyte, direction, threshold and unit are; their order may differ.

    Raises
    ------
    GateFailed
        Some are not.
    """
    mine, theirs = ({i.name: _finding(i) for i in panel} for panel in (pack, others))
    missing, unknown = sorted(theirs.keys() - mine.keys()), sorted(mine.keys() - theirs.keys())
    if missing or unknown:
        raise GateFailed(
            f"the pack scores another panel than {of}: {len(missing)} of {len(theirs)} indicators "
            f"missing, {len(unknown)} unknown ({', '.join([*missing[:2], *unknown[:2]])}). "
            "Remedy: compare models of one panel"
        )
    for name, finding in mine.items():
        if finding != theirs[name]:
            raise GateFailed(
                f"the pack scores another panel than {of}: {name} is {_words(finding)}, not "
                f"{_words(theirs[name])}. Remedy: compare models of one panel"
            )


def column_order(indicators: Sequence[Indicator], others: Sequence[Indicator]) -> list[int]:
    """Return where each of ``indicators`` stands among ``others``."""
    place = {other.name: column for column, other in enumerate(others)}
    return [place[indicator.name] for indicator in indicators]


def body_faults(compact: Compact, full: FullModel, cohort: Cohort | None) -> Iterator[str]:
    """Yield a sentence for each of the pack's inputs whose windows do not last as they should.

    A wrong sampling rate in a manifest shows here: it changes how long a window lasts.
    """
    expected = body_s(full.model) if cohort is None else cohort.n_samples / cohort.rate_hz
    manifest = compact.pack.manifest
    for taken in (manifest.input, *manifest.other_inputs):
        if abs(body_s(taken) - expected) > _SAME_BODY_S:
            yield (
                f"a window of the pack at {taken.rate_hz:g} Hz lasts {body_s(taken):.2f} s; "
                f"{'the full model has' if cohort is None else 'the cohort has'} {expected:.2f} s: "
                "rate, samples or margin in the manifest are wrong. Export it anew"
            )


def notes(
    full: FullModel, compact: Compact, cohort: Cohort | None, recording: Recording | None
) -> Iterator[str]:
    """Yield what a reader must know to read the figures rightly."""
    manifest = compact.pack.manifest
    if not any(way.file.precision == "fp32" for way in compact.ways):
        yield (
            "The pack has no float32 file that runs here: smaller precisions are compared with the "
            "full model, under the limits of distillation."
        )
    ran = {way.file.file for way in compact.ways}
    if left := sorted({file.file for file in manifest.models} - ran):
        yield f"No runtime is installed for {', '.join(left)}."
    leads = {"full model": None if full.pack is None else full.pack.manifest.lead}
    if recording is not None:
        leads["recording"] = recording.lead
    if cohort is None:
        yield "Accuracy was not judged: no cohort was given."
    else:
        leads["cohort"] = cohort.lead
        yield from _origins(full, compact, cohort.manifest.content_sha256)
    for what, lead in leads.items():
        if lead not in (None, manifest.lead):
            yield f"The {what} is of lead {lead}; the pack was trained on {manifest.lead}."


def _origins(full: FullModel, compact: Compact, cohort_sha256: str) -> Iterator[str]:
    origins = {"pack": compact.pack.manifest.provenance.cohort, "full model": full.cohort}
    for what, trained_on in origins.items():
        if trained_on != cohort_sha256:
            yield (
                f"The {what} was trained on another cohort ({trained_on[:16] or 'not said'}): "
                "nobody knows which of these test patients it has seen."
            )


def _finding(indicator: Indicator) -> tuple[str, str, float, str]:
    return indicator.analyte, indicator.direction, indicator.threshold, indicator.unit


def _words(finding: tuple[str, str, float, str]) -> str:
    return " ".join(map(str, finding))

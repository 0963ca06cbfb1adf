"""The card of a pack: Markdown under a YAML header, as model hubs expect it."""

from collections.abc import Mapping

from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import DEVICE_MAX_BYTES, TEACHER_MAX_BYTES, InputSpec, Manifest

STRONGEST = 12
_OVERHEAD_BYTES = 2**21  # manifest, card and headers, which come on top of the files given

_TEMPLATE = """\
---
license: {licence}
library_name: leadlab
tags: [{tags}]
metrics: [roc_auc]
---

# {name}

Scores {n} laboratory findings from 10 s of one ECG lead ({lead}), {rate:g} Hz, raw millivolts.

## Intended use and limits

**{intended_use}** {simulated}

A score is no measurement of a laboratory value. It was learnt on lead {lead}; other leads score
otherwise. {hidden} of {n} findings are hidden on devices by default: below chance, or too few
positive patients to tell.

## How to use

```python
import leadlab
leadlab.load({load}).predict(raw_mv, rate_hz=130.0)
```

`leadlab pack verify {name}.leadpack --run` tells whether a machine computes what it should.

## Input

{input}

## Files

{files}

## Evaluation

{figures}

Strongest of the findings with enough positive patients (AUROC on patients not seen in training):

{findings}

`manifest.json` lists all with thresholds; probabilities at or above a finding's operating threshold
are met by 1 in 10 validation windows without the finding.

## Training

{provenance}
"""

_IN_GRAPH = """\
{n_samples} samples of one lead at {rate:g} Hz, in millivolts: a 10-s body and {margin} samples on
each side for the filter inside the graph. Any gain and electrode offset; no filtering before."""

_HOST_FILTERS = """\
{n_samples} samples of one lead at {rate:g} Hz, in millivolts: 10 s. `predict` filters and
standardises them as ECGFounder's training did ({front_end}), which needs scipy:
`pip install 'leadlab[teacher]'`. The graph itself takes the filtered window."""

_OTHER_INPUT = """\
For hosts that cannot resample: {n_samples} samples at {rate:g} Hz, {margin} of them on each side
for the filter, true rate within {tolerance:.1%}{cost}."""

_SIMULATED = (
    "Trained and scored on simulated patients: it demonstrates the software and knows nothing of "
    "real ones."
)


def render_card(
    manifest: Manifest, members: Mapping[str, bytes], figures: Mapping[str, str]
) -> str:
    """Return the card of a pack.

    Parameters
    ----------
    manifest
        What the pack says about itself.
    members
        File name to content, for the sizes.
    figures
        Measured figures: what was measured, and the value as text.
    """
    source = manifest.provenance
    origin = {
        "cohort": source.cohort,
        "panel": source.panel,
        "recipe": source.recipe,
        "teacher": source.teacher,
        **source.details,
    }
    shown = [indicator for indicator in manifest.indicators if indicator.shown]
    return _TEMPLATE.format(
        licence=manifest.licence.lower() or "other",
        tags=", ".join(["ecg", "wearable", *(["simulated"] if source.simulated else [])]),
        name=manifest.name,
        n=len(manifest.indicators),
        lead=manifest.lead,
        rate=manifest.input.rate_hz,
        load=_load_arguments(manifest.name, members),
        input=_inputs(manifest),
        intended_use=manifest.intended_use,
        simulated=_SIMULATED if source.simulated else "",
        files=_table("file", "bytes", {name: f"{len(data):,}" for name, data in members.items()}),
        figures=_table("figure", "value", _mean_auroc(manifest.indicators) | dict(figures)),
        findings=_table("finding", "AUROC", _strongest(shown)),
        hidden=len(manifest.indicators) - len(shown),
        provenance=_table("what", "value", {key: value for key, value in origin.items() if value}),
    )


def _load_arguments(name: str, members: Mapping[str, bytes]) -> str:
    """Return what ``leadlab.load`` needs: a full-size network lies above the device's limit."""
    large = sum(map(len, members.values())) > DEVICE_MAX_BYTES - _OVERHEAD_BYTES
    return f'"{name}.leadpack"' + (f", max_bytes={TEACHER_MAX_BYTES}" if large else "")


def _inputs(manifest: Manifest) -> str:
    """Describe the main input and, where there are any, those at other rates."""
    template = _IN_GRAPH if manifest.front_end == "in-graph" else _HOST_FILTERS
    main = template.format(
        n_samples=manifest.input.n_samples,
        rate=manifest.input.rate_hz,
        margin=manifest.input.margin,
        front_end=manifest.front_end,
    )
    return "\n\n".join([main, *map(_other_input, manifest.other_inputs)])


def _other_input(spec: InputSpec) -> str:
    change = spec.unresampled_auroc_change
    return _OTHER_INPUT.format(
        n_samples=spec.n_samples,
        rate=spec.rate_hz,
        margin=spec.margin,
        tolerance=spec.unresampled_tolerance,
        cost="" if change is None else f" (mean AUROC {change:+.4f})",
    )


def _mean_auroc(indicators: tuple[Indicator, ...]) -> dict[str, str]:
    values = [indicator.auroc for indicator in indicators if indicator.auroc is not None]
    if not values:
        return {}
    return {f"mean AUROC, {len(values)} findings": f"{sum(values) / len(values):.4f}"}


def _strongest(shown: list[Indicator]) -> dict[str, str]:
    ranked = sorted(shown, key=lambda indicator: -(indicator.auroc or 0.0))
    return {
        indicator.label: "not measured" if indicator.auroc is None else f"{indicator.auroc:.3f}"
        for indicator in ranked[:STRONGEST]
    }


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {left} | {right} |", "| --- | --- |"]
    return "\n".join(lines + [f"| {key} | {value} |" for key, value in rows.items()])

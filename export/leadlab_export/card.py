"""The card of a pack: Markdown under a YAML header, as model hubs expect it."""

from collections.abc import Mapping

from leadlab_edge.indicators import Indicator
from leadlab_edge.pack import Manifest

STRONGEST = 12

_TEMPLATE = """\
---
license: {licence}
library_name: leadlab
tags: [{tags}]
---

# {name}

Scores {n} laboratory findings from 10 s of one ECG lead ({lead}), {rate:g} Hz, raw millivolts.

**{intended_use}** {simulated}

## How to use

```python
import leadlab
leadlab.load("{name}.leadpack").predict(raw_mv, rate_hz=130.0)
```

## Input

{n_samples} samples of one lead at {rate:g} Hz, in millivolts: a 10-s body and {margin} samples on
each side for the filter inside the graph. Any gain and electrode offset; no filtering before.

## Files

{files}

## Figures

{figures}

Strongest of the findings with enough positive patients (AUROC on patients not seen in training):

{findings}

{hidden} of {n} findings are hidden on devices by default: below chance, or too few positive
patients to tell. `manifest.json` lists all with thresholds; probabilities at or above a finding's
operating threshold are met by 1 in 10 validation windows without the finding.

## Provenance

{provenance}
"""

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
        licence=manifest.licence.lower(),
        tags=", ".join(["ecg", "wearable", *(["simulated"] if source.simulated else [])]),
        name=manifest.name,
        n=len(manifest.indicators),
        lead=manifest.lead,
        rate=manifest.input.rate_hz,
        n_samples=manifest.input.n_samples,
        margin=manifest.input.margin,
        intended_use=manifest.intended_use,
        simulated=_SIMULATED if source.simulated else "",
        files=_table("file", "bytes", {name: f"{len(data):,}" for name, data in members.items()}),
        figures=_table("figure", "value", _mean_auroc(manifest.indicators) | dict(figures)),
        findings=_table("finding", "AUROC", _strongest(shown)),
        hidden=len(manifest.indicators) - len(shown),
        provenance=_table("what", "value", {key: value for key, value in origin.items() if value}),
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

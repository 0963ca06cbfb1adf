"""What ``leadlab check`` found: one record, shown as text, as JSON and as a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leadlab_edge.pack import Parity
from leadlab_export.check.accuracy import CheckReport
from leadlab_export.check.drift import Drift
from leadlab_export.check.gate import Limits
from leadlab_export.check.int8 import Int8Row


@dataclass(frozen=True, slots=True)
class ParityRow:
    """One model file on one runtime beside the golden logits it must give."""

    file: str
    runtime: str
    parity: Parity


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one model file costs on one runtime and one thread.

    Attributes
    ----------
    model
        "full" or "compact".
    file, runtime
        Which file, and what executes it.
    n_bytes
        Size of the file.
    median_ms, p99_ms, load_s, peak_rss_mb
        Raw millivolts to logits of one window, opening, and peak memory of a process that only
        predicts; None where it was not measured.
    failure
        Why it could not be.
    """

    model: str
    file: str
    runtime: str
    n_bytes: int
    median_ms: float | None = None
    p99_ms: float | None = None
    load_s: float | None = None
    peak_rss_mb: float | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class PairReport:
    """The full model beside the compact one.

    Attributes
    ----------
    full, pack, pack_id
        Who was compared.
    cohort
        On whose patients; None without a cohort.
    labels
        Which labels were scored, in words; empty without a cohort.
    simulated
        Whether the pack, the full model's cohort or the cohort at hand is simulated.
    machine
        What measured; see `leadlab_edge.bench.machine`.
    accuracy
        Full against compact on test patients; None where it could not be scored.
    parity, int8, drifts, costs
        Golden logits, int8 files, differences between all models, costs.
    limits
        The gate's.
    notes
        What a reader must know besides.
    failures
        One sentence for each broken limit.
    """

    full: str
    pack: str
    pack_id: str
    cohort: str | None
    labels: str
    simulated: bool
    machine: Mapping[str, Any]
    accuracy: CheckReport | None
    parity: tuple[ParityRow, ...]
    int8: tuple[Int8Row, ...]
    drifts: tuple[Drift, ...]
    costs: tuple[CostRow, ...]
    limits: Limits
    notes: tuple[str, ...]
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether no limit was broken."""
        return not self.failures

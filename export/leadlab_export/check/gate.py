"""The gate: how far a compact model may fall behind before it must not leave the house."""

import dataclasses
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from leadlab_edge.config import load_settings
from leadlab_edge.errors import ConfigError
from leadlab_export.check.comparison import COMPACT, FULL, HEART_RATE, Comparison

_AT_LEAST_0 = {"min": 0.0}


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gate allows. AUROC figures, but where another is named; None allows anything.

    The defaults are the demo's. Those of ``leadlab check`` are `CHECK_LIMITS`.

    Attributes
    ----------
    distillation_drop, distillation_worst_drop
        Compact fp32 against the full model: the mean drop over all indicators, and the largest of
        those with enough positives, as far as its interval leaves no doubt: two networks differ in
        single indicators by chance more than two precisions of one network do.
    int8_mean_drop, int8_mean_change, int8_worst_drop
        int8, and any other precision below float32, against its own fp32: mean drop and mean
        absolute change over all indicators, and the largest drop of those with enough positives.
    int8_bytes
        Size of an int8 file.
    fewest_positives
        Distinct positive patients an indicator needs for its drop, its calibration or its
        efficiency to count.
    efficiency, above_heart_rate
        Of the full model, at least, and how far above that of heart rate alone.
    full_floor
        The lower end of the interval of the full model's macro AUROC lies above this: a model at
        chance loses nothing by quantization.
    counted_ceiling
        Efficiency counts indicators whose best reachable AUROC exceeds this.
    null_mean, null_strays
        How far the mean of indicators without effect may lie from .5, and how many of them may have
        .5 outside their corrected interval.
    ece_shift
        Growth of the expected calibration error from a model to the one made from it, mean of the
        indicators with enough positives.
    fp32_parity
        Largest difference of a logit between float32 files on any runtimes, from raw millivolts.
    saturation
        Root mean square difference between an int8 ONNX file in integer kernels and the same file
        in float arithmetic, as a share of the spread of its logits.
    clipped_share
        Share of an int8 file's activations that lie at an end of their range, median tensor.
    """

    distillation_drop: float = field(default=0.01, metadata=_AT_LEAST_0)
    distillation_worst_drop: float | None = field(default=None, metadata=_AT_LEAST_0)
    int8_mean_drop: float = field(default=0.002, metadata=_AT_LEAST_0)
    int8_mean_change: float | None = field(default=0.003, metadata=_AT_LEAST_0)
    int8_worst_drop: float = field(default=0.01, metadata=_AT_LEAST_0)
    int8_bytes: int | None = field(default=200_000, metadata={"min": 0})
    fewest_positives: int = field(default=20, metadata={"min": 1})
    efficiency: float | None = field(default=0.65, metadata={"min": -1.0, "max": 1.0})
    above_heart_rate: float | None = field(default=0.10, metadata={"min": -1.0, "max": 1.0})
    full_floor: float = field(default=0.5, metadata={"min": 0.0, "max": 1.0})
    counted_ceiling: float = field(default=0.60, metadata={"min": 0.5, "max": 1.0})
    null_mean: float | None = field(default=0.03, metadata=_AT_LEAST_0)
    null_strays: int | None = field(default=0, metadata={"min": 0})
    ece_shift: float | None = field(default=None, metadata=_AT_LEAST_0)
    fp32_parity: float = field(default=1e-3, metadata=_AT_LEAST_0)
    saturation: float = field(default=0.05, metadata=_AT_LEAST_0)
    clipped_share: float = field(default=1e-4, metadata={"min": 0.0, "max": 1.0})


CHECK_LIMITS = Limits(
    distillation_worst_drop=0.02,
    int8_mean_drop=0.005,
    int8_mean_change=None,
    int8_worst_drop=0.02,
    int8_bytes=None,
    fewest_positives=50,
    efficiency=None,
    above_heart_rate=None,
    null_mean=None,
    null_strays=None,
    ece_shift=0.01,
)


def read_limits(path: Path | None) -> Limits:
    """Return the limits of ``leadlab check``, with those of a TOML file in their place.

    Raises
    ------
    ConfigError
        The file cannot be read, or holds a name or a value that no limit has.
    """
    if path is None:
        return CHECK_LIMITS
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is not readable TOML: {error}") from error
    return load_settings(Limits, dataclasses.asdict(CHECK_LIMITS) | table)


def failures(comparison: Comparison, limits: Limits) -> Iterator[str]:
    """Yield one sentence for each broken limit: the value, the limit, the remedy."""
    if COMPACT in comparison.auroc:
        yield from _distillation(comparison, limits, COMPACT)
        yield from _quantization(comparison, limits)
    else:
        for name in comparison.reduced:
            yield from _distillation(comparison, limits, name)
    yield from _calibration(comparison, limits)
    yield from _sizes(comparison, limits)
    yield from _knowledge(comparison, limits)
    if comparison.null.any():
        yield from _nulls(comparison, limits)


def _distillation(comparison: Comparison, limits: Limits, name: str) -> Iterator[str]:
    change, _ = comparison.macro_change(name, FULL)
    remedy = "distil for more steps or widen the student"
    what = f"{name} lies below the full model by"
    yield from _above(what, -change, limits.distillation_drop, remedy)
    certain = -comparison.worst_certain_change(name, FULL)
    what = f"{name}: the worst indicator lies below the full model by at least"
    yield from _above(what, certain, limits.distillation_worst_drop, remedy)


def _quantization(comparison: Comparison, limits: Limits) -> Iterator[str]:
    remedy = "calibrate on more training windows, with min/max ranges"
    for name in comparison.reduced:
        mean, _ = comparison.macro_change(name, COMPACT)
        absolute = float(np.nanmean(np.abs(comparison.change(name, COMPACT))))
        worst = comparison.worst_change(name, COMPACT)
        for what, value, limit in (
            ("mean AUROC drops by", -mean, limits.int8_mean_drop),
            ("mean absolute change of AUROC is", absolute, limits.int8_mean_change),
            ("the worst indicator's AUROC drops by", -worst, limits.int8_worst_drop),
        ):
            yield from _above(f"{name}: {what}", value, limit, remedy)


def _calibration(comparison: Comparison, limits: Limits) -> Iterator[str]:
    if limits.ece_shift is None:
        return
    names = [COMPACT] if COMPACT in comparison.auroc else []
    for name in (*names, *comparison.reduced):
        against = comparison.made_from(name)
        assert against is not None
        shift = comparison.over_enough(comparison.ece(name) - comparison.ece(against))
        if np.isfinite(shift):
            yield from _above(
                f"{name}: the calibration error exceeds that of {against} by",
                shift,
                limits.ece_shift,
                "set a temperature on validation patients, or quantize anew",
            )


def _sizes(comparison: Comparison, limits: Limits) -> Iterator[str]:
    for measured in comparison.scores.measured:
        if (
            limits.int8_bytes is not None
            and measured.precision == "int8"
            and measured.n_bytes > limits.int8_bytes
        ):
            yield (
                f"{measured.file} has {measured.n_bytes:,} bytes; the limit is "
                f"{limits.int8_bytes:,}: narrow the student"
            )


def _knowledge(comparison: Comparison, limits: Limits) -> Iterator[str]:
    _, (low, _) = comparison.macro(FULL)
    if not low > limits.full_floor:
        yield (
            f"the full model's macro AUROC may be as low as {low:.4f}; the limit is "
            f"{limits.full_floor:g}: "
            "check that labels belong to their windows, or train for longer"
        )
    full, heart_rate = comparison.efficiency(FULL), comparison.efficiency(HEART_RATE)
    least = limits.efficiency
    if full is not None and least is not None and not full >= least:
        yield (
            f"the full model's efficiency is {full:.3f}; the limit is {least:g}: "
            "train for longer or on more patients"
        )
    least = limits.above_heart_rate
    if full is not None and heart_rate is not None and least is not None:
        gain = full - heart_rate
        if not gain >= least:
            yield (
                f"the full model's efficiency exceeds that of heart rate alone by {gain:.3f}; "
                f"the limit is {least:g}: train for longer or on more patients"
            )


def _nulls(comparison: Comparison, limits: Limits) -> Iterator[str]:
    for name in (FULL, COMPACT):
        if name not in comparison.auroc:
            continue
        mean = float(np.nanmean(comparison.auroc[name][comparison.null]))
        yield from _above(
            f"{name}: the mean AUROC of indicators without effect lies off .5 by",
            abs(mean - 0.5),
            limits.null_mean,
            "look for a leak between patients, windows and labels",
        )
        low, high = comparison.null_intervals(name)
        strays = int(((low > 0.5) | (high < 0.5)).sum())
        if limits.null_strays is not None and strays > limits.null_strays:
            yield (
                f"{name}: {strays} of {comparison.null.sum()} indicators without effect have .5 "
                "outside their corrected interval; the limit is "
                f"{limits.null_strays}: look for a leak"
            )


def _above(what: str, value: float, limit: float | None, remedy: str) -> Iterator[str]:
    if limit is not None and not value <= limit:
        yield f"{what} {value:.4f}; the limit is {limit:g}: {remedy}"

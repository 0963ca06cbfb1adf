"""The gate: how far a compact model may fall behind before it must not leave the house."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from leadlab_export.comparison import COMPACT, FULL, HEART_RATE, Comparison


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gate allows. AUROC figures, but for the sizes.

    Attributes
    ----------
    distillation_drop
        Macro AUROC of the full model above the compact fp32 model.
    int8_mean_drop, int8_mean_change, int8_worst_drop
        int8 against its own fp32: mean drop and mean absolute change over all indicators, and the
        largest drop of those with enough positives.
    int8_bytes
        Size of an int8 file.
    fewest_positives
        Distinct positive patients an indicator needs for its drop or its efficiency to count.
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
    """

    distillation_drop: float = field(default=0.01, metadata={"min": 0.0})
    int8_mean_drop: float = field(default=0.002, metadata={"min": 0.0})
    int8_mean_change: float = field(default=0.003, metadata={"min": 0.0})
    int8_worst_drop: float = field(default=0.01, metadata={"min": 0.0})
    int8_bytes: int = field(default=200_000, metadata={"min": 0})
    fewest_positives: int = field(default=20, metadata={"min": 1})
    efficiency: float = field(default=0.65, metadata={"min": -1.0, "max": 1.0})
    above_heart_rate: float = field(default=0.10, metadata={"min": -1.0, "max": 1.0})
    full_floor: float = field(default=0.5, metadata={"min": 0.0, "max": 1.0})
    counted_ceiling: float = field(default=0.60, metadata={"min": 0.5, "max": 1.0})
    null_mean: float = field(default=0.03, metadata={"min": 0.0})
    null_strays: int = field(default=0, metadata={"min": 0})


def failures(comparison: Comparison, limits: Limits) -> Iterator[str]:
    """Yield one sentence for each broken limit: the value, the limit, the remedy."""
    yield from _distillation(comparison, limits)
    yield from _quantization(comparison, limits)
    yield from _sizes(comparison, limits)
    yield from _knowledge(comparison, limits)
    if comparison.null.any():
        yield from _nulls(comparison, limits)


def _distillation(comparison: Comparison, limits: Limits) -> Iterator[str]:
    change, _ = comparison.macro_change(COMPACT, FULL)
    yield from _above(
        f"{COMPACT} lies below the full model by",
        -change,
        limits.distillation_drop,
        "distil for more steps or widen the student",
    )


def _quantization(comparison: Comparison, limits: Limits) -> Iterator[str]:
    remedy = "calibrate on more training windows, with min/max ranges"
    for name in comparison.int8:
        mean, _ = comparison.macro_change(name, COMPACT)
        absolute = float(np.nanmean(np.abs(comparison.change(name, COMPACT))))
        worst = comparison.worst_change(name, COMPACT)
        for what, value, limit in (
            ("mean AUROC drops by", -mean, limits.int8_mean_drop),
            ("mean absolute change of AUROC is", absolute, limits.int8_mean_change),
            ("the worst indicator's AUROC drops by", -worst, limits.int8_worst_drop),
        ):
            yield from _above(f"{name}: {what}", value, limit, remedy)


def _sizes(comparison: Comparison, limits: Limits) -> Iterator[str]:
    for measured in comparison.scores.measured:
        if measured.precision == "int8" and measured.n_bytes > limits.int8_bytes:
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
    if full is not None and not full >= limits.efficiency:
        yield (
            f"the full model's efficiency is {full:.3f}; the limit is {limits.efficiency:g}: "
            "train for longer or on more patients"
        )
    if full is not None and heart_rate is not None:
        gain = full - heart_rate
        if not gain >= limits.above_heart_rate:
            yield (
                f"the full model's efficiency exceeds that of heart rate alone by {gain:.3f}; "
                f"the limit is {limits.above_heart_rate:g}: train for longer or on more patients"
            )


def _nulls(comparison: Comparison, limits: Limits) -> Iterator[str]:
    for name in (FULL, COMPACT):
        mean = float(np.nanmean(comparison.auroc[name][comparison.null]))
        yield from _above(
            f"{name}: the mean AUROC of indicators without effect lies off .5 by",
            abs(mean - 0.5),
            limits.null_mean,
            "look for a leak between patients, windows and labels",
        )
        low, high = comparison.null_intervals(name)
        strays = int(((low > 0.5) | (high < 0.5)).sum())
        if strays > limits.null_strays:
            yield (
                f"{name}: {strays} of {comparison.null.sum()} indicators without effect have .5 "
                "outside their corrected interval; the limit is "
                f"{limits.null_strays}: look for a leak"
            )


def _above(what: str, value: float, limit: float, remedy: str) -> Iterator[str]:
    if not value <= limit:
        yield f"{what} {value:.4f}; the limit is {limit:g}: {remedy}"

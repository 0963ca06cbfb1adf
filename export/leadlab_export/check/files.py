"""What a pack itself gives away: golden logits, int8 arithmetic, and what its files cost here."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.bench import measure
from leadlab_edge.pack import Pack, PackModel
from leadlab_edge.pack.pins import Pin
from leadlab_edge.signal import ecgfounder_v1
from leadlab_export.check.drift import Drift
from leadlab_export.check.gate import Limits
from leadlab_export.check.int8 import Int8Row, int8_rows
from leadlab_export.check.models import Compact
from leadlab_export.check.onnx_graph import REDUCED_RANGE
from leadlab_export.check.report import CostRow, ParityRow

Windows = NDArray[np.float32]


def parity_rows(compact: Compact) -> tuple[ParityRow, ...]:
    """Run the golden windows through every model file on every runtime."""
    return tuple(
        ParityRow(way.file.file, way.runtime, compact.pack.parity(way)) for way in compact.ways
    )


def golden_logits(compact: Compact) -> dict[str, Windows]:
    """Return what each file for the main input says of the golden windows, by column name."""
    windows = compact.pack.golden().raw_mv
    return {
        f"{way.file.precision} {way.runtime}": np.stack([way.logits(w) for w in windows])
        for way in compact.ways
        if way.file.rate_hz is None
    }


def examine_int8(pack: Pack, windows_mv: Mapping[float | None, Windows]) -> tuple[Int8Row, ...]:
    """Examine the int8 files on the golden windows, and on others of the training's kind.

    A recording from elsewhere may exceed the best of ranges: it says nothing of calibration.

    Parameters
    ----------
    pack
        A verified pack.
    windows_mv
        Such others by the rate of the model file, ``(n, n_samples)`` millivolts.
    """
    golden = pack.golden()
    in_graph = pack.manifest.front_end == "in-graph"
    inputs = {}
    for file in pack.manifest.models:
        others = [windows_mv[file.rate_hz]] if file.rate_hz in windows_mv else []
        raw_mv = np.concatenate([golden.windows(file), *others])
        inputs[file.rate_hz] = raw_mv if in_graph else ecgfounder_v1(raw_mv)
    return tuple(int8_rows(pack, inputs))


def costs(
    name: str, pack: Pack, path: Path, ways: Sequence[PackModel], repeats: int
) -> Iterator[CostRow]:
    """Measure model files in processes of their own, one thread each.

    Parameters
    ----------
    name
        "full" or "compact".
    pack, path
        The pack and its file.
    ways
        Which files on which runtimes.
    repeats
        Windows to time; 0 measures nothing but sizes.
    """
    for way in ways:
        size = len(pack.members[way.file.file])
        row = CostRow(name, way.file.file, way.runtime, size)
        if way.file.rate_hz is not None or not repeats:
            yield row
            continue
        measured = measure(path, Pin(way.runtime, way.file.precision, 1), repeats=repeats)
        cost = measured.cost
        if cost is None:
            yield CostRow(name, way.file.file, way.runtime, size, failure=measured.failure)
        else:
            figures = (cost.median_ms, cost.p99_ms, cost.load_s, cost.peak_rss_mb)
            yield CostRow(name, way.file.file, way.runtime, size, *figures)


def file_failures(
    parity: Sequence[ParityRow],
    int8: Sequence[Int8Row],
    drifts: Sequence[Drift],
    exact: Sequence[str],
    limits: Limits,
) -> Iterator[str]:
    """Yield one sentence for each broken limit that needs no labels.

    Parameters
    ----------
    parity, int8, drifts
        What was found.
    exact
        Names in the drifts of those that compute the same in float32.
    limits
        The gate's.
    """
    for row in parity:
        if not row.parity.passed:
            yield (
                f"{row.file} on {row.runtime}: differs from the golden logits by "
                f"{row.parity.judged:.2g}; the limit is {row.parity.limit:.2g}: update the runtime "
                "or use another"
            )
    for drift in drifts:
        among = [name for name in exact if name in drift.names]
        largest = drift.largest_between(among)
        if not largest <= limits.fp32_parity:
            yield (
                f"float32 logits differ by {largest:.2g} on {drift.windows}; the limit is "
                f"{limits.fp32_parity:g}: export again, or leave out the runtime that differs"
            )
    for found in int8:
        yield from _int8_failures(found, limits)


def _int8_failures(row: Int8Row, limits: Limits) -> Iterator[str]:
    if not row.reduced_range:
        yield (
            f"{row.file}: int8 weights reach {row.largest_weight}; the limit is {REDUCED_RANGE}: "
            "wider ones saturate on x86 without VNNI. Quantize with reduced range"
        )
    if row.saturation is not None and not row.saturation <= limits.saturation:
        yield (
            f"{row.file}: integer kernels of this machine differ from float arithmetic by "
            f"{row.saturation:.1%} of the spread of the logits; the limit is "
            f"{limits.saturation:.1%}: products saturate. Quantize with reduced range"
        )
    if row.clipped_share is not None and not row.clipped_share <= limits.clipped_share:
        yield (
            f"{row.file}: {row.clipped_share:.2%} of its activations lie at an end of their range; "
            f"the limit is {limits.clipped_share:.2%}: calibrate with min/max ranges, not with "
            "moving averages"
        )

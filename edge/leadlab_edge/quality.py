"""Is this window fit for the model? A score, and the reasons when it is not.

The score asks whether the beats of a window look like one another: noise does not repeat. Each
beat's second-best likeness and the upper third of the likenesses of all pairs stay high in a window
of two kinds of beat (bigeminy), and are low in noise, even in noise that is shaped like beats.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.beats import heart_rate_bpm, moving_mean

# Windows with frequent ventricular beats score .6 to .7, muscle and baseline noise alone below .4.
# Electrode motion looks like beats: alone, two fifths of its windows pass.
MIN_SCORE = 0.6
MAX_RANGE_MV = 20.0
HEART_RATE_BPM = (30.0, 220.0)
MAX_FLAT_SHARE = 0.2
MAX_RAIL_SHARE = 0.05
_FLAT_BLOCK_S, _FLAT_BLOCKS, _FLAT_MV = 0.25, 4, 0.01
_RAIL_WIDTH, _RAIL_DISTANCE = 0.002, 0.25  # of the range
_BEAT_S = (0.25, 0.4)  # around an R peak
_SMOOTH_S, _BASELINE_S = 0.02, 0.6
_MIN_BEATS = 3
_TYPICAL_PERCENT = 65  # of two kinds by turns, 46 % of all pairs are of one kind
_SIZE_SPREAD, _RR_SPREAD = 1.7, 3.5  # within these, arrhythmias; beyond, more likely artefacts

_Floats = NDArray[np.float64]


class Reason(StrEnum):
    """Why a window is not used. The value is what sinks publish."""

    LEAD_OFF = "lead_off"
    FLAT = "flat"
    RAIL = "rail"
    NOISE = "noise"
    NO_BEATS = "no_beats"
    RATE_MISMATCH = "rate_mismatch"
    WRONG_LEAD = "wrong_lead"
    UNIT = "unit"
    INVALID = "invalid"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Quality:
    """Verdict on one window.

    Attributes
    ----------
    score
        0 (useless) to 1 (clean).
    reasons
        Why the window must not be used; empty when it may.
    """

    score: float
    reasons: tuple[Reason, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the model may see the window."""
        return not self.reasons


def assess(
    raw_mv: NDArray[np.float32],
    fs_hz: float,
    beats: NDArray[np.int64],
    *,
    lead_off: bool = False,
    saturated_share: float = 0.0,
) -> Quality:
    """Judge a raw window.

    Parameters
    ----------
    raw_mv
        ``(n,)``, mV @ ``fs_hz``, unfiltered.
    beats
        Its R peaks, see `leadlab_edge.beats.detect_beats`.
    lead_off
        Whether the device reported a loose electrode during the window.
    saturated_share
        Share of samples that the device reported as saturated.
    """
    x = np.asarray(raw_mv, np.float64)
    reasons = [Reason.LEAD_OFF] if lead_off else []
    if not np.isfinite(x).all():
        return Quality(0.0, (*reasons, Reason.INVALID))
    if _flat_share(x, fs_hz) > MAX_FLAT_SHARE:
        reasons.append(Reason.FLAT)
    if max(saturated_share, _rail_share(x)) > MAX_RAIL_SHARE:
        reasons.append(Reason.RAIL)
    if np.ptp(x) > MAX_RANGE_MV:
        reasons.append(Reason.UNIT)
    rate_bpm = heart_rate_bpm(beats, fs_hz)
    low, high = HEART_RATE_BPM
    if beats.size < _MIN_BEATS or rate_bpm is None or not low <= rate_bpm <= high:
        return Quality(0.0, (*reasons, Reason.NO_BEATS))
    score = _likeness(x, fs_hz, beats)
    if score < MIN_SCORE:
        reasons.append(Reason.NOISE)
    return Quality(score, tuple(reasons))


def _flat_share(x: _Floats, fs_hz: float) -> float:
    """Return the share of time in flat runs of a second or more; shorter ones are diastole."""
    block = max(2, round(_FLAT_BLOCK_S * fs_hz))
    blocks = x[: x.size // block * block].reshape(-1, block)
    if len(blocks) < _FLAT_BLOCKS:
        return 0.0
    still = np.ptp(blocks, axis=1) < _FLAT_MV
    runs = np.lib.stride_tricks.sliding_window_view(still, _FLAT_BLOCKS).all(axis=1)
    flat = np.zeros(len(blocks), bool)
    for shift in range(_FLAT_BLOCKS):
        flat[shift : shift + runs.size] |= runs
    return float(flat.mean())


def _rail_share(x: _Floats) -> float:
    """Return the share of samples stuck at an extreme that lies well off the middle."""
    middle, spread = np.median(x), np.ptp(x)
    share = 0.0
    for extreme in (x.min(), x.max()):
        if abs(extreme - middle) > _RAIL_DISTANCE * spread:
            share += float(np.mean(np.abs(x - extreme) <= _RAIL_WIDTH * spread))
    return share


def _likeness(x: _Floats, fs_hz: float, beats: NDArray[np.int64]) -> float:
    """Return how alike the beats are, 0 to 1, less where their sizes or intervals vary wildly."""
    y = moving_mean(x, _SMOOTH_S * fs_hz) - moving_mean(x, _BASELINE_S * fs_hz)
    before, after = (round(reach * fs_hz) for reach in _BEAT_S)
    inner = beats[(beats >= before) & (beats < y.size - after)]
    if inner.size < _MIN_BEATS:
        return 0.0
    shapes = y[inner[:, None] + np.arange(-before, after)]
    shapes -= shapes.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(shapes, axis=1)
    shapes /= np.maximum(sizes, np.finfo(float).tiny)[:, None]
    alike = shapes @ shapes.T
    typical = np.percentile(alike[np.triu_indices_from(alike, 1)], _TYPICAL_PERCENT)
    second_best = np.sort(alike, axis=1)[:, -3].mean()  # the last column is the beat itself
    small, large = np.percentile(sizes, (10, 90))
    intervals = np.diff(beats)
    score = (typical + second_best) / 2
    score *= min(1.0, _SIZE_SPREAD * small / large) if large > 0 else 0.0
    score *= min(1.0, _RR_SPREAD * intervals.min() / intervals.max())
    return float(np.clip(score, 0.0, 1.0))

"""Recording: one lead over time, and the choices every file format has to make."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from leadlab_edge.errors import RecordingError

MIN_DURATION_S = 10.0
MIN_RATE_HZ, MAX_RATE_HZ = 50.0, 10_000.0
MAX_SPAN_MV = 100.0
UNKNOWN_LEAD = "unknown"

_MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "nv": 1e-6}
_MILLIVOLTS |= {"\u00b5v": 1e-3, "\u03bcv": 1e-3}  # micro sign and Greek mu
_LEADS = {
    name.upper(): name
    for name in ("I", "II", "III", "aVR", "aVL", "aVF", "V", *(f"V{n}" for n in range(1, 10)))
} | {"MLI": "I", "MLII": "II", "MLIII": "III", **{f"MCL{n}": f"MCL{n}" for n in range(1, 7)}}


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One lead of one file; valid by construction.

    Attributes
    ----------
    name
        File name, for people.
    samples_uv
        ``(n,) float32, uV @ rate_hz``; NaN where samples are missing.
    rate_hz
        True rate where the file has timestamps, else the one it states.
    lead
        ``"II"``; ``"unknown"`` where the file does not say.
    start
        Time of the first sample, None where the file does not say.

    Raises
    ------
    RecordingError
        Shorter than 10 s, without samples, at an implausible rate, or of an amplitude no ECG has.
    """

    name: str
    samples_uv: NDArray[np.float32]
    rate_hz: float
    lead: str = UNKNOWN_LEAD
    start: datetime | None = None

    def __post_init__(self) -> None:
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            raise RecordingError(
                f"{self.name}: rate is {self.rate_hz:g} Hz; it must lie in {MIN_RATE_HZ:g} to"
                f" {MAX_RATE_HZ:g} Hz. Check the unit of the time column, or give rate_hz"
            )
        if not np.isfinite(self.samples_uv).any():
            raise RecordingError(
                f"{self.name}: the chosen channel has no ECG samples; give channel"
            )
        if self.duration_s < MIN_DURATION_S:
            raise RecordingError(
                f"{self.name}: recording lasts {self.duration_s:.3f} s; a window takes"
                f" {MIN_DURATION_S:g} s. Record longer"
            )
        if (span := span_mv(self.samples_uv, per_mv=1e3)) > MAX_SPAN_MV:
            raise RecordingError(
                f"{self.name}: the signal spans {span:.0f} mV; an ECG stays within"
                f" {MAX_SPAN_MV:g} mV. The unit is wrong, or an amplifier's: give unit, by name"
                " ('uV') or as the millivolts that 1 stands for"
            )

    @property
    def duration_s(self) -> float:
        """Length in seconds, missing stretches included."""
        return len(self.samples_uv) / self.rate_hz

    def to_int_uv(self) -> NDArray[np.int32]:
        """Return ``(n,) int32``, whole microvolts, as a strap transmits them.

        Raises
        ------
        RecordingError
            Samples are missing; integers cannot say so.
        """
        missing = int(np.count_nonzero(np.isnan(self.samples_uv)))
        if missing:
            raise RecordingError(
                f"{self.name}: {missing} samples are missing and cannot be whole numbers;"
                " cut a stretch without gaps"
            )
        return np.rint(self.samples_uv).astype(np.int32)


def span_mv(samples: NDArray[np.float32], per_mv: float = 1.0) -> float:
    """Return the peak-to-peak span in mV; of long spans, without the outermost 0.1 % each side.

    A span above ``MAX_SPAN_MV`` means a wrong unit, which a few stray samples must not look like.
    """
    span = float(np.nanmax(samples) - np.nanmin(samples)) / per_mv
    if span > MAX_SPAN_MV:
        low, high = np.nanpercentile(samples, [0.1, 99.9])
        span = float(high - low) / per_mv
    return span


def millivolts_per(unit: str | float | None, name: str) -> float:
    """Return what one unit is in mV: a name (``"uV"``) or a number (mV per count).

    Raises
    ------
    RecordingError
        The unit is not known; a count of a converter is no voltage.
    """
    try:
        scale = _MILLIVOLTS.get(str(unit).strip().lower()) or float(unit or "nan")
    except ValueError:
        scale = np.nan
    if not (np.isfinite(scale) and scale > 0):
        said = f"is {unit!r}" if unit else "is not stated"
        raise RecordingError(
            f"{name}: the unit of the samples {said}; it must be V, mV or uV."
            " Give unit, by name or as the millivolts that 1 stands for"
        )
    return float(scale)


def lead_of(channel: str) -> str | None:
    """Return the lead a channel name means, ``"unknown"`` for just "ECG", None if not an ECG."""
    name = re.sub(r"[^A-Z0-9]+", " ", channel.upper()).strip()
    bare = re.sub(r"^(ECG|EKG|LEAD|CHANNEL|\s)+|\s*(MV|UV|V)?$", "", name)
    lead = _LEADS.get(bare) or _LEADS.get(name)
    if lead is None and re.match(r"ECG|EKG", name):
        return UNKNOWN_LEAD
    return lead


def choose_channel(names: Sequence[str], channel: str | int | None, file: str) -> int:
    """Return the index of the wanted channel; unasked, lead II, then I, then the first ECG.

    Raises
    ------
    RecordingError
        No such channel, or none that looks like an ECG.
    """
    listing = f"channels are {', '.join(names) or 'none'}"
    if channel is not None:
        folded = [name.strip().lower() for name in names]
        wanted = str(channel).strip()
        if wanted.lower() in folded:
            return folded.index(wanted.lower())
        if wanted.isascii() and wanted.isdigit() and int(wanted) < len(names):
            return int(wanted)
        raise RecordingError(f"{file}: no channel {channel!r}; {listing}")
    leads = [lead_of(name) for name in names]
    for lead in ("II", "I"):
        if lead in leads:
            return leads.index(lead)
    for index, any_lead in enumerate(leads):
        if any_lead is not None:
            return index
    raise RecordingError(f"{file}: no channel looks like an ECG; {listing}. Give channel")

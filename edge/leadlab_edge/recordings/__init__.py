"""Recordings: ECG files of the usual formats, read as microvolts over time."""

from pathlib import Path

from leadlab_edge.errors import RecordingError
from leadlab_edge.recordings.base import Recording

__all__ = ["Recording", "open_recording"]


def open_recording(
    path: str | Path,
    channel: str | int | None = None,
    unit: str | float | None = None,
    rate_hz: float | None = None,
    lead: str | None = None,
) -> Recording:
    """Read one lead of a recording; the format follows from the suffix.

    Parameters
    ----------
    path
        ``.csv``, ``.txt`` (either ``.gz`` too), WFDB ``.hea`` or ``.dat``, or ``.edf``.
    channel
        Name or number (from 0) of the channel; None takes lead II, then I, then the first ECG.
    unit
        ``"V"``, ``"mV"``, ``"uV"``, or a number: the millivolts that 1 stands for.
        Overrides what the file says.
    rate_hz
        Overrides what the file says; a time column is then not read.
    lead
        Overrides what the file says.

    Raises
    ------
    RecordingError
        Missing, not understood, ambiguous, shorter than 10 s, or not an ECG in amplitude.
    """
    path = Path(path)
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    if not path.is_file():
        raise RecordingError(f"{path}: no such file; give the path of a recording")
    match suffix.lower():
        case ".csv" | ".txt" | ".tsv":
            from leadlab_edge.recordings.csv import read_csv as read
        case ".hea" | ".dat":
            from leadlab_edge.recordings.wfdb import read_wfdb as read
        case ".edf" | ".bdf":
            from leadlab_edge.recordings.edf import read_edf as read
        case _:
            raise RecordingError(
                f"{path}: suffix {suffix!r} is not one of .csv, .txt, .tsv (or .gz of these),"
                " .hea, .dat, .edf, .bdf"
            )
    return read(path, channel, unit, rate_hz, lead)

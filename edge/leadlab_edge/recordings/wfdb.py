"""WFDB recordings (PhysioNet). Needs the ``files`` extra."""

from pathlib import Path
from typing import Any

import numpy as np

from leadlab_edge.errors import RecordingError
from leadlab_edge.recordings.base import (
    UNKNOWN_LEAD,
    Recording,
    choose_channel,
    lead_of,
    millivolts_per,
)


def read_wfdb(
    path: Path,
    channel: str | int | None = None,
    unit: str | float | None = None,
    rate_hz: float | None = None,
    lead: str | None = None,
) -> Recording:
    """Read one signal; parameters as in :func:`leadlab_edge.recordings.open_recording`.

    Multi-segment records are joined, their gaps NaN. A signal with several samples per frame is
    read at its own rate, not averaged down to the record's.
    """
    header = path.with_suffix(".hea")
    if not header.is_file():
        raise RecordingError(f"{path.name}: its header {header.name} is not beside it")
    try:
        import wfdb
    except ImportError as cause:
        raise RecordingError(f"{path.name}: install wfdb: pip install 'leadlab[files]'") from cause
    stem = str(header.with_suffix(""))
    try:
        names = wfdb.rdheader(stem, rd_segments=True).sig_name or []
        index = choose_channel(names, channel, path.name)
        record: Any = wfdb.rdrecord(stem, channels=[index], smooth_frames=False)
        values, own_unit = record.e_p_signal[0], record.units[0]
    except RecordingError:
        raise
    except FileNotFoundError as cause:
        missing = Path(str(cause.filename)).name
        raise RecordingError(
            f"{path.name}: its part {missing} is missing; put it beside the header"
        ) from cause
    except Exception as cause:  # wfdb raises whatever a damaged header trips over
        raise RecordingError(f"{path.name}: not a readable WFDB record: {cause}") from cause
    scale = millivolts_per(unit or own_unit, path.name)
    samples_uv = (np.asarray(values) * (scale * 1e3)).astype(np.float32)
    found_lead = lead or lead_of(names[index]) or UNKNOWN_LEAD
    rate = float(rate_hz or record.fs * record.samps_per_frame[0])
    return Recording(path.name, samples_uv, rate, found_lead, record.base_datetime)

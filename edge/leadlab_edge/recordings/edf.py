"""EDF and BDF recordings. Needs the ``files`` extra."""

from datetime import datetime
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


def read_edf(
    path: Path,
    channel: str | int | None = None,
    unit: str | float | None = None,
    rate_hz: float | None = None,
    lead: str | None = None,
) -> Recording:
    """Read one signal; parameters as in :func:`leadlab_edge.recordings.open_recording`."""
    try:
        import edfio
    except ImportError as cause:
        raise RecordingError(f"{path.name}: install edfio: pip install 'leadlab[files]'") from cause
    try:
        read = edfio.read_bdf if path.suffix.lower() == ".bdf" else edfio.read_edf
        file = read(path)
        names = [signal.label for signal in file.signals]
        signal = file.signals[choose_channel(names, channel, path.name)]
        values, start = signal.data, _start(file)
    except RecordingError:
        raise
    except Exception as cause:  # edfio raises whatever a damaged header trips over
        raise RecordingError(f"{path.name}: not a readable EDF file: {cause}") from cause
    scale = millivolts_per(unit or signal.physical_dimension, path.name)
    samples_uv = (np.asarray(values) * (scale * 1e3)).astype(np.float32)
    found_lead = lead or lead_of(signal.label) or UNKNOWN_LEAD
    rate = float(rate_hz or signal.sampling_frequency)
    return Recording(path.name, samples_uv, rate, found_lead, start)


def _start(file: Any) -> datetime | None:
    try:
        return datetime.combine(file.startdate, file.starttime)
    except ValueError:  # made anonymous
        return None

"""Messages of one stream to :class:`EcgFrame`: an info message says what its frames mean."""

from typing import Final

import numpy as np

from leadlab_bridge.errors import FrameError
from leadlab_bridge.frame import EcgFrame, FrameFlag
from leadlab_bridge.oecg.layout import SAMPLE_BYTES, Flag
from leadlab_bridge.oecg.messages import Data, Info, Message, decode

_FRAME_FLAGS: Final = {
    Flag.LEAD_OFF: FrameFlag.LEAD_OFF,
    Flag.SATURATED: FrameFlag.SATURATED,
    Flag.CLOCK_RESET: FrameFlag.CLOCK_RESET,
    Flag.LOW_BATTERY: FrameFlag.LOW_BATTERY,
    Flag.GAP_BEFORE: FrameFlag.GAP_BEFORE,
}
_MEANING: Final = [
    FrameFlag(sum(flag.value for bit, flag in _FRAME_FLAGS.items() if bits & bit))
    for bits in range(256)
]
_WRAP: Final = 1 << 32


def to_frame(data: Data, info: Info, sample_index: int, ticks: int) -> EcgFrame:
    """Return a frame in microvolts.

    Parameters
    ----------
    data, info
        A frame, and the info message that describes it.
    sample_index, ticks
        Those of ``data``, counted on past 32 bits.
    """
    samples_uv = data.samples.astype(np.float32)
    samples_uv *= info.lsb_pv * 1e-6
    invalid = data.samples == -(1 << (8 * SAMPLE_BYTES[data.encoding] - 1))
    if invalid.any():
        samples_uv[invalid] = np.nan
    return EcgFrame(
        samples_uv,
        info.rate_millihz / 1000,
        info.lead_name,
        ticks * 1_000_000_000 // info.ticks_per_s,
        sample_index,
        _MEANING[data.flags],
    )


class Receiver:
    """Turns the messages of one connection into frames; counts on where 32 bits wrap.

    Attributes
    ----------
    info
        The newest info message; None before the first.
    """

    def __init__(self) -> None:
        self.info: Info | None = None
        self._by_id: dict[int, Info] = {}
        self._index = _Unwrapped()
        self._ticks = _Unwrapped()

    def feed(self, data: bytes) -> list[EcgFrame]:
        """Take one message; return its frame, or nothing where it carries no samples.

        Raises
        ------
        FrameError
            Not a message, or a frame that no info message described so far.
        """
        return self.take(decode(data))

    def describes(self, data: Data) -> bool:
        """Tell whether an info message said what this frame means."""
        return data.config_id in self._by_id

    def take(self, message: Message) -> list[EcgFrame]:
        """Take one decoded message; see :meth:`feed`."""
        if isinstance(message, Data):
            return [self._frame(message)]
        if isinstance(message, Info):
            self.info = message
            self._by_id[message.config_id] = message
        return []

    def _frame(self, data: Data) -> EcgFrame:
        info = self._by_id.get(data.config_id)
        if info is None:
            raise FrameError(
                f"OECG frame has config id {data.config_id}; described so far are "
                f"{sorted(self._by_id) or 'none'}. Remedy: read the info message again"
            )
        if data.flags & Flag.CLOCK_RESET:
            self._ticks = _Unwrapped()
        index, ticks = self._index.follow(data.sample_index), self._ticks.follow(data.ticks)
        return to_frame(data, info, index, ticks)


class _Unwrapped:
    """A 32-bit counter, counted on past its wraps; a step back is a step of less than half."""

    def __init__(self) -> None:
        self._last: int | None = None

    def follow(self, value: int) -> int:
        """Return ``value`` plus the wraps so far; a late value counts where it belongs."""
        if self._last is None:
            self._last = value
            return value
        step = (value - self._last + _WRAP // 2) % _WRAP - _WRAP // 2
        self._last += step
        return self._last

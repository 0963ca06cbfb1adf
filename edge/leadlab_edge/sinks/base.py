"""What a sink is, and which indicators fit where there is little room."""

from typing import Protocol

from leadlab_edge.indicators import Indicator
from leadlab_edge.pipeline import Snapshot, WindowResult


class Sink(Protocol):
    """Takes results as they come. A sink returns at once: the stream waits for nobody."""

    def window(self, result: WindowResult) -> None:
        """Take one result, abstentions included."""
        ...

    def snapshot(self, snapshot: Snapshot) -> None:
        """Take the state of the stream; called after every frame."""
        ...

    def close(self) -> None:
        """Release everything; called once, after the last result."""
        ...


def strongest(indicators: tuple[Indicator, ...], count: int) -> list[tuple[int, Indicator]]:
    """Return the ``count`` shown indicators with the highest AUROC, with their columns."""
    shown = [(column, item) for column, item in enumerate(indicators) if item.shown]
    return sorted(shown, key=lambda pair: -(pair[1].auroc or pair[1].study_auroc or 0.0))[:count]

"""What is tried: one thing changed at a time from ``small``, and smaller ones for ``nano``."""

from dataclasses import dataclass, replace

from leadlab_export.student import SMALL, StudentShape


@dataclass(frozen=True, slots=True)
class Candidate:
    """A shape to try.

    Attributes
    ----------
    name
        Short and unique.
    axis
        What it differs in: ``"rate"``, ``"stem"``, ``"width"``, ``"depth"``, ``"kernel"`` or
        ``"nano"``.
    shape
        Its layers.
    """

    name: str
    axis: str
    shape: StudentShape


def candidates() -> tuple[Candidate, ...]:
    """Return all shapes of the search, the reference first."""
    rates = [
        Candidate(f"{rate} Hz", "rate", replace(SMALL, rate_hz=rate)) for rate in (100, 250, 500)
    ]
    # A higher rate also leaves the body more samples a second after the stem. These tell apart
    # what the rate and what the samples are worth: 62.5 a second as in `small`, and 125 without.
    stems = [
        Candidate(f"{rate} Hz, stem {stride}", "stem", _stem(rate, stride))
        for rate, stride in ((125, 1), (250, 4), (500, 8))
    ]
    widths = [
        Candidate(f"width x{factor}", "width", _wider(SMALL, factor)) for factor in (0.5, 0.75, 1.5)
    ]
    depths = [
        Candidate(f"depth {sum(blocks)}", "depth", replace(SMALL, blocks=blocks))
        for blocks in ((1, 1, 1, 1, 1), (2, 3, 3, 3, 3))
    ]
    kernels = [
        Candidate(f"kernel {kernel}", "kernel", replace(SMALL, kernel=kernel)) for kernel in (5, 15)
    ]
    nanos = [
        Candidate("nano 4 x 1", "nano", _nano(4, 1)),
        Candidate("nano 4 x 2", "nano", _nano(4, 2)),
        Candidate("nano 5 x 1", "nano", _nano(5, 1)),
        Candidate("nano 4 x 1, stem 2", "nano", replace(_nano(4, 1), stem_stride=2)),
        Candidate("nano 4 x 2, stem 2", "nano", replace(_nano(4, 2), stem_stride=2)),
        Candidate("nano 5 x 1, stem 2", "nano", replace(_nano(5, 1), stem_stride=2)),
        Candidate("nano 4 x 2, kernel 15", "nano", replace(_nano(4, 2), kernel=15)),
        Candidate("nano 5 x 1, kernel 15", "nano", replace(_nano(5, 1), kernel=15)),
        Candidate("nano 5 x 1, x0.5", "nano", _wider(_nano(5, 1), 0.5)),
        Candidate("nano 4 x 2, x0.5", "nano", _wider(_nano(4, 2), 0.5)),
        Candidate("nano 4 x 2, x1.5", "nano", _wider(_nano(4, 2), 1.5)),
    ]
    tried = [*rates, *stems, *widths, *depths, *kernels, *nanos]
    return (Candidate("small", "reference", SMALL), *tried)


def _stem(rate_hz: int, stem_stride: int) -> StudentShape:
    return replace(SMALL, rate_hz=rate_hz, stem_stride=stem_stride)


def _wider(shape: StudentShape, factor: float) -> StudentShape:
    """Return a shape with all channels multiplied, in steps of four."""

    def channels(n: int) -> int:
        return 4 * round(n * factor / 4)

    widths = tuple(map(channels, shape.widths))
    return replace(shape, stem=channels(shape.stem), widths=widths)


def _nano(stages: int, blocks: int) -> StudentShape:
    """Return a shape of few channels; the first stage has one block."""
    widths = (24, 32, 48, 64, 96)[:stages]
    return StudentShape(16, widths, (1, *(stages - 1) * [blocks]), stem_stride=4)

"""Augmentation in time and level: what a student meets between the windows it was cut.

Time is what this is for: shifts, and rates that are off, which the trainer's augmentation
(:mod:`leadlab_train.augment`) leaves to who cuts the windows. Leads, bandwidths, converters and
coloured noise are that one's; `DistillSettings.wearable` puts it before this. Wander, step and
noise are here in units of the signal, there in millivolts.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

# Share of the windows that meet each disturbance.
WANDER_SHARE, STEP_SHARE, NOISE_SHARE, QUANTISE_SHARE = 0.5, 0.1, 0.5, 0.5
WANDER_CYCLES = (0.5, 5.0)  # per window: below 0.45 Hz


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far the disturbances go; amplitudes in units of the strip's own standard deviation.

    Gain is not among them: the front end divides it out exactly.

    Attributes
    ----------
    shift
        Largest shift in samples.
    stretch
        Largest error of the sampling rate, as a fraction. Wearables are off by up to 0.02.
    fast
        How much faster still a signal may be sampled than it is taken for: 0.04 for hosts that hand
        on the 130 Hz of a strap where 125 are expected.
    wander, step, noise
        Largest amplitude of slow baseline movement, of one baseline step and of white noise.
    quantum
        Largest resolution step: 14 bits over the range of a chest strap are about 0.01.
    """

    shift: int = field(default=5, metadata={"min": 0})
    stretch: float = field(default=0.02, metadata={"min": 0.0, "max": 0.02})
    fast: float = field(default=0.0, metadata={"min": 0.0, "max": 0.1})
    wander: float = field(default=1.0, metadata={"min": 0.0})
    step: float = field(default=1.0, metadata={"min": 0.0})
    noise: float = field(default=0.05, metadata={"min": 0.0})
    quantum: float = field(default=0.02, metadata={"min": 0.0})

    def spare(self, n_samples: int) -> int:
        """Return the samples beyond each end of a window that shift and stretch reach."""
        return math.ceil(self.shift + self.stretch * n_samples / 2)

    def __call__(self, strips_mv: Tensor, n_samples: int, generator: torch.Generator) -> Tensor:
        """Cut a disturbed window out of each strip.

        Parameters
        ----------
        strips_mv
            ``(batch, n_samples + 2 * spare)`` millivolts. The window is their middle, shifted and
            stretched; where that leaves the strip, its last samples are repeated.
        n_samples
            Length of the windows.
        generator
            Source of all randomness.

        Returns
        -------
        Tensor
            ``(batch, n_samples)`` millivolts.
        """
        n = len(strips_mv)

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(n, 1, generator=generator)

        def some(share: float) -> Tensor:
            return (torch.rand(n, 1, generator=generator) < share).float()

        shift = uniform(-self.shift, self.shift)
        stretch = uniform(-self.stretch - self.fast, self.stretch)
        window = resample_cubic(strips_mv, shift, 1 + stretch, n_samples)
        time = torch.linspace(0, 1, n_samples)
        phase = uniform(*WANDER_CYCLES) * time + uniform(0, 1)
        wander = uniform(0, self.wander) * torch.sin(2 * math.pi * phase)
        jump = uniform(-self.step, self.step) * (time > uniform(0, 1))
        noise = uniform(0, self.noise) * torch.randn(n, n_samples, generator=generator)
        disturbance = (
            wander * some(WANDER_SHARE) + jump * some(STEP_SHARE) + noise * some(NOISE_SHARE)
        )
        unit = strips_mv.std(dim=1, keepdim=True)
        window = window + unit * disturbance
        quantum = unit * uniform(self.quantum / 10, self.quantum)
        coarse = torch.round(window / quantum) * quantum
        # Without a step, of the setting or of a flat strip, that was a division by zero.
        return torch.where((some(QUANTISE_SHARE) > 0) & (quantum > 0), coarse, window)


def resample_cubic(strips: Tensor, shift: Tensor, stretch: Tensor, n_samples: int) -> Tensor:
    """Read the middle of each strip at shifted and stretched times, by Catmull-Rom interpolation.

    Parameters
    ----------
    strips
        ``(batch, time)``.
    shift, stretch
        ``(batch, 1)``: offset of the middle in samples, and samples read per sample returned.
    n_samples
        Length of what is returned.

    Returns
    -------
    Tensor
        ``(batch, n_samples)``.
    """
    length = strips.shape[1]
    centred = torch.arange(n_samples) - (n_samples - 1) / 2
    position = (centred * stretch + shift + (length - 1) / 2).clamp(0, length - 1)
    index = position.floor()
    t = position - index
    before, here, after, beyond = (
        strips.gather(1, (index.long() + offset).clamp(0, length - 1)) for offset in (-1, 0, 1, 2)
    )
    slope_here, slope_after = (after - before) / 2, (beyond - here) / 2
    rise = after - here
    cubic = slope_here + slope_after - 2 * rise
    return here + t * (slope_here + t * (rise - slope_here - cubic + t * cubic))

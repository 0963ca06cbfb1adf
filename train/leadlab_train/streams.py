"""Random streams that are functions of what they are for: no order of use changes them."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream decides. Streams of two purposes have nothing in common."""

    PLACE = 1
    ORDER = 2
    CROP = 3
    AUGMENTATION = 4


def stream(purpose: Purpose, seed: int, epoch: int, number: int = 0) -> np.random.Generator:
    """Return the generator of one thing in one epoch.

    Parameters
    ----------
    purpose
        What it decides.
    seed, epoch
        Below 2**31 and 2**32.
    number
        Which draw, window or batch, below 2**56.

    Notes
    -----
    Philox is keyed, not seeded: making a generator takes microseconds (Salmon et al., "Parallel
    random numbers: as easy as 1, 2, 3", SC 2011).
    """
    key = [(seed << 32) | epoch, (int(purpose) << 56) | number]
    return np.random.Generator(np.random.Philox(key=key))

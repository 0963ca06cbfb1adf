"""What the codecs share: lengths, codes to microvolts and back, counters that wrap."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leadlab_bridge.errors import FrameError
from leadlab_bridge.frame import FrameFlag

MAX_NOTIFICATION_BYTES: Final = 517


def count_samples(what: str, size: int, header_bytes: int, sample_bytes: int) -> int:
    """Return how many samples a notification of ``size`` bytes carries.

    Raises
    ------
    FrameError
        Longer than any notification, no sample at all, or half of one.
    """
    if size > MAX_NOTIFICATION_BYTES:
        raise FrameError(
            f"{what} has {size} bytes; a notification carries at most {MAX_NOTIFICATION_BYTES}. "
            "Remedy: pass one notification at a time"
        )
    n, rest = divmod(size - header_bytes, sample_bytes)
    if n < 1 or rest:
        raise FrameError(
            f"{what} has {size} bytes; it needs {header_bytes} + {sample_bytes} for each of at "
            "least one sample. Remedy: none here, the link cut it short; it is dropped"
        )
    return n


def max_samples(header_bytes: int, sample_bytes: int) -> int:
    """Return how many samples fit into the longest notification."""
    return (MAX_NOTIFICATION_BYTES - header_bytes) // sample_bytes


def to_microvolts(
    codes: NDArray[np.integer], uv_per_code: float, invalid: int | None = None
) -> NDArray[np.float32]:
    """Return codes as ``(n,) float32`` microvolts; NaN for the ``invalid`` code."""
    samples_uv = (codes * np.float64(uv_per_code)).astype(np.float32)
    if invalid is not None:
        samples_uv[codes == invalid] = np.nan
    return samples_uv


def to_codes(
    samples_uv: ArrayLike,
    uv_per_code: float,
    lowest: int,
    highest: int,
    *,
    invalid: int | None = None,
    most: int,
) -> NDArray[np.int64]:
    """Return microvolts as the nearest codes.

    Parameters
    ----------
    samples_uv
        ``(n,)``, 1 to ``most`` of them. NaN becomes ``invalid``.
    lowest, highest
        Codes at the ends of the range; samples beyond them saturate, as in the device.

    Raises
    ------
    FrameError
        Wrong count, infinite, or NaN where the format has no code for it.
    """
    samples = np.asarray(samples_uv, dtype=np.float64)
    if samples.ndim != 1 or not 1 <= samples.size <= most:
        raise FrameError(
            f"samples have shape {samples.shape}; a frame carries 1 to {most} of them. "
            "Remedy: split them"
        )
    missing = np.isnan(samples)
    if np.isinf(samples).any() or (invalid is None and missing.any()):
        raise FrameError(
            "samples hold infinity, or NaN where the format has no code for it; it carries "
            f"{lowest} to {highest}. Remedy: interpolate them"
        )
    codes = np.rint(np.where(missing, 0.0, samples) / uv_per_code)
    codes = np.clip(codes, lowest, highest).astype(np.int64)
    if invalid is not None:
        codes[missing] = invalid
    return codes


def saturation(codes: NDArray[np.integer], lowest: int, highest: int) -> FrameFlag:
    """Return SATURATED where a code lies at or beyond an end of the range."""
    touched = codes.max() >= highest or codes.min() <= lowest
    return FrameFlag.SATURATED if touched else FrameFlag.NONE


def unwrap(counter: int, near: int, modulus: int) -> int:
    """Return the value nearest to ``near`` that a counter modulo ``modulus`` stands for."""
    half = modulus // 2
    return near + (counter - near + half) % modulus - half


def require_range(what: str, value: int, highest: int) -> int:
    """Return ``value``.

    Raises
    ------
    FrameError
        It is not within 0 to ``highest``, where its field ends.
    """
    if not 0 <= value <= highest:
        raise FrameError(
            f"{what} is {value}; its field holds 0 to {highest}. Remedy: choose one in that range"
        )
    return value

"""Faults as words: ``drop@5,7-9 late@12:1.5 reset@40 clock:+80 rate:-20000``."""

from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final

from leadlab_bridge.simulated.faults import Faults

_FRAMES: Final = {
    "drop": "dropped",
    "double": "doubled",
    "swap": "swapped",
    "truncate": "truncated",
    "oversize": "oversize",
    "junk": "junk",
    "lead-off": "lead_off",
}
_FRAME: Final = {
    "reset": "clock_reset_at",
    "stall": "stall_at",
    "disconnect": "disconnect_at",
    "cut": "cut_at",
    "die": "dies_at",
    "low-battery": "low_battery_at",
}
_PPM: Final = {"clock": "clock_ppm", "rate": "rate_ppm"}
_LATE: Final = "late"
_LATE_S: Final = 1.0
WORDS: Final = (*_FRAMES, _LATE, *_FRAME, *_PPM)

_MAX_FRAMES: Final = 1_000_000
_MAX_PPM: Final = 500_000.0


def parse_faults(text: str, base: Faults | None = None, now: int | None = None) -> Faults:
    """Return the faults that a script names, on top of those of ``base``.

    Parameters
    ----------
    text
        Words parted by white space; ``#`` begins a comment. ``WORD@FRAMES`` names frames, counted
        from 0, one by one or as ranges. ``late@FRAMES:SECONDS`` delays them, 1 s where it does not
        say. ``clock:PPM`` and ``rate:PPM`` are errors of the device's clock and of its rate.
    now
        Frame that a word without ``@`` means, None where there is none.

    Raises
    ------
    ValueError
        A word that is not understood; the message says which are.
    """
    faults = base or Faults()
    for line in text.splitlines():
        for word in line.partition("#")[0].split():
            faults = replace(faults, **_parse(word, faults, now))
    return faults


def _parse(word: str, faults: Faults, now: int | None) -> dict[str, Any]:
    kind, _, rest = word.partition("@")
    kind, _, value = kind.partition(":") if "@" not in word else (kind, "", "")
    if kind in _PPM:
        return {_PPM[kind]: _number(word, value, -_MAX_PPM, _MAX_PPM)}
    if kind == _LATE:
        frames, _, delay = rest.partition(":") if "@" in word else ("", "", value)
        late_s = _number(word, delay, 0.0, 3600.0) if delay else _LATE_S
        return {"late_s": {**faults.late_s, **dict.fromkeys(_numbers(word, frames, now), late_s)}}
    if kind in _FRAMES:
        name = _FRAMES[kind]
        return {name: getattr(faults, name) | _numbers(word, rest, now)}
    if kind in _FRAME:
        return {_FRAME[kind]: min(_numbers(word, rest, now))}
    near = get_close_matches(kind, WORDS, 1)
    raise ValueError(
        f"{word!r} is no fault"
        + (f"; do you mean {near[0]!r}" if near else "")
        + f". Known are {', '.join(WORDS)}"
    )


def _numbers(word: str, text: str, now: int | None) -> frozenset[int]:
    """Return the frames of ``3,5-7``."""
    if not text:
        if now is None:
            raise ValueError(f"{word!r} names no frame. Write it as {word}@FRAME")
        return frozenset({now})
    frames: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise ValueError(f"{word!r}: {part!r} is no frame; write 5, or 5-9 for a range")
        low, high = int(first), int(last or first)
        if high - low >= _MAX_FRAMES:
            raise ValueError(f"{word!r}: {high - low + 1} frames; {_MAX_FRAMES} are the most")
        frames.update(range(low, high + 1))
    if not frames:
        raise ValueError(f"{word!r} names no frame; a range runs upwards, as in 5-9")
    return frozenset(frames)


def _number(word: str, text: str, low: float, high: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise ValueError(f"{word!r}: {text!r} must be a number from {low:g} to {high:g}")
    return number

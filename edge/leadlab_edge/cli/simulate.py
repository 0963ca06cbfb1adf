"""``leadlab simulate``: a simulated wearable, in this process or on a Bluetooth controller."""

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from textwrap import fill
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from leadlab_bridge import FrameError
from leadlab_bridge.simulated.catalog import WEARABLES
from leadlab_bridge.simulated.ecg import simulate_ecg
from leadlab_bridge.simulated.fault_script import WORDS, parse_faults
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.player import Player
from leadlab_bridge.simulated.wearable import Wearable
from leadlab_bridge.timing import Clock, SystemClock
from leadlab_edge.capture import read_capture
from leadlab_edge.errors import ConfigError, SourceError

CAPTURE = "capture"
EPILOG = f"""\b
Examples:
  leadlab simulate h10 --faults "drop@20 late@30:1.5" --seconds 30
  leadlab simulate oecg --replay night.csv --transport usb:0
  leadlab simulate capture --replay field.capture.jsonl --transport usb:0
\b
Without --transport, a driver in this process reads the wearable, and what it
makes of the faults is counted. With it, other machines can connect; at a
terminal, a fault typed in hits the next frame.
\b
Faults, frames counted from 0: WORD@FRAMES as in drop@5,7-9; late@FRAMES:SECONDS;
clock:PPM and rate:PPM. Words:
{fill(", ".join(WORDS), 78)}.
"""
_LOOK_S = 0.5


@click.command(epilog=EPILOG)
@click.argument("device", type=click.Choice([*WEARABLES, CAPTURE]))
@click.option("--replay", metavar="FILE", type=Path, help="A recording or a capture to wear.")
@click.option(
    "--transport", metavar="NAME", help="Controller, as bumble calls it (usb:0), or vhci."
)
@click.option("--faults", "words", default="", metavar="WORDS", help="What goes wrong, and when.")
@click.option(
    "--script", metavar="FILE", type=Path, help="The same from a file; # begins a comment."
)
@click.option("--name", help="Name to advertise.")
@click.option("--encrypted/--open", default=None, help="Stream to paired hosts only, or to any.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0.01, max=1000),
    default=1.0,
    show_default=True,
    help="Pace; 1 is real time.",
)
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Stop after this long.")
@click.option("--once", is_flag=True, help="End the stream with the recording; else it loops.")
@click.option("--channel", help="Channel of --replay; default: II, then I, then the first ECG.")
@click.option("--unit", help="Unit of --replay where the file does not say: uV, mV or V.")
@click.option("--rate", type=float, help="Sampling rate of --replay in Hz, if it has no times.")
def simulate(device: str, seconds: float | None, transport: str | None, **options: Any) -> None:
    """Be the wearable DEVICE, with its bytes, its habits, and the faults you ask for."""
    clock = SystemClock(options["speed"])
    wearable = _wearable(device, options, clock)
    work = _in_process(wearable, clock) if transport is None else _on_air(wearable, transport)
    with suppress(KeyboardInterrupt):
        asyncio.run(_limited(work, seconds))


async def _limited(work: Coroutine[Any, Any, None], seconds: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work


def _wearable(device: str, options: dict[str, Any], clock: Clock) -> Wearable:
    faults = _faults(options)
    if device == CAPTURE:
        from leadlab_edge.sources.wearable import replayed

        if options["replay"] is None or faults != Faults():
            raise ConfigError(
                "`simulate capture` says again what a wearable said: it needs --replay with a "
                "capture, and takes no faults. Remedy: name a file that `leadlab capture` wrote"
            )
        return replayed(read_capture(options["replay"]), clock)
    kind = WEARABLES[device]
    encrypted = options["encrypted"]
    return kind.make(
        _samples_uv(options, kind.rate_hz),
        clock=clock,
        loop=not options["once"],
        faults=faults,
        name=options["name"] or kind.name,
        encrypted=kind.encrypted if encrypted is None else encrypted,
    )


def _faults(options: dict[str, Any]) -> Faults:
    try:
        script = options["script"].read_text() if options["script"] else ""
        return parse_faults(f"{script}\n{options['words']}")
    except OSError as error:
        raise ConfigError(f"--script {options['script']}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{error}. Remedy: see `leadlab simulate --help`") from error


def _samples_uv(options: dict[str, Any], rate_hz: float) -> NDArray[np.int32]:
    """Return whole microvolts at the wearable's rate."""
    if options["replay"] is None:
        return simulate_ecg(rate_hz=rate_hz)
    import soxr

    from leadlab_edge.recordings import open_recording

    recording = open_recording(
        options["replay"],
        channel=options["channel"],
        unit=options["unit"],
        rate_hz=options["rate"],
    )
    recorded_uv = recording.to_int_uv().astype(np.float64)
    worn_uv: NDArray[np.float64] = soxr.resample(recorded_uv, recording.rate_hz, rate_hz)
    return np.rint(worn_uv).astype(np.int32)


async def _in_process(wearable: Wearable, clock: Clock) -> None:
    """Read the wearable as a host would, and say what became of its frames."""
    from leadlab_edge.continuity import Continuity
    from leadlab_edge.sources.wearable import WearableSource

    source = WearableSource(wearable, clock)
    continuity = Continuity(source.info.rate_hz)
    try:
        async with source:
            continuity = Continuity(source.info.rate_hz)
            async for arrival in source.frames():
                if isinstance(arrival.frame, FrameError):
                    continuity.count_bad_frame()
                elif arrival.frame.samples_uv.size:
                    continuity.classify(arrival.frame, arrival.host_s)
    except SourceError as error:
        click.echo(str(error))
    finally:
        stats = continuity.stats
        click.echo(
            f"{wearable.name}: {stats.frames} frames, {stats.lost_samples} samples lost in "
            f"{stats.gaps} gaps, {stats.duplicates} doubled, {stats.reordered} late, "
            f"{stats.bad_frames} not decodable, {stats.clock_resets} clock restarts"
        )


async def _on_air(wearable: Wearable, transport: str) -> None:
    """Advertise until stopped; say who comes and goes; take faults from the terminal."""
    try:
        from leadlab_bridge.simulated.air import on_air
    except ModuleNotFoundError as missing:
        raise click.ClickException(
            f"--transport needs {missing.name}, which is not installed. "
            "Remedy: pip install 'leadlab[simulate]'"
        ) from missing

    async with on_air([wearable], transport) as (server,):
        click.echo(f"{wearable.name} ({server.address}) is on {transport}; Ctrl-C stops")
        player = getattr(wearable, "player", None)
        if player is not None and sys.stdin.isatty():
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _obey_line, player)
        connected = False
        while True:
            if wearable.connected != connected:
                connected = wearable.connected
                click.echo("a host connected" if connected else "the host is gone")
            await asyncio.sleep(_LOOK_S)


def _obey_line(player: Player) -> None:
    """Let the faults of one typed line begin with the next frame."""
    try:
        faults = parse_faults(sys.stdin.readline(), player.faults, player.number + 1)
        if faults.rate_ppm != player.faults.rate_ppm:
            raise ValueError("the rate is fixed once it streams; give rate:PPM in --faults")
    except ValueError as error:
        click.echo(str(error))
    else:
        player.faults = faults

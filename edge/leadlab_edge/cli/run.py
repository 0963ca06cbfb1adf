"""``leadlab run``: stream from a wearable, a recording or a simulated strap through a pack."""

import asyncio
import sys
from pathlib import Path
from typing import Any, get_args

import click

from leadlab_bridge.timing import Clock, SystemClock
from leadlab_edge.config import load_settings
from leadlab_edge.errors import ConfigError, SourceError
from leadlab_edge.pack import Pack, demo_pack, read_trusted_pack
from leadlab_edge.pack.manifest import Precision
from leadlab_edge.pipeline import PipelineSettings
from leadlab_edge.printable import printable
from leadlab_edge.session import SessionLimits, SessionSummary, run_session
from leadlab_edge.sinks.base import Sink
from leadlab_edge.sources.base import Source, SourceInfo
from leadlab_edge.windows import raw_length

EPILOG = """\b
Examples:
  leadlab run --simulate                        a simulated strap, the pack that ships with leadlab
  leadlab run --device A0:9E:1A:12:34:56        a wearable that `leadlab scan` listed
  leadlab run --replay night.csv --speed 20     a recording, 20 times as fast
  leadlab run --simulate --headless --windows 3 plain lines, stop after three windows
"""


@click.command(epilog=EPILOG)
@click.option("--device", metavar="ID", help="Address or name of a wearable (see `leadlab scan`).")
@click.option(
    "--replay", metavar="FILE", type=Path, help="A recording (CSV, WFDB header, EDF) or a capture."
)
@click.option("--simulate", is_flag=True, help="A simulated strap in this process.")
@click.option(
    "--pack", "pack_path", metavar="FILE", type=Path, help="Default: the shipped demo pack."
)
@click.option(
    "--out",
    metavar="FILE",
    type=Path,
    default=Path("results.jsonl"),
    show_default=True,
    help="Append one JSON line a window.",
)
@click.option("--all-indicators", is_flag=True, help="Write hidden indicators to --out, too.")
@click.option("--headless", is_flag=True, help="One plain line a window instead of the live view.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0.01, max=10_000),
    default=1.0,
    show_default=True,
    help="Pace of --replay and --simulate; 1 is real time.",
)
@click.option("--windows", type=click.IntRange(min=1), help="Stop after this many windows.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop after this much stream time.")
@click.option("--channel", help="Channel of --replay; default: II, then I, then the first ECG.")
@click.option("--unit", help="Unit of --replay where the file does not say: uV, mV or V.")
@click.option("--lead", help="Lead of --replay where the file does not say, such as I or II.")
@click.option("--rate", type=float, help="Sampling rate of --replay in Hz, if it has no times.")
@click.option("--runtime", help="Pin a runtime: ai_edge_litert, onnxruntime, tflite_runtime.")
@click.option("--precision", type=click.Choice(get_args(Precision)), help="Pin a precision.")
@click.option(
    "--require-signature",
    metavar="KEY",
    help="Run only a pack signed by KEY: a public key, or a file of them.",
)
@click.option(
    "--config", metavar="FILE", type=Path, help="TOML with a [pipeline] table (hop_s, ...)."
)
def run(**options: Any) -> None:
    """Stream ECG through a pack: live view, and results.jsonl with one line a window.

    Choose one source: --device, --replay or --simulate. Ctrl-C stops; what was written stays.
    """
    pack = _pack(options)
    model = pack.load(options["runtime"], options["precision"])
    if model.pinned:
        click.echo(f"{model.runtime}, {model.file.precision}: pinned by leadlab bench", err=True)
    settings = load_settings(PipelineSettings, options["config"] or {}, "pipeline")
    source = _source(options, SystemClock(options["speed"]))
    headless = options["headless"] or not sys.stdout.isatty()

    def open_sinks(info: SourceInfo) -> list[Sink]:
        return [_results(options, pack), _screen(pack, info, headless)]

    limits = SessionLimits(options["windows"], options["seconds"])
    summary = asyncio.run(run_session(source, model, open_sinks, settings, limits))
    click.echo(_describe(summary, options["out"]))
    if summary.failure is not None:
        raise summary.failure
    if summary.windows == 0:
        rate_hz = summary.source.rate_hz
        needed_s = raw_length(model.n_samples, model.rate_hz, rate_hz) / rate_hz
        raise SourceError(
            f"{summary.stream_s:.1f} s of {summary.source.name} gave no window; one takes "
            f"{needed_s:.1f} s, the margins of filter and resampler included. Remedy: record "
            "longer, or score a strip of 10 s with `leadlab.load(pack).predict`"
        )


def _pack(options: dict[str, Any]) -> Pack:
    """Read the pack by the trust rule: say so where nobody vouches for it."""
    if options["pack_path"] is None:
        return demo_pack()
    pack, standing = read_trusted_pack(options["pack_path"], options["require_signature"])
    if not standing.trusted:
        click.echo(f"{printable(pack.manifest.name)}: {standing}", err=True)
    return pack


def _source(options: dict[str, Any], clock: Clock) -> Source:
    """Open the one source that was asked for; import no more than it needs."""
    chosen = [name for name in ("device", "replay", "simulate") if options[name]]
    if len(chosen) != 1:
        named = " and ".join(f"--{name}" for name in chosen) or "none"
        raise ConfigError(
            f"{named} given as source; name exactly one of --device ID, --replay FILE, --simulate"
        )
    if options["device"]:
        if options["speed"] != 1.0:
            raise ConfigError(
                f"--speed is {options['speed']:g} with --device; a wearable runs in real time. "
                "Remedy: leave --speed out"
            )
        from leadlab_edge.sources.ble import BleSource

        return BleSource(options["device"], clock=clock)
    if options["replay"]:
        if options["replay"].name.endswith(".capture.jsonl"):
            from leadlab_edge.capture import read_capture
            from leadlab_edge.sources.wearable import capture_source

            return capture_source(read_capture(options["replay"]), clock)
        from leadlab_edge.recordings import open_recording
        from leadlab_edge.sources.recording import RecordingSource

        recording = open_recording(
            options["replay"],
            channel=options["channel"],
            unit=options["unit"],
            rate_hz=options["rate"],
            lead=options["lead"],
        )
        return RecordingSource(recording, clock)
    from leadlab_edge.sources.simulated import SimulatedSource

    return SimulatedSource(clock=clock)


def _results(options: dict[str, Any], pack: Pack) -> Sink:
    from leadlab_edge.sinks.jsonl import JsonLines

    return JsonLines(options["out"], pack, options["all_indicators"])


def _screen(pack: Pack, info: SourceInfo, headless: bool) -> Sink:
    if headless:
        from leadlab_edge.sinks.lines import PlainLines

        return PlainLines(pack, info)
    from leadlab_edge.sinks.terminal import LiveView

    return LiveView(pack, info)


def _describe(summary: SessionSummary, out: Path) -> str:
    """Say what came of it in two lines."""
    stats = summary.stats
    return (
        f"{summary.windows} windows, {summary.abstained} of them abstentions, "
        f"from {summary.stream_s:.1f} s of {summary.source.name}; results in {out}\n"
        f"link: {stats.frames} frames, {stats.lost_samples} samples lost, "
        f"{stats.duplicates} doubled, {stats.reordered} late, {stats.bad_frames} not decodable"
    )

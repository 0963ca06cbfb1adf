"""``leadlab capture``: record what a wearable says, byte for byte."""

import asyncio
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leadlab_bridge.devices.listener import Listener
from leadlab_bridge.timing import SystemClock
from leadlab_edge.capture import MAX_BYTES, SUFFIX, CaptureWriter
from leadlab_edge.errors import SourceError

if TYPE_CHECKING:
    from leadlab_edge.sources.ble import BleSource

EPILOG = """\b
Examples:
  leadlab capture A0:9E:1A:12:34:56 --seconds 60
  leadlab capture 12:34:56:78:9A:BC --unknown      a device that leadlab does not read yet
  leadlab run --replay Polar-H10-A1B2C3D4-20260102-030405.capture.jsonl
  leadlab simulate capture --replay Polar-H10-A1B2C3D4-20260102-030405.capture.jsonl
"""
_SYNC_S = 1.0
_FOR_EVER_S = 1e9


@click.command(epilog=EPILOG)
@click.argument("device")
@click.option(
    "--unknown",
    is_flag=True,
    help="A device without a driver: hear all that it says of itself, and ask for nothing.",
)
@click.option("--out", metavar="FILE", type=Path, help="Default: name and time of the device.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop after this long.")
@click.option(
    "--max-mb",
    type=click.FloatRange(min=0.01, max=MAX_BYTES / 2**20),
    default=64.0,
    show_default=True,
    help="Stop at this size; an hour of a Polar H10 takes 4 MB.",
)
def capture(
    device: str, unknown: bool, out: Path | None, seconds: float | None, max_mb: float
) -> None:
    """Record everything that DEVICE sends, to replay it later or to report a bug.

    The file holds the device's name and the wearer's ECG: share it as you would share those. Ctrl-C
    stops; what was written stays.
    """
    from leadlab_edge.sources.ble import FIRST_FRAME_S, BleSource

    out = out or Path(_file_name(device))
    with CaptureWriter(out, int(max_mb * 2**20)) as writer:
        source = BleSource(
            device,
            clock=SystemClock(),
            tap=writer,
            driver=Listener() if unknown else None,
            # Nobody knows how long a device that is not known may be silent.
            first_frame_timeout_s=_FOR_EVER_S if unknown else FIRST_FRAME_S,
        )
        try:
            asyncio.run(_record(source, writer, seconds))
        except KeyboardInterrupt:
            pass
        finally:
            if writer.notifications:
                click.echo(_describe(writer, source, out))


async def _record(source: "BleSource", writer: CaptureWriter, seconds: float | None) -> None:
    """Stream until the time is up, the file is full, or the device is gone."""
    async with source:
        stream = asyncio.create_task(_drain(source))
        try:
            loop = asyncio.get_running_loop()
            end_s = loop.time() + (seconds or float("inf"))
            while not (writer.full or writer.failure or loop.time() >= end_s):
                pause_s = min(_SYNC_S, end_s - loop.time())
                done, _ = await asyncio.wait({stream}, timeout=max(0.0, pause_s))
                await asyncio.to_thread(writer.sync)
                if done:
                    await stream
        finally:
            stream.cancel()
    if writer.failure is not None:
        raise SourceError(
            f"the capture could not be written on ({writer.failure.strerror}). Remedy: free space "
            "on the disk, or name a file on another one by --out"
        )


async def _drain(source: "BleSource") -> None:
    """Read on, so that a silent or vanished device is noticed."""
    async for _ in source.frames():
        pass


def _file_name(device: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9]+", "-", device).strip("-") or "device"
    return f"{plain}-{datetime.now():%Y%m%d-%H%M%S}{SUFFIX}"


def _describe(writer: CaptureWriter, source: "BleSource", out: Path) -> str:
    full = "; it is full (--max-mb)" if writer.full else ""
    return (
        f"{writer.notifications} notifications, {source.bad_frames} of them not decodable, "
        f"in {out}{full}"
    )

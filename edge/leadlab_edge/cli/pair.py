"""``leadlab pair``: pair with a wearable that streams to paired hosts only."""

import asyncio
import sys

import click


@click.command()
@click.argument("device")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=5, max=300),
    default=60.0,
    show_default=True,
    help="Seconds to wait for the device and for you.",
)
@click.option(
    "--yes", is_flag=True, help="Never ask: pair only a device without screen and keys, as straps."
)
def pair(device: str, timeout_s: float, yes: bool) -> None:
    """Pair with DEVICE, an address or a name that `leadlab scan` lists.

    A wearable that encrypts its ECG streams to paired hosts only; one that does not needs no
    pairing. The bond is kept by the operating system, so once is enough.
    """
    from leadlab_edge.pairing import pair as pair_with

    person = _Terminal() if sys.stdin.isatty() and not yes else None
    paired = asyncio.run(pair_with(device, person, pair_timeout_s=timeout_s))
    click.echo(f"{paired.name} ({paired.address}) is paired.")
    if paired.driver is None:
        click.echo("leadlab has no driver for it.")
    else:
        click.echo(f"Stream from it with: leadlab run --device {paired.address}")


class _Terminal:
    """Whoever sits at the terminal; the event loop runs on while they think."""

    async def show(self, passkey: int) -> None:
        """Show a number to be typed on the device."""
        click.echo(f"Type {passkey:06d} on the device.")

    async def confirm(self, passkey: int) -> bool:
        """Ask whether the device shows this number."""
        return await asyncio.to_thread(click.confirm, f"Does the device show {passkey:06d}?")

    async def passkey(self) -> int:
        """Ask for the number that the device shows."""
        number = click.IntRange(0, 999_999)
        return int(await asyncio.to_thread(click.prompt, "Number on the device", type=number))

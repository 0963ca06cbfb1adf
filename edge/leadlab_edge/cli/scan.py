"""``leadlab scan``: list the Bluetooth ECG wearables in reach."""

import asyncio

import click


@click.command()
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.5, max=120),
    default=5.0,
    show_default=True,
    help="Seconds to listen for advertisements.",
)
@click.option("--all", "show_all", is_flag=True, help="List devices without a driver, too.")
def scan(timeout_s: float, show_all: bool) -> None:
    """List the Bluetooth ECG wearables in reach.

    A listed device can be streamed with `leadlab run --device ADDRESS`. A strap advertises only
    while it is worn: moisten its electrodes and put it on.
    """
    from rich.console import Console
    from rich.table import Table

    from leadlab_edge.scan import scan as scan_devices

    console = Console()
    with console.status(f"Listening for {timeout_s:g} s"):
        found = asyncio.run(scan_devices(timeout_s))
    listed = [device for device in found if show_all or device.driver is not None]
    if not listed:
        raise click.ClickException(
            f"no supported wearable among {len(found)} devices heard in {timeout_s:g} s. Remedy: "
            "wear the strap with moist electrodes, disconnect it from other apps, listen longer "
            "with --timeout, or see every device with --all"
        )
    table = Table("address", "name", "signal", "driver", box=None)
    for device in listed:
        table.add_row(
            device.address, device.name, f"{device.rssi_dbm} dBm", device.driver or "none"
        )
    console.print(table)

"""Simulated wearables on a Bluetooth controller, within reach of other machines or of this one.

``usb:0``, ``serial:...``, ``hci-socket:0`` and whatever else bumble can open is a real controller,
on which one wearable runs. ``vhci`` is none: it gives the Linux kernel of this machine a virtual
adapter, and the wearables are in its reach, so that the machine's own BlueZ finds them (needs root
and the kernel module ``hci_vhci``).

Needs bumble (``pip install 'leadlab[simulate]'``).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from bumble import hci
from bumble.controller import Controller
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport import open_transport
from bumble.transport.common import AsyncPipeSink, Transport

from leadlab_bridge.errors import DeviceError
from leadlab_bridge.simulated.gatt_server import GattServer
from leadlab_bridge.simulated.wearable import Wearable

VIRTUAL: Final = "vhci"
# Bumble's virtual controller announces these two and does not do them as BlueZ needs them.
_UNFIT: Final = hci.LeFeatureMask.LL_PRIVACY | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING


@asynccontextmanager
async def on_air(
    wearables: Sequence[Wearable], transport_name: str
) -> AsyncIterator[tuple[GattServer, ...]]:
    """Advertise while inside.

    Parameters
    ----------
    wearables
        One for a real controller, any number for ``vhci``.
    transport_name
        ``vhci``, or what bumble calls the controller.

    Raises
    ------
    DeviceError
        The controller cannot be used, or there are more wearables than it can be.
    """
    virtual = transport_name.partition(":")[0] == VIRTUAL
    if len(wearables) != 1 and not virtual:
        raise DeviceError(
            f"{len(wearables)} wearables for {transport_name}; a controller can be 1. Remedy: run "
            f"one on each controller, or any number on {VIRTUAL}"
        )
    try:
        transport = await open_transport(transport_name)
    except Exception as error:  # whatever the operating system or bumble's drivers raise
        raise DeviceError(
            f"the controller {transport_name} could not be opened ({type(error).__name__}: "
            f"{error}). Remedy: check its name, stop what uses it, and allow this user to open it"
        ) from error
    async with transport:
        servers = (
            _in_reach(transport, wearables)
            if virtual
            else (GattServer(Host(transport.source, transport.sink), wearables[0]),)
        )
        for server in servers:
            await server.start()
        try:
            yield servers
        finally:
            for server in servers:
                await server.close()


def _in_reach(transport: Transport, wearables: Sequence[Wearable]) -> tuple[GattServer, ...]:
    """Be the kernel's controller, and the air between it and the wearables."""
    air = LocalLink()  # type: ignore[no-untyped-call]
    kernel = Controller("kernel", host_source=transport.source, host_sink=transport.sink, link=air)
    kernel.le_features &= ~_UNFIT
    servers = []
    for number, wearable in enumerate(wearables):
        controller = Controller(f"wearable {number}", link=air)
        host = Host(controller, AsyncPipeSink(controller))
        vanish = partial(air.remove_controller, controller)
        servers.append(GattServer(host, wearable, vanish))
    return tuple(servers)

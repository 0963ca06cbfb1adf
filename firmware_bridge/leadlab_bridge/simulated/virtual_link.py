"""A Bluetooth link in memory: a simulated wearable and the bleak backends that find it.

Real GATT, ATT, L2CAP and HCI, no radio, no kernel, no root::

    async with virtual_link(SimulatedStrap(samples_uv)) as link:
        device = await BleakScanner.find_device_by_address(link.address, backend=link.scanner)
        async with BleakClient(device, backend=link.client) as client:
            ...
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import BaseBleakScanner
from bumble.controller import Controller
from bumble.device import Device
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from leadlab_bridge.simulated.bleak_bumble import backends
from leadlab_bridge.simulated.gatt_server import GattServer
from leadlab_bridge.simulated.h10 import H10, NAME
from leadlab_bridge.simulated.strap import SimulatedStrap
from leadlab_bridge.simulated.wearable import Wearable


@dataclass(frozen=True, slots=True)
class VirtualLink:
    """Both ends of the link.

    Attributes
    ----------
    wearable
        The simulated device.
    peripheral
        Its radio.
    scanner, client
        Backends to hand to ``BleakScanner`` and ``BleakClient``.
    """

    wearable: Wearable
    peripheral: GattServer
    scanner: type[BaseBleakScanner]
    client: type[BaseBleakClient]
    _air: LocalLink
    _controller: Controller

    @property
    def address(self) -> str:
        """Radio address of the wearable."""
        return self.peripheral.address

    def vanish(self) -> None:
        """Take the wearable out of reach: silence, and nobody is told."""
        self.wearable.detach()
        self._air.remove_controller(self._controller)


@asynccontextmanager
async def virtual_link(
    wearable: Wearable | SimulatedStrap, name: str = NAME
) -> AsyncIterator[VirtualLink]:
    """Put a simulated wearable on the air together with a central that can reach it.

    Parameters
    ----------
    wearable
        The device; a strap alone is worn by an H10 of this ``name``.
    """
    if isinstance(wearable, SimulatedStrap):
        wearable = H10(wearable, name)
    air = LocalLink()  # type: ignore[no-untyped-call]
    controller = Controller("peripheral", link=air)
    peripheral = GattServer(
        _host(controller), wearable, vanish=lambda: air.remove_controller(controller)
    )
    central = Device(
        name="central",
        address=Address.generate_static_address(),
        host=_host(Controller("central", link=air)),
    )
    await central.power_on()
    await peripheral.start()
    try:
        yield VirtualLink(wearable, peripheral, *backends(central), air, controller)
    finally:
        await peripheral.close()
        await central.power_off()


def _host(controller: Controller) -> Host:
    return Host(controller, AsyncPipeSink(controller))

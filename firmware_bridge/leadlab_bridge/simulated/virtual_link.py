"""A Bluetooth link in memory: a simulated H10 and the bleak backends that find it.

Real GATT, ATT, L2CAP and HCI, no radio, no kernel, no root::

    async with virtual_link(SimulatedStrap(samples_uv)) as link:
        device = await BleakScanner.find_device_by_name(link.name, backend=link.scanner)
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
from leadlab_bridge.simulated.gatt_h10 import GattH10
from leadlab_bridge.simulated.strap import SimulatedStrap


@dataclass(frozen=True, slots=True)
class VirtualLink:
    """Both ends of the link.

    Attributes
    ----------
    peripheral
        The simulated H10.
    scanner, client
        Backends to hand to ``BleakScanner`` and ``BleakClient``.
    """

    peripheral: GattH10
    scanner: type[BaseBleakScanner]
    client: type[BaseBleakClient]
    _air: LocalLink
    _controller: Controller

    def vanish(self) -> None:
        """Take the peripheral out of reach: silence, and nobody is told."""
        self.peripheral.stop_streaming()
        self._air.remove_controller(self._controller)


@asynccontextmanager
async def virtual_link(
    strap: SimulatedStrap, name: str = "Polar H10 A1B2C3D4"
) -> AsyncIterator[VirtualLink]:
    """Put a simulated H10 on the air together with a central that can reach it."""
    air = LocalLink()  # type: ignore[no-untyped-call]
    controller = Controller("peripheral", link=air)
    peripheral = GattH10(_host(controller), strap, name)
    central = Device(
        name="central",
        address=Address.generate_static_address(),
        host=_host(Controller("central", link=air)),
    )
    await central.power_on()
    await peripheral.start()
    try:
        yield VirtualLink(peripheral, *backends(central), air, controller)
    finally:
        await peripheral.close()
        await central.power_off()


def _host(controller: Controller) -> Host:
    return Host(controller, AsyncPipeSink(controller))

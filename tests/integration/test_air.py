"""A wearable on a controller of its own: HCI over a wire, as to a dongle."""

import socket

import numpy as np
import pytest
from bumble.controller import Controller
from bumble.device import Device
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink
from bumble.transport.tcp_server import open_tcp_server_transport_with_socket

from leadlab_bridge import DeviceError
from leadlab_bridge.simulated.air import on_air
from leadlab_bridge.simulated.bleak_bumble import backends
from leadlab_bridge.simulated.catalog import WEARABLES
from leadlab_bridge.timing import SystemClock
from leadlab_edge.sources.ble import BleSource

ECG_UV = np.arange(5000, dtype=np.int32)


async def test_a_wearable_on_a_controller_behind_hci():
    clock, air = SystemClock(20.0), LocalLink()  # bytes on a socket take their own time
    wearable = WEARABLES["h10"].make(ECG_UV, clock=clock)
    there = Controller("central", link=air)
    central = Device(
        name="central",
        address=Address.generate_static_address(),
        host=Host(there, AsyncPipeSink(there)),
    )
    await central.power_on()
    # Bumble closes neither a socket that it makes nor one that it is given.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        wire = await open_tcp_server_transport_with_socket(listening)
        Controller("dongle", host_source=wire.source, host_sink=wire.sink, link=air)
        async with on_air([wearable], f"tcp-client:127.0.0.1:{port}") as (server,):
            scanner, client = backends(central)
            async with BleSource(
                server.address, clock=clock, scanner_backend=scanner, client_backend=client
            ) as source:
                frames = source.frames()
                arrivals = [await anext(frames) for _ in range(20)]
        await wire.close()
    await central.power_off()
    got = np.concatenate([arrival.frame.samples_uv for arrival in arrivals])
    np.testing.assert_array_equal(got, ECG_UV[: 20 * 73])


async def test_a_controller_is_one_wearable():
    two = [WEARABLES["h10"].make(ECG_UV) for _ in range(2)]
    with pytest.raises(DeviceError, match=r"2 wearables for usb:0.*Remedy"):
        async with on_air(two, "usb:0"):
            pass


async def test_a_controller_that_is_not_there_is_one_clear_error():
    with pytest.raises(DeviceError, match=r"tcp-client:127.0.0.1:\d+ could not be opened.*Remedy"):
        async with on_air([WEARABLES["h10"].make(ECG_UV)], "tcp-client:127.0.0.1:1"):
            pass

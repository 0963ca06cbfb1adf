"""A simulated Polar H10 as a GATT server: what a host sees of the real one, on any bumble host.

PMD, heart rate, battery and device information are there to be discovered; only PMD streams.
Needs bumble (``pip install 'leadlab[simulate]'``).
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from bumble import data_types
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host

from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.errors import DeviceError
from leadlab_bridge.simulated.strap import SimulatedStrap

_ADVERTISING_INTERVAL_MS: Final = 20
_ACCELERATION: Final = 2
_FEATURES: Final = pmd.encode_features((pmd.ECG, _ACCELERATION))
_SETTINGS: Final = pmd.encode_settings(
    {pmd.Setting.SAMPLE_RATE: (pmd.RATE_HZ,), pmd.Setting.RESOLUTION: (pmd.RESOLUTION_BITS,)}
)

_Properties = Characteristic.Properties
_READABLE: Final = Characteristic.Permissions.READABLE
_WRITEABLE: Final = Characteristic.Permissions.WRITEABLE


def _fixed(
    uuid: int, properties: Characteristic.Properties, value: bytes = b""
) -> Characteristic[bytes]:
    return Characteristic(UUID.from_16_bits(uuid), properties, _READABLE, value)


class GattH10:
    """The peripheral.

    Parameters
    ----------
    host
        Bumble host that it runs on.
    strap
        What it streams; every START plays it from its beginning.
    name
        Name it advertises.

    Attributes
    ----------
    commands
        Every command that its control point received, in order.
    """

    def __init__(self, host: Host, strap: SimulatedStrap, name: str = "Polar H10 A1B2C3D4") -> None:
        self.commands: list[bytes] = []
        self._strap = strap
        self._stream: asyncio.Task[None] | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._device = Device(
            config=DeviceConfiguration(
                name=name,
                address=Address.generate_static_address(),
                advertising_interval_min=_ADVERTISING_INTERVAL_MS,
                advertising_interval_max=_ADVERTISING_INTERVAL_MS,
            ),
            host=host,
        )
        control: CharacteristicValue[bytes] = CharacteristicValue(
            read=lambda _: _FEATURES, write=self._on_command
        )
        self._control: Characteristic[bytes] = Characteristic(
            pmd.CONTROL_POINT,
            _Properties.READ | _Properties.WRITE | _Properties.INDICATE,
            _READABLE | _WRITEABLE,
            control,
        )
        self._data = Characteristic(pmd.DATA, _Properties.NOTIFY, _READABLE, b"")
        self._device.add_services(self._services())
        self._device.advertising_data = bytes(
            AdvertisingData(
                [
                    data_types.Flags(AdvertisingData.Flags.LE_GENERAL_DISCOVERABLE_MODE),
                    data_types.CompleteLocalName(name),
                    data_types.IncompleteListOf16BitServiceUUIDs([UUID.from_16_bits(0x180D)]),
                ]
            )
        )
        self._device.on("connection", self._on_connection)

    @property
    def address(self) -> str:
        """Its radio address."""
        return str(self._device.random_address).partition("/")[0]

    @property
    def streaming(self) -> bool:
        """Whether ECG is being sent."""
        return self._stream is not None

    @property
    def connected(self) -> bool:
        """Whether a host is connected."""
        return bool(self._device.connections)

    async def start(self) -> None:
        """Switch on and advertise, again after every disconnection."""
        await self._device.power_on()
        await self._device.start_advertising(auto_restart=True)

    async def close(self) -> None:
        """Stop streaming and advertising and switch off."""
        self.stop_streaming()
        for answer in self._answers:
            answer.cancel()
        await self._device.stop_advertising()
        await self._device.power_off()

    async def disconnect(self) -> None:
        """Drop the connection, as the real one does when it leaves the chest."""
        for connection in list(self._device.connections.values()):
            await connection.disconnect()

    def stop_streaming(self) -> None:
        """Fall silent at once, without telling the host."""
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    def _services(self) -> list[Service]:
        read, notify = _Properties.READ, _Properties.NOTIFY
        return [
            Service(pmd.SERVICE, [self._control, self._data]),
            Service(UUID.from_16_bits(0x180D), [_fixed(0x2A37, notify)]),
            Service(UUID.from_16_bits(0x180F), [_fixed(0x2A19, read | notify, bytes([87]))]),
            Service(
                UUID.from_16_bits(0x180A),
                [_fixed(0x2A29, read, b"leadlab"), _fixed(0x2A24, read, b"simulated H10")],
            ),
        ]

    def _on_connection(self, connection: Connection) -> None:
        connection.on("disconnection", lambda _reason: self.stop_streaming())

    def _on_command(self, connection: Connection, command: bytes) -> None:
        self.commands.append(bytes(command))
        response = self._obey(connection, bytes(command))
        self._spawn(self._indicate(connection, pmd.encode_response(response)))

    def _obey(self, connection: Connection, command: bytes) -> pmd.Response:
        op, measurement = (command + bytes(2))[:2]
        status, parameters = pmd.Status.SUCCESS, b""
        if measurement != pmd.ECG:
            status = pmd.Status.INVALID_MEASUREMENT_TYPE
        elif op == pmd.Op.GET_SETTINGS:
            parameters = _SETTINGS
        elif op == pmd.Op.START:
            status = self._start_status(connection, command)
            if status == pmd.Status.SUCCESS:
                self._stream = asyncio.create_task(self._send_stream(connection))
        elif op == pmd.Op.STOP:
            if not self.streaming:
                status = pmd.Status.ALREADY_IN_STATE
            self.stop_streaming()
        else:
            status = pmd.Status.INVALID_OP_CODE
        return pmd.Response(op, measurement, status, parameters=parameters)

    def _start_status(self, connection: Connection, command: bytes) -> pmd.Status:
        if self.streaming:
            return pmd.Status.ALREADY_IN_STATE
        if connection.att_mtu - 3 < self._strap.frame_bytes:
            return pmd.Status.INVALID_MTU
        if command != pmd.start_ecg():
            return pmd.Status.INVALID_PARAMETER
        return pmd.Status.SUCCESS

    async def _send_stream(self, connection: Connection) -> None:
        try:
            async for data in self._strap.notifications():
                await self._device.notify_subscriber(connection, self._data, data)
        except DeviceError:
            self._spawn(connection.disconnect())
        else:
            self._stream = None
            await self._indicate(connection, pmd.encode_device_stop(pmd.ECG))

    async def _indicate(self, connection: Connection, data: bytes) -> None:
        await self._device.indicate_subscriber(connection, self._control, data)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

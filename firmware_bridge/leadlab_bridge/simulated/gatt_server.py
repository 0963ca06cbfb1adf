"""A simulated wearable as a real GATT server, on any bumble host.

Needs bumble (``pip install 'leadlab[simulate]'``).
"""

import asyncio
import struct
from collections.abc import Callable
from functools import partial
from typing import Final

from bumble import data_types
from bumble.core import UUID, AdvertisingData, DataType
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic as BumbleCharacteristic
from bumble.gatt import CharacteristicValue
from bumble.gatt import Service as BumbleService
from bumble.hci import Address
from bumble.host import Host

from leadlab_bridge.errors import DeviceError
from leadlab_bridge.simulated.wearable import Characteristic, Wearable

_ADVERTISING_INTERVAL_MS: Final = 20
_MAX_NAME_BYTES: Final = 26  # 31, less flags and two headers
_NOTIFICATION_OP: Final = 0x1B
_HEADER_BYTES: Final = 3  # of a notification, before its value
_SHORT_UUID_TAIL: Final = "-0000-1000-8000-00805f9b34fb"
_PROPERTIES: Final = {
    "read": BumbleCharacteristic.Properties.READ,
    "write": BumbleCharacteristic.Properties.WRITE,
    "write-without-response": BumbleCharacteristic.Properties.WRITE_WITHOUT_RESPONSE,
    "notify": BumbleCharacteristic.Properties.NOTIFY,
    "indicate": BumbleCharacteristic.Properties.INDICATE,
}


class GattServer:
    """The radio of a wearable.

    Parameters
    ----------
    host
        Bumble host that it runs on.
    wearable
        What it serves.
    vanish
        Takes the controller off the air without a word; switches it off by default.

    Raises
    ------
    DeviceError
        The name does not fit an advertisement.
    """

    def __init__(
        self, host: Host, wearable: Wearable, vanish: Callable[[], None] | None = None
    ) -> None:
        if len(wearable.name.encode()) > _MAX_NAME_BYTES:
            raise DeviceError(
                f"the name {wearable.name!r} has {len(wearable.name.encode())} bytes; an "
                f"advertisement holds {_MAX_NAME_BYTES}. Remedy: shorten it"
            )
        self._wearable = wearable
        self._vanish = vanish
        self._switching_off: asyncio.Task[None] | None = None
        self._device = Device(
            config=DeviceConfiguration(
                name=wearable.name,
                address=Address.generate_static_address(),
                advertising_interval_min=_ADVERTISING_INTERVAL_MS,
                advertising_interval_max=_ADVERTISING_INTERVAL_MS,
            ),
            host=host,
        )
        self._by_uuid: dict[str, BumbleCharacteristic[bytes]] = {}
        self._device.add_services(
            [
                BumbleService(_uuid(service.uuid), [self._add(c) for c in service.characteristics])
                for service in wearable.services
            ]
        )
        self._device.advertising_data = _advertisement(wearable)
        self._device.scan_response_data = _scan_response(wearable)
        self._device.on("connection", self._on_connection)

    @property
    def address(self) -> str:
        """Its radio address."""
        return str(self._device.random_address).partition("/")[0]

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
        self._wearable.detach()
        await self._device.stop_advertising()
        await self._device.power_off()

    async def disconnect(self) -> None:
        """Drop the connection, as a real one does when it leaves the chest."""
        for connection in list(self._device.connections.values()):
            await connection.disconnect()

    def _add(self, characteristic: Characteristic) -> BumbleCharacteristic[bytes]:
        uuid = characteristic.uuid
        flags = BumbleCharacteristic.Properties(0)
        for name in characteristic.properties:
            flags |= _PROPERTIES[name]
        permissions = BumbleCharacteristic.Permissions
        access = (
            permissions.READ_REQUIRES_ENCRYPTION | permissions.WRITE_REQUIRES_ENCRYPTION
            if characteristic.encrypted
            else permissions.READABLE | permissions.WRITEABLE
        )
        value: CharacteristicValue[bytes] = CharacteristicValue(
            read=lambda _: self._wearable.read(uuid),
            write=lambda _, data: self._wearable.write(uuid, bytes(data)),
        )
        added: BumbleCharacteristic[bytes] = BumbleCharacteristic(_uuid(uuid), flags, access, value)
        added.on("subscription", partial(self._on_subscription, uuid))
        self._by_uuid[uuid] = added
        return added

    def _on_subscription(self, uuid: str, _: Connection, notify: bool, indicate: bool) -> None:
        self._wearable.subscribed(uuid, notify or indicate)

    def _on_connection(self, connection: Connection) -> None:
        connection.on("disconnection", lambda _reason: self._wearable.detach())
        vanish = self._vanish or self._switch_off
        self._wearable.attach(_Connected(self._device, connection, self._by_uuid, vanish))

    def _switch_off(self) -> None:
        self._switching_off = asyncio.create_task(self._device.power_off())


class _Connected:
    """A connection as the wearable sees it."""

    def __init__(
        self,
        device: Device,
        connection: Connection,
        by_uuid: dict[str, BumbleCharacteristic[bytes]],
        vanish: Callable[[], None],
    ) -> None:
        self._device = device
        self._connection = connection
        self._by_uuid = by_uuid
        self.vanish = vanish

    @property
    def max_notification(self) -> int:
        return int(self._connection.att_mtu) - _HEADER_BYTES

    async def notify(self, uuid: str, data: bytes) -> None:
        characteristic = self._by_uuid[uuid]
        if len(data) > self.max_notification:  # bumble would cut it; a fault must go out whole
            pdu = struct.pack("<BH", _NOTIFICATION_OP, characteristic.handle) + data
            self._device.gatt_server.send_gatt_pdu(self._connection, pdu)
        elif characteristic.properties & BumbleCharacteristic.Properties.NOTIFY:
            await self._device.notify_subscriber(self._connection, characteristic, data)
        else:
            await self._device.indicate_subscriber(self._connection, characteristic, data)

    async def disconnect(self) -> None:
        await self._connection.disconnect()


def _uuid(uuid: str) -> UUID:
    if uuid.startswith("0000") and uuid.endswith(_SHORT_UUID_TAIL):
        return UUID.from_16_bits(int(uuid[4:8], 16))
    return UUID(uuid)


def _advertisement(wearable: Wearable) -> bytes:
    """Return flags and name; 31 bytes hold no more with a long name."""
    return bytes(
        AdvertisingData(
            [
                data_types.Flags(AdvertisingData.Flags.LE_GENERAL_DISCOVERABLE_MODE),
                data_types.CompleteLocalName(wearable.name),
            ]
        )
    )


def _scan_response(wearable: Wearable) -> bytes:
    """Return the advertised services."""
    uuids = [_uuid(uuid) for uuid in wearable.advertised]
    short = [uuid for uuid in uuids if len(uuid.to_bytes()) == 2]
    long = [uuid for uuid in uuids if len(uuid.to_bytes()) == 16]
    structures: list[DataType] = []
    if short:
        structures.append(data_types.IncompleteListOf16BitServiceUUIDs(short))
    if long:
        structures.append(data_types.IncompleteListOf128BitServiceUUIDs(long))
    return bytes(AdvertisingData(structures))

"""Bleak on bumble: a scanner and a client backend over a bumble device that acts as central.

Code that talks to Bluetooth through bleak runs against simulated peripherals unchanged, by
``BleakScanner(backend=...)`` and ``BleakClient(..., backend=...)``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, TypeVar

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError
from bleak.uuids import normalize_uuid_str
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy, ServiceProxy
from bumble.hci import Address

_MTU: Final = 517
_PROPERTIES: Final = (
    (0x02, "read"),
    (0x04, "write-without-response"),
    (0x08, "write"),
    (0x10, "notify"),
    (0x20, "indicate"),
)
_SERVICE_LISTS: Final = (
    AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)

T = TypeVar("T")


def backends(central: Device) -> tuple[type[BaseBleakScanner], type[BaseBleakClient]]:
    """Return the scanner and the client backend of a powered-on central."""
    bound = {"central": central}
    return type("BumbleScanner", (_Scanner,), bound), type("BumbleClient", (_Client,), bound)


def _uuid(uuid: UUID) -> str:
    return normalize_uuid_str(uuid.to_hex_str("-"))


class _Scanner(BaseBleakScanner):
    central: ClassVar[Device]

    def __init__(
        self,
        detection_callback: Callable[..., Any] | None,
        service_uuids: list[str] | None,
        *_args: object,
        **_options: object,
    ) -> None:
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        self.seen_devices = {}
        self.central.on("advertisement", self._on_advertisement)
        await self.central.start_scanning()

    async def stop(self) -> None:
        await self.central.stop_scanning()
        self.central.remove_listener("advertisement", self._on_advertisement)

    def _on_advertisement(self, heard: Advertisement) -> None:
        names = heard.data.get_all(AdvertisingData.COMPLETE_LOCAL_NAME)
        name = names[0] if names else None
        uuids = [
            _uuid(uuid)
            for kind in _SERVICE_LISTS
            for uuid_list in heard.data.get_all(kind)
            for uuid in uuid_list
        ]
        if not self.is_allowed_uuid(uuids):
            return
        advertisement = AdvertisementData(name, {}, {}, uuids, None, heard.rssi, ())
        address = str(heard.address).partition("/")[0]
        device = self.create_or_update_device(address, address, name, None, advertisement)
        self.call_detection_callbacks(device, advertisement)


class _Client(BaseBleakClient):
    central: ClassVar[Device]
    _connection: Connection | None = None

    @property
    def mtu_size(self) -> int:
        return self._connection.att_mtu if self._connection else 23

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool = False, **_options: Any) -> None:
        self._connection = await self._answered(
            self.central.connect(Address(self.address), timeout=self._timeout)
        )
        self._connection.on("disconnection", self._on_disconnection)
        if pair:
            await self.pair()
        peer = Peer(self._connection)
        await self._answered(peer.request_mtu(_MTU))
        await self._answered(peer.discover_all())  # type: ignore[no-untyped-call]
        self.services = BleakGATTServiceCollection()
        for service in peer.services:
            self._add_service(self.services, service)

    async def disconnect(self) -> None:
        if self._connection is not None:
            await self._answered(self._connection.disconnect())

    async def pair(self, *_args: Any, **_options: Any) -> None:
        if self._connection is None:
            raise BleakError("not connected")
        await self._answered(self._connection.pair())

    async def unpair(self) -> None:
        raise NotImplementedError("the simulated link does not pair")

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, **_options: Any
    ) -> bytearray:
        return bytearray(await self._answered(characteristic.obj.read_value()))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, **_options: Any
    ) -> bytearray:
        return bytearray(await self._answered(descriptor.obj.read_value()))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: Any, response: bool
    ) -> None:
        await self._answered(characteristic.obj.write_value(bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: Any) -> None:
        await self._answered(descriptor.obj.write_value(bytes(data), with_response=True))

    async def start_notify(
        self,
        characteristic: BleakGATTCharacteristic,
        callback: Callable[[bytearray], None],
        **_options: Any,
    ) -> None:
        await self._answered(characteristic.obj.subscribe(lambda data: callback(bytearray(data))))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        await self._answered(characteristic.obj.unsubscribe())

    def _add_service(self, services: BleakGATTServiceCollection, found: ServiceProxy) -> None:
        service = BleakGATTService(found, found.handle, _uuid(found.uuid))
        services.add_service(service)
        for proxy in found.characteristics:
            characteristic = self._characteristic(proxy, service)
            services.add_characteristic(characteristic)
            for descriptor in proxy.descriptors:
                services.add_descriptor(
                    BleakGATTDescriptor(
                        descriptor, descriptor.handle, _uuid(descriptor.type), characteristic
                    )
                )

    def _characteristic(
        self, proxy: CharacteristicProxy[bytes], service: BleakGATTService
    ) -> BleakGATTCharacteristic:
        properties: Any = [name for bit, name in _PROPERTIES if proxy.properties & bit]
        return BleakGATTCharacteristic(
            proxy, proxy.handle, _uuid(proxy.uuid), properties, lambda: self.mtu_size - 3, service
        )

    async def _answered(self, request: Awaitable[T]) -> T:
        """Await a request; bumble cancels the pending one when the link goes down.

        A cancellation that meets the answer is kept: bumble waits by ``asyncio.wait_for``, which
        loses it in that case before Python 3.12.
        """
        task = asyncio.current_task()
        cancelled_before = task.cancelling() if task else 0
        try:
            answer = await request
        except BaseBumbleError as error:
            raise BleakError(str(error)) from error
        except asyncio.CancelledError:
            if self.is_connected or (task is not None and task.cancelling()):
                raise
            raise BleakError("disconnected before the device answered") from None
        if task is not None and task.cancelling() > cancelled_before:
            raise asyncio.CancelledError
        return answer

    def _on_disconnection(self, _reason: int) -> None:
        self._connection = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

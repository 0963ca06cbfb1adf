"""A GATT link for driver tests: it logs what is asked and says what it is told."""

from collections.abc import Callable, Collection, Mapping

from leadlab_bridge import DeviceError, EcgFrame, FrameError


class FakeLink:
    """A device that has these characteristics and values and answers writes with ``on_write``."""

    def __init__(
        self,
        characteristics: Mapping[str, Collection[str]] | None = None,
        values: Mapping[str, bytes] | None = None,
        on_write: Callable[[str, bytes], object] = lambda _uuid, _data: None,
    ) -> None:
        self.characteristics = characteristics or {}
        self.values = dict(values or {})
        self.on_write = on_write
        self.log: list[tuple[str, str]] = []
        self.written: list[bytes] = []
        self.callbacks: dict[str, Callable[[bytes], None]] = {}

    async def read(self, uuid: str) -> bytes:
        self.log.append(("read", uuid))
        return self.values[uuid]

    async def write(self, uuid: str, data: bytes) -> None:
        self.log.append(("write", uuid))
        self.written.append(data)
        self.on_write(uuid, data)

    async def subscribe(self, uuid: str, callback: Callable[[bytes], None]) -> None:
        self.log.append(("subscribe", uuid))
        self.callbacks[uuid] = callback

    async def unsubscribe(self, uuid: str) -> None:
        self.log.append(("unsubscribe", uuid))
        del self.callbacks[uuid]

    def say(self, uuid: str, *notifications: bytes) -> None:
        for data in notifications:
            self.callbacks[uuid](data)


class Heard:
    """What a driver reported."""

    def __init__(self) -> None:
        self.frames: list[EcgFrame] = []
        self.errors: list[FrameError | DeviceError] = []

    @property
    def samples_uv(self) -> list[float]:
        return [sample for frame in self.frames for sample in frame.samples_uv.tolist()]

"""A simulated Polar H10: what a host sees of the real one.

PMD streams; heart rate tells of skin contact, and of nothing else.
"""

from typing import Final

from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.devices import sig
from leadlab_bridge.simulated.strap import SimulatedStrap
from leadlab_bridge.simulated.wearable import (
    Characteristic,
    Service,
    StreamingWearable,
    battery_service,
    heart_rate_service,
    information_service,
)

NAME: Final = "Polar H10 A1B2C3D4"

_ACCELERATION: Final = 2
_FEATURES: Final = pmd.encode_features((pmd.ECG, _ACCELERATION))
_SETTINGS: Final = pmd.encode_settings(
    {pmd.Setting.SAMPLE_RATE: (pmd.RATE_HZ,), pmd.Setting.RESOLUTION: (pmd.RESOLUTION_BITS,)}
)


class H10(StreamingWearable):
    """The strap.

    Parameters
    ----------
    strap
        What it streams; every START plays it from its beginning.
    name
        Name it advertises.
    encrypted
        Whether PMD is for a paired host only.
    """

    def __init__(self, strap: SimulatedStrap, name: str = NAME, encrypted: bool = False) -> None:
        control = Characteristic(
            pmd.CONTROL_POINT, ("read", "write", "indicate"), _FEATURES, encrypted
        )
        data = Characteristic(pmd.DATA, ("notify",), encrypted=encrypted)
        services = (
            Service(pmd.SERVICE, (control, data)),
            heart_rate_service(),
            battery_service(),
            information_service("H10"),
        )
        super().__init__(name, (sig.HEART_RATE_SERVICE,), services, strap, pmd.DATA)
        self._strap = strap

    def write(self, uuid: str, data: bytes) -> None:
        """Obey a command of the control point."""
        super().write(uuid, data)
        response = pmd.encode_response(self._obey(data))
        self._spawn(self.notify(pmd.CONTROL_POINT, response))

    async def ended(self) -> None:
        """Say that the stream is over."""
        await self.notify(pmd.CONTROL_POINT, pmd.encode_device_stop(pmd.ECG))

    def _obey(self, command: bytes) -> pmd.Response:
        op, measurement = (command + bytes(2))[:2]
        status, parameters = pmd.Status.SUCCESS, b""
        if measurement != pmd.ECG:
            status = pmd.Status.INVALID_MEASUREMENT_TYPE
        elif op == pmd.Op.GET_SETTINGS:
            parameters = _SETTINGS
        elif op == pmd.Op.START:
            status = self._start_status(command)
            if status == pmd.Status.SUCCESS:
                self.start_streaming()
        elif op == pmd.Op.STOP:
            if not self.streaming:
                status = pmd.Status.ALREADY_IN_STATE
            self.stop_streaming()
        else:
            status = pmd.Status.INVALID_OP_CODE
        return pmd.Response(op, measurement, status, parameters=parameters)

    def _start_status(self, command: bytes) -> pmd.Status:
        if self.streaming:
            return pmd.Status.ALREADY_IN_STATE
        if self._host is None or self._host.max_notification < self._strap.frame_bytes:
            return pmd.Status.INVALID_MTU
        if command != pmd.start_ecg():
            return pmd.Status.INVALID_PARAMETER
        return pmd.Status.SUCCESS

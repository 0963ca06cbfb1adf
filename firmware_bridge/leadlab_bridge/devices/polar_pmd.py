"""Polar Measurement Data (PMD), ECG: bytes <-> frames, commands, responses. No input or output.

Source: Polar BLE SDK, technical documentation "Polar Measurement Data Specification".
All integers are little-endian.

Data notification::

    0       u8    measurement type in the low 6 bits (0 = ECG)
    1..8    u64   ns since 2000-01-01T00:00:00Z, time of the *last* sample
    9       u8    frame type; bit 7 marks delta compression, which ECG never uses
    10..    s24   microvolts, frame type 0
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from leadlab_bridge.devices.wire import count_samples, max_samples, saturation
from leadlab_bridge.errors import FrameError
from leadlab_bridge.frame import EcgFrame

SERVICE: Final = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CONTROL_POINT: Final = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA: Final = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

ECG: Final = 0
RATE_HZ: Final = 130
RESOLUTION_BITS: Final = 14
LEAD: Final = "chest"
# A strap that was off starts its clock at 2019-01-01, counted from 2000-01-01.
CLOCK_START_NS: Final = 599_616_000_000_000_000

FULL_SCALE_UV: Final = 20_000
_HEADER: Final = struct.Struct("<BQB")
_SAMPLE_BYTES: Final = 3
_MAX_SAMPLES: Final = max_samples(_HEADER.size, _SAMPLE_BYTES)
_S24_LIMIT: Final = 1 << 23
_TYPE_MASK: Final = 0x3F
_COMPRESSED: Final = 0x80


def decode_ecg(data: bytes) -> EcgFrame:
    """Decode one data notification.

    Parameters
    ----------
    data
        The whole notification, at most 517 bytes.

    Returns
    -------
    EcgFrame
        ``(n,) float32`` microvolts at nominally 130 Hz, with the device time of the last sample;
        SATURATED where one reaches 20 mV, the end of an H10's range.

    Raises
    ------
    FrameError
        Not an uncompressed ECG frame of type 0 with whole samples.
    """
    n = count_samples("PMD frame", len(data), _HEADER.size, _SAMPLE_BYTES)
    measurement, time_ns, frame_type = _HEADER.unpack_from(data)
    if measurement & _TYPE_MASK != ECG:
        raise FrameError(
            f"PMD measurement type is {measurement & _TYPE_MASK}; only {ECG} (ECG) is read. "
            "Remedy: start the ECG stream alone"
        )
    if frame_type & _COMPRESSED:
        raise FrameError(
            f"PMD frame type is 0x{frame_type:02x}, delta-compressed; ECG is read uncompressed. "
            "Remedy: report the device and its firmware version"
        )
    if frame_type != 0:
        raise FrameError(
            f"PMD ECG frame type is {frame_type}; only type 0 (s24 microvolts) is read. "
            "Remedy: report the device and its firmware version"
        )
    # Each 32-bit read starts one byte before its sample; the shift drops it and keeps the sign.
    first = _HEADER.size - 1
    raw = np.ndarray((n,), dtype="<i4", buffer=data, offset=first, strides=(_SAMPLE_BYTES,))
    samples = raw >> 8
    flags = saturation(samples, -FULL_SCALE_UV, FULL_SCALE_UV)
    return EcgFrame(
        samples.astype(np.float32), float(RATE_HZ), LEAD, device_time_ns=time_ns, flags=flags
    )


def frame_bytes(n_samples: int) -> int:
    """Return the size of a data notification that carries ``n_samples``."""
    return _HEADER.size + n_samples * _SAMPLE_BYTES


def encode_ecg(samples_uv: ArrayLike, time_ns: int) -> bytes:
    """Encode one data notification.

    Parameters
    ----------
    samples_uv
        ``(n,)`` integers, microvolts, within 24 bits; n at most 169.
    time_ns
        Device time of the last sample.

    Raises
    ------
    FrameError
        The samples do not fit a frame.
    """
    samples = np.asarray(samples_uv)
    if samples.ndim != 1 or not 1 <= samples.size <= _MAX_SAMPLES:
        raise FrameError(
            f"samples have shape {samples.shape}; a frame carries 1 to {_MAX_SAMPLES} of them. "
            "Remedy: split them"
        )
    if not np.issubdtype(samples.dtype, np.integer):
        raise FrameError(
            f"samples are {samples.dtype}; a frame carries whole microvolts. Remedy: round to int32"
        )
    if samples.min() < -_S24_LIMIT or samples.max() >= _S24_LIMIT:
        raise FrameError(
            f"samples span {samples.min()} to {samples.max()} uV; s24 ends at {_S24_LIMIT - 1}. "
            "Remedy: check the unit"
        )
    body = samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :_SAMPLE_BYTES]
    return _HEADER.pack(ECG, time_ns, 0) + body.tobytes()


class Op(IntEnum):
    """First byte of a command."""

    GET_SETTINGS = 1
    START = 2
    STOP = 3
    GET_STATUS = 5


class Status(IntEnum):
    """Fourth byte of a response."""

    SUCCESS = 0
    INVALID_OP_CODE = 1
    INVALID_MEASUREMENT_TYPE = 2
    NOT_SUPPORTED = 3
    INVALID_LENGTH = 4
    INVALID_PARAMETER = 5
    ALREADY_IN_STATE = 6
    INVALID_RESOLUTION = 7
    INVALID_SAMPLE_RATE = 8
    INVALID_RANGE = 9
    INVALID_MTU = 10
    INVALID_NUMBER_OF_CHANNELS = 11
    INVALID_STATE = 12
    DEVICE_IN_CHARGER = 13
    DISK_FULL = 14


class Setting(IntEnum):
    """Type byte of a setting."""

    SAMPLE_RATE = 0
    RESOLUTION = 1
    RANGE = 2
    RANGE_MILLIUNIT = 3
    CHANNELS = 4
    FACTOR = 5
    SECURITY = 6


_SETTING_BYTES: Final = {
    Setting.SAMPLE_RATE: 2,
    Setting.RESOLUTION: 2,
    Setting.RANGE: 2,
    Setting.RANGE_MILLIUNIT: 4,
    Setting.CHANNELS: 1,
    Setting.FACTOR: 4,
    Setting.SECURITY: 16,
}

Settings = Mapping[Setting, tuple[int, ...]]

RESPONSE: Final = 0xF0
_FEATURES: Final = 0x0F
_DEVICE_STOP: Final = 0x01

GET_ECG_SETTINGS: Final = bytes([Op.GET_SETTINGS, ECG])
STOP_ECG: Final = bytes([Op.STOP, ECG])
GET_STATUS: Final = bytes([Op.GET_STATUS])


def start_ecg(rate_hz: int = RATE_HZ, resolution_bits: int = RESOLUTION_BITS) -> bytes:
    """Return the command that starts the ECG stream."""
    settings = {Setting.SAMPLE_RATE: (rate_hz,), Setting.RESOLUTION: (resolution_bits,)}
    return bytes([Op.START, ECG]) + encode_settings(settings)


def encode_settings(settings: Settings) -> bytes:
    """Return settings as type, count, values."""
    return b"".join(
        bytes([kind, len(values)])
        + b"".join(value.to_bytes(_SETTING_BYTES[kind], "little") for value in values)
        for kind, values in settings.items()
    )


def parse_settings(data: bytes) -> Settings:
    """Read settings as type, count, values; factors and keys stay raw unsigned integers.

    Raises
    ------
    FrameError
        An unknown setting, or one cut short.
    """
    return dict(_iter_settings(data))


def _iter_settings(data: bytes) -> Iterator[tuple[Setting, tuple[int, ...]]]:
    at = 0
    while at < len(data):
        try:
            kind, count = Setting(data[at]), data[at + 1]
        except (ValueError, IndexError):
            raise FrameError(
                f"PMD settings {data.hex()} hold no known setting at byte {at}; known are 0 to "
                f"{max(Setting)}. Remedy: report the device and its firmware version"
            ) from None
        size = _SETTING_BYTES[kind]
        values = data[at + 2 : at + 2 + count * size]
        if len(values) < count * size:
            raise FrameError(
                f"PMD settings {data.hex()} end at byte {len(data)}; {kind.name} at byte {at} "
                f"needs {at + 2 + count * size}. Remedy: ask for the settings again"
            )
        yield (
            kind,
            tuple(
                int.from_bytes(values[i : i + size], "little") for i in range(0, len(values), size)
            ),
        )
        at += 2 + count * size


@dataclass(frozen=True, slots=True)
class Response:
    """One indication of the control point in answer to a command.

    Attributes
    ----------
    op
        Op code of the command.
    measurement
        Measurement type of the command.
    status
        Status byte; see :class:`Status`.
    more
        Whether another indication continues the parameters.
    parameters
        This indication's part of the parameters.
    """

    op: int
    measurement: int
    status: int
    more: bool = False
    parameters: bytes = b""

    @property
    def status_name(self) -> str:
        """Name of the status, or its number where it has none."""
        try:
            return Status(self.status).name
        except ValueError:
            return f"status {self.status}"


def parse_response(data: bytes) -> Response:
    """Read an indication that starts with 0xf0.

    Raises
    ------
    FrameError
        Not a response, or shorter than 4 bytes.
    """
    if len(data) < 4 or data[0] != RESPONSE:
        raise FrameError(
            f"PMD response is {data[:8].hex() or 'empty'}; it must start with f0 and have 4 bytes "
            "or more. Remedy: send the command again"
        )
    return Response(data[1], data[2], data[3], any(data[4:5]), bytes(data[5:]))


def encode_response(response: Response) -> bytes:
    """Return the bytes of a response; a refusal carries nothing past its status."""
    head = bytes([RESPONSE, response.op, response.measurement, response.status])
    if response.status != Status.SUCCESS:
        return head
    return head + bytes([response.more]) + response.parameters


class Activity(IntEnum):
    """What a measurement type is doing, in the answer to GET_STATUS."""

    NONE = 0
    STREAMING = 1
    RECORDING = 2
    STREAMING_AND_RECORDING = 3


def parse_status(parameters: bytes) -> Mapping[int, Activity]:
    """Return what each measurement type is doing; any bytes are a status."""
    return {byte & _TYPE_MASK: Activity(byte >> 6) for byte in parameters}


def encode_status(activities: Mapping[int, Activity]) -> bytes:
    """Return the parameters of the answer to GET_STATUS."""
    return bytes(
        measurement & _TYPE_MASK | activity << 6 for measurement, activity in activities.items()
    )


def streams_ecg(features: bytes) -> bool:
    """Tell from the control point's read value whether the device offers ECG.

    Raises
    ------
    FrameError
        Not a feature list.
    """
    if len(features) < 2 or features[0] != _FEATURES:
        raise FrameError(
            f"PMD features are {features[:8].hex() or 'empty'}; they must start with 0f and have 2 "
            "bytes or more. Remedy: update the device's firmware"
        )
    return bool(features[1] >> ECG & 1)


def encode_features(measurements: tuple[int, ...]) -> bytes:
    """Return the control point's read value for these measurement types."""
    mask = sum(1 << measurement for measurement in measurements)
    return bytes([_FEATURES]) + mask.to_bytes(16, "little")


def stopped_by_device(data: bytes) -> tuple[int, ...]:
    """Return the measurement types that the device says it ended; empty for any other message."""
    if data[:1] != bytes([_DEVICE_STOP]):
        return ()
    return tuple(byte & _TYPE_MASK for byte in data[1:])


def encode_device_stop(*measurements: int) -> bytes:
    """Return the message by which a device says that it ended these streams."""
    return bytes([_DEVICE_STOP, *measurements])

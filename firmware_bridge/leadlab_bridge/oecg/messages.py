"""The messages of the open profile: bytes <-> records. No input or output.

``docs/open-profile.md`` describes them field by field; all integers are little-endian.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leadlab_bridge.errors import FrameError
from leadlab_bridge.oecg import layout
from leadlab_bridge.oecg.layout import MAJOR, MAX_MESSAGE_BYTES, SAMPLE_BYTES, Kind

Tlv = tuple[int, bytes]

_KIND_MASK: Final = 0x0F
_Samples = NDArray[np.signedinteger[Any]]
_MAX_N: Final = 255


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """A frame of consecutive samples.

    Attributes
    ----------
    samples
        ``(n,)`` integers, ``lsb_pv`` of the info message each; the lowest code is invalid.
    config_id
        The info message that describes them.
    flags, sequence, sample_index, ticks, overrun
        As in the table of the profile.
    encoding
        Width of a sample: ``Kind.DATA_S16``, ``DATA_S24`` or ``DATA_S32``.
    """

    samples: _Samples
    sample_index: int
    ticks: int
    config_id: int = 0
    flags: int = 0
    sequence: int = 0
    overrun: int = 0
    encoding: Kind = Kind.DATA_S16

    def __post_init__(self) -> None:
        if self.encoding not in SAMPLE_BYTES:
            raise FrameError(
                f"encoding is {self.encoding!r}; frames have DATA_S16, DATA_S24 or DATA_S32. "
                "Remedy: choose by the widest sample"
            )


@dataclass(frozen=True, slots=True)
class Info:
    """What a stream is; the fields are those of the profile's table."""

    config_id: int
    rate_millihz: int
    lsb_pv: int
    ticks_per_s: int
    lead: int = 0
    features: int = 0
    max_samples: int = 64
    minor: int = layout.MINOR
    tlvs: tuple[Tlv, ...] = ()

    @property
    def rate_hz(self) -> float:
        """Nominal sampling rate."""
        return self.rate_millihz / 1000

    @property
    def lead_name(self) -> str:
        """The lead's name; ``"other"`` for a code that this version does not know."""
        return layout.LEADS.get(self.lead, layout.LEADS[0])

    def text(self, kind: layout.TlvType) -> str:
        """Return an optional text, empty where the device gives none."""
        return dict(self.tlvs).get(kind, b"").decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Status:
    """How the device is; the fields are those of the profile's table."""

    flags: int
    battery_percent: int
    config_id: int
    sample_index: int
    overrun: int
    refused: int
    tlvs: tuple[Tlv, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """Host to device."""

    op: int
    ref: int
    tlvs: tuple[Tlv, ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """Device to host; ``ref`` 0 answers no command."""

    op: int
    ref: int
    result: int
    tlvs: tuple[Tlv, ...] = ()

    @property
    def result_name(self) -> str:
        """Name of the result, or its number where it has none."""
        try:
            return layout.Result(self.result).name
        except ValueError:
            return f"result {self.result}"


Message = Data | Info | Status | Command | Response


def decode(data: bytes) -> Message:
    """Decode one message, of at most 512 bytes.

    Raises
    ------
    FrameError
        Another major version, an unknown kind, a wrong length or a field beyond its limits.
    """
    data = bytes(data)
    if not 1 <= len(data) <= MAX_MESSAGE_BYTES:
        raise FrameError(
            f"OECG message has {len(data)} bytes; it must have 1 to {MAX_MESSAGE_BYTES}. "
            "Remedy: pass one notification, or one serial frame, at a time"
        )
    kind = data[0] ^ (MAJOR << 4)
    if kind in SAMPLE_BYTES:
        return _decode_data(data, kind)
    if kind > _KIND_MASK:
        raise FrameError(
            f"OECG major version is {data[0] >> 4}; version {MAJOR} is read. "
            "Remedy: update leadlab, or the device's firmware"
        )
    decode_kind = _DECODERS.get(kind)
    if decode_kind is None:
        raise FrameError(
            f"OECG message kind is {kind}; known are {', '.join(str(int(k)) for k in Kind)}. "
            "Remedy: update leadlab"
        )
    return decode_kind(data)


def encode(message: Message) -> bytes:
    """Encode one message.

    Raises
    ------
    FrameError
        A field beyond its limits, or more samples or optional fields than fit.
    """
    match message:
        case Data():
            encoded = _encode_data(message)
        case Info(minor=minor, config_id=config_id, lead=lead):
            rates = (message.rate_millihz, message.lsb_pv, message.ticks_per_s)
            rest = (*rates, message.features, message.max_samples, 0)
            encoded = _encode(Kind.INFO, message.tlvs, minor, config_id, lead, *rest)
        case Status(flags=flags, battery_percent=battery, config_id=config_id):
            counts = (message.sample_index, message.overrun, message.refused)
            encoded = _encode(Kind.STATUS, message.tlvs, flags, battery, config_id, *counts)
        case Command(op=op, ref=ref):
            encoded = _encode(Kind.COMMAND, message.tlvs, op, ref, 0)
        case Response(op=op, ref=ref, result=result):
            encoded = _encode(Kind.RESPONSE, message.tlvs, op, ref, result)
    if len(encoded) > MAX_MESSAGE_BYTES:
        raise FrameError(
            f"OECG message has {len(encoded)} bytes; the limit is {MAX_MESSAGE_BYTES}. "
            "Remedy: fewer samples, or shorter texts"
        )
    return encoded


def max_samples(encoding: Kind = Kind.DATA_S16, payload_bytes: int = MAX_MESSAGE_BYTES) -> int:
    """Return how many samples fit a payload: the MTU less 3 on Bluetooth."""
    return min(_MAX_N, (payload_bytes - layout.DATA.size) // SAMPLE_BYTES[encoding])


def quantize(
    samples_uv: ArrayLike, info: Info, encoding: Kind = Kind.DATA_S16
) -> NDArray[np.int64]:
    """Return ``(n,)`` microvolts as codes of ``info``'s scale: NaN becomes invalid, others clip."""
    limit = 1 << (8 * SAMPLE_BYTES[encoding] - 1)
    codes = np.asarray(samples_uv, dtype=np.float64) * (1e6 / info.lsb_pv)
    clipped = np.clip(np.rint(codes), 1 - limit, limit - 1)
    return np.where(np.isnan(codes), -limit, clipped).astype(np.int64)


def _decode_data(data: bytes, kind: int) -> Data:
    if len(data) < layout.DATA.size:
        raise _cut_short(data, layout.DATA.size)
    _, flags, sequence, index, ticks, overrun, n, config_id = layout.DATA.unpack_from(data)
    size = layout.DATA.size + n * SAMPLE_BYTES[kind]
    if n < 1 or len(data) != size:
        raise FrameError(
            f"OECG frame has {len(data)} bytes; its {n} samples need {size}, and at least one is "
            "due. Remedy: none here, the link cut it; it is dropped"
        )
    encoding = _ENCODINGS[kind]
    samples = _read_samples(data, n, encoding)
    return Data(samples, index, ticks, config_id, flags, sequence, overrun, encoding)


_ENCODINGS: Final = {int(kind): kind for kind in map(Kind, SAMPLE_BYTES)}


def _read_samples(data: bytes, n: int, encoding: Kind) -> _Samples:
    """Return the samples behind the header: a view, or a copy where 24 bits must widen."""
    if encoding is not Kind.DATA_S24:
        return np.frombuffer(data, f"<i{SAMPLE_BYTES[encoding]}", n, layout.DATA.size)
    # Each 32-bit read starts one byte before its sample; the shift drops it and keeps the sign.
    raw: _Samples = np.ndarray((n,), "<i4", data, layout.DATA.size - 1, (SAMPLE_BYTES[encoding],))
    return raw >> 8


def _encode_data(frame: Data) -> bytes:
    samples = np.asarray(frame.samples)
    width = SAMPLE_BYTES[frame.encoding]
    if samples.ndim != 1 or not 1 <= samples.size <= max_samples(frame.encoding):
        raise FrameError(
            f"samples have shape {samples.shape}; an {frame.encoding.name} frame carries 1 to "
            f"{max_samples(frame.encoding)}. Remedy: split them"
        )
    limit = 1 << (8 * width - 1)
    if samples.dtype.kind not in "iu" or samples.min() < -limit or samples.max() >= limit:
        raise FrameError(
            f"samples are {samples.dtype}, {samples.min()} to {samples.max()}; "
            f"{frame.encoding.name} carries integers of {-limit} to {limit - 1}. "
            "Remedy: quantize them, or use a wider encoding"
        )
    counters = (frame.flags, frame.sequence, frame.sample_index, frame.ticks, frame.overrun)
    head = _pack(layout.DATA, frame.encoding, *counters, samples.size, frame.config_id)
    return head + samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width].tobytes()


def _decode_info(data: bytes) -> Info:
    fields = _unpack(layout.INFO, data)
    _, minor, config_id, lead, rate_millihz, lsb_pv, ticks_per_s, features, most, _ = fields
    named = {"rate_millihz": rate_millihz, "lsb_pv": lsb_pv, "ticks_per_s": ticks_per_s}
    _check(layout.INFO_LIMITS, named | {"max_samples": most})
    tlvs = _read_tlvs(data, layout.INFO.size)
    return Info(config_id, rate_millihz, lsb_pv, ticks_per_s, lead, features, most, minor, tlvs)


def _decode_status(data: bytes) -> Status:
    _, flags, battery, config_id, index, overrun, refused = _unpack(layout.STATUS, data)
    tlvs = _read_tlvs(data, layout.STATUS.size)
    return Status(flags, battery, config_id, index, overrun, refused, tlvs)


def _decode_command(data: bytes) -> Command:
    _, op, ref, _ = _unpack(layout.COMMAND, data)
    _check(layout.COMMAND_LIMITS, {"ref": ref})
    return Command(op, ref, _read_tlvs(data, layout.COMMAND.size))


def _decode_response(data: bytes) -> Response:
    _, op, ref, result = _unpack(layout.RESPONSE, data)
    return Response(op, ref, result, _read_tlvs(data, layout.RESPONSE.size))


_DECODERS: Final[dict[int, Callable[[bytes], Message]]] = {
    int(Kind.INFO): _decode_info,
    int(Kind.STATUS): _decode_status,
    int(Kind.COMMAND): _decode_command,
    int(Kind.RESPONSE): _decode_response,
}


def _encode(kind: Kind, tlvs: Sequence[Tlv], *fields: int) -> bytes:
    name = kind.name
    packed = _pack(getattr(layout, name), kind, *fields) + b"".join(map(_write_tlv, tlvs))
    _DECODERS[kind](packed)  # what breaks a limit is refused here as it would be there
    return packed


def _pack(layout_of: struct.Struct, kind: Kind, *fields: int) -> bytes:
    try:
        return layout_of.pack(MAJOR << 4 | kind, *fields)
    except struct.error as cause:
        raise FrameError(
            f"{kind.name} fields are {fields}: {cause}. Remedy: let counters wrap at their width"
        ) from None


def _unpack(layout_of: struct.Struct, data: bytes) -> tuple[int, ...]:
    if len(data) < layout_of.size:
        raise _cut_short(data, layout_of.size)
    return layout_of.unpack_from(data)


def _check(limits: Mapping[str, tuple[int, int]], fields: Mapping[str, int]) -> None:
    for name, (low, high) in limits.items():
        if not low <= fields[name] <= high:
            raise FrameError(
                f"OECG {name} is {fields[name]}; it must be {low} to {high}. "
                "Remedy: correct the device's firmware"
            )


def _write_tlv(tlv: Tlv) -> bytes:
    kind, value = tlv
    if not 0 <= kind <= 255 or len(value) > 255:
        raise FrameError(
            f"optional field {kind} has {len(value)} bytes; both must be below 256. Remedy: shorten"
        )
    return bytes([kind, len(value)]) + value


def _read_tlvs(data: bytes, at: int) -> tuple[Tlv, ...]:
    tlvs = []
    while at < len(data):
        end = at + 2 + (data[at + 1] if at + 1 < len(data) else 0)
        if end > len(data):
            raise _cut_short(data, end)
        tlvs.append((data[at], data[at + 2 : end]))
        at = end
    return tuple(tlvs)


def _cut_short(data: bytes, needed: int) -> FrameError:
    return FrameError(
        f"OECG message {data[:4].hex()}... has {len(data)} bytes; it needs {needed}. "
        "Remedy: none here, the link cut it; it is dropped"
    )

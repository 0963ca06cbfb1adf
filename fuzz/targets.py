"""What is fuzzed: every function that takes bytes from a device, with messages to start from.

A target's ``run`` may raise FrameError and nothing else.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from leadlab_bridge import FrameError
from leadlab_bridge.devices import (
    bitalino,
    card10,
    healthypi,
    lepu,
    movesense_gsp,
    movesense_open,
    sig,
)
from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.oecg import Data, Deframer, Info, Receiver, decode, encode, to_serial

ECG_UV = np.round(900 * np.sin(np.arange(200) / 9.0))
INTEGERS_UV = ECG_UV.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Target:
    """One decoder.

    Attributes
    ----------
    name
        As printed.
    run
        Decodes one input.
    seeds
        Well-formed inputs that mutation starts from.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def each(*decoders: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """Return a function that runs them all, and refuses what all refuse."""

    def run(data: bytes) -> None:
        refusals = []
        for decoder in decoders:
            try:
                decoder(data)
            except FrameError as error:
                refusals.append(error)
        if len(refusals) == len(decoders):
            raise refusals[0]

    return run


def in_pieces(make: Callable[[], Any]) -> Callable[[bytes], None]:
    """Return a function that feeds an assembler whole and in two pieces, and compares."""

    def run(data: bytes) -> None:
        whole, cut = make(), make()
        at = len(data) * 3 // 7
        once, twice = whole.feed(data), cut.feed(data[:at]) + cut.feed(data[at:])
        if [key(item) for item in once] != [key(item) for item in twice]:
            raise AssertionError(f"cut at {at}, {data.hex()} reads as something else")

    return run


def key(item: Any) -> object:
    """Return what must not depend on the cuts."""
    if isinstance(item, FrameError):
        return str(item)
    samples_uv = getattr(item, "samples_uv", None)
    return item if samples_uv is None else (item.sample_index, item.flags, samples_uv.tobytes())


lepu_payload = each(lambda payload: lepu.decode_real_time(payload, "I"), lepu.decode_info)


def lepu_packets(data: bytes) -> None:
    """Run what a recorder sends through assembler and payload decoders."""
    for packet in lepu.PacketAssembler().feed(data):
        with suppress(FrameError):
            lepu_payload(packet.payload)


def movesense_notifications(data: bytes) -> None:
    """Run notifications, told apart by a length before each, through the assembler."""
    assembler = movesense_gsp.EcgAssembler(125.0)
    for notification in notifications(data):
        with suppress(FrameError):
            assembler.feed(notification)


def notifications(data: bytes) -> Iterable[bytes]:
    """Cut a fuzzer's input into notifications: a length byte before each."""
    at = 0
    while at < len(data):
        yield data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]


def with_lengths(*messages: bytes) -> bytes:
    """Return notifications as :func:`notifications` takes them."""
    return b"".join(bytes([len(message)]) + message for message in messages)


def oecg_notifications(data: bytes) -> None:
    """Run notifications through an OECG receiver that knows its stream."""
    receiver = Receiver()
    receiver.take(OECG_INFO)
    for notification in notifications(data):
        with suppress(FrameError):
            receiver.feed(notification)


OECG_INFO = Info(config_id=1, rate_millihz=250_000, lsb_pv=1_000_000, ticks_per_s=1_000_000)
_OECG = encode(Data(INTEGERS_UV[:64].astype(np.int16), 640, 2_560_000, config_id=1))
_GSP = movesense_gsp.encode_ecg(ECG_UV[:16], 123_456)
_INFO = lepu.encode_info(lepu.Info("1.0.0.2", 0x8041, "2101010001"))
_REAL_TIME = lepu.encode_real_time(ECG_UV[:125], heart_rate_bpm=62)
_REPLIES = b"".join(
    lepu.encode_packet(lepu.Packet(command, payload, 1))
    for command, payload in ((lepu.Command.INFO, _INFO), (lepu.Command.REAL_TIME, _REAL_TIME))
)
_SETTINGS = pmd.encode_settings({pmd.Setting.SAMPLE_RATE: (130,), pmd.Setting.RESOLUTION: (14,)})

TARGETS = (
    Target(
        "Polar PMD data",
        pmd.decode_ecg,
        (
            bytes.fromhex("00 0094357700000000 00 0280ff 028000"),
            pmd.encode_ecg(INTEGERS_UV[:73], pmd.CLOCK_START_NS),
        ),
    ),
    Target(
        "Polar PMD control",
        each(
            pmd.parse_response,
            pmd.parse_settings,
            pmd.streams_ecg,
            pmd.stopped_by_device,
            pmd.parse_status,
        ),
        (
            pmd.encode_response(pmd.Response(1, 0, 0, parameters=_SETTINGS)),
            _SETTINGS,
            pmd.encode_features((0, 2)),
            pmd.encode_device_stop(0, 2),
            pmd.encode_status({0: pmd.Activity.STREAMING}),
        ),
    ),
    Target(
        "Movesense data",
        lambda data: movesense_gsp.decode_ecg(data, 125.0),
        (_GSP, bytes.fromhex("02 61 40e20100 feffffff 00000000 e8030000 3d0a0000")),
    ),
    Target(
        "Movesense stream",
        movesense_notifications,
        (with_lengths(_GSP, *movesense_gsp.split(_GSP, 40)),),
    ),
    Target(
        "Movesense reply",
        each(movesense_gsp.parse_reply, lambda data: movesense_gsp.parse_reply(data, hello=True)),
        (
            bytes.fromhex("01 61 01fb"),
            movesense_gsp.encode_reply(movesense_gsp.Reply(1, None, b"Hello")),
        ),
    ),
    Target(
        "Movesense open",
        each(
            lambda data: movesense_open.decode_ecg(data, 250.0),
            movesense_open.parse_interval,
            movesense_open.parse_configuration,
        ),
        (
            movesense_open.encode_ecg(ECG_UV[:16], 123_456),
            movesense_open.encode_interval(4),
            bytes([4, 20, *bytes(14)]),
        ),
    ),
    Target("Lepu packets", lepu_packets, (_REPLIES, lepu.GET_INFO, lepu.GET_REAL_TIME)),
    Target("Lepu pieces", in_pieces(lepu.PacketAssembler), (_REPLIES, lepu.GET_INFO)),
    Target(
        "Lepu payload",
        lepu_payload,
        (_REAL_TIME, _INFO),
    ),
    Target("HealthyPi", healthypi.decode_ecg, (healthypi.encode_ecg(ECG_UV[:8]),)),
    Target(
        "BITalino",
        in_pieces(lambda: bitalino.EcgAssembler("I")),
        (bitalino.encode_ecg(ECG_UV[:40], 3), bytes.fromhex("600953")),
    ),
    Target("card10", card10.decode_ecg, (card10.encode_ecg(ECG_UV[:8], 70_000),)),
    Target(
        "SIG heart rate",
        sig.decode_heart_rate,
        (
            bytes.fromhex("16 48 0004 0002"),
            sig.encode_heart_rate(sig.HeartRate(300, (0.8, 0.9), True, 12)),
        ),
    ),
    Target(
        "SIG battery, texts",
        each(sig.decode_battery, sig.decode_text),
        (sig.encode_battery(87), "Polar H10 \x1b[31m\u202e".encode()),
    ),
    Target("OECG message", decode, (_OECG, encode(OECG_INFO))),
    Target("OECG stream", oecg_notifications, (with_lengths(_OECG, encode(OECG_INFO), _OECG),)),
    Target("OECG serial", in_pieces(Deframer), (to_serial(_OECG) + to_serial(encode(OECG_INFO)),)),
)

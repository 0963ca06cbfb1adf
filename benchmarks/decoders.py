"""Decoding speed, in samples per second of one core, at the sizes that devices send.

python benchmarks/decoders.py
"""

import time
from collections.abc import Callable

import numpy as np

from leadlab_bridge.devices import bitalino, card10, healthypi, lepu, movesense_gsp, movesense_open
from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.oecg import Data, Info, Receiver, encode

RUNS = 5
RUN_S = 0.2

ECG_UV = np.round(900 * np.sin(np.arange(300) / 9.0))


def lepu_reply(data: bytes) -> None:
    """Decode a packet and its payload, as the driver does."""
    (packet,) = lepu.PacketAssembler().feed(data)
    lepu.decode_real_time(packet.payload, "I")


def oecg_receiver() -> Receiver:
    """Return a receiver that knows its stream."""
    receiver = Receiver()
    receiver.take(Info(config_id=1, rate_millihz=250_000, lsb_pv=10**6, ticks_per_s=10**6))
    return receiver


def rate(decode: Callable[[bytes], object], data: bytes, samples: int) -> float:
    """Return samples per second in the best of a few runs."""
    best = 0.0
    for _ in range(RUNS):
        frames, start_s = 0, time.process_time()
        while (spent_s := time.process_time() - start_s) < RUN_S:
            for _ in range(100):
                decode(data)
            frames += 100
        best = max(best, frames * samples / spent_s)
    return best


FORMATS: tuple[tuple[str, Callable[[bytes], object], bytes, int], ...] = (
    ("Polar PMD", pmd.decode_ecg, pmd.encode_ecg(ECG_UV[:73].astype(np.int64), 0), 73),
    (
        "OECG",
        oecg_receiver().feed,
        encode(Data(ECG_UV[:64].astype(np.int16), 640, 2_560_000, config_id=1)),
        64,
    ),
    (
        "Movesense",
        movesense_gsp.EcgAssembler(250.0).feed,
        movesense_gsp.encode_ecg(ECG_UV[:16], 0),
        16,
    ),
    (
        "Movesense open",
        lambda data: movesense_open.decode_ecg(data, 250.0),
        movesense_open.encode_ecg(ECG_UV[:16], 0),
        16,
    ),
    (
        "Lepu",
        lepu_reply,
        lepu.encode_packet(
            lepu.Packet(lepu.Command.REAL_TIME, lepu.encode_real_time(ECG_UV[:125]), 1)
        ),
        125,
    ),
    ("HealthyPi", healthypi.decode_ecg, healthypi.encode_ecg(ECG_UV[:8]), 8),
    ("BITalino", bitalino.EcgAssembler("I").feed, bitalino.encode_ecg(ECG_UV[:16], 0), 16),
    ("card10", card10.decode_ecg, card10.encode_ecg(ECG_UV[:4], 0), 4),
)

for name, decode, data, samples in FORMATS:
    per_s = rate(decode, data, samples)
    frame_us = samples / per_s * 1e6
    print(f"{name:<15}{per_s / 1e6:>6.2f} M samples/s  ({frame_us:.1f} us a frame of {samples})")

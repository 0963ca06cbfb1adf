"""Decoding speed, in samples per second of one core.

python benchmarks/decoders.py
"""

import time

import numpy as np

from leadlab_bridge.devices import polar_pmd

FRAMES = 20_000
SAMPLES = 73  # what a Polar H10 puts into a notification

data = polar_pmd.encode_ecg(np.arange(SAMPLES), 0)
best_s = float("inf")
for _ in range(5):
    start_s = time.perf_counter()
    for _ in range(FRAMES):
        polar_pmd.decode_ecg(data)
    best_s = min(best_s, time.perf_counter() - start_s)

rate = FRAMES * SAMPLES / best_s
frame_us = best_s / FRAMES * 1e6
print(f"Polar PMD  {rate / 1e6:.1f} M samples/s  ({frame_us:.1f} us a frame of {SAMPLES})")

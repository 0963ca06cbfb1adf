"""Score every 10-s window of a recording and print the mean of the strongest indicators.

python score_a_recording.py night.csv          columns: time, ECG in uV, mV or V
"""

import sys

import leadlab
from leadlab_edge.recordings import open_recording

pack = leadlab.demo_pack()
recording = open_recording(sys.argv[1])
scores = pack.predict(recording.samples_uv / 1000, recording.rate_hz)

print(f"{recording.name}: {len(scores.starts_s)} windows at {recording.rate_hz:g} Hz")
mean = scores.probabilities.mean(axis=0)
shown = [pair for pair in enumerate(pack.manifest.indicators) if pair[1].shown]
for column, indicator in sorted(shown, key=lambda pair: -(pair[1].auroc or 0))[:10]:
    print(f"{mean[column]:.2f}  {indicator.label}")

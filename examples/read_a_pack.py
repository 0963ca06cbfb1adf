"""Read a pack: what it is, what it takes, what it was measured to be worth.

python read_a_pack.py model.leadpack           without a name: the demo pack
"""

import sys

import leadlab

pack = leadlab.load(sys.argv[1]) if len(sys.argv) > 1 else leadlab.demo_pack()
manifest = pack.manifest

print(f"{manifest.name}  {pack.id[:12]}  simulated: {manifest.provenance.simulated}")
takes = manifest.input
print(f"takes {takes.n_samples} samples of mV at {takes.rate_hz:g} Hz, lead {manifest.lead}")
for model in manifest.models:
    print(f"  {model.file:18} {len(pack.members[model.file]) / 1000:6.1f} kB")
for indicator in manifest.indicators[:10]:
    measured = "  --" if indicator.auroc is None else f"{indicator.auroc:.3f}"
    print(f"  AUROC {measured}  from {indicator.positives} patients  {indicator.label}")

print(f"largest difference from the golden outputs: {pack.verify_golden(pack.load()):.1e}")

"""Stream a Bluetooth strap through a pack and print what it finds.

python stream_a_strap.py A0:9E:1A:12:34:56     the address that `leadlab scan` lists
python stream_a_strap.py                       a simulated strap, 20 times as fast
"""

import asyncio
import sys

import leadlab
from leadlab_bridge.timing import SystemClock
from leadlab_edge.pipeline import Pipeline
from leadlab_edge.sources.ble import BleSource
from leadlab_edge.sources.simulated import SimulatedSource


async def main(address: str | None) -> None:
    model = leadlab.demo_pack().load()
    source = BleSource(address) if address else SimulatedSource(clock=SystemClock(speed=20))
    async with source:
        pipeline = Pipeline(model, source.info)
        async for arrival in source.frames():
            for window in pipeline.feed(arrival.frame, arrival.host_s):
                if window.probabilities is None:
                    print(f"{window.end_s:6.1f} s  abstained: {', '.join(window.quality.reasons)}")
                else:
                    column = window.probabilities.argmax()
                    label = model.indicators[column].label
                    print(f"{window.end_s:6.1f} s  {label}: {window.probabilities[column]:.2f}")
                if window.index == 4:
                    return


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))

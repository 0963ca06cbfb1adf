"""What runs inside the guest of run.sh: leadlab against the real bluetoothd and kernel.

python scenarios.py [NAME ...]

Simulated wearables stand on the far side of a virtual adapter (``/dev/vhci``). Every scenario
prints one line with what was measured; the exit status is 1 when one fails.
"""

import asyncio
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from bumble.pairing import PairingConfig, PairingDelegate
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from leadlab_bridge import LeadlabError
from leadlab_bridge.devices import polar_pmd as pmd
from leadlab_bridge.simulated.air import VIRTUAL, on_air
from leadlab_bridge.simulated.catalog import WEARABLES
from leadlab_bridge.simulated.ecg import simulate_ecg
from leadlab_bridge.simulated.faults import Faults
from leadlab_bridge.simulated.gatt_server import GattServer
from leadlab_bridge.simulated.wearable import Wearable
from leadlab_bridge.timing import Clock, SystemClock
from leadlab_edge.capture import CaptureWriter, read_capture
from leadlab_edge.continuity import Continuity
from leadlab_edge.errors import SourceError
from leadlab_edge.pairing import pair
from leadlab_edge.scan import scan
from leadlab_edge.sources.ble import BleSource
from leadlab_edge.sources.wearable import capture_source

Measured = dict[str, Any]
SCENARIOS: dict[str, Callable[[], Awaitable[Measured]]] = {}
NAME = "Polar H10 A1B2C3D4"


def scenario(run: Callable[[], Awaitable[Measured]]) -> Callable[[], Awaitable[Measured]]:
    SCENARIOS[run.__name__] = run
    return run


def make(device: str, clock: Clock | None = None, **options: Any) -> Wearable:
    kind = WEARABLES[device]
    ecg_uv = simulate_ecg(60.0, kind.rate_hz)
    return kind.make(ecg_uv, clock=clock or SystemClock(), **({"encrypted": False} | options))


class Adapters:
    """What bluetoothd knows of adapters; it learns of them, and forgets them, in its own time."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus

    async def powered(self) -> dict[str, bool]:
        """Return each adapter's path, and whether it is on."""
        reply = await self._call("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        objects = reply.body[0] if reply.message_type is MessageType.METHOD_RETURN else {}
        return {
            path: interfaces["org.bluez.Adapter1"]["Powered"].value
            for path, interfaces in objects.items()
            if "org.bluez.Adapter1" in interfaces
        }

    async def switch_on(self) -> None:
        """Wait for one, and until it says that it is on and stays so."""
        on_for = 0
        async with asyncio.timeout(60):
            while on_for < 3:
                await asyncio.sleep(0.3)
                powered = await self.powered()
                on_for = on_for + 1 if any(powered.values()) else 0
                for path in powered if on_for == 0 else ():
                    value = ["org.bluez.Adapter1", "Powered", Variant("b", True)]
                    await self._call(path, "org.freedesktop.DBus.Properties", "Set", "ssv", value)

    async def gone(self) -> None:
        """Wait until none is left."""
        async with asyncio.timeout(60):
            while await self.powered():
                await asyncio.sleep(0.3)

    async def _call(
        self, path: str, interface: str, member: str, signature: str = "", body: Any = ()
    ) -> Message:
        reply = await self._bus.call(
            Message(
                destination="org.bluez",
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
            )
        )
        assert reply is not None
        return reply


class Air:
    """Wearables in reach of this machine's BlueZ, for an ``async with``."""

    def __init__(self, *wearables: Wearable) -> None:
        self._air = on_air(wearables, VIRTUAL)

    async def __aenter__(self) -> tuple[GattServer, ...]:
        self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        servers = await self._air.__aenter__()
        await Adapters(self._bus).switch_on()
        return servers

    async def __aexit__(self, *exc: Any) -> None:
        await self._air.__aexit__(*exc)
        await Adapters(self._bus).gone()
        self._bus.disconnect()


async def listen(source: BleSource, seconds: float) -> Measured:
    """Stream for ``seconds`` of the wall; say what came and what did not."""
    begin_s = time.monotonic()
    async with source:
        started_s = time.monotonic() - begin_s
        continuity = Continuity(source.info.rate_hz)
        samples = 0
        end_s = time.monotonic() + seconds
        async for arrival in source.frames():
            if isinstance(arrival.frame, LeadlabError):
                continuity.count_bad_frame()
            else:
                continuity.classify(arrival.frame, arrival.host_s)
                samples += arrival.frame.samples_uv.size
            if time.monotonic() > end_s:
                break
    stats = continuity.stats
    return {
        "start_s": round(started_s, 2),
        "samples": samples,
        "frames": stats.frames,
        "lost": stats.lost_samples,
        "gaps": stats.gaps,
        "doubled": stats.duplicates,
        "late": stats.reordered,
        "bad": stats.bad_frames,
        "overflowed": source.overflowed,
    }


async def stream(device: str, seconds: float, speed: float = 1.0, **options: Any) -> Measured:
    clock = SystemClock(speed)
    async with Air(make(device, clock, **options)) as (server,):
        return await listen(BleSource(server.address, clock=clock), seconds)


def require(measured: Measured, **expected: Any) -> Measured:
    wrong = {k: (measured.get(k), v) for k, v in expected.items() if measured.get(k) != v}
    if wrong:
        raise AssertionError(f"{measured}: (is, should be) {wrong}")
    return measured


@scenario
async def h10() -> Measured:
    return require(await stream("h10", 10), lost=0, bad=0, doubled=0)


@scenario
async def h10_ten_times_as_fast() -> Measured:
    return require(await stream("h10", 10, speed=10), lost=0, bad=0, doubled=0)


@scenario
async def movesense() -> Measured:
    return require(await stream("movesense", 6), lost=0, bad=0, doubled=0)


@scenario
async def er1() -> Measured:
    return require(await stream("er1", 6), bad=0)


@scenario
async def healthypi() -> Measured:
    return require(await stream("healthypi", 6), bad=0)


@scenario
async def oecg() -> Measured:
    return require(await stream("oecg", 6), lost=0, bad=0, doubled=0)


@scenario
async def faults_counted() -> Measured:
    faults = Faults(
        dropped=frozenset({20, 50, 51}),
        doubled=frozenset({30, 60}),
        swapped=frozenset({40}),
        truncated=frozenset({70}),
        junk=frozenset({90}),
    )
    measured = await stream("h10", 9, speed=10, faults=faults)
    return require(measured, lost=4 * 73, gaps=3, doubled=2, late=1, bad=2)


@scenario
async def encrypted_without_pairing() -> Measured:
    """No agent: the operation never returns by itself, its limit must end it."""
    async with Air(make("h10", encrypted=True)) as (server,):
        begin_s = time.monotonic()
        try:
            async with BleSource(server.address):
                raise AssertionError("streamed without pairing")
        except SourceError as error:
            return {"ended_s": round(time.monotonic() - begin_s, 1), "said": str(error)[:90]}


@scenario
async def pair_h10_then_stream() -> Measured:
    return await _paired("h10")


@scenario
async def pair_oecg_then_stream() -> Measured:
    return await _paired("oecg")


async def _paired(device: str) -> Measured:
    """``leadlab pair``, as a person runs it, then a stream without an agent."""
    clock = SystemClock()
    async with Air(make(device, clock, encrypted=True)) as (server,):
        begin_s = time.monotonic()
        verb = await _verb("pair", server.address)
        said = (await verb.communicate())[0].decode()
        pair_s = round(time.monotonic() - begin_s, 1)
        if verb.returncode != 0 or "is paired" not in said:
            raise AssertionError(f"leadlab pair: status {verb.returncode}, {said!r}")
        measured = await listen(BleSource(server.address, clock=clock), 5)
        return require(measured, lost=0, bad=0) | {"pair_s": pair_s}


@scenario
async def pair_twice() -> Measured:
    async with Air(make("h10", encrypted=True)) as (server,):
        first = await pair(server.address)
        begin_s = time.monotonic()
        assert await pair(server.address) == first
        return {"again_s": round(time.monotonic() - begin_s, 2)}


class Face(PairingDelegate):
    """Screen and keys of a device."""

    def __init__(self, capability: PairingDelegate.IoCapability) -> None:
        super().__init__(capability)
        self.number: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def compare_numbers(self, number: int, digits: int) -> bool:
        del digits
        self.number.set_result(number)
        return True

    async def display_number(self, number: int, digits: int) -> None:
        del digits
        self.number.set_result(number)

    async def get_number(self) -> int:
        return await self.number


class Eyes:
    """A person at this machine who looks at the device, too."""

    def __init__(self, face: Face) -> None:
        self._number = face.number

    async def show(self, passkey: int) -> None:
        self._number.set_result(passkey)

    async def confirm(self, passkey: int) -> bool:
        return passkey == await self._number

    async def passkey(self) -> int:
        return await self._number


@scenario
async def pair_with_a_person() -> Measured:
    """A device without screen and keys, and three that have some: all four are paired."""
    kinds = PairingDelegate.IoCapability
    measured = {}
    for kind in (
        kinds.NO_OUTPUT_NO_INPUT,
        kinds.DISPLAY_OUTPUT_AND_YES_NO_INPUT,
        kinds.DISPLAY_OUTPUT_ONLY,
        kinds.KEYBOARD_INPUT_ONLY,
    ):
        face = Face(kind)
        async with Air(make("h10", encrypted=True)) as (server,):
            # Comparing numbers is for those who ask for protection from a man in the middle.
            config = PairingConfig(mitm=kind != kinds.NO_OUTPUT_NO_INPUT, delegate=face)
            server._device.pairing_config_factory = lambda _, config=config: config
            await pair(server.address, Eyes(face))
            measured[kind.name] = "compared" if face.number.done() else "just works"
    return measured


@scenario
async def silent_death() -> Measured:
    faults = Faults(dies_at=6)
    async with Air(make("h10", faults=faults)) as (server,):
        source = BleSource(server.address)
        async with source:
            begin_s = time.monotonic()
            frames = 0
            try:
                async for _ in source.frames():
                    frames += 1
                    begin_s = time.monotonic()
            except SourceError as error:
                noticed_s = round(time.monotonic() - begin_s, 2)
                said = str(error)[:70]
            leaving_s = time.monotonic()
        return require({"frames": frames}, frames=6) | {
            "noticed_s": noticed_s,
            "left_s": round(time.monotonic() - leaving_s, 2),
            "said": said,
        }


@scenario
async def peer_disconnects() -> Measured:
    async with Air(make("h10", faults=Faults(disconnect_at=6))) as (server,):
        frames = 0
        try:
            async with BleSource(server.address) as source:
                async for _ in source.frames():
                    frames += 1
        except SourceError as error:
            return require({"frames": frames, "said": str(error)[:60]}, frames=6)
        raise AssertionError("the stream went on")


@scenario
async def same_name_twice() -> Measured:
    """Only the address tells them apart; the one asked for is the one that streams."""
    worn, impostor = make("h10"), make("h10")
    async with Air(worn, impostor) as (server, other):
        seen = [found for found in await scan(4.0) if found.name == NAME]
        assert {found.address for found in seen} == {server.address, other.address}, seen
        measured = await listen(BleSource(server.address), 3)
        return require(
            measured | {"seen": len(seen), "impostor_was_asked": len(impostor.commands)},
            lost=0,
            impostor_was_asked=0,
        )


@scenario
async def oversize() -> Measured:
    """Longer than the MTU: cut or dropped on the way, without a word."""
    faults = Faults(oversize=frozenset({5}), truncated=frozenset({9}))
    sizes = []
    async with (
        Air(make("h10", faults=faults)) as (server,),
        BleSource(server.address) as source,
    ):
        async for arrival in source.frames():
            sizes.append(getattr(arrival.frame, "samples_uv", np.zeros(0)).size)
            if len(sizes) == 14:
                break
        return {"samples_by_frame": sizes, "bad": source.bad_frames}


@scenario
async def bursts() -> Measured:
    """Back to back: what does not fit is lost silently; the clock in the frames tells."""
    measured: Measured = {}
    wearable = make("h10", faults=Faults(stall_at=1))
    async with (
        Air(wearable) as (server,),
        BleSource(server.address, queue_frames=4096, first_frame_timeout_s=60.0) as source,
    ):
        arrivals = Heard(source)
        await arrivals.settled()
        number = 1
        for burst in (10, 100, 400, 1000):
            before = arrivals.count
            for _ in range(burst):
                number += 1
                time_ns = pmd.CLOCK_START_NS + round(number * 73 / 130 * 1e9)
                await wearable.notify(pmd.DATA, pmd.encode_ecg(np.zeros(73, int), time_ns))
            await arrivals.settled()
            measured[str(burst)] = arrivals.count - before
        stats = arrivals.continuity.stats
        return measured | {
            "gaps": stats.gaps,
            "frames_lost": stats.lost_samples / 73,
            "overflowed": source.overflowed,
        }


class Heard:
    """Counts what arrives, whatever the watchdog says of the silence between."""

    def __init__(self, source: BleSource) -> None:
        self.count = 0
        self.continuity = Continuity(130.0)
        self._task = asyncio.create_task(self._read(source))

    async def settled(self) -> None:
        """Wait until nothing has come for two seconds."""
        seen = -1
        while seen != self.count:
            seen = self.count
            await asyncio.sleep(2.0)

    async def _read(self, source: BleSource) -> None:
        while True:
            with suppress(SourceError):
                async for arrival in source.frames():
                    self.count += 1
                    self.continuity.classify(arrival.frame, arrival.host_s)


@scenario
async def verbs() -> Measured:
    """``leadlab simulate`` in one process, ``leadlab capture`` in another."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "v.capture.jsonl")
        arguments = ("h10", "--transport", VIRTUAL, "--seconds", "60")
        wearable = await _verb("simulate", *arguments)
        assert wearable.stdout is not None
        address = (await wearable.stdout.readline()).decode().partition("(")[2].partition(")")[0]
        bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        await Adapters(bus).switch_on()
        recorder = await _verb("capture", address, "--out", path, "--seconds", "5")
        said = (await recorder.communicate())[0].decode()
        wearable.send_signal(signal.SIGINT)
        seen = (await wearable.communicate())[0].decode()
        await Adapters(bus).gone()
        bus.disconnect()
        assert recorder.returncode == wearable.returncode == 0, (said, seen)
        async with capture_source(read_capture(Path(path)), SystemClock(50.0)) as source:
            frames = [arrival async for arrival in source.frames()]
        return {"frames": len(frames), "bad": source.bad_frames, "simulate_said": seen.split("\n")}


async def _verb(verb: str, *arguments: str) -> asyncio.subprocess.Process:
    """Run a verb as a person does."""
    call = f"from leadlab_edge.cli.{verb} import {verb}; {verb}()"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-c", call, *arguments), stdout=asyncio.subprocess.PIPE
    )


@scenario
async def capture_and_replay() -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.capture.jsonl"
        clock = SystemClock()
        with CaptureWriter(path) as writer:
            async with Air(make("movesense", clock)) as (server,):
                measured = await listen(BleSource(server.address, clock=clock, tap=writer), 5)
        fast = SystemClock(20.0)
        async with capture_source(read_capture(path), fast) as source:
            replayed = [a async for a in source.frames()]
        samples = sum(a.frame.samples_uv.size for a in replayed)
        assert samples >= measured["samples"], (samples, measured)
        return {"samples": measured["samples"], "replayed": samples}


async def main(names: list[str]) -> int:
    failed = 0
    for name in names or list(SCENARIOS):
        begin_s = time.monotonic()
        try:
            async with asyncio.timeout(300):
                measured: Any = await SCENARIOS[name]()
            word = "ok"
        except BaseException as error:  # one failure must not hide the others
            failed += 1
            word, measured = "FAILED", f"{type(error).__name__}: {error}"
        print(f"{word:6} {name:28} {time.monotonic() - begin_s:6.1f} s  {measured}", flush=True)
    print(f"{len(names or SCENARIOS) - failed} ok, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    # The virtual controller complains when the kernel takes leave of a device that vanished.
    logging.getLogger("bumble").setLevel(logging.CRITICAL)
    sys.exit(asyncio.run(main(sys.argv[1:])))

"""Pairing: through the real BlueZ backend with our agent, and by bleak's own means elsewhere."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from virtual_clock import VirtualClock

from leadlab_bridge import LeadlabError
from leadlab_bridge.simulated.h10 import H10, NAME
from leadlab_bridge.simulated.strap import SimulatedStrap
from leadlab_bridge.simulated.virtual_link import virtual_link
from leadlab_edge.cli.pair import pair as pair_verb
from leadlab_edge.errors import SourceError
from leadlab_edge.pairing import PairedDevice, pair
from leadlab_edge.sources.ble import BleSource

OnBluez = Callable[..., Any]
ADDRESS = "A0:9E:1A:00:00:01"
ECG_UV = np.arange(10_000, dtype=np.int32)


class Somebody:
    """A person who knows the number, or does not."""

    def __init__(self, number: int = 123456) -> None:
        self.number = number
        self.shown: list[int] = []

    async def show(self, passkey: int) -> None:
        self.shown.append(passkey)

    async def confirm(self, passkey: int) -> bool:
        return passkey == self.number

    async def passkey(self) -> int:
        return self.number


def h10(clock: VirtualClock | None = None) -> H10:
    return H10(SimulatedStrap(ECG_UV, clock=clock or VirtualClock()), encrypted=True)


async def first_samples(**options: Any) -> int:
    async with BleSource(ADDRESS, operation_timeout_s=0.2, **options) as wearable:
        return (await anext(wearable.frames())).frame.samples_uv.size


async def test_once_paired_a_strap_streams_without_an_agent(on_bluez: OnBluez):
    clock = VirtualClock(settled_after=2000)
    async with on_bluez(h10(clock)) as bluez:
        assert await pair(NAME, scan_timeout_s=1.0) == PairedDevice(NAME, ADDRESS, "Polar H10")
        assert bluez.capability == "NoInputNoOutput"
        assert (bluez.paired, bluez.connected, bluez.agent) == (True, False, None)
        assert await first_samples(clock=clock) == 73
        assert await pair(ADDRESS) == PairedDevice(NAME, ADDRESS, "Polar H10")
        assert bluez.asked == ["RequestAuthorization"]


@pytest.mark.parametrize(
    ("method", "person", "paired"),
    [
        ("RequestConfirmation", Somebody, True),
        ("RequestConfirmation", lambda: Somebody(1), False),
        ("RequestConfirmation", lambda: None, False),
        ("RequestPasskey", Somebody, True),
        ("RequestPasskey", lambda: Somebody(1), False),
        ("DisplayPasskey", Somebody, True),
        ("DisplayPasskey", lambda: None, False),
    ],
)
async def test_numbers_are_compared_by_a_person(
    method: str, person: Callable[[], Somebody | None], paired: bool, on_bluez: OnBluez
):
    somebody = person()
    async with on_bluez(h10()) as bluez:
        bluez.pairing_method = method
        if paired:
            await pair(ADDRESS, somebody)
        else:
            with pytest.raises(SourceError, match=r"could not pair.*AuthenticationFailed.*Remedy"):
                await pair(ADDRESS, somebody)
        assert bluez.asked == [method]
        assert (bluez.paired, bluez.connected) == (paired, False)
        if method == "DisplayPasskey" and somebody is not None:
            assert somebody.shown == [123456]


async def test_the_agent_rejects_any_other_device(on_bluez: OnBluez):
    from leadlab_edge.bluez_agent import pairing_agent

    async with on_bluez(h10()) as bluez, pairing_agent("00:11:22:33:44:55"):
        assert not await bluez.bond()


async def test_a_device_that_never_answers_is_given_up(on_bluez: OnBluez):
    async with on_bluez(h10()) as bluez:
        bluez.hanging = {"Pair"}
        with pytest.raises(LeadlabError, match=r"pair: no answer within 0.2 s"):
            await pair(ADDRESS, pair_timeout_s=0.2)
        assert not bluez.connected


@pytest.mark.usefixtures("system_bus")
async def test_no_bluez_is_one_clear_error():
    from leadlab_edge.bluez_agent import pairing_agent

    with pytest.raises(SourceError, match=r"BlueZ took no pairing agent.*Remedy"):
        async with pairing_agent(ADDRESS):
            pass


async def test_elsewhere_bleak_pairs_by_itself():
    """Real pairing over SMP, between two simulated controllers."""
    clock = VirtualClock()
    async with virtual_link(h10(clock)) as link:
        backends = {"scanner_backend": link.scanner, "client_backend": link.client}
        with pytest.raises(SourceError, match=r"INSUFFICIENT_ENCRYPTION.*leadlab pair"):
            async with BleSource(link.address, **backends):
                pass
        assert await pair(NAME, **backends) == PairedDevice(NAME, link.address, "Polar H10")
        assert not link.peripheral.connected


async def test_the_verb_says_what_to_do_next(on_bluez: OnBluez):
    async with on_bluez(h10()) as bluez:
        result = await asyncio.to_thread(CliRunner().invoke, pair_verb, [ADDRESS])
        assert result.exit_code == 0, result.output
        assert bluez.paired
    assert f"{NAME} ({ADDRESS}) is paired." in result.output
    assert f"leadlab run --device {ADDRESS}" in result.output

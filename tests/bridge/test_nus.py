"""Nordic UART: directions by property, pieces in both directions."""

import pytest
from gatt_link import FakeLink

from leadlab_bridge import DeviceError
from leadlab_bridge.devices import nus

SECOND, THIRD = nus.CHARACTERISTICS


@pytest.mark.parametrize("write", ["write", "write-without-response"])
def test_directions_are_told_by_property(write: str):
    zephyr = nus.NordicUart.find({SECOND: [write], THIRD: ["notify"]})
    assert (zephyr.to_device, zephyr.from_device) == (SECOND, THIRD)
    old_pages = nus.NordicUart.find({THIRD: [write], SECOND: ["notify"]})
    assert (old_pages.to_device, old_pages.from_device) == (THIRD, SECOND)


@pytest.mark.parametrize("found", [{}, {SECOND: ["write"]}, {THIRD: ["notify"], SECOND: ["read"]}])
def test_a_missing_direction_is_an_error(found: dict[str, list[str]]):
    with pytest.raises(DeviceError, match="Remedy"):
        nus.NordicUart.find(found)


async def test_bytes_go_both_ways():
    link = FakeLink({SECOND: ["write"], THIRD: ["notify"]})
    uart, received = nus.NordicUart.find(link.characteristics), bytearray()
    await uart.open(link, received.extend)
    sent = bytes(range(50))
    await uart.send(link, sent)
    link.say(uart.from_device, b"ab", b"", b"cd")
    await uart.close(link)
    assert [len(data) for data in link.written] == [20, 20, 10]
    assert b"".join(link.written) == sent
    assert received == b"abcd"
    assert link.callbacks == {}

"""Simulated wearables: an ECG, the devices that send it, and what goes wrong on the way.

A :class:`~.wearable.Wearable` says what it offers and does what it is told; a
:class:`~.player.Player` makes its notifications. Three things carry it: :mod:`.direct_link` to a
driver in this process, :mod:`.virtual_link` over Bluetooth in memory, :mod:`.air` on a controller.
The last two need bumble.
"""

"""A fake org.bluez on a private D-Bus, served by a simulated wearable.

The real BlueZ backend of bleak runs against it unmodified. What it models beyond plain replies is
what clients stumble over: properties change before calls return, an encrypted characteristic makes
a client without a pairing agent wait for ever, a notification beyond the MTU is cut without a word.
"""

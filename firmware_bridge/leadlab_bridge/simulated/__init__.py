"""Simulated wearables: an ECG, a strap that sends it, and the faults of a radio link."""

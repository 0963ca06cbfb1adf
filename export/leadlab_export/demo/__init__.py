"""The whole loop, thin but real at every joint: ``leadlab demo``."""

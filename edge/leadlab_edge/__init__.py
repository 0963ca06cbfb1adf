"""The device: sources, sample clock, windows, quality, packs, runtimes, sinks, command line."""

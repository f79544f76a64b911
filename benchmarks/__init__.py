"""Measurements: every figure is a ratio against a named peer, taken in turns in the same process."""

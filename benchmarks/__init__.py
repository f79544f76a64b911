"""Measurements, each a ratio against a named peer.

Ours and the peer are taken in turns in the same process.
"""

"""Versions of what is installed."""

from __future__ import annotations

from importlib.metadata import version

from packaging.version import Version


def at_least(distribution: str, oldest: str) -> bool:
    """Tell whether this version of the distribution, or a later one, is installed."""
    return Version(version(distribution)) >= Version(oldest)

"""A cache folder per test, a clock that tests move, and HTTP origins.

A conftest imports what its tests use.
"""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from calendar_timetable.calendars.feed.cache import read_by
from tests.support.origin import Origin, serving
from tests.support.tls import tls_for


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache folder, empty."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    return folder


def _within_month() -> float:
    """Return the present, or some days before, so that hours later it is still the same month.

    Which months of a calendar are read, and so every plan, changes with the month.
    """
    now = datetime.now(UTC)
    is_last = (now + timedelta(days=3)).month != now.month
    return (now - timedelta(days=4) * is_last).timestamp()


@dataclass
class Clock:
    """What the package takes for the present; it stands still."""

    now: float


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return a clock that the test moves, and that the code under test reads."""
    clock = Clock(_within_month())
    monkeypatch.setattr("calendar_timetable.clock.now", lambda: clock.now)
    return clock


@pytest.fixture
def origin() -> Iterator[Origin]:
    """Start an HTTP origin."""
    with serving() as origin:
        yield origin


@pytest.fixture
def other_origin() -> Iterator[Origin]:
    """Start a second HTTP origin."""
    with serving() as origin:
        yield origin


@pytest.fixture
def tls_origin(tmp_path: Path) -> Iterator[tuple[Origin, Path]]:
    """Start a server whose certificate nobody knows; give the file that vouches for it too."""
    context, ca_file = tls_for(tmp_path, "127.0.0.1")
    with serving(context) as origin:
        yield origin, ca_file


@dataclass
class TimeZones:
    """The system's time zone database, in a folder of the test's own, with one zone in it.

    It is upgraded in place, by a package that writes its release into the file *told_in*, if any.
    Then everything is restarted.
    """

    folder: Path
    told_in: str = "tzdata.zi"
    releases: int = field(default=0, init=False)

    def upgrade(self, clocks_of: str) -> None:
        """Install a release in which Berlin has the clocks of another zone."""
        self.releases += 1
        zone = self.folder / "Europe" / "Berlin"
        zone.parent.mkdir(parents=True, exist_ok=True)
        zone.write_bytes(files("tzdata").joinpath("zoneinfo", clocks_of).read_bytes())
        os.utime(zone, (self.releases, self.releases))
        if self.told_in:
            (self.folder / self.told_in).write_text(f"# version {self.releases}\n")
        read_by.cache_clear()


@pytest.fixture
def time_zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TimeZones]:
    """Let the package, and the processes that read for it, use a database of the test's own."""
    folder = tmp_path / "zoneinfo"
    monkeypatch.setattr(zoneinfo, "TZPATH", (str(folder),))
    monkeypatch.setenv("PYTHONTZPATH", str(folder))
    yield TimeZones(folder)
    read_by.cache_clear()

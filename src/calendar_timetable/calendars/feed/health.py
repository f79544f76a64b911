"""How calendars are doing, from what the cache holds: no network, no expansion, no titles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from calendar_timetable import clock
from calendar_timetable.calendars.feed.cache import CacheEntry, FeedState, files, moment
from calendar_timetable.calendars.occurrences import Problem
from calendar_timetable.planning.time_sets import Feed

# The default, in seconds: for a feed of which no calendar is at hand.
MAX_STALE = Feed("").max_stale


@dataclass(frozen=True, slots=True)
class Health:
    """How one calendar is doing on this host; times are UTC-aware.

    *status* is ``"ok"``, ``"incomplete"`` (a part that may matter from now on is not understood),
    ``"stale"`` (the last check failed, the last good copy is in force) or ``"unavailable"`` (there
    is no copy, or none confirmed for ``max_stale``: that is what ``on_unavailable`` is for).
    """

    # its name in the cache; empty if unknown, as for a Connection that does not exist
    feed: str
    label: str
    status: str
    read_at: datetime | None = None  # when its source last confirmed the copy in force
    fetched_at: datetime | None = None  # when that copy was fetched
    checked_at: datetime | None = None  # when its source was last asked
    age: timedelta | None = None  # since read_at
    next_retry: datetime | None = None  # after a failure: not asked before then
    error: str = ""  # why the last check failed
    events: int = 0  # in the whole calendar
    problems: tuple[Problem, ...] = ()  # the components not understood, as last read
    zone: str = ""  # whose days its all-day events are, as last read

    @property
    def current_problems(self) -> list[Problem]:
        """The problems that may concern a day that is not over."""
        return [problem for problem in self.problems if problem.is_current(clock.utc())]


def health_reports() -> list[Health]:
    """Return how every calendar in this host's cache folder is doing, sorted by label."""
    reports = (health_of(name, files=paths) for name, paths in files().items())
    return sorted(
        (health for health in reports if health is not None), key=lambda h: (h.label, h.feed)
    )


def health_of(
    feed: str, max_stale: float = MAX_STALE, files: Sequence[Path] | None = None
) -> Health | None:
    """Return how the calendar called *feed* in the cache is doing; ``None`` if that is not known.

    *files* are those of the feed, if many feeds are asked about: to look for them reads the whole
    folder. *max_stale* is in seconds.
    """
    entry = CacheEntry.called(feed)
    state = entry.state()
    if state == FeedState():
        return None
    zone, problems = entry.last_reading(state, files)
    return describe(feed, state.label or "calendar", state, max_stale, problems=problems, zone=zone)


def describe(
    feed: str,
    label: str,
    state: FeedState,
    max_stale: float,
    *,
    problems: Sequence[Problem] = (),
    zone: str = "",
) -> Health:
    """Return *state* as people are told it; *max_stale* is in seconds."""
    read_at = moment(state.good_at) if state.digest else None
    age = None if read_at is None else max(clock.utc() - read_at, timedelta(0))
    too_old = age is None or age.total_seconds() > max_stale
    partly = any(problem.is_current(clock.utc()) for problem in problems)
    return Health(
        feed,
        label,
        "unavailable" if too_old else "stale" if state.error else "incomplete" if partly else "ok",
        read_at,
        moment(state.fetched_at),
        moment(state.checked_at),
        age,
        moment(state.retry_at) if state.error else None,
        state.error,
        state.components,
        tuple(problems),
        zone,
    )

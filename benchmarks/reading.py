"""Reading a big team calendar, and reading it again.

It is measured against what parsing the same bytes takes icalendar.

By processor time, as one thread does all of it: other work on the machine changes it little. The
dense calendar is read by all who take part: that of the processes which are started for it counts
too.
"""

from __future__ import annotations

import gc
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from icalendar import Calendar

import calendar_timetable
from benchmarks.feed import dense, google_like
from benchmarks.figures import Figure, of_pairs
from calendar_timetable.calendars.feed.cache import FeedState, body_digest
from calendar_timetable.calendars.feed.feed import FeedReader
from calendar_timetable.calendars.ical.reader import read
from calendar_timetable.calendars.ical.series_cache import dump_reading
from calendar_timetable.calendars.occurrences import ParsedCalendar
from calendar_timetable.calendars.sources.base import NO_VALIDATORS, FetchResult, Validators
from calendar_timetable.planning.time_sets import TimeRange

EVENTS = 10_000
CHANGED = 100
ROUNDS = 3
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
START, END = (int((NOW + timedelta(days=days)).timestamp()) for days in (-30, 90))


def figures() -> Iterator[Figure]:
    """Measure 120 days of :data:`EVENTS` events, as the reading process reads them.

    Also how that grows with the calendar.
    """
    body = google_like(EVENTS, NOW)
    stamped = google_like(EVENTS, NOW, stamp=NOW + timedelta(hours=1))
    earlier = dump_reading(anew(body))
    changed = edited(stamped)
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, CALENDAR_TIMETABLE_CACHE=folder),
    ):
        feed = Feed(body)
        ours: dict[str, Callable[[], object]] = {
            f"cold read, {EVENTS:,} events, 120 days": lambda: anew(body),
            "re-read, bytes identical": lambda: feed.again(body),
            "re-read, only DTSTAMPs changed": lambda: feed.again(stamped),
            "re-read, 1 % of events changed": lambda: anew(changed, earlier),
        }
        times: dict[str, list[tuple[float, float]]] = {what: [] for what in ours}
        for _ in range(ROUNDS):
            peer = processor_ms(lambda: Calendar.from_ical(body))
            for what, call in ours.items():
                times[what].append((processor_ms(call), peer))
    for what, pairs in times.items():
        yield of_pairs(what, "icalendar's parse", pairs, "ms")
    full = dense(EVENTS, NOW)
    pairs = [
        (all_ms(lambda: resolved(full)), processor_ms(lambda: Calendar.from_ical(full)))
        for _ in "12345"
    ]
    yield of_pairs(
        f"cold read, dense: {EVENTS // 5:,} live series, 150 days", "icalendar's parse", pairs, "ms"
    )
    small, big = google_like(1_000, NOW), google_like(100_000, NOW)
    pairs = [
        (processor_ms(lambda: anew(big)), min(processor_ms(lambda: anew(small)) for _ in range(3)))
        for _ in "123"
    ]
    yield of_pairs("cold read, 100,000 events", "the same of 1,000 events", pairs, "ms")


class Feed:
    """A source whose last good copy is *body*, and what it answers next."""

    label = identity = secret = server = "benchmark"
    local = True

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.feed = FeedReader(self, START, END, "UTC", None, 86400)
        self.state = FeedState(body_digest(body), components=EVENTS)
        self.feed.entry.save(self.state, body)

    def fetch(self, last: Validators = NO_VALIDATORS) -> FetchResult:
        return FetchResult(self.body, "")

    def again(self, body: bytes) -> None:
        """Read *body* as what is fetched after the last one, whose cached readings stand."""
        self.body = body
        if self.feed.ask(self.state).digest != self.state.digest:
            raise AssertionError("the same calendar was taken for another")


def anew(body: bytes, earlier: bytes = b"") -> ParsedCalendar:
    """Read *body* in this process, without the garbage collector, as the reading process does."""
    gc.disable()  # as the reading process does
    try:
        return read(body, START, END, "UTC", 600, earlier)
    finally:
        gc.enable()


def resolved(body: bytes) -> None:
    """Read *body* as a DAG processor reads it for the first time.

    A child reads it, into an empty cache.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, CALENDAR_TIMETABLE_CACHE=f"{folder}/cache"),
    ):
        file = Path(folder) / "team.ics"
        file.write_bytes(body)
        calendar_timetable.Calendar(str(file)).resolve(TimeRange(START, START + 150 * 86400), "UTC")


def edited(body: bytes) -> bytes:
    """*body* with :data:`CHANGED` of its events moved by a quarter of an hour."""
    events = body.split(b"BEGIN:VEVENT")
    for number in random.Random(5).sample(range(1, len(events)), CHANGED):
        events[number] = events[number].replace(b"0000", b"1500")
    return b"BEGIN:VEVENT".join(events)


def all_ms(call: Callable[[], object]) -> float:
    """Processor time with that of children, which have ended."""

    def used() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(one.ru_utime + one.ru_stime for one in both)

    began = used()
    call()
    return 1e3 * (used() - began)


def processor_ms(call: Callable[[], object]) -> float:
    """Return the milliseconds of processor time that *call* takes in this process."""
    began = time.process_time()
    call()
    return 1e3 * (time.process_time() - began)

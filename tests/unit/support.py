"""Small typed helpers that the unit tests share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import airflow.serialization.decoders  # (freezegun breaks what is imported while time is frozen)
import airflow.serialization.encoders  # noqa: F401
import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import Feed, Known, Range, TimeSet
from calendar_timetable.timetable import CalendarTimetable

# name, run_after, data interval: what a DagRunInfo says, in plain values
Step = tuple[datetime, datetime, datetime]


def utc(text: str) -> datetime:
    """ "2026-03-02 10:00" as UTC; a text with an offset keeps its instant."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def seconds(text: str) -> int:
    return int(utc(text).timestamp())


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def pen(moment: datetime) -> pendulum.DateTime:
    return pendulum.instance(moment.astimezone(UTC))


def iso(moment: datetime | None, zone: str = "UTC") -> str | None:
    """As tables of expected times write it: "2026-03-29T03:00+02:00"; seconds only where there are some.

    Not while freezegun freezes time: its datetimes, as pendulum's, forget which of two equal hours it is.
    """
    if moment is None:
        return None
    shown = datetime.fromtimestamp(moment.timestamp(), ZoneInfo(zone))
    return shown.isoformat(timespec="seconds" if shown.second else "minutes")


def spans(*pairs: tuple[str, str]) -> Spans:
    return Spans((seconds(start), seconds(end)) for start, end in pairs)


class Explicit(TimeSet):
    """A rule made of explicit spans, in epoch seconds: known at all times."""

    def __init__(self, pairs: Sequence[tuple[int, int]], label: str = "explicit") -> None:
        self.pairs, self.label = tuple(pairs), label

    def resolve(self, horizon: Range, timezone: str) -> TimeSet:
        return self

    def cover(self, start: int, end: int) -> Spans:
        return Spans((max(a, start), min(b, end)) for a, b in self.pairs if a < end and b > start)

    def __str__(self) -> str:
        return self.label


class FakeCalendar(TimeSet):
    """A calendar that knows these spans: as any calendar, only inside the horizon."""

    def __init__(self, known: Spans, label: str = "team_calendar", feed: Feed | None = None) -> None:
        self.known, self.label, self.feed = known, label, feed
        self.reads = 0

    def resolve(self, horizon: Range, timezone: str) -> TimeSet:
        self.reads += 1
        return Known(
            self.label,
            Spans(pair for pair in self.known if pair[1] > horizon.start and pair[0] < horizon.end),
            feed=self.feed,
        )

    def __str__(self) -> str:
        return self.label


def restriction(
    earliest: datetime | None = None, latest: datetime | None = None, *, catchup: bool = True
) -> TimeRestriction:
    return TimeRestriction(earliest and pen(earliest), latest and pen(latest), catchup=catchup)


def travelled(timetable: CalendarTimetable) -> CalendarTimetable:
    """*timetable* as another component gets it: out of the database."""
    data = json.loads(json.dumps(timetable.serialize()))
    return CalendarTimetable.deserialize(data)


def stepped(
    timetable: Timetable,
    earliest: datetime | None,
    latest: datetime | None = None,
    limit: int = 1_000,
    *,
    travel: bool = False,
) -> Iterator[DagRunInfo]:
    """Runs as the scheduler makes them, one after the other, with catchup."""
    last: DataInterval | None = None
    for _ in range(limit):
        if travel:
            assert isinstance(timetable, CalendarTimetable)
            timetable = travelled(timetable)
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction(earliest, latest))
        if info is None:
            return
        yield info
        last = info.data_interval


def said(info: DagRunInfo) -> Step:
    interval = info.data_interval
    assert interval is not None
    return info.run_after, interval.start, interval.end


def next_run(
    timetable: Timetable,
    last: datetime | DataInterval | None = None,
    earliest: datetime | None = None,
    latest: datetime | None = None,
    *,
    catchup: bool = True,
) -> DagRunInfo | None:
    """The next run after the one whose tick (or data interval) is *last*."""
    interval = DataInterval.exact(pen(last)) if isinstance(last, datetime) else last
    return timetable.next_dagrun_info(
        last_automated_data_interval=interval, restriction=restriction(earliest, latest, catchup=catchup)
    )


def as_json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=1, sort_keys=True) + "\n"

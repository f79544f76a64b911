"""Time sets that need no calendar: what they hold is given; needs no Airflow."""

from __future__ import annotations

from collections.abc import Sequence

from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import CalendarSpans, Feed, TimeRange, TimeSet
from tests.support.moments import instant


def spans(*pairs: tuple[str, str]) -> Spans:
    """Return the spans of these pairs of start and end, in UTC."""
    return Spans((instant(start), instant(end)) for start, end in pairs)


class Explicit(TimeSet):
    """A rule made of explicit spans, in epoch seconds: known at all times."""

    def __init__(self, pairs: Sequence[tuple[int, int]], label: str = "explicit") -> None:
        self.pairs, self.label = tuple(pairs), label

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        return self

    def cover(self, start: int, end: int) -> Spans:
        return Spans((max(a, start), min(b, end)) for a, b in self.pairs if a < end and b > start)

    def __str__(self) -> str:
        return self.label


class FakeCalendar(TimeSet):
    """A calendar that knows these spans: as any calendar, only inside the horizon."""

    def __init__(
        self, known: Spans, label: str = "team_calendar", feed: Feed | None = None
    ) -> None:
        self.known, self.label, self.feed = known, label, feed
        self.reads = 0

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        self.reads += 1
        return CalendarSpans(
            self.label,
            Spans(pair for pair in self.known if pair[1] > horizon.start and pair[0] < horizon.end),
            feed=self.feed,
        )

    def __str__(self) -> str:
        return self.label

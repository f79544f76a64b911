"""What people and their clients make of published events, pass after pass, on CalDAV in memory."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from icalendar import Event

from calendar_timetable.publishing import caldav
from calendar_timetable.publishing.publish import alone
from calendar_timetable.publishing.target import (
    DIGEST,
    PUBLISHED_START,
    DesiredEvent,
    Mode,
    Planned,
    PublishResult,
    publish,
)

SITE = "0a1b2c3d"
DAY = timedelta(days=1)
AT = datetime(2027, 3, 10, 22, tzinfo=UTC)
AHEAD = Planned((AT - DAY).timestamp(), (AT + 35 * DAY).timestamp())
EVERYTHING = Planned(0)
ZONE = (
    "BEGIN:VTIMEZONE\nTZID:Ours\nBEGIN:STANDARD\nDTSTART:19700101T000000\n"
    "TZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n"
)
ALARM = "BEGIN:VALARM\nACTION:DISPLAY\nDESCRIPTION:x\nTRIGGER:-PT5M\nEND:VALARM\n"


class Memory:
    """A CalDAV server with one calendar: *stored* has bodies and ETags by resource name."""

    def __init__(self) -> None:
        self.stored: dict[str, tuple[str, str]] = {}
        self.changes = 0

    def put(self, href: str, body: str) -> None:
        self.changes += 1
        self.stored[href] = body, f'"{self.changes}"'

    def edit(self, href: str, change: Callable[[str], str]) -> None:
        """Save what *change* makes of the event, as a client does."""
        before = self.stored[href][0].replace("\r\n", "\n")
        after = change(before)
        assert after != before
        self.put(href, after)

    def report(self, url: str, depth: int, body: str) -> Any:
        hrefs = re.findall("<D:href>(.*?)</D:href>", body) or self.stored
        return SimpleNamespace(resources=[self.resource(href) for href in hrefs])

    def resource(self, href: str) -> Any:
        body, etag = self.stored[href]
        values = {"getetag": etag, "calendar-data": body}
        text = lambda name: values[name.partition("}")[2]]  # noqa: E731
        return SimpleNamespace(href=href, status=200, text=text)

    def resolve_href(self, url: str, href: str) -> str:
        return href

    def ask(self, url: str, headers: dict[str, str], method: str, body: bytes | None) -> Any:
        held = self.stored.get(url, ("", ""))[1]
        if headers.get("If-Match", held) != held or (held and "If-None-Match" in headers):
            return SimpleNamespace(status=412)
        if method == "DELETE":
            del self.stored[url]
        else:
            self.put(url, (body or b"").decode())
        return SimpleNamespace(status=204)


class Published:
    """A calendar on a server of its own; calling it publishes *events* there, as one Airflow."""

    def __init__(self) -> None:
        self.server: Any = Memory()

    def __call__(
        self, events: Iterable[DesiredEvent], planned: Planned = AHEAD, mode: Mode = "write"
    ) -> PublishResult:
        target = caldav._Calendar(self.server, self.server, "", SITE, math.inf)
        return publish(target, events, planned, mode)

    @property
    def starts(self) -> list[str]:
        texts = [body for body, _ in self.server.stored.values()]
        return [re.findall(r"^DTSTART[^\r\n]*", text, re.MULTILINE)[-1] for text in texts]


@pytest.fixture
def published() -> Published:
    return Published()


def run(number: int = 0, at: datetime = AT, **given: str) -> DesiredEvent:
    """Return run *number*, from *at* on, for an hour."""
    event = Event()
    uid = f"{number:040x}-{SITE}@calendar-timetable"
    times = {"dtstamp": AT, "dtstart": at, "dtend": at + timedelta(hours=1)}
    texts = {"summary": "nightly", "status": "CONFIRMED", "transp": "TRANSPARENT"}
    for name, value in {"uid": uid, **times, **texts, **given}.items():
        event.add(name, value)
    digest = f"{at:%d%H%M} {given}"
    event.add(DIGEST, digest)
    event.add(PUBLISHED_START, str(int(at.timestamp())))
    return DesiredEvent(uid, digest, alone(event))


def name_of(number: int = 0) -> str:
    return f"/calendar-timetable-{SITE}-{number:040x}.ics"


def without_ours(body: str) -> str:
    return re.sub(r"(?m)^X-.*\n(?: .*\n)*", "", body)


def in_own_zone(body: str) -> str:
    body = re.sub(r"DT(START|END):20270310T22(\d+)Z", r"DT\1;TZID=Ours:20270310T23\2", body)
    return re.sub("DTEND:20270310T23(.*)Z", r"DURATION:PT1H", body)


def inserted(before: str, text: str) -> Callable[[str], str]:
    return lambda body: body.replace(before, text + before, 1)


def replaced(pattern: str, text: str) -> Callable[[str], str]:
    return lambda body: re.sub(pattern, text, body)


OVERRIDE = (
    f"BEGIN:VEVENT\nUID:{run().uid}\nDTSTAMP:20270301T000000Z\n"
    "RECURRENCE-ID:20270311T220000Z\nDTSTART:20270311T230000Z\nEND:VEVENT\n"
)
# What says the same of the run as before.
HARMLESS: dict[str, Callable[[str], str]] = {
    "title": replaced("SUMMARY:.*", "SUMMARY:ask Ada"),
    "alarm": inserted("END:VEVENT", ALARM),
    "categories": inserted("END:VEVENT", "CATEGORIES:red,ours\n"),
    "zone": lambda body: in_own_zone(inserted("BEGIN:VEVENT", ZONE)(body)),
    "folding": replaced(r"(?m)^(.{9})(.{9})(.*)$", r"\1\n \2\n\t\3"),
    "names": replaced("(?m)^(X-CALENDAR[A-Z-]*)", lambda match: match[1].lower()),  # type: ignore[arg-type]
}
# What does not, or takes away by what that could be told.
CHANGED: dict[str, Callable[[str], str]] = {
    "properties": without_ours,
    "digest": replaced(f"{DIGEST}.*\n", ""),
    "moved": replaced(r"(DT(?:START|END)):2027", r"\1:2028"),
    "moved to the past": replaced(r"(DT(?:START|END)):2027", r"\1:1960"),
    "longer": replaced("DTEND:20270310T2300", "DTEND:20270310T2330"),
    "day": replaced(r"DT(START|END):(\d{8})T\w+", r"DT\1;VALUE=DATE:\2"),
    "floating": replaced(r"(DT(?:START|END):.*)Z", r"\1"),
    "cancelled": replaced("STATUS:CONFIRMED", "STATUS:CANCELLED"),
    "busy": replaced("TRANSPARENT", "OPAQUE"),
    "recurring": inserted("END:VEVENT", "RRULE:FREQ=DAILY\n"),
    "second event": inserted("END:VCALENDAR", OVERRIDE),
    "unreadable": replaced("DTSTART:.*", "DTSTART:soon"),
    "all of it": lambda body: inserted("END:VCALENDAR", OVERRIDE)(
        without_ours(replaced(r"(DT(?:START|END)):2027", r"\1:1960")(body))
    ),
}


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=HARMLESS)
def test_what_says_the_same_is_left_until_the_run_changes(
    published: Published, edit: Callable[[str], str]
) -> None:
    published([run()])
    published.server.edit(name_of(), edit)
    theirs = dict(published.server.stored)

    assert published([run()]) == PublishResult(unchanged=1)
    assert published.server.stored == theirs

    moved = run(at=AT + timedelta(hours=3))
    assert published([moved]) == PublishResult(written=1)
    assert published.starts == ["DTSTART:20270311T010000Z"]
    assert published([]) == PublishResult(removed=1)


@pytest.mark.parametrize("edit", CHANGED.values(), ids=CHANGED)
def test_what_no_longer_says_so_is_put_right(
    published: Published, edit: Callable[[str], str]
) -> None:
    published([run()])
    ours = published.server.stored[name_of()][0]
    published.server.edit(name_of(), edit)
    assert published([run()]) == PublishResult(written=1)
    assert published.server.stored[name_of()][0] == ours
    assert published([run()]) == PublishResult(unchanged=1)

    published.server.edit(name_of(), edit)
    assert published([run(at=AT + timedelta(hours=3))]) == PublishResult(written=1)
    assert published.starts == ["DTSTART:20270311T010000Z"]


@pytest.mark.parametrize("edit", [*HARMLESS.values(), *CHANGED.values()], ids=[*HARMLESS, *CHANGED])
def test_all_is_taken_back_whatever_became_of_it(
    published: Published, edit: Callable[[str], str]
) -> None:
    published([run(), run(1, AT + DAY)])
    published.server.edit(name_of(), edit)

    assert published([], EVERYTHING, "force") == PublishResult(removed=2)
    assert published.server.stored == {}


@pytest.mark.parametrize("year", ["2026", "2028"])
def test_a_dropped_run_is_removed_from_wherever_it_was_moved(
    published: Published, year: str
) -> None:
    """It was published within what is planned; and what is history was not, wherever it is now."""
    published([run(), run(1, AT - 3 * DAY)])
    published.server.edit(name_of(), replaced(r"(DT(?:START|END)):2027", rf"\1:{year}"))
    published.server.edit(name_of(1), replaced(r"(DT(?:START|END)):202703", r"\1:202704"))

    looked = published([], mode="look")
    assert looked.to_remove == [AT.timestamp()]
    assert published([]) == PublishResult(removed=1)
    assert list(published.server.stored) == [name_of(1)]


def test_without_our_properties_a_run_is_judged_by_when_it_is(published: Published) -> None:
    published([run(), run(1, AT - 3 * DAY)])
    for number in (0, 1):
        published.server.edit(name_of(number), without_ours)

    assert published([]) == PublishResult(removed=1)
    assert list(published.server.stored) == [name_of(1)], "history stays"


def test_a_new_etag_alone_changes_nothing(published: Published) -> None:
    published([run()])
    for _ in range(2):
        published.server.put(name_of(), published.server.stored[name_of()][0])
        assert published([run()]) == PublishResult(unchanged=1)
    assert published([]) == PublishResult(removed=1)


@pytest.mark.parametrize(
    "body",
    [
        "no calendar",
        "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:x@example.com\nEND:VEVENT\nEND:VCALENDAR\n",
        (
            f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:{run().uid}\nEND:VEVENT\n"
            "BEGIN:VEVENT\nUID:x@example.com\nEND:VEVENT\nEND:VCALENDAR\n"
        ),
    ],
)
def test_what_holds_the_event_of_others_is_theirs(published: Published, body: str) -> None:
    published.server.put(name_of(), body)
    theirs = dict(published.server.stored)

    assert published([run()]) == PublishResult(left=1)
    assert published([], EVERYTHING, "force") == PublishResult()
    assert published.server.stored == theirs


def test_what_is_skipped_stays_cancelled(published: Published) -> None:
    skipped = run(status="CANCELLED")
    published([skipped])
    assert published([skipped]) == PublishResult(unchanged=1)
    published.server.edit(name_of(), replaced("STATUS:CANCELLED", "STATUS:CONFIRMED"))
    assert published([skipped]) == PublishResult(written=1)

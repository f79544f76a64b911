"""Publishing into Google Calendar over TLS.

The provider's real hook, and a service that answers as Google documents it.
"""

from __future__ import annotations

import gc
import json
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import icalendar
import pytest
from sqlalchemy.orm import Session

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.net.client import DownloadFailed
from calendar_timetable.calendars.sources.cloud import CONN_ID
from calendar_timetable.publishing import google as publish_google
from calendar_timetable.publishing import target
from calendar_timetable.publishing.booking import book
from calendar_timetable.publishing.google import SCOPE, as_google
from calendar_timetable.publishing.publish import desired_events, publish_into
from calendar_timetable.publishing.target import (
    DesiredEvent,
    Planned,
    PublishingFailed,
    PublishResult,
)
from calendar_timetable.runs.calendar_events import Site
from calendar_timetable.runs.impact import PlannedBlackout
from calendar_timetable.runs.rows import RunRow
from tests.support.airflow_database import add_dag, add_run
from tests.support.clouds import Ask, Given, Internet
from tests.support.google_service import (
    TEAM,
    account_key,
    refusal,
)
from tests.support.google_service import Google as SignIn
from tests.support.origin import SECRET
from tests.support.published import NOW, SITE, nightly, rows_of

EVENTS = f"/calendar/v3/calendars/{TEAM.replace('@', '%40')}/events"
MARK = "calendarTimetable"
Event = dict[str, Any]


@dataclass
class Google:
    """The events of one calendar, deleted ones included.

    After the reference of events.insert, update, delete, list.
    """

    events: dict[str, Event] = field(default_factory=dict)
    page: int = 100
    changes: int = 0
    before: Callable[[Ask, str], Given | None] = lambda ask, own: None  # asked before anything else

    def answer(self, ask: Ask) -> Given:
        own = ask.path.removeprefix(EVENTS).strip("/") or (
            json.loads(ask.body)["id"] if ask.body else ""
        )
        if not ask.path.startswith(EVENTS):
            return refusal(404, "notFound")
        return self.before(ask, own) or {
            "GET": self.get if own else self.list,
            "POST": self.insert,
            "PUT": self.update,
            "DELETE": self.delete,
        }[ask.method](ask, own)

    def list(self, ask: Ask, _: str) -> Given:
        mark, _, value = ask.query.get("privateExtendedProperty", "").partition("=")
        found = [
            e
            for e in self.events.values()
            if e["status"] != "cancelled" and (not mark or marks(e).get(mark) == value)
        ]
        first = int(ask.query.get("pageToken", "0"))
        more = {"nextPageToken": str(first + self.page)} if first + self.page < len(found) else {}
        return Given(
            200, {"kind": "calendar#events", "items": found[first : first + self.page], **more}
        )

    def get(self, _: Ask, own: str) -> Given:
        return Given(200, self.events[own]) if own in self.events else refusal(404, "notFound")

    def insert(self, ask: Ask, own: str) -> Given:
        sent = json.loads(ask.body)
        if not re.fullmatch("[a-v0-9]{5,1024}", own) or "iCalUID" in sent:
            return refusal(400, "invalid")
        return refusal(409, "duplicate") if own in self.events else self.put(own, sent)

    def update(self, ask: Ask, own: str) -> Given:
        there = self.events.get(own)
        if there is None:
            return refusal(404, "notFound")
        return (
            self.put(own, json.loads(ask.body))
            if same(ask, there)
            else refusal(412, "conditionNotMet")
        )

    def delete(self, ask: Ask, own: str) -> Given:
        there = self.events.get(own)
        if there is None or there["status"] == "cancelled":
            return refusal(410, "deleted") if there else refusal(404, "notFound")
        if not same(ask, there):
            return refusal(412, "conditionNotMet")
        self.keep(own, {**there, "status": "cancelled"})
        return Given(204, b"")

    def put(self, own: str, event: Event) -> Given:
        start, end = (
            event[side].get("dateTime") or event[side]["date"] for side in ("start", "end")
        )
        return refusal(400, "timeRangeEmpty") if end < start else self.keep(own, event)

    def edit(self, own: str, **given: Any) -> None:
        """Change properties of an event, as its people or their clients do."""
        self.keep(own, {**self.events[own], **given})

    def keep(self, own: str, event: Event) -> Given:
        self.changes += 1
        self.events[own] = {
            **event,
            "kind": "calendar#event",
            "id": own,
            "etag": f'"{self.changes}"',
        }
        return Given(200, self.events[own])

    @property
    def shown(self) -> dict[str, str]:
        """Ids and titles, as people see them."""
        return {
            own: event["summary"]
            for own, event in self.events.items()
            if event["status"] != "cancelled"
        }


def marks(event: Event) -> dict[str, str]:
    found: dict[str, str] = event.get("extendedProperties", {}).get("private", {})
    return found


def same(ask: Ask, event: Event) -> bool:
    return ask.headers.get("if-match") in (None, event["etag"])


@pytest.fixture
def google(net: Internet, monkeypatch: pytest.MonkeyPatch) -> Google:
    service = Google()
    token = SignIn(scope=SCOPE).token
    net.services = {"oauth2.googleapis.com": token, "www.googleapis.com": service.answer}
    given = {
        "conn_type": "google_cloud_platform",
        "extra": {"keyfile_dict": json.loads(account_key())},
    }
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE", json.dumps(given))
    monkeypatch.setattr(limits, "PUBLISH_PAUSES", (0.01, 0.02))
    return service


@pytest.fixture
def in_this_process(google: Google, net: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without a process that loads the provider for seconds each time.

    For what is said to the service.
    """
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", os.environ["AIRFLOW_CONN_GOOGLE"])

    def send(module: str, request: Any, body: bytes, seconds: float) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import httplib2

            monkeypatch.setattr(httplib2, "CA_CERTS", net.environment["HTTPLIB2_CA_CERTS"])
            try:
                answer: Any = publish_google.work(request, body)
            except DownloadFailed as error:
                answer = str(error)
            gc.collect()  # connections that the hook leaves open
        if isinstance(answer, str):
            raise DownloadFailed(answer)
        return answer

    monkeypatch.setattr(target, "request_in_child", send)


@pytest.fixture
def rows(session: Session) -> list[RunRow]:
    add_dag(session, nightly("published"), NOW)
    return rows_of(session, "published")


def written(
    rows: list[RunRow], site: Site = SITE, since: float = 0, calendar: str = f"google/{TEAM}"
) -> PublishResult:
    return publish_into(calendar, site, desired_events(rows, site, NOW.timestamp()), Planned(since))


def id_of(row: RunRow, site: Site = SITE) -> str:
    return site.uid(row).partition("@")[0].replace("-", "")


def changes(net: Internet) -> list[str]:
    return [ask.method for ask in net.asked("www.googleapis.com") if ask.method != "GET"]


def moved(row: RunRow, seconds: int = 60) -> RunRow:
    return replace(row, start=(row.start or 0) + seconds, end=None)


def test_a_process_of_its_own_publishes(google: Google, rows: list[RunRow]) -> None:
    assert written(rows) == PublishResult(written=4)
    assert set(google.shown) == {id_of(row) for row in rows}
    google.before = lambda ask, own: (
        refusal(403, "requiredAccessLevel") if ask.method == "DELETE" else None
    )
    reason = "HTTP 403: the calendar's sharing does not let the Connection's account change events"
    with pytest.raises(PublishingFailed, match=reason):
        written(rows[1:])


@pytest.mark.usefixtures("in_this_process")
def test_what_changes_is_written_and_what_is_dropped_is_removed(
    google: Google,
    net: Internet,
    rows: list[RunRow],
    session: Session,
) -> None:
    google.page = 2
    assert written(rows) == PublishResult(written=4)
    first = google.events[id_of(rows[0])]
    assert (first["summary"], first["start"]["dateTime"]) == (
        "published",
        "2027-03-10T22:00:00+00:00",
    )
    assert first["description"].startswith(
        "Due Wed 10 Mar 2027 12:00 UTC, outside daily 22:00-06:00 until 22:00; starts 22:00"
    )
    assert first["description"].endswith("https://airflow.example.com/prod/dags/published")
    assert (first["transparency"], first["reminders"]) == ("transparent", {"useDefault": False})
    assert set(google.shown) == {id_of(row) for row in rows}

    later = [moved(rows[0]), *rows[1:3]]
    assert written(later) == PublishResult(written=1, unchanged=2, removed=1), "read over two pages"
    assert changes(net) == ["POST"] * 4 + ["PUT", "DELETE"]
    assert google.events[id_of(rows[0])]["start"]["dateTime"] == "2027-03-10T22:01:00+00:00"

    assert written(rows) == PublishResult(written=2, unchanged=2), (
        "what Google keeps of a deleted event is no hindrance"
    )
    assert changes(net)[6:] == ["PUT", "POST", "PUT"]
    assert set(google.shown) == {id_of(row) for row in rows}

    past = (rows[2].start or 0) - 1
    assert written([], since=past) == PublishResult(removed=2), "what is past is history, and stays"


@pytest.mark.usefixtures("in_this_process")
def test_an_event_that_somebody_made_an_all_day_one_is_still_ours(
    google: Google, rows: list[RunRow]
) -> None:
    written(rows)
    for row in rows[2:]:
        all_day = {"start": {"date": "2027-03-13"}, "end": {"date": "2027-03-14"}}
        google.edit(id_of(row), **all_day)

    assert written(rows[:3]) == PublishResult(written=1, unchanged=2, removed=1)
    assert google.events[id_of(rows[2])]["start"]["dateTime"] == "2027-03-12T22:00:00+00:00"


EDITS: dict[str, Event] = {
    "without private properties": {"extendedProperties": {}},
    "moved away": {
        "start": {"dateTime": "2029-03-10T23:00:00+01:00"},
        "end": {"dateTime": "2029-03-10T23:15:00+01:00"},
    },
    "moved to the past": {
        "start": {"dateTime": "2020-03-10T23:00:00+01:00"},
        "end": {"dateTime": "2020-03-10T23:15:00+01:00"},
    },
    "longer": {"end": {"dateTime": "2027-03-11T06:00:00Z"}},
    "busy": {"transparency": "opaque"},
    "recurring": {"recurrence": ["RRULE:FREQ=DAILY"]},
    "tentative": {"status": "tentative"},
    "without times": {"start": {}, "end": {}},
}


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("name", EDITS)
def test_what_people_made_of_an_event_is_put_right(
    name: str, google: Google, rows: list[RunRow]
) -> None:
    """Edited, published; edited, the run moves, published; edited, all is taken back."""
    own = id_of(rows[0])
    written(rows)
    ours = {key: value for key, value in google.events[own].items() if key != "etag"}

    google.edit(own, **EDITS[name])
    assert written(rows) == PublishResult(written=1, unchanged=3)
    assert {**google.events[own], "etag": ""} == {**ours, "etag": ""}
    assert written(rows) == PublishResult(unchanged=4)

    google.edit(own, **EDITS[name])
    assert written([moved(rows[0]), *rows[1:]]) == PublishResult(written=1, unchanged=3)
    google.edit(own, **EDITS[name])
    assert written([]) == PublishResult(removed=4)
    assert google.shown == {}


@pytest.mark.usefixtures("in_this_process")
def test_what_says_the_same_of_a_run_is_left(google: Google, rows: list[RunRow]) -> None:
    """Google's own forms of the times, and what people say of it, until the run changes."""
    skipped = replace(rows[0], state="skipped", start=None, end=None)
    own, another = id_of(rows[0]), id_of(rows[1])
    paused = replace(rows[2], dag=replace(rows[2].dag, paused=True))
    runs = [skipped, rows[1], paused]
    written(runs)
    google.edit(own, summary="ask Ada", colorId="5", location="here")
    google.edit(
        another,
        start={"dateTime": "2027-03-12T00:00:00+02:00", "timeZone": "Europe/Helsinki"},
        end={"dateTime": "2027-03-11T22:15:00Z"},
    )
    assert written(runs) == PublishResult(unchanged=3)
    assert google.events[own]["summary"] == "ask Ada"

    assert written([rows[0], rows[1], paused]) == PublishResult(written=1, unchanged=2)
    assert google.events[own]["summary"] == "published"


@pytest.mark.usefixtures("in_this_process")
def test_a_run_that_is_dropped_is_removed_from_wherever_it_was_moved(
    google: Google, rows: list[RunRow]
) -> None:
    written(rows)
    since, until = (rows[1].start or 0) - 60, (rows[3].start or 0) - 60
    for row, year in ((rows[0], 2027), (rows[1], 2020), (rows[2], 2029)):
        google.edit(
            id_of(row),
            start={"dateTime": f"{year}-03-12T10:00:00Z"},
            end={"dateTime": f"{year}-03-12T10:15:00Z"},
        )

    done = publish_into(f"google/{TEAM}", SITE, [], Planned(since, until))
    assert done == PublishResult(removed=2)
    assert set(google.shown) == {id_of(rows[0]), id_of(rows[3])}, "history, and what is not known"


@pytest.mark.usefixtures("in_this_process")
def test_a_booking_that_no_longer_holds_is_booked_again(
    google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Booked; its owner ends, moves, frees, cancels it; somebody books it again."""
    calendar = f"google/{TEAM}"
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS", calendar)
    period = PlannedBlackout(int(NOW.timestamp()), int(NOW.timestamp()) + 8 * 3600)

    def again() -> bool:
        return book(calendar, period, "Core switch", "ada").created

    assert again()
    (own,) = google.events
    booked = {**google.events[own], "etag": ""}
    edits: list[Event] = [
        {"end": {"dateTime": "2027-03-10T12:30:00Z"}},
        {"start": {"dateTime": "2027-03-10T19:30:00Z"}},
        {"transparency": "transparent"},
        {"status": "tentative"},
        {"recurrence": ["RRULE:FREQ=DAILY"]},
        {"start": {"date": "2027-03-10"}, "end": {"date": "2027-03-11"}},
        {"status": "cancelled"},
    ]
    for edit in edits:
        google.edit(own, **edit)
        assert again(), edit
        assert {**google.events[own], "etag": ""} == booked
        assert not again()
    for edit in ({"summary": "ask Ada", "colorId": "5"}, {"extendedProperties": {}}):
        google.edit(own, **edit)
        assert not again()
    assert google.shown == {own: "ask Ada"}
    google.events.clear()
    assert again()


@pytest.mark.usefixtures("in_this_process")
def test_states_in_googles_words(google: Google, rows: list[RunRow], session: Session) -> None:
    add_run(session, "published", "failed", NOW, start_date=NOW, end_date=NOW)
    skipped = replace(rows[1], state="skipped", start=None, end=None)
    paused = replace(rows[2], dag=replace(rows[2].dag, paused=True))
    assert written([rows_of(session, "published")[0], skipped, paused]) == PublishResult(written=3)
    told = {event["summary"]: event["status"] for event in google.events.values()}
    assert told == {
        "published (failed)": "confirmed",
        "published (skipped)": "confirmed",
        "published": "tentative",
    }


@pytest.mark.usefixtures("in_this_process")
def test_only_our_own_events_are_touched(google: Google, rows: list[RunRow]) -> None:
    """Not those of people, nor of another Airflow, nor a copy of ours, nor what only looks so."""
    other = Site("https://airflow.example.com/prod", "4e5f6071")
    assert written(rows[:2], other) == PublishResult(written=2)
    assert written(rows) == PublishResult(written=4)
    ours = google.events[id_of(rows[0])]
    google.put("copy12345", {**ours, "summary": "copy"})
    google.put("birthday1", {**ours, "summary": "Birthday", "extendedProperties": {}})
    google.put(f"birthday{SITE.key}", {**ours, "summary": "Birthday"})
    google.put(f"{'a' * 40}{SITE.key}0", {**ours, "summary": "Birthday"})
    theirs = {
        own: dict(event)
        for own, event in google.events.items()
        if own not in {id_of(row) for row in rows}
    }

    assert written([moved(row) for row in rows]) == PublishResult(written=4)
    assert written([]) == PublishResult(removed=4)
    assert {own: google.events[own] for own in theirs} == theirs


@pytest.mark.usefixtures("in_this_process")
def test_two_that_publish_at_once(google: Google, rows: list[RunRow], net: Internet) -> None:
    """Whatever the other one has done since the calendar was read; and what people did."""
    assert written(rows[2:]) == PublishResult(written=2)
    done: set[str] = set()

    def other(ask: Ask, own: str) -> Given | None:
        if ask.method == "GET" or own in done:
            return None
        done.add(own)
        if own == id_of(rows[0]):  # has written the same
            google.put(own, json.loads(ask.body))
        elif own == id_of(rows[1]):  # has written what was right a minute ago
            google.put(
                own,
                {
                    **json.loads(ask.body),
                    "extendedProperties": {
                        "private": {**marks(json.loads(ask.body)), f"{MARK}Digest": "old"}
                    },
                },
            )
        elif own == id_of(rows[2]):  # somebody drags it away
            google.put(own, {**google.events[own], "summary": "dragged"})
        else:  # has removed it
            google.put(own, {**google.events[own], "status": "cancelled"})
        return None

    google.before = other
    assert written([rows[0], rows[1], moved(rows[2])]) == PublishResult(
        written=2, removed=1, left=1
    )
    assert changes(net)[2:] == ["POST", "POST", "PUT", "PUT", "DELETE"]
    assert google.shown == {
        id_of(rows[0]): "published",
        id_of(rows[1]): "published",
        id_of(rows[2]): "dragged",
    }
    assert written([rows[0], rows[1], moved(rows[2])]) == PublishResult(written=1, unchanged=2), (
        "the next time"
    )


BUSY = [
    refusal(403, "rateLimitExceeded"),
    refusal(403, "userRateLimitExceeded"),
    refusal(429, "rateLimitExceeded", Retry_After="0"),
    Given(503, b"<html>sorry"),
]


@pytest.mark.usefixtures("in_this_process")
def test_while_google_is_busy_it_is_asked_again(
    google: Google,
    rows: list[RunRow],
    net: Internet,
) -> None:
    said = list(BUSY)

    def busy(ask: Ask, own: str) -> Given | None:
        odd = len(changes(net)) % 2 == 1
        return said.pop(0) if ask.method == "POST" and odd and said else None

    google.before = busy
    assert written(rows) == PublishResult(written=4)
    assert changes(net) == ["POST"] * 8 and not said


@pytest.mark.usefixtures("in_this_process")
def test_an_answer_that_is_lost_makes_no_second_event(
    google: Google,
    rows: list[RunRow],
    net: Internet,
) -> None:
    def lose(ask: Ask, own: str) -> Given | None:
        if ask.method == "POST" and own not in google.events:
            google.insert(ask, own)
            return Given(500, b"")
        return None

    google.before = lose
    assert written(rows[:1]) == PublishResult(written=1)
    assert changes(net) == ["POST", "POST"] and len(google.events) == 1


REFUSED: dict[str, tuple[Given, str, int]] = {
    "busy for ever": (
        refusal(403, "rateLimitExceeded"),
        "HTTP 403: Google's quota is used up for now",
        3,
    ),
    "busy for long": (
        refusal(429, "rateLimitExceeded", Retry_After="3599"),
        "HTTP 429: Google's quota is used up for now",
        1,
    ),
    "of the day": (refusal(403, "quotaExceeded"), "HTTP 403: Google's quota is used up for now", 1),
    "read only": (
        refusal(403, "requiredAccessLevel"),
        "HTTP 403: the calendar's sharing does not let the Connection's account change events",
        1,
    ),
    "no such calendar": (
        refusal(404, "notFound"),
        "HTTP 404: no such calendar, or it is not shared with the Connection's account",
        1,
    ),
    "scopes": (
        refusal(403, "insufficientPermissions"),
        (
            "HTTP 403: the Connection's Scopes do not let it change events: empty them, or add "
            f"{SCOPE}"
        ),
        1,
    ),
}


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, google: Google, rows: list[RunRow], net: Internet) -> None:
    given, reason, asked = REFUSED[name]
    google.before = lambda ask, own: given if ask.method == "POST" else None
    with pytest.raises(PublishingFailed) as raised:
        written(rows[:1])
    assert str(raised.value) == f"google/{TEAM}: {reason}"
    assert SECRET not in str(raised.value)
    assert len(changes(net)) == asked


@pytest.mark.usefixtures("in_this_process")
def test_what_there_is_no_time_for_is_left(
    google: Google, rows: list[RunRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PUBLISH_SECONDS", 0.001)
    assert written(rows) == PublishResult(left=4)
    assert not google.events


def test_titles_of_others_are_no_html_there() -> None:
    """Google shows HTML in a description.

    A link in the title of somebody's event would become one.
    """
    event = icalendar.Event()
    for name, value in (
        ("uid", f"{'a' * 40}-x@calendar-timetable"),
        ("dtstart", NOW),
        ("summary", "nightly"),
    ):
        event.add(name, value)
    event.add("status", "CONFIRMED")
    event.add("description", 'held by team (<a href="https://evil.example/x">Approve</a> & more)')
    whole = icalendar.Calendar()
    whole.add_component(event)
    told = as_google(DesiredEvent(str(event["UID"]), "digest", whole.to_ical().decode()), "x")
    assert (
        told["description"]
        == 'held by team (&lt;a href="https://evil.example/x"&gt;Approve&lt;/a&gt; &amp; more)'
    )
    assert publish_google._as_text("<" * 9_000) == "&lt;" * 2_000
    assert publish_google._as_text("x" + "<" * 9_000) == "x" + "&lt;" * 1_999

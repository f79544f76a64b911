"""Publishing into a real CalDAV server.

What is new, moved and dropped; and nothing that is not ours.
"""

from __future__ import annotations

import copy
import hashlib
import math
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.models.dag import DagModel
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG
from sqlalchemy.orm import Session

from calendar_timetable.planning.open_time import DAY
from calendar_timetable.publishing import caldav, target
from calendar_timetable.publishing.publish import desired_events, publish_into, rows_to_publish
from calendar_timetable.publishing.target import (
    ExistingEvent,
    Mode,
    Planned,
    PublishingFailed,
    PublishResult,
)
from calendar_timetable.runs.calendar_events import Site, event_of
from tests.support.airflow_database import add_dag, add_run
from tests.support.dav_servers import Connect, Server
from tests.support.published import NOW, SITE, nightly, objects, rows_of
from tests.system.web.test_publish_command import written

BIRTHDAY = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n"
    "DTSTAMP:20270101T000000Z\r\n"
)
BIRTHDAY += "DTSTART:20270312T100000Z\r\nSUMMARY:Birthday\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


def withdrawn(conn_id: str) -> PublishResult:
    return publish_into(conn_id, SITE, (), Planned(0))


def test_what_changes_is_written_and_what_is_dropped_is_removed(
    session: Session, server: Server, runs_calendar: str
) -> None:
    add_dag(session, nightly("published"), NOW)
    rows = rows_of(session, "published")
    assert [f"{row.placed.tick.due - NOW.timestamp():.0f}" for row in rows] == [
        "0",
        "86400",
        "172800",
        "259200",
    ]
    assert written(runs_calendar, rows) == PublishResult(written=4)
    assert set(objects(server)) == {SITE.uid(row) for row in rows}
    assert written(runs_calendar, rows) == PublishResult(unchanged=4)

    add_run(
        session,
        "published",
        "running",
        NOW,
        run_after=NOW + timedelta(hours=10),
        start_date=NOW + timedelta(hours=10),
    )
    later = NOW + timedelta(hours=10, minutes=1)
    going_on = rows_of(session, "published", now=later)
    assert written(runs_calendar, going_on, now=later) == PublishResult(written=1, unchanged=3)
    assert "SUMMARY:published (running)" in objects(server)[SITE.uid(rows[0])]

    assert written(runs_calendar, going_on[:2], now=later) == PublishResult(unchanged=2, removed=2)
    assert set(objects(server)) == {SITE.uid(row) for row in rows[:2]}
    much_later = NOW + timedelta(days=9)
    assert written(runs_calendar, [], now=much_later) == PublishResult(), (
        "what is past is history, and stays"
    )


def test_a_moved_run_stays_one_event(session: Session, server: Server, runs_calendar: str) -> None:
    add_dag(session, nightly("moves"), NOW)
    before = rows_of(session, "moves")
    written(runs_calendar, before)
    after = [replace(row, start=(row.start or 0) + 3600) for row in before]
    assert written(runs_calendar, after) == PublishResult(written=4)
    assert set(objects(server)) == {SITE.uid(row) for row in before}
    assert "DTSTART:20270310T230000Z" in objects(server)[SITE.uid(before[0])]


def test_an_event_that_somebody_made_an_all_day_one_is_still_ours(
    session: Session, server: Server, runs_calendar: str
) -> None:
    add_dag(session, nightly("all_day"), NOW)
    rows = rows_of(session, "all_day")
    written(runs_calendar, rows)
    uid = SITE.uid(rows[1])
    by_hand = re.sub(r"DT(START|END):(\d{8})T\w+", r"DT\1;VALUE=DATE:\2", objects(server)[uid])
    assert "DTSTART;VALUE=DATE:20270311" in by_hand
    name = f"runs/calendar-timetable-{SITE.key}-{uid.partition('-')[0]}.ics"
    server.send("PUT", name, by_hand)

    assert written(runs_calendar, [*rows[:1], *rows[2:]]) == PublishResult(unchanged=3, removed=1)
    assert uid not in objects(server)


def test_what_people_made_of_events_is_put_right(
    session: Session, server: Server, runs_calendar: str
) -> None:
    """A client drops what it does not know; events are dragged; the plan changes; all go."""
    add_dag(session, nightly("edited"), NOW)
    rows = rows_of(session, "edited")
    written(runs_calendar, rows)
    first, second, third = (SITE.uid(row) for row in rows[:3])

    def saved(uid: str, pattern: str, text: str) -> None:
        before = objects(server)[uid]
        after = re.sub(pattern, text, before)
        assert after != before
        name = f"calendar-timetable-{SITE.key}-{uid.partition('-')[0]}.ics"
        server.send("PUT", f"runs/{name}", after)

    def dropped(uid: str) -> None:
        saved(uid, r"(?m)^X-.*\n", "")

    dropped(first)
    saved(second, r"(DT(?:START|END)):2027", r"\1:2028")
    saved(third, "SUMMARY:.*", "SUMMARY:ask Ada")
    assert written(runs_calendar, rows) == PublishResult(written=2, unchanged=2)
    assert "DTSTART:20270311T220000Z" in objects(server)[second]
    assert "SUMMARY:ask Ada" in objects(server)[third], "what is said of a run, not when it is"
    assert written(runs_calendar, rows) == PublishResult(unchanged=4)

    dropped(first)
    saved(second, r"(DT(?:START|END)):2027", r"\1:2025")
    moved = [replace(rows[0], start=(rows[0].start or 0) + 3600), *rows[2:]]
    assert written(runs_calendar, moved) == PublishResult(written=1, removed=1, unchanged=2)
    assert "DTSTART:20270310T230000Z" in objects(server)[first]

    dropped(third)
    assert written(runs_calendar, moved[:1]) == PublishResult(removed=2, unchanged=1)
    dropped(first)
    assert withdrawn(runs_calendar) == PublishResult(removed=1)
    assert objects(server) == {}


UNREADABLE = {"__type": "somebody.elses.Timetable", "__var": 7}


def broken(session: Session, dag_id: str, form: dict[str, Any] = UNREADABLE) -> None:
    """Store *form* as the schedule of *dag_id*."""
    row = session.query(SerializedDagModel).filter_by(dag_id=dag_id).one()
    data = copy.deepcopy(row.data)
    assert data is not None
    data["dag"]["timetable"] = form
    row._data, row.dag_hash = data, hashlib.sha256(str(form).encode()).hexdigest()[:32]
    session.flush()


def test_what_cannot_be_told_is_not_taken_for_gone(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """A minutely DAG has more runs than are told; of an unreadable one nothing is known."""
    now = datetime.now(UTC)
    add_dag(session, DAG("few", schedule="@daily", start_date=now, catchup=False), now)
    told = rows_to_publish(session, "all")
    assert (told.planned.until, told.unread) == (math.inf, [])

    add_dag(session, DAG("many", schedule="* * * * *", start_date=now, catchup=False), now)
    told = rows_to_publish(session, "all")
    assert 7 * DAY < told.planned.until - told.now < 8 * DAY
    assert any(row.at > told.planned.until for row in told.rows), "the other DAG is told further"

    broken(session, "few")
    told = rows_to_publish(session, "all")
    assert told.planned.since == told.planned.until
    assert told.unread == ["few"]
    assert "Cannot read the schedule of few" in caplog.text


def test_a_dag_that_cannot_be_read_for_a_while_keeps_its_events(
    session: Session, server: Server, runs_calendar: str
) -> None:
    """Published, broken, published, mended, published, paused, published."""
    now = datetime.now(UTC)
    add_dag(session, DAG("daily", schedule="@daily", start_date=now, catchup=False), now)

    def publish(mode: Mode = "write") -> PublishResult:
        told = rows_to_publish(session, "all")
        return publish_into(
            runs_calendar, SITE, desired_events(told.rows, SITE, told.now), told.planned, mode
        )

    first = publish()
    events = objects(server)
    assert first == PublishResult(written=len(events))
    assert len(events) > 30

    row = session.query(SerializedDagModel).filter_by(dag_id="daily").one()
    good, dag_hash = copy.deepcopy(row.data), row.dag_hash
    for form in (
        UNREADABLE,
        {"__type": "airflow.timetables.trigger.CronTriggerTimetable", "__var": {}},
        {"__type": "airflow.timetables.events.EventsTimetable", "__var": {"event_dates": [1]}},
    ):
        broken(session, "daily", form)
        publish("force")
        assert objects(server) == events

    row = session.query(SerializedDagModel).filter_by(dag_id="daily").one()
    row._data, row.dag_hash = good, dag_hash
    session.flush()
    assert publish() == PublishResult(unchanged=len(events))
    session.get_one(DagModel, "daily").is_paused = True
    session.flush()
    assert publish("force") == PublishResult(removed=len(events))


def test_only_our_own_events_are_touched(
    session: Session, server: Server, runs_calendar: str
) -> None:
    """Not those of people, nor of another Airflow, nor what only looks like ours.

    Not even when all is withdrawn.
    """
    add_dag(session, nightly("ours"), NOW)
    rows, other = rows_of(session, "ours"), Site("https://airflow.example.com/prod", "4e5f6071")
    strangers = {
        "birthday@example.com": "birthday.ics",
        "x@calendar-timetable": f"calendar-timetable-{SITE.key}-x.ics",
    }
    for uid, name in strangers.items():
        server.send("PUT", f"runs/{name}", BIRTHDAY.format(uid=uid))
    written(runs_calendar, rows, other)
    theirs = objects(server)
    assert len(theirs) == 2 + len(rows)

    assert written(runs_calendar, rows) == PublishResult(written=len(rows))
    assert written(runs_calendar, []) == PublishResult(removed=len(rows))
    assert written(runs_calendar, rows).written == len(rows)
    assert withdrawn(runs_calendar) == PublishResult(removed=len(rows))
    assert objects(server) == theirs


def test_what_somebody_else_changes_meanwhile_is_left(
    session: Session, server: Server, runs_calendar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = os.environ["AIRFLOW_CONN_DAV"]
    add_dag(session, nightly("busy"), NOW)
    row = rows_of(session, "busy")[0]
    written(runs_calendar, [row])
    uid, moved = SITE.uid(row), replace(row, start=(row.start or 0) + 60)
    name = f"runs/calendar-timetable-{SITE.key}-{uid.partition('-')[0]}.ics"

    read = caldav._Calendar.existing_events

    def meddled(target: Any) -> list[ExistingEvent]:
        found = list(read(target))
        text = (
            event_of(replace(row, end=(row.start or 0) + 7), SITE, NOW.timestamp())
            .to_ical()
            .decode()
        )
        server.send(
            "PUT",
            name,
            f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{text}END:VCALENDAR\r\n",
        )
        return found

    monkeypatch.setattr(caldav._Calendar, "existing_events", meddled)
    monkeypatch.setattr(
        target, "request_in_child", lambda _, request, body, __: caldav._serve(request, body)
    )
    assert written(runs_calendar, [moved]) == PublishResult(left=1)
    monkeypatch.undo()
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS", "True")
    monkeypatch.setenv("AIRFLOW_CONN_DAV", told)
    assert withdrawn(runs_calendar) == PublishResult(removed=1), "ours, as clients drop properties"


def test_what_cannot_be_published_into_is_said(connect: Connect, server: Server) -> None:
    feed = connect("https://example.com/x.ics", conn_id="feed", conn_type="ical")
    with pytest.raises(PublishingFailed, match="only calendars on CalDAV servers"):
        withdrawn(feed)
    with pytest.raises(PublishingFailed, match="there is no Airflow Connection 'none'"):
        withdrawn("none")
    if server.auth:
        wrong = connect(
            server.address + "alice/runs/", conn_id="wrong", login="alice", password="nope-nope"
        )
        with pytest.raises(
            PublishingFailed, match="wrong: HTTP 401: login, password or token is not accepted"
        ):
            withdrawn(wrong)
    server.make_calendar("second", "Second")
    login, password = server.auth or (None, None)
    several = connect(
        server.address.rstrip("/") + server.home, conn_id="several", login=login, password=password
    )
    with pytest.raises(PublishingFailed, match="name the one to write in 'calendars'"):
        withdrawn(several)

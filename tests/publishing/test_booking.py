"""A change manager books a blackout, and DAGs do what was foretold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk import DAG
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, DeploymentRule, policy
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.publishing.booking import book, calendars_to_book
from calendar_timetable.publishing.publish import publish_into
from calendar_timetable.publishing.target import Planned, PublishingFailed
from calendar_timetable.runs.calendar_events import Site
from calendar_timetable.runs.impact import PlannedBlackout
from calendar_timetable.schedule import deployment_rules
from tests.support.airflow_database import add_dag
from tests.support.command_line import Run
from tests.support.dav_servers import Connect, Server
from tests.support.published import objects

DAY = timedelta(days=1)


def tuesday() -> datetime:
    """Return 20:00 UTC of the first Tuesday that is at least a day away."""
    at = datetime.now(UTC).replace(hour=20, minute=0, second=0, microsecond=0) + DAY
    return at + DAY * ((1 - at.weekday()) % 7)


@pytest.fixture
def in_force(
    session: Session, runs_calendar: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """The calendar is one of the deployment's blackouts, and the database is the command's."""

    @contextmanager
    def same(**_: Any) -> Iterator[Session]:
        yield session

    monkeypatch.setattr("airflow.utils.session.create_session", same)
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS", runs_calendar)
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__EXEMPT_TAGS", "no-freeze")
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "first"))
    return runs_calendar


def dags() -> list[DAG]:
    """Return DAGs as their files give them, with the rules of the deployment."""
    given = {
        "hourly": {"schedule": "30 * * * *"},
        "ours": {"schedule": CalendarTimetable("0 21 * * *", timezone="UTC", max_delay=DAY)},
        "lost": {
            "schedule": CalendarTimetable("0 22 * * *", timezone="UTC", when_blocked="skip"),
        },
        "exempt": {"schedule": "30 * * * *", "tags": ["no-freeze"]},
        "by_hand": {"schedule": None},
    }
    start = datetime.now(UTC) - 30 * DAY
    made = [DAG(name, start_date=start, catchup=False, **more) for name, more in given.items()]
    for dag in made:
        policy.dag_policy(dag)
    return made


def test_what_was_foretold_is_what_happens(
    session: Session,
    server: Server,
    in_force: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    at = tuesday()
    for dag in dags():
        add_dag(session, dag, datetime.now(UTC))

    # She looks at Tuesday evening: work of a whole evening would wait, and a report be lost.
    asked = ("--from", at.isoformat(), "--to", (at + timedelta(hours=4)).isoformat())
    code, out, _ = run("impact", *asked)
    assert code == 0
    assert "would postpone 2 runs, combine 3 with others, and skip 1." in out
    assert "exempt" not in out

    # Half an hour would do, and there is a time that disturbs nobody.
    code, out, _ = run("find", "--length", "30m", "--within", "9d", "--json")
    assert code == 0
    best = json.loads(out)["times"][0]
    assert (best["runs"], best["summary"]) == (0, "would move no run")

    # It has to be Tuesday all the same. She books it; a second click books nothing more.
    for was in ("Booked", "It was booked already"):
        code, out, _ = run("impact", *asked, "--book", "Core switch", "--to-calendar", in_force)
        assert code == 0
        assert was in out
    (event,) = objects(server).values()
    assert "SUMMARY:Core switch" in event
    told = json.loads(run("impact", *asked, "--json")[1])["changes"]

    # The calendar is read again.
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "second"))
    for dag in dags():
        if dag.dag_id in ("by_hand", "exempt"):
            continue
        again = CalendarTimetable.deserialize(
            json.loads(json.dumps(cast("CalendarTimetable", dag.timetable).serialize()))
        )
        plan = {run.due: run for run in again.plan(at - DAY, at + DAY)}
        foretold = {datetime.fromisoformat(c["due"]): c for c in told if c["dag_id"] == dag.dag_id}
        moved = {due for due, run in plan.items() if run.outcome != "on_time"}
        assert moved == {due for due, c in foretold.items()}
        for due, change in foretold.items():
            start = plan[due].start
            outcome = {"coalesced": "combined"}.get(plan[due].outcome, plan[due].outcome)
            assert outcome == change["kind"]
            if change["kind"] == "postponed":
                assert start == datetime.fromisoformat(change["new_start"])


def test_publishing_leaves_bookings_alone(server: Server, in_force: str) -> None:
    at = int(tuesday().timestamp())
    booked = book(in_force, PlannedBlackout(at, at + 3600), "Switch", "ada")
    assert booked.created

    publish_into(in_force, Site("https://airflow.example.com", "0a1b2c3d"), [], Planned(0), "force")

    assert list(objects(server)) == [booked.uid]


def test_a_booking_that_no_longer_holds_is_booked_again(server: Server, in_force: str) -> None:
    """Its owner ends, frees, cancels or deletes it; somebody books it again; then all is well."""
    at = int(tuesday().timestamp())

    def again() -> bool:
        return book(in_force, PlannedBlackout(at, at + 8 * 3600), "Switch", "ada").created

    assert again()
    ((uid, booked),) = objects(server).items()
    name = f"runs/calendar-timetable-booking-{uid.partition('-')[0]}.ics"
    edits = {
        r"DTEND:\w+": f"DTEND:{datetime.fromtimestamp(at + 1800, UTC):%Y%m%dT%H%M%SZ}",
        "TRANSP:OPAQUE": "TRANSP:TRANSPARENT",
        "STATUS:CONFIRMED": "STATUS:CANCELLED",
        "END:VEVENT": "X-MICROSOFT-CDO-BUSYSTATUS:FREE\nEND:VEVENT",
    }
    for pattern, text in edits.items():
        server.send("PUT", name, re.sub(pattern, text, booked))
        assert again(), text
        assert objects(server) == {uid: booked}
    server.send("DELETE", name)
    assert again()
    assert not again()
    server.send("PUT", name, booked.replace("SUMMARY:Switch", "SUMMARY:ask Ada"))
    assert not again()
    assert "SUMMARY:ask Ada" in objects(server)[uid]


def test_a_title_that_does_not_count_is_put_back(
    server: Server, in_force: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS")
    rule = DeploymentRule(blackouts=Calendar(in_force, match="*FREEZE*"))
    monkeypatch.setattr(deployment_rules, "_local_rules", lambda: [rule])
    at = int(tuesday().timestamp())

    def again() -> bool:
        return book(in_force, PlannedBlackout(at, at + 3600), "Switch (freeze)", "ada").created

    assert again()
    ((uid, booked),) = objects(server).items()
    name = f"runs/calendar-timetable-booking-{uid.partition('-')[0]}.ics"
    for title, counts in (("Freeze of Ada's", True), ("Switch", False)):
        server.send("PUT", name, booked.replace("SUMMARY:Switch (freeze)", f"SUMMARY:{title}"))
        assert again() is not counts
    assert objects(server) == {uid: booked}


def test_only_what_would_count_is_booked(
    in_force: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS")
    rule = DeploymentRule(blackouts=Calendar(in_force, match="*freeze*"))
    monkeypatch.setattr(deployment_rules, "_local_rules", lambda: [rule])
    at = int(tuesday().timestamp())

    with pytest.raises(InvalidArgument, match=r"title='Switch': there only .*match='\*freeze\*'"):
        book(in_force, PlannedBlackout(at, at + 3600), "Switch", "ada")
    assert book(in_force, PlannedBlackout(at, at + 3600), "Switch (freeze)", "ada").created
    assert len(objects(server)) == 1


def test_only_calendars_of_the_deployment_are_booked(
    in_force: str, connect: Connect, server: Server
) -> None:
    connect(server.address, "another")

    with pytest.raises(InvalidArgument, match=f"name one of the blackouts .*: {in_force}"):
        book("another", PlannedBlackout(0, 3600), "Switch", "ada")
    assert list(calendars_to_book()) == [in_force]


def test_what_cannot_be_written_says_so(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS", "feed https://x.example/a.ics")
    connect("https://x.example/a.ics", "feed", "ical")

    assert list(calendars_to_book()) == ["feed"]
    with pytest.raises(PublishingFailed, match="only calendars on CalDAV servers and of Google"):
        book("feed", PlannedBlackout(0, 3600), "Switch", "ada")

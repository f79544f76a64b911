"""What may be asked, and what an answer may cost: processor time, memory, and how many at once."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import time_machine
from airflow.sdk import DAG, MultipleCronTriggerTimetable
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.weekly import _remembered
from calendar_timetable.runs import forecast, listing, lru, stored_schedules, time_budget
from tests.support.airflow_database import add_dag, add_run
from tests.support.moments import utc
from tests.support.processor import processor_seconds
from tests.support.web_app import asked

DAY = 86400
START = datetime(2026, 1, 1)
# Ranges of a minute, so that a run of 61 seconds never fits: each rule has twelve.
MINUTES = [
    f"daily {','.join(f'{hour:02}:{m:02}-{hour:02}:{m + 1:02}' for m in range(0, 60, 5))}"
    for hour in range(24)
]


@pytest.fixture
def client(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    lru.forget()
    with asked(session, monkeypatch) as found:
        yield found
    lru.forget()


def plain(session: Session, dag_id: str, schedule: Any, **given: Any) -> None:
    add_dag(
        session,
        DAG(dag_id, schedule=schedule, start_date=START, catchup=False),
        datetime.now(UTC),
        **given,
    )


@pytest.mark.parametrize("path", ["/api/runs", "/api/time-sets"])
@pytest.mark.parametrize(
    ("asked_for", "field"),
    [
        ({"start": "9990-01-01T00:00Z"}, "start"),
        ({"start": "2040-01-01T00:00Z"}, "start"),
        ({"start": "0001-01-01T00:00:00+12:00"}, "start"),
        ({"end": "9999-12-31T23:59:59-12:00"}, "end"),
        ({"start": "1970-01-01"}, "start"),
    ],
)
def test_dates_far_from_now_are_refused(
    client: TestClient, path: str, asked_for: dict[str, str], field: str
) -> None:
    answer = client.get(path, params=asked_for)
    (wrong,) = answer.json()["detail"]
    assert (answer.status_code, wrong["field"]) == (422, field)
    assert asked_for[field][:10] in wrong["message"] and "give a time from" in wrong["message"]


def test_a_range_ends_within_a_hundred_days_of_its_start(client: TestClient) -> None:
    now = datetime.now(UTC)
    answer = client.get(
        "/api/runs",
        params={"start": now.isoformat(), "end": (now + timedelta(days=101)).isoformat()},
    )
    (wrong,) = answer.json()["detail"]
    assert (answer.status_code, wrong["field"]) == (422, "end") and "at most 100 days" in wrong[
        "message"
    ]


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        ({"windows": MINUTES[:9]}, "windows", "108 ranges of times are too many"),
        ({"windows": MINUTES[:5], "blackouts": MINUTES[5:9]}, "blackouts", "at most 100"),
        ({"max_delay_seconds": 63 * DAY}, "max_delay_seconds", "at most 5356800, 62 days"),
        ({"duration_seconds": 3660 * DAY}, "duration_seconds", "316224000 seconds are too long"),
        ({"stagger_seconds": 63 * DAY}, "stagger_seconds", "62 days"),
    ],
)
def test_a_what_if_is_bounded(
    client: TestClient, session: Session, body: Any, field: str, told: str
) -> None:
    plain(session, "asked", CalendarTimetable("0 2 * * *"))
    answer = client.post("/api/dags/asked/what-if", json=body)
    (wrong,) = answer.json()["detail"]
    assert (answer.status_code, wrong["field"]) == (422, field)
    assert told in wrong["message"]


def test_the_worst_what_if_costs_seconds_and_leaves_little(
    client: TestClient, session: Session
) -> None:
    """As many ranges, as long a delay and as many ticks as it takes, and no run that fits."""
    plain(session, "asked", CalendarTimetable("*/2 * * * *"))
    body = {"windows": MINUTES[:8], "max_delay_seconds": 62 * DAY, "duration_seconds": 61}
    remembered = _remembered.cache_info().currsize

    def ask() -> None:
        answer = client.post("/api/dags/asked/what-if?limit=100", json=body)
        assert answer.status_code == 200 and len(answer.json()["plan"]) > 0
        assert len(answer.content) < 500_000, "long windows are not quoted whole, again and again"

    assert processor_seconds(ask) < 5
    assert _remembered.cache_info().currsize == remembered, "what it laid out is forgotten"


def test_a_what_if_says_where_there_was_no_time_for_more(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(session, "asked", CalendarTimetable("*/2 * * * *"))
    steps = iter([False] * 400)
    monkeypatch.setattr(time_budget, "spent", lambda: next(steps, True))
    told = client.post("/api/dags/asked/what-if?limit=100", json={"windows": ["daily"]}).json()
    assert told["truncated"] is True and 0 < len(told["plan"]) < 100


def test_a_list_says_where_there_was_no_time_for_more(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(session, "first", CalendarTimetable("*/2 * * * *"))
    plain(session, "second", "0 5 * * *")
    monkeypatch.setattr(time_budget, "ANSWER", -1.0)
    told = client.get("/api/runs").json()
    assert (told["runs"], told["truncated"]) == ([], True)
    monkeypatch.setattr(time_budget, "ANSWER", 4.0)
    monkeypatch.setattr(time_budget, "DAG", -1.0)
    lru.forget()
    assert client.get("/api/runs").json()["truncated"] is True
    monkeypatch.setattr(time_budget, "DAG", 1.0)
    lru.forget()
    assert client.get("/api/runs").json()["truncated"] is False


def test_a_slow_timetable_far_ahead_costs_its_share(client: TestClient, session: Session) -> None:
    """Every step asks Airflow's own timetable, which takes long.

    A million of them lie between now and the range.
    """
    plain(session, "slow", MultipleCronTriggerTimetable("* * * * *", "30 5 * * *", timezone="UTC"))
    start = datetime.now(UTC) + timedelta(days=700)
    answers = []
    taken = processor_seconds(
        lambda: answers.append(client.get("/api/runs", params={"start": start.isoformat()}))
    )
    assert answers[0].json()["truncated"] is True
    assert taken < 2 * time_budget.DAG + 1


def test_counting_six_weeks_of_minutes_costs_seconds(client: TestClient, session: Session) -> None:
    for number in range(20):  # more than any machine counts in that time
        plain(session, f"minutely-{number}", "* * * * *")
    now = datetime.now(UTC)
    asked_for = {
        "start": now.isoformat(),
        "end": (now + timedelta(days=42)).isoformat(),
        "timezone": "Europe/Berlin",
    }
    answers = []
    assert (
        processor_seconds(lambda: answers.append(client.get("/api/counts", params=asked_for))) < 5
    )
    told = answers[0].json()["counts"]
    assert min(count["runs"] for count in told[1:-1]) >= 1440, "to the last day"
    assert all(count["at_least"] for count in told)


def test_hours_are_counted_in_a_fortnight_at_most(client: TestClient) -> None:
    now = datetime.now(UTC)
    asked_for = {
        "by": "hour",
        "start": now.isoformat(),
        "end": (now + timedelta(days=20)).isoformat(),
    }
    answer = client.get("/api/counts", params=asked_for)
    (wrong,) = answer.json()["detail"]
    assert (answer.status_code, wrong["field"]) == (422, "by") and "at most 15 days" in wrong[
        "message"
    ]


def test_costly_answers_wait_their_turn(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain(session, "asked", CalendarTimetable("*/2 * * * *"))
    with ExitStack() as others:
        for _ in range(time_budget.COSTLY_AT_ONCE):
            others.enter_context(time_budget.answer())
            monkeypatch.setattr(time_budget, "CHEAP", -1.0)
            time_budget.spent()
        refused = client.get("/api/runs")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        assert "ask again in 5 seconds" in refused.json()["detail"]
        assert client.post("/api/dags/asked/what-if", json={}).status_code == 429
        monkeypatch.setattr(time_budget, "CHEAP", 0.5)
        assert client.get("/api/runs").status_code == 200, "what costs little never waits"
    monkeypatch.setattr(time_budget, "CHEAP", -1.0)
    lru.forget()
    assert client.get("/api/runs").status_code == 200, "and they are let in again"


def test_what_is_remembered_is_bounded_by_weight() -> None:
    memory = lru.LruCache[bytes](100, len, 40)
    for number in range(50):
        memory.put(number, b"x" * 30)
        memory.put(-1 - number, b"x" * 41)
    assert memory.weight == 90 and memory.get(49) is not None
    assert memory.get(-1) is None, "one that is too big is not kept"
    memory.put(49, b"x" * 41)
    assert memory.get(49) is None, "nor is what was there before it"


def test_a_new_version_of_a_dag_takes_the_place_of_the_one_before(session: Session) -> None:
    lru.forget()
    plain(session, "edited", CalendarTimetable("0 2 * * *", windows=Weekly("mon")))
    stored_schedules.read_schedules(session, ["edited"])
    once = stored_schedules._schedules.weight
    from airflow.models.serialized_dag import SerializedDagModel

    for number in range(5):
        session.query(SerializedDagModel).update({SerializedDagModel.dag_hash: f"{number}"})
        session.commit()
        assert stored_schedules.read_schedules(session, ["edited"])["edited"].version == f"{number}"
    assert 0 < stored_schedules._schedules.weight == once


def test_far_times_are_laid_out_by_themselves() -> None:
    """Not together with all that lies in between."""
    open_time = OpenTime(Weekly(*MINUTES, timezone="UTC"), None, None)
    now = 1_800_000_000
    open_time.over(now, now + DAY)
    near = len(open_time.over(now, now + DAY))
    far = open_time.over(now + 5000 * DAY, now + 5001 * DAY)
    assert len(far) < 4 * near
    assert list(far.clip(now + 5000 * DAY, now + 5001 * DAY)) == list(
        Weekly(*MINUTES, timezone="UTC").cover(now + 5000 * DAY, now + 5001 * DAY)
    )
    assert open_time.over(now - 2000 * DAY, now - 1999 * DAY).bounds[0] < now - 1999 * DAY


def test_what_never_fits_is_told_at_once() -> None:
    spans = Spans((start, start + 60) for start in range(0, 400_000_000, 120))
    assert spans.next_fit(1, 61) is None

    def ask() -> None:
        for instant in range(1, 2_000):
            assert spans.next_fit(instant, 61) is None

    assert processor_seconds(ask) < 1, "each look through all spans takes a quarter of a second"


def refreshes(client: TestClient, clock: list[float], count: int) -> None:
    """The page as it is open.

    Every minute it asks for what comes, and how the runs of before went.
    """
    for _ in range(count):
        clock[0] += 60
        start = datetime.fromtimestamp(clock[0] // 60 * 60, UTC)
        between = {"start": start.isoformat(), "end": (start + timedelta(minutes=40)).isoformat()}
        assert client.get("/api/runs", params=between).status_code == 200


def resident() -> int:
    """Megabytes of this process that are in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024**2


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_hundreds_of_refreshes_of_a_page_leave_nothing_behind(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ten DAGs that run every minute. Remembered by number, the plans alone would be 33 MB."""
    for number in range(10):
        plain(
            session,
            f"minutely-{number}",
            CalendarTimetable("* * * * *", windows=Weekly("daily 00:00-24:00")),
        )
    clock = [time.time()]
    monkeypatch.setattr("calendar_timetable.clock.now", lambda: clock[0])
    refreshes(client, clock, 150)  # until what is remembered is full
    before = resident()
    refreshes(client, clock, 350)
    assert resident() - before < 15
    assert forecast._plans.weight <= forecast._REMEMBERED
    assert listing._answers.weight <= listing._ANSWERS_BYTES


@pytest.fixture
def at_night() -> Iterator[time_machine.Traveller]:
    """Let time stand still until the test moves it."""
    with time_machine.travel(utc("2026-11-25 00:30"), tick=False) as clock:
        yield clock


def test_a_feed_is_written_once_per_state(
    at_night: time_machine.Traveller,
    client: TestClient,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from calendar_timetable.web import store, subscription_routes

    store._Base.metadata.create_all(session.get_bind())
    plain(session, "fed", "0 5 * * *")
    made = client.post("/api/subscriptions", json={"kind": "all"})
    assert made.status_code == 201, made.text
    token = made.json()["url"].rpartition("token=")[2]
    written: list[int] = []
    write = subscription_routes._feed_of

    def counted(*given: Any) -> subscription_routes.WrittenFeed:
        written.append(1)
        return write(*given)

    monkeypatch.setattr(subscription_routes, "_feed_of", counted)

    first = client.get("/feed.ics", params={"token": token})
    assert first.status_code == 200 and first.content.count(b"BEGIN:VEVENT") > 50
    again = client.get(
        "/feed.ics", params={"token": token}, headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status_code, len(written)) == (304, 1)
    add_run(session, "fed", "success", utc("2026-11-20 05:00"))
    assert client.get("/feed.ics", params={"token": token}).status_code == 200
    assert len(written) == 2, "a change is told at once"

    last = client.get("/feed.ics", params={"token": token}).headers["ETag"]
    for at, writes in (("01:30", 2), ("02:00", 2), ("04:30", 2), ("05:12", 3)):
        at_night.move_to(utc(f"2026-11-25 {at}"), tick=False)
        client.get("/feed.ics", params={"token": token}, headers={"If-None-Match": last})
        assert len(written) == writes, "the clock alone changes nothing until a run is due"

    lru.forget()
    subscription_routes._writing.begin(made.json()["id"])
    refused = client.get("/feed.ics", params={"token": token})
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
    subscription_routes._writing.end(made.json()["id"])
    assert client.get("/feed.ics", params={"token": token}).status_code == 200


def test_a_feed_holds_what_was_chosen(client: TestClient, session: Session) -> None:
    from calendar_timetable.web import store

    store._Base.metadata.create_all(session.get_bind())
    plain(session, "daily", "0 5 * * *")
    plain(session, "hourly", "0 * * * *")
    plain(session, "asleep", "0 5 * * *", is_paused=True)
    plain(
        session,
        "skips",
        CalendarTimetable("0 5 * * *", blackouts=Weekly("sat"), when_blocked="skip"),
    )

    def told(**choice: bool) -> set[tuple[str, str]]:
        made = client.post("/api/subscriptions", json={"kind": "all", **choice}).json()
        text = client.get("/feed.ics", params=made["url"].rpartition("?")[2]).text
        assert text.count("DTEND") == text.count("BEGIN:VEVENT"), "none is of zero length"
        parts = [part.replace("\r\n ", "") for part in text.split("BEGIN:VEVENT")[1:]]
        return {
            (part.partition("/dags/")[2].split()[0], part.partition("STATUS:")[2].split()[0])
            for part in parts
        }

    runs = {("daily", "CONFIRMED"), ("skips", "CONFIRMED")}
    hourly, skipped = {("hourly", "CONFIRMED")}, {("skips", "CANCELLED")}
    assert told() == runs | hourly | skipped
    assert told(skipped=False) == runs | hourly
    assert told(frequent=False) == runs | skipped
    assert told(moved=True) == skipped
    assert told(paused=True) == runs | hourly | skipped | {("asleep", "TENTATIVE")}


def test_subscriptions_that_have_ended_do_not_count(session: Session) -> None:
    class User:
        def get_id(self) -> str:
            return "reader"

    from calendar_timetable.web import store, subscriptions

    store._Base.metadata.create_all(session.get_bind())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subscriptions, "_seal", lambda user: b"")
        for days in (*([0] * subscriptions.MOST_PER_OWNER), *([1] * subscriptions.MOST_PER_OWNER)):
            subscriptions.subscribe(session, User(), "all", None, days)
        with pytest.raises(subscriptions.TooManySubscriptions):
            subscriptions.subscribe(session, User(), "all", None, 1)


BODIES = {
    "deep": b"[" * 100_000,
    "deep inside": b'{"%s": ' + b"[" * 100_000,
    "not a number": b'{"%s": NaN}',
    "endless": b'{"%s": Infinity}',
    "over": b'{"%s": 1e400}',
    "long number": b'{"%s": ' + b"9" * 5000 + b"}",
    "large number": b'{"%s": ' + b"9" * 400 + b"}",
    "boolean": b'{"%s": true}',
    "surrogate": b'{"%s": "\\ud800"}',
    "surrogate as name": b'{"\\ud800": 1, "%s": null}',
    "twice": b'{"%s": "a", "%s": {}}',
    "no object": b"[1]",
    "nothing": b"null",
    "no JSON": b"{%s",
    "no UTF-8": b'{"%s": "\xff"}',
}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/dags/asked/what-if", ("windows", "duration", "when_blocked")),
        ("/api/dags/asked/exemption", ("until", "reason")),
        ("/api/subscriptions", ("kind", "value", "days", "skipped")),
        ("/api/bookings", ("calendar", "start", "title")),
    ],
)
def test_a_body_of_any_kind_is_refused(
    client: TestClient, session: Session, path: str, fields: tuple[str, ...]
) -> None:
    from calendar_timetable.web import store

    store._Base.metadata.create_all(session.get_bind())
    plain(session, "asked", CalendarTimetable("0 5 * * *", timezone="UTC"))
    for name, field in product(BODIES, fields):
        body = BODIES[name].replace(b"%s", field.encode())
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 403, 422), (name, field, answer.text)
        assert answer.json()["detail"]

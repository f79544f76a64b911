"""The REST API on a real Airflow web server.

What it tells of every kind of schedule, to whom, and how it is asked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import pytest
import requests
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable, MultipleCronTriggerTimetable
from pendulum import DateTime
from pydantic import BaseModel

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.web import advice_routes, load_routes, models
from demo.local_airflow import LocalAirflow
from tests.support.moments import utc

pytestmark = pytest.mark.airflow
Login = Callable[[str], requests.Session]
Get = Callable[..., Any]
BY_US = {"X-Requested-With": "calendar-timetable"}
MODELS: dict[str, type[BaseModel]] = {
    "/api/runs": models.Runs,
    "/api/counts": models.Counts,
    "/api/choices": models.Choices,
    "/api/dags/visible/plan": models.Plan,
    "/api/dags/plain/plan": models.Plan,
    "/api/time-sets": models.TimeSpans,
    "/api/calendars": models.Calendars,
    "/api/overrides": models.Overrides,
    "/api/freezes": models.Freezes,
    "/api/dags/visible/exemption": models.ExemptionOf,
    "/api/load": load_routes.Load,
    "/api/advice": advice_routes.AllAdvice,
    "/api/me": models.Me,
    "/api/subscriptions": models.Subscriptions,
}


def url(airflow: LocalAirflow, path: str) -> str:
    return f"{airflow.address}/calendar-timetable{path}"


@pytest.fixture
def get(airflow: LocalAirflow, login: Login) -> Get:
    """A GET as ``admin``, or as *user*, whose answer must be 200."""

    def ask(path: str, *, user: str = "admin", **params: Any) -> Any:
        answer = login(user).get(url(airflow, path), params=params, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def midnight(ahead: int) -> datetime:
    """So many days from today, in UTC."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=ahead)


def rows(airflow: LocalAirflow, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(airflow.home / "airflow.db") as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("path", list(MODELS))
def test_answers_are_what_the_description_says(get: Get, path: str) -> None:
    MODELS[path].model_validate(get(path))


@pytest.mark.parametrize("path", list(MODELS))
def test_who_has_an_answer_is_not_sent_it_again(
    airflow: LocalAirflow, login: Login, path: str
) -> None:
    session = login("admin")
    ranged = path in ("/api/runs", "/api/counts", "/api/time-sets")
    asked = {"start": midnight(-9).isoformat()} if ranged else {}
    first = session.get(url(airflow, path), params=asked, timeout=60)
    again = session.get(
        first.request.url or "",
        headers={"If-None-Match": f'W/"x", {first.headers["ETag"]}'},
        timeout=60,
    )
    assert (again.status_code, again.content) == (304, b"")
    assert (
        "no-cache" in first.headers["Cache-Control"] and "private" in first.headers["Cache-Control"]
    )


def test_the_first_run_of_every_dag_is_the_stored_one(airflow: LocalAirflow, get: Get) -> None:
    first: dict[str, str] = {}
    for run in get("/api/runs", limit=5000)["runs"]:
        if run["start"]:
            first.setdefault(run["dag_id"], run["start"])
    stored = {
        dag_id: datetime.fromisoformat(start).replace(tzinfo=UTC)
        for dag_id, start in rows(airflow, "select dag_id, next_dagrun_create_after from dag")
        if start
    }
    assert {"plain", "with_dates", "often", "intervals", "several", "either", "skipping"} <= set(
        stored
    )
    soon = {
        d: at
        for d, at in stored.items()
        if datetime.now(UTC) < at < datetime.now(UTC) + timedelta(days=6)
    }
    assert soon == {dag_id: utc(first[dag_id]) for dag_id in soon}


def airflows_own(timetable: Any, since: datetime, until: datetime) -> list[datetime]:
    """The runs of *timetable* in the range, by asking it step by step as the scheduler does."""
    found: list[datetime] = []
    last: DataInterval | None = None
    while True:
        info = timetable.next_dagrun_info(
            last_automated_data_interval=last,
            restriction=TimeRestriction(
                DateTime.instance(since), DateTime.instance(until), catchup=True
            ),
        )
        if info is None or info.run_after >= until:
            return found
        found.append(info.run_after)
        last = info.data_interval


@pytest.mark.parametrize(
    ("dag_id", "timetable"),
    [
        ("plain", CronTriggerTimetable("30 5 * * *", timezone="UTC")),
        ("with_dates", CronTriggerTimetable("0 6 * * *", timezone="UTC")),
        (
            "several",
            MultipleCronTriggerTimetable("0 3 * * *", "30 15 * * SAT", timezone="America/New_York"),
        ),
        ("either", CronTriggerTimetable("15 4 * * *", timezone="UTC")),
    ],
)
@pytest.mark.parametrize("ahead", [2, 40], ids=["soon", "far ahead"])
def test_planned_runs_are_airflows_own(get: Get, dag_id: str, timetable: Any, ahead: int) -> None:
    since = midnight(ahead)
    until = since + timedelta(days=10)
    told = get("/api/runs", dag_id=dag_id, start=since.isoformat(), end=until.isoformat())
    assert [utc(run["start"]) for run in told["runs"]] == airflows_own(timetable, since, until)
    assert {run["outcome"] for run in told["runs"]} == {"on_time"}


def test_planned_runs_of_ours_are_the_plan(get: Get) -> None:
    since = midnight(2)
    ours = CalendarTimetable(
        "0 12 * * *", timezone="Europe/Berlin", windows=Weekly("daily 22:00-06:00")
    )
    plan = ours.plan(since, since + timedelta(days=20))
    told = get(
        "/api/runs",
        dag_id="visible",
        start=since.isoformat(),
        end=(since + timedelta(days=20)).isoformat(),
    )
    found = {
        utc(run["due"]): (
            utc(run["start"]),
            run["outcome"],
            tuple(r["text"] for r in run["reasons"]),
        )
        for run in told["runs"]
    }
    assert {p.due: (p.start, p.outcome, p.reasons) for p in plan}.items() <= found.items()
    assert all(run["explanation"].startswith("Due ") for run in told["runs"])


def test_skipped_ticks_are_told_with_their_reason(get: Get) -> None:
    told = get("/api/runs", dag_id="skipping", state="skipped")["runs"]
    assert [
        (utc(r["due"]).strftime("%a %H:%M"), r["start"])
        for r in told
        if utc(r["due"]) > datetime.now(UTC)
    ]
    assert {run["explanation"].rpartition(", ")[2] for run in told} == {
        "skipped (when_blocked='skip')"
    }
    assert {tuple((r["kind"], r["detail"]) for r in run["reasons"]) for run in told} == {
        (("blackout", "sat-sun"), ("skipped", None))
    }


def test_what_runs_can_be_filtered_by(get: Get) -> None:
    told = get("/api/choices")
    names = {dag["dag_id"]: dag["dag_display_name"] for dag in told["dags"]}
    assert {"visible", "secret", "plain", "unscheduled"} <= set(names)
    assert names["hostile"].startswith("<script>")
    assert {"ml", "hidden", "worked"} <= set(told["tags"]) and "airflow" in told["owners"]
    assert told["calendars"] == ["hostile.ics", "team.ics"]
    seen = get("/api/choices", user="reader")
    assert seen == {
        **seen,
        "dags": [{"dag_id": "visible", "dag_display_name": "visible"}],
        "tags": ["ml"],
    }
    assert seen["calendars"] == []


def test_a_dag_that_runs_often_has_one_row_a_day(get: Get) -> None:
    since = midnight(2)
    told = get(
        "/api/runs",
        dag_id="often",
        start=since.isoformat(),
        end=(since + timedelta(days=3)).isoformat(),
    )
    assert [(utc(run["start"]), run["collapsed"]) for run in told["runs"]] == [
        (since + timedelta(days=day), {"count": 144, "every_seconds": 600}) for day in range(3)
    ]


@pytest.mark.parametrize(
    ("path", "key"), [("/api/time-sets", "spans"), ("/api/calendars", "calendars")]
)
def test_every_list_comes_in_pages(get: Get, path: str, key: str) -> None:
    between = (
        {"start": midnight(10).isoformat(), "end": midnight(15).isoformat()}
        if key == "spans"
        else {}
    )
    whole = get(path, **between)
    number = whole["total_entries"]
    assert (len(whole[key]), whole["truncated"]) == (number, False) and number > 0
    pages = [get(path, limit=1, offset=offset, **between) for offset in range(number + 1)]
    assert [page["truncated"] for page in pages] == [True] * (number - 1) + [False, False]
    assert {page["total_entries"] for page in pages} == {number}
    found = [item for page in pages for item in page[key]]
    assert (
        found == whole[key]
        if key == "spans"
        else [f["label"] for f in found] == [w["label"] for w in whole[key]]
    )


def test_pages_follow_each_other(get: Get) -> None:
    between = {"start": midnight(10).isoformat(), "end": midnight(29).isoformat()}
    whole = get("/api/runs", **between)
    pages = [get("/api/runs", **between, limit=20, offset=i)["runs"] for i in range(0, 500, 20)]
    assert [run["id"] for page in pages for run in page] == [run["id"] for run in whole["runs"]]
    assert whole["total_entries"] == len(whole["runs"]) and not whole["truncated"]
    assert get("/api/runs", **between, limit=1)["truncated"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"tag": "ml"}, {"visible", "secret"}),
        ({"tag": ["hidden", "nothing"]}, {"secret"}),
        ({"dag_id": ["plain", "visible"]}, {"plain", "visible"}),
        ({"owner": "nobody"}, set()),
        ({"state": "running"}, {"worked"}),
        ({"moved": "true", "tag": "ml"}, {"visible", "secret"}),
        ({"moved": "true", "dag_id": "plain"}, set()),
        ({"calendar": "nobodys"}, set()),
        ({"calendar": "team.ics"}, {"titled", "untitled"}),
    ],
)
def test_filters(get: Get, filters: dict[str, Any], expected: set[str]) -> None:
    assert {run["dag_id"] for run in get("/api/runs", **filters)["runs"]} == expected


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"start": "soon"}, "start"),
        ({"limit": 0}, "limit"),
        ({"limit": 5001}, "limit"),
        ({"state": "gone"}, "state"),
        ({"stat": "failed"}, "stat"),
    ],
)
def test_a_wrong_question_is_refused_by_field(
    airflow: LocalAirflow, login: Login, params: Any, field: str
) -> None:
    answer = login("admin").get(url(airflow, "/api/runs"), params=params, timeout=60)
    assert answer.status_code == 422
    (wrong,) = answer.json()["detail"]
    assert wrong["field"] == field
    assert str(next(iter(params.values()))) in wrong["message"] or field in wrong["message"], (
        "what was sent"
    )


def test_subscriptions_take_no_parameter_that_they_do_not_know(
    airflow: LocalAirflow, login: Login
) -> None:
    answer = login("admin").get(url(airflow, "/api/subscriptions"), params={"limt": 3}, timeout=60)
    assert (answer.status_code, [wrong["field"] for wrong in answer.json()["detail"]]) == (
        422,
        ["limt"],
    )


@pytest.mark.parametrize("end", ["2026-10-01", "2027-06-01"])
def test_a_range_that_is_no_range_is_refused(airflow: LocalAirflow, login: Login, end: str) -> None:
    answer = login("admin").get(
        url(airflow, "/api/runs"), params={"start": "2026-11-01", "end": end}, timeout=60
    )
    assert answer.status_code == 422
    assert "100 days" in answer.json()["detail"][0]["message"]


def test_the_plan_and_its_python(get: Get) -> None:
    told = get("/api/dags/visible/plan", limit=3)
    assert len(told["plan"]) == 3
    assert told["arguments"]["windows"] == ["daily 22:00-06:00"]
    rebuilt = eval(told["python"], {"CalendarTimetable": CalendarTimetable, "Weekly": Weekly})
    given = CalendarTimetable(
        "0 12 * * *", timezone="Europe/Berlin", windows=Weekly("daily 22:00-06:00")
    )
    assert rebuilt.serialize() == given.serialize()
    assert get("/api/dags/plain/plan")["python"] is None
    assert get("/api/dags/unscheduled/plan")["no_run_reason"].startswith("it has no schedule")


def test_what_if(airflow: LocalAirflow, login: Login) -> None:
    session = login("admin")
    path = url(airflow, "/api/dags/visible/what-if")
    body = {"windows": ["mon-sun 14:00-18:00"], "duration_seconds": 3600}
    told = session.post(path, json=body, headers=BY_US, timeout=60).json()
    models.WhatIfPlan.model_validate(told)
    rebuilt = eval(
        told["python"],
        {"CalendarTimetable": CalendarTimetable, "Weekly": Weekly, "timedelta": timedelta},
    )
    planned = {
        p.due: p.start for p in rebuilt.plan(utc(told["plan"][0]["due"]), limit=len(told["plan"]))
    }
    assert list(planned) == [utc(run["due"]) for run in told["plan"]]
    late = [run for run in told["plan"] if planned[utc(run["due"])] != utc(run["start"])]
    assert all(
        planned[utc(run["due"])] < datetime.now(UTC) and run is told["plan"][0] for run in late
    )
    assert {run["start"][11:] for run in told["plan"]} == {"13:00:00Z"}
    assert {run["start"][11:] for run in told["current"]} == {"21:00:00Z"}
    same = session.post(path, json={}, headers=BY_US, timeout=60).json()
    assert [run["start"] for run in same["plan"]] == [run["start"] for run in same["current"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"windows": ["noon"]}, "windows"),
        ({"duration_seconds": -1}, "duration_seconds"),
        ({"when_blocked": "wait"}, "when_blocked"),
        ({"schedule": "* * * * *"}, "schedule"),
    ],
)
def test_a_wrong_what_if_is_refused_by_field(
    airflow: LocalAirflow, login: Login, body: Any, field: str
) -> None:
    path = url(airflow, "/api/dags/visible/what-if")
    answer = login("admin").post(path, json=body, headers=BY_US, timeout=60)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["field"] == field


def test_windows_and_blackouts(get: Get) -> None:
    friday = next(day for day in map(midnight, range(10, 17)) if day.weekday() == 4)
    between = {
        "start": (friday + timedelta(hours=12)).isoformat(),
        "end": (friday + timedelta(hours=36)).isoformat(),
    }
    # Added on the clock there
    day, hours = friday.replace(tzinfo=ZoneInfo("Europe/Berlin")), timedelta(hours=1)

    told = get("/api/time-sets", **between)["spans"]
    assert [
        (s["kind"], s["label"], utc(s["start"]), utc(s["end"]))
        for s in told
        if s["dag_ids"] != ["hostile"]
    ] == [
        ("window", "daily 22:00-06:00", day + 22 * hours, day + 30 * hours),
        ("blackout", "sat-sun", day + 24 * hours, day + 72 * hours),
    ]
    assert [s["dag_ids"] for s in told if s["kind"] == "window" and "22:00" in s["label"]] == [
        ["secret", "visible"]
    ]
    seen = get("/api/time-sets", user="reader", **between)["spans"]
    assert [s["dag_ids"] for s in seen] == [["visible"]]


def test_calendars_tell_how_they_are_doing(get: Get) -> None:
    told = get("/api/calendars")["calendars"]
    assert [
        (c["label"], c["status"], c["dag_ids"], c["roles"], c["events"], c["error"]) for c in told
    ] == [
        ("hostile.ics", "ok", ["hostile"], ["blackouts"], 1, ""),
        ("team.ics", "incomplete", ["titled", "untitled"], ["blackouts"], 2, ""),
    ]
    team = told[1]
    assert [(p["uid"], p["matters"], p["counted"]) for p in team["problems"]] == [
        ("broken@tests", True, False)
    ]
    assert (team["on_unavailable"], team["max_stale_seconds"]) == ("hold", 6 * 3600)
    assert utc(team["read_at"]) <= utc(team["checked_at"]) <= datetime.now(UTC)
    assert get("/api/calendars", user="reader")["calendars"] == []
    assert get("/api/calendars", user="reader", dag_id="titled")["calendars"] == []
    (one,) = get("/api/calendars", dag_id=["titled", "plain"])["calendars"]
    assert (one["label"], one["dag_ids"]) == ("team.ics", ["titled"])


def test_titles_are_told_only_where_a_readable_dag_shows_them(
    get: Get, airflow: LocalAirflow
) -> None:
    team = icalendar.Calendar.from_ical((airflow.home / "team.ics").read_bytes())
    freeze = team.walk("VEVENT")[0].decoded("DTSTART")
    first = datetime.combine(freeze, time.min, UTC)
    between = {"start": first.isoformat(), "end": (first + timedelta(days=3)).isoformat()}
    told = [s for s in get("/api/time-sets", **between)["spans"] if s["label"] == "team.ics"]
    whole = [s for s in told if s["title"]]
    assert [(s["title"], utc(s["start"]), utc(s["end"]), s["dag_ids"]) for s in whole] == [
        ("Release freeze", first, first + timedelta(days=3), ["titled"])
    ]
    assert {tuple(s["dag_ids"]) for s in told if not s["title"]} == {("untitled",)}
    runs = get("/api/runs", calendar="team.ics", moved="true", **between)["runs"]
    assert {r["dag_id"] for r in runs} == {"titled", "untitled"}
    assert {
        any(x["event"] == "Release freeze" for x in r["reasons"])
        for r in runs
        if r["dag_id"] == "titled"
    } == {True}
    assert "Release freeze" not in str([r for r in runs if r["dag_id"] == "untitled"])
    assert {
        r["end"] and utc(r["end"]) - utc(r["start"])
        for r in runs
        if r["dag_id"] == "titled" and r["start"]
    } == {timedelta(hours=2)}
    for path in ("/api/time-sets", "/api/runs"):
        assert "freeze" not in str(get(path, user="reader", **between))


def test_what_if_says_what_it_cannot_know(airflow: LocalAirflow, login: Login) -> None:
    """A DAG carries of its calendars what its own ticks touch; other windows may lead elsewhere."""
    session, path = login("admin"), url(airflow, "/api/dags/untitled/what-if")
    kept = session.post(path, json={"blackouts": ["team.ics"]}, headers=BY_US, timeout=60).json()
    assert [run["start"] for run in kept["plan"]] == [run["start"] for run in kept["current"]]
    assert "blackouts=Calendar('team.ics')" in kept["python"]
    elsewhere = session.post(
        path, json={"windows": ["daily 20:00-21:00"]}, headers=BY_US, timeout=60
    ).json()
    assert {"there may be more in the way" in str(run["reasons"]) for run in elsewhere["plan"]} == {
        True
    }
    without = session.post(path, json={"blackouts": []}, headers=BY_US, timeout=60).json()
    assert {run["outcome"] for run in without["plan"]} == {"on_time"} and "team.ics" not in without[
        "python"
    ]


# Who may ask.

PRIVATE = [
    "/api/runs",
    "/api/choices",
    "/api/dags/visible/plan",
    "/api/time-sets",
    "/api/calendars",
    "/api/overrides",
    "/api/freezes",
    "/api/load",
    "/api/advice",
    "/api/dags/visible/exemption",
    "/api/me",
    "/api/openapi.json",
]


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "_token=wrong"}]
)
def test_nothing_is_told_without_a_login(
    airflow: LocalAirflow, path: str, header: dict[str, str]
) -> None:
    assert requests.get(url(airflow, path), headers=header, timeout=60).status_code in (401, 403)


def test_a_reader_is_told_nothing_of_other_dags(
    airflow: LocalAirflow, login: Login, get: Get
) -> None:
    assert {run["dag_id"] for run in get("/api/runs", user="reader", limit=5000)["runs"]} == {
        "visible"
    }
    assert get("/api/runs", user="reader", dag_id="secret")["runs"] == []
    session = login("reader")
    for dag_id in ("secret", "there-is-none"):
        answer = session.get(url(airflow, f"/api/dags/{dag_id}/plan"), timeout=60)
        assert (answer.status_code, answer.json()) == (404, {"detail": "There is no such DAG"})
        answer = session.post(
            url(airflow, f"/api/dags/{dag_id}/what-if"), json={}, headers=BY_US, timeout=60
        )
        assert answer.status_code == 404

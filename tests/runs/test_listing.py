"""Runs that exist beside those that are planned, in one list; without a web server."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.models.dag import DagModel
from airflow.models.pool import Pool
from airflow.models.serialized_dag import SerializedDagModel
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.timetables.trigger import CronTriggerTimetable
from sqlalchemy import event
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.plan import Policy
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import CalendarSpans, TimeRange
from calendar_timetable.runs import lru
from calendar_timetable.runs.listing import Filters
from calendar_timetable.runs.outlook import outlook as coming_after
from calendar_timetable.schedule.base import encode_base
from calendar_timetable.schedule.compiled import CompiledSchedule
from calendar_timetable.web import models, run_list
from calendar_timetable.web.plan import what_if
from calendar_timetable.web.run_list import list_runs
from tests.support.airflow_database import add_dag, add_run
from tests.support.moments import utc

NOW = utc("2027-03-10 12:00")  # a Wednesday
MONDAY, NEXT_MONDAY = utc("2027-03-08"), utc("2027-03-15")
START = datetime(2027, 1, 1)
NIGHTS = Weekly("daily 22:00-06:00")
HOUR = timedelta(hours=1)
SALES = {"__type": "asset", "name": "sales", "uri": "sales", "group": "asset", "extra": {}}


def held(dag_id: str, **more: Any) -> DAG:
    timetable = CalendarTimetable("0 12 * * *", timezone="UTC", windows=NIGHTS, **more)
    return DAG(dag_id, schedule=timetable, start_date=START, catchup=False)


def listed(
    session: Session, *dag_ids: str, now: datetime = NOW, **filters: Any
) -> list[models.Run]:
    asked = Filters(
        **{"since": MONDAY.timestamp(), "until": NEXT_MONDAY.timestamp(), "limit": 5000, **filters}
    )
    return list(
        models.Runs.model_validate_json(list_runs(session, dag_ids, asked, now.timestamp())).runs
    )


def brief(runs: list[models.Run]) -> list[tuple[str, str, str, str]]:
    """Day of the tick, start, state and outcome."""
    return [
        (f"{r.due:%a %H}", f"{r.start:%a %H:%M}" if r.start else "-", r.state, r.outcome)
        for r in runs
    ]


def test_a_week_of_one_dag(session: Session) -> None:
    add_dag(session, held("a-week"), NOW, seen=utc("2027-02-01"))
    add_run(
        session,
        "a-week",
        "success",
        utc("2027-03-08 12:00"),
        run_after=utc("2027-03-08 22:00"),
        start_date=utc("2027-03-08 22:00:05"),
        end_date=utc("2027-03-08 23:30:05"),
    )
    add_run(
        session,
        "a-week",
        "failed",
        utc("2027-03-09 12:00"),
        run_after=utc("2027-03-09 22:00"),
        start_date=utc("2027-03-09 22:20"),
        end_date=utc("2027-03-09 22:21"),
    )
    runs = listed(session, "a-week")
    assert brief(runs) == [
        ("Mon 12", "Mon 22:00", "success", "postponed"),
        ("Tue 12", "Tue 22:20", "failed", "postponed"),
        ("Wed 12", "Wed 22:00", "planned", "postponed"),
        ("Thu 12", "Thu 22:00", "planned", "postponed"),
        ("Fri 12", "Fri 22:00", "planned", "postponed"),
        ("Sat 12", "Sat 22:00", "planned", "postponed"),
        ("Sun 12", "Sun 22:00", "planned", "postponed"),
    ]
    assert [run.late for run in runs] == [False, True, False, False, False, False, False]
    assert runs[0].explanation == (
        "Due Mon 8 Mar 2027 12:00 UTC, outside daily 22:00-06:00 until 22:00;"
        " started 22:00:05, succeeded after 1 h 30 min"
    )
    assert [run.end_estimated for run in runs[:3]] == [False, False, True]


def test_a_run_keeps_its_id_from_plan_to_end(session: Session) -> None:
    add_dag(session, held("one-id"), NOW)
    before = next(run for run in listed(session, "one-id") if run.due == NOW)
    add_run(
        session,
        "one-id",
        "running",
        NOW,
        run_after=utc("2027-03-10 22:00"),
        start_date=utc("2027-03-10 22:00"),
    )
    later = utc("2027-03-10 22:30")
    after = [run for run in listed(session, "one-id", now=later) if run.due == NOW]
    assert (before.state, before.run_id) == ("planned", None)
    assert [(run.id, run.state, run.run_id) for run in after] == [
        (before.id, "running", "scheduled__2027-03-10T12:00:00+00:00")
    ]


@pytest.mark.parametrize(
    ("state", "columns", "expected"),
    [
        ("queued", {}, ("queued", "planned", False)),
        ("running", {"start_date": utc("2027-03-10 11:01")}, ("running", "planned", False)),
        ("running", {"start_date": utc("2027-03-10 11:06")}, ("running", "planned", True)),
    ],
)
def test_late_is_what_started_late(
    session: Session, state: str, columns: Any, expected: Any
) -> None:
    dag_id = f"late-{state}-{expected[-1]}"
    add_dag(session, DAG(dag_id, schedule="0 11 * * *", start_date=START, catchup=False), NOW)
    add_run(session, dag_id, state, utc("2027-03-10 11:00"), **columns)
    first, second, *_ = listed(session, dag_id, now=utc("2027-03-10 11:04"))
    assert (first.state, second.state, first.late) == expected
    assert [run.late for run in listed(session, dag_id, now=NOW) if run.state == "queued"] == [
        True
    ] * (state == "queued")
    session.get_one(DagModel, dag_id).is_paused = True
    session.commit()
    assert listed(session, dag_id, now=NOW)[0].late == expected[-1], (
        "what is paused waits for its user"
    )


@pytest.mark.parametrize("around", [False, True], ids=["ours", "AssetAndTimeSchedule"])
def test_what_waits_for_assets_is_not_late(session: Session, around: bool) -> None:
    """As Airflow 3.4 stores them."""
    dag_id, due = f"waits-{around}", utc("2027-03-10 11:00")
    schedule = CalendarTimetable("0 11 * * *")
    add_dag(session, DAG(dag_id, schedule=schedule, start_date=START), due - HOUR)
    (row,) = session.query(SerializedDagModel).filter_by(dag_id=dag_id)
    assert row.data is not None
    data = deepcopy(row.data)
    ours = data["dag"]["timetable"]
    if around:
        both = {"timetable": ours, "assets": SALES}
        data["dag"]["timetable"] = {
            "__type": "airflow.timetables.assets.AssetAndTimeSchedule",
            "__var": both,
        }
    else:
        ours["__var"] |= {"v": 3, "assets": SALES}
    row._data, row.dag_hash = data, "with assets"
    session.commit()
    session.expunge_all()  # it remembers what it read
    run = listed(session, dag_id, now=due + 2 * HOUR)[0]
    assert (run.due, run.state, run.late) == (due, "planned", False)
    assert run.explanation.endswith("; starts on time, or later, once its assets are there")
    add_run(session, dag_id, "queued", due)
    run = listed(session, dag_id, now=due + 2 * HOUR)[0]
    assert (run.due, run.state, run.late) == (due, "queued", True), "they are there"


def test_the_stored_run_stands_even_where_the_plan_is_another(session: Session) -> None:
    """Airflow has stored 23:00 before the schedule changed.

    That is what it will do until it parses the file again.
    """
    at = utc("2027-03-10 23:00")
    add_dag(session, held("stored"), NOW, next_dagrun_create_after=at)
    assert brief(listed(session, "stored"))[0] == ("Wed 12", "Wed 23:00", "planned", "postponed")


def test_a_passed_start_in_closed_time_is_told_as_it_will_be(session: Session) -> None:
    # It should have run Tue 22:00
    add_dag(session, held("missed"), utc("2027-03-09 12:00"), seen=utc("2027-03-01"))
    assert ("Tue 12", "Wed 22:00", "planned", "postponed") in brief(listed(session, "missed"))


def test_skipped_ticks_of_the_past_are_told_from_when_the_dag_was_there(session: Session) -> None:
    timetable = CalendarTimetable(
        "0 9 * * *", timezone="UTC", blackouts=Weekly("mon-wed"), when_blocked="skip"
    )
    for dag_id, seen, paused in (
        ("old", "2027-02-01", False),
        ("young", "2027-03-09 12:00", False),
        ("paused", "2027-02-01", True),
    ):
        dag = DAG(dag_id, schedule=timetable, start_date=START, catchup=False)
        add_dag(session, dag, NOW, seen=utc(seen), is_paused=paused)
    told = {
        dag_id: [f"{r.due:%a}" for r in listed(session, dag_id) if r.state == "skipped"]
        for dag_id in ("old", "young", "paused")
    }
    assert told == {"old": ["Mon", "Tue", "Wed"], "young": ["Wed"], "paused": []}


def test_what_is_planned_of_paused_dags_is_told_only_to_who_asks(session: Session) -> None:
    add_dag(session, held("active"), NOW)
    add_dag(session, held("paused"), NOW, is_paused=True)
    add_run(session, "paused", "running", MONDAY + 12 * HOUR, start_date=MONDAY + 22 * HOUR)
    both = "active", "paused"
    assert {r.dag_id for r in listed(session, *both, paused=False) if r.state == "planned"} == {
        "active"
    }
    assert [r.state for r in listed(session, *both, paused=False) if r.dag_id == "paused"] == [
        "running"
    ]
    assert {r.dag_id for r in listed(session, *both) if r.state == "planned"} == set(both)
    asked = Filters(MONDAY.timestamp(), NEXT_MONDAY.timestamp(), paused=False)
    assert (
        models.Runs.model_validate_json(
            list_runs(session, both, asked, NOW.timestamp())
        ).paused_dags
        == 1
    )


def test_ticks_that_run_together_are_all_told(session: Session) -> None:
    timetable = CalendarTimetable("0 */8 * * *", timezone="UTC", windows=Weekly("sat 12:00-18:00"))
    add_dag(session, DAG("together", schedule=timetable, start_date=START, catchup=False), NOW)
    runs = [run for run in listed(session, "together") if run.due > NOW]
    assert [run.outcome for run in runs if run.due < utc("2027-03-13 12:00")] == [
        "coalesced"
    ] * 8 + ["postponed"]
    assert [reason.kind for reason in runs[0].reasons] == ["outside_windows", "combined"]
    assert runs[0].reasons[-1].start == runs[8].due
    assert runs[0].explanation.endswith("combined with the Sat 13 Mar 08:00 run")


def test_what_waits_from_before_the_dag_was_seen_is_all_told(session: Session) -> None:
    """The first run is of a due time that had passed, and so are those that start with it."""
    timetable = CalendarTimetable("0 * * * *", timezone="UTC", windows=NIGHTS, coalesce=False)
    add_dag(
        session,
        DAG("waiting", schedule=timetable, start_date=utc("2027-03-10 08:30"), catchup=False),
        NOW,
    )
    session.query(DagModel).update(
        {
            "next_dagrun_create_after": utc("2027-03-10 22:00"),
            "next_dagrun_data_interval_start": utc("2027-03-10 09:00"),
            "next_dagrun_data_interval_end": utc("2027-03-10 09:00"),
        }
    )
    session.commit()
    runs = [run for run in listed(session, "waiting") if run.start == utc("2027-03-10 22:00")]
    assert [run.due.hour for run in runs] == list(range(9, 23))


def test_nothing_is_planned_after_the_end_date(session: Session) -> None:
    end = datetime(2027, 3, 12, 18)
    ours = DAG(
        "ends",
        schedule=CalendarTimetable("0 12 * * *", timezone="UTC", windows=NIGHTS),
        start_date=START,
        end_date=end,
    )
    theirs = DAG("ends-too", schedule="0 12 * * *", start_date=START, end_date=end)
    for dag in (ours, theirs):
        add_dag(session, dag, NOW)
        assert [f"{run.due:%a}" for run in listed(session, dag.dag_id)] == ["Wed", "Thu", "Fri"]


def test_runs_of_other_kinds_have_their_own_ids_and_words(session: Session) -> None:
    add_dag(session, DAG("by-hand", schedule=None, start_date=START), NOW)
    at = utc("2027-03-09 10:30")
    add_run(
        session,
        "by-hand",
        "success",
        at,
        run_type="manual",
        run_id="manual__1",
        start_date=at,
        end_date=at + HOUR,
    )
    (run,) = listed(session, "by-hand")
    assert (run.id, run.run_type, run.outcome, run.late) == (
        "by-hand manual__1",
        "manual",
        "on_time",
        False,
    )
    assert (
        run.explanation
        == "Triggered by hand Tue 9 Mar 2027 10:30 UTC; started on time, succeeded after 1 h"
    )


def test_how_long_a_run_will_take(session: Session) -> None:
    add_dag(session, held("said", duration=2 * HOUR), NOW)
    assert {r.end - r.start for r in listed(session, "said") if r.start and r.end} == {2 * HOUR}
    add_dag(session, DAG("usual", schedule="0 6 * * *", start_date=START, catchup=False), NOW)
    for days, hours in ((1, 1), (2, 9), (3, 2)):  # the median counts
        at = NOW - timedelta(days=days)
        add_run(session, "usual", "success", at, start_date=at, end_date=at + hours * HOUR)
    planned = [run for run in listed(session, "usual") if run.state == "planned"]
    assert {
        (run.end - run.start, run.end_estimated) for run in planned if run.start and run.end
    } == {(2 * HOUR, True)}


def outlook(session: Session, dag_id: str, **more: Any) -> tuple[Any, ...]:
    """Window's end, next blackout, hours to spare, and whether at least so many are left.

    Of the run that is planned next.
    """
    timetable = CalendarTimetable("0 20 * * *", timezone="UTC", duration=HOUR, **more)
    add_dag(session, DAG(dag_id, schedule=timetable, start_date=START, catchup=False), NOW)
    run = next(run for run in listed(session, dag_id) if run.state == "planned")
    blackout = run.next_blackout and (f"{run.next_blackout.start:%a %H}", run.next_blackout.detail)
    spare = None if run.spare_seconds is None else run.spare_seconds / 3600
    return run.window_end and f"{run.window_end:%a %H}", blackout, spare, run.spare_at_least


def test_what_comes_after_a_run(session: Session) -> None:
    closed, nights = "thu 03:00-05:00", Weekly("daily 19:00-02:00")
    assert outlook(session, "free") == (None, None, None, False)
    assert outlook(session, "window", windows=nights) == ("Thu 02", None, 5, False)
    assert outlook(session, "blackout", blackouts=Weekly(closed)) == (
        None,
        ("Thu 03", closed),
        6,
        False,
    )
    both = outlook(session, "both", windows=nights, blackouts=Weekly(closed))
    assert both == ("Thu 02", ("Thu 03", closed), 5, False)


def test_what_lies_past_what_a_dag_carries_is_not_told_for_certain() -> None:
    """Of its calendars it carries six hours after a run; what begins later may be anything."""
    at = 1_800_000_000
    for ahead, expected in ((3, (3, False)), (9, (6, True))):
        team = CalendarSpans("team", Spans(((at + (1 + ahead) * 3600, at + 40 * 3600),)), titles=())
        compiled = CompiledSchedule(
            encode_base(CronTriggerTimetable("0 20 * * *", timezone="UTC")),
            "UTC",
            Policy(duration=3600),
            None,
            team,
            TimeRange(at - DAY, at + 9 * DAY),
        )
        told = coming_after(compiled, at, at + 3600)
        assert told.spare_seconds is not None
        assert (told.spare_seconds / 3600, told.spare_at_least) == expected
        assert (told.next_blackout is None) == told.spare_at_least


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_counts_by_day_are_those_of_the_list(session: Session, zone: str) -> None:
    add_dag(session, held("moved"), NOW)
    add_dag(session, DAG("often", schedule="*/10 * * * *", start_date=START, catchup=False), NOW)
    add_dag(session, held("paused"), NOW, is_paused=True)
    skipping = CalendarTimetable(
        "0 9 * * *", timezone="UTC", blackouts=Weekly("sat-sun"), when_blocked="skip"
    )
    add_dag(session, DAG("skips", schedule=skipping, start_date=START, catchup=False), NOW)
    everything = "moved", "often", "paused", "skips"
    since, until = NOW.timestamp(), (NOW + timedelta(days=5)).timestamp()
    asked = Filters(since, until, paused=False)
    edges = run_list.edges(since, until, ZoneInfo(zone))
    told = models.Counts.model_validate_json(
        run_list.counts(session, everything, asked, edges, NOW.timestamp(), None)
    )
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    for dag_id in everything[:2]:
        for run in listed(session, dag_id, since=since, until=until):
            for n in range(run.collapsed.count if run.collapsed else 1):
                at = (run.start or run.due) + n * timedelta(minutes=10)
                expected[f"{at.astimezone(ZoneInfo(zone)):%a}"]["runs"] += 1
    days = [f"{count.start.astimezone(ZoneInfo(zone)):%a}" for count in told.counts]
    assert days == ["Wed", "Thu", "Fri", "Sat", "Sun", "Mon"]
    weekend = [
        count.skipped for count, day in zip(told.counts, days, strict=True) if day in ("Sat", "Sun")
    ]
    assert weekend == [1, 1] and sum(count.skipped for count in told.counts) == 2
    ours = [
        count.runs - sum(d.runs for d in count.dags if d.dag_id == "skips") for count in told.counts
    ]
    assert ours == [expected[day]["runs"] for day in days]
    assert sum(count.moved for count in told.counts) == 5
    assert (told.dag_ids, told.paused_dags) == (["moved", "often", "skips"], 1)
    assert not any(count.at_least for count in told.counts)


def test_counts_by_hour_and_where_they_are_cut(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_dag(session, DAG("often", schedule="*/10 * * * *", start_date=START, catchup=False), NOW)
    since, until = NOW.timestamp(), (NOW + 3 * HOUR).timestamp()

    def told() -> list[tuple[int, bool]]:
        edges = run_list.edges(since, until, None)
        answer = run_list.counts(
            session, ["often"], Filters(since, until), edges, NOW.timestamp(), None
        )
        return [
            (count.runs, count.at_least)
            for count in models.Counts.model_validate_json(answer).counts
        ]

    assert told() == [(6, False)] * 3
    lru.forget()
    monkeypatch.setattr(run_list, "_MOST_TICKS", 8)
    assert told() == [(6, False), (2, True), (0, True)]


def test_often_is_told_by_day_and_state(session: Session) -> None:
    add_dag(session, DAG("often", schedule="*/15 * * * *", start_date=START, catchup=False), NOW)
    for quarter in range(8):  # from 10:00 to 11:45, the third one failed
        at = utc("2027-03-10 10:00") + quarter * HOUR / 4
        add_run(
            session,
            "often",
            "failed" if quarter == 2 else "success",
            at,
            start_date=at,
            end_date=at + HOUR / 60,
        )
    found = [
        (
            f"{r.start:%a %H:%M}",
            r.state,
            r.collapsed and (r.collapsed.count, r.collapsed.every_seconds),
        )
        for r in listed(session, "often")
        if r.start
    ]
    assert found == [
        ("Wed 10:00", "success", None),
        ("Wed 10:15", "success", None),
        ("Wed 10:30", "failed", None),
        ("Wed 10:45", "success", (5, 900)),
        ("Wed 12:00", "planned", (48, 900)),
        *((f"{day} 00:00", "planned", (96, 900)) for day in ("Thu", "Fri", "Sat", "Sun")),
    ]
    ids = [run.id for run in listed(session, "often")]
    assert len(set(ids)) == len(ids)


def test_what_limits_runs_is_told_of_the_dags_in_the_list(session: Session) -> None:
    """The pools that their tasks use, and no other; how many runs each may have at once."""
    for dag_id, pool in (("limited", "gpu"), ("elsewhere", "tpu")):
        dag = DAG(dag_id, schedule="0 12 * * *", start_date=START, catchup=False, max_active_runs=3)
        EmptyOperator(task_id="train", pool=pool, dag=dag)
        EmptyOperator(task_id="tell", dag=dag)
        add_dag(session, dag, NOW)
        session.add(Pool(pool=pool, slots=2, include_deferred=True))
    session.flush()
    asked = Filters(MONDAY.timestamp(), NEXT_MONDAY.timestamp())

    def told() -> models.Runs:
        return models.Runs.model_validate_json(
            list_runs(session, ["limited"], asked, NOW.timestamp())
        )

    assert [limit.model_dump() for limit in told().limits] == [
        {"dag_id": "limited", "max_active_runs": 3, "pools": ["default_pool", "gpu"]}
    ]
    assert ("gpu", 2) in [(pool.name, pool.slots) for pool in told().pools]
    assert "tpu" not in [pool.name for pool in told().pools]
    session.query(Pool).filter_by(pool="gpu").update({"slots": 5})
    session.flush()
    assert ("gpu", 5) in [(pool.name, pool.slots) for pool in told().pools]


def test_filters_by_state_and_move(session: Session) -> None:
    add_dag(session, held("moved"), NOW)
    add_dag(
        session,
        DAG("still", schedule="0 6 * * *", start_date=START, catchup=False, tags=["x"]),
        NOW,
    )
    both = "moved", "still"
    assert {run.dag_id for run in listed(session, *both)} == set(both)
    assert {run.dag_id for run in listed(session, *both, moved=True)} == {"moved"}
    assert {run.dag_id for run in listed(session, *both, tags=("x", "y"))} == {"still"}
    assert listed(session, *both, states=("running",)) == []
    assert {run.outcome for run in listed(session, *both, states=("postponed",))} == {"postponed"}
    add_dag(
        session,
        DAG(
            "together",
            schedule=CalendarTimetable("0 * * * *", timezone="UTC", windows=NIGHTS),
            start_date=START,
        ),
        NOW,
    )
    assert {run.outcome for run in listed(session, "together", states=("combined",))} == {
        "coalesced"
    }
    assert {run.dag_id for run in listed(session, "moved")} == {"moved"}, (
        "who may read one sees one"
    )


def test_a_broken_dag_does_not_take_the_others_away(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    add_dag(session, held("fine"), NOW)
    add_dag(session, held("broken"), NOW)
    row = session.query(SerializedDagModel).filter_by(dag_id="broken").one()
    data = dict(row.data or {})
    data["dag"] = {
        **data["dag"],
        "timetable": {"__type": "airflow.timetables.trigger.CronTriggerTimetable", "__var": {}},
    }
    row._data, row.dag_hash = data, "other"
    session.commit()
    session.expunge_all()
    assert {run.dag_id for run in listed(session, "fine", "broken")} == {"fine"}
    assert "Cannot tell the planned runs of broken" in caplog.text


def test_a_second_answer_reads_no_dag_again(session: Session) -> None:
    add_dag(session, held("warm"), NOW)
    first = listed(session, "warm")
    asked: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert listed(session, "warm") == first
    assert not [statement for statement in asked if "serialized_dag.data" in statement]
    assert len(asked) <= 5
    add_run(session, "warm", "queued", utc("2027-03-10 12:00"), run_after=utc("2027-03-10 22:00"))
    assert listed(session, "warm")[0].state == "queued"


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("is_paused", True, lambda run: run.paused),
        ("owners", "somebody", lambda run: run.owners == ["somebody"]),
        ("_dag_display_property_value", "A name", lambda run: run.dag_display_name == "A name"),
        (
            "next_dagrun_create_after",
            utc("2027-03-10 23:00"),
            lambda run: run.start == utc("2027-03-10 23:00"),
        ),
        ("is_stale", True, None),
    ],
)
def test_what_changes_in_a_dag_is_told_at_once(
    column: str, value: object, told: Callable[[models.Run], bool] | None, session: Session
) -> None:
    add_dag(session, held("changing"), NOW)
    before = listed(session, "changing")
    dag = session.get_one(DagModel, "changing")
    setattr(dag, column, value)
    session.commit()
    after = listed(session, "changing")
    assert before
    if told is None:
        assert after == []
    else:
        assert told(after[0])
        assert not told(before[0])


def test_a_filtered_list_stands_whatever_other_dags_do(session: Session) -> None:
    add_dag(session, DAG("mine", schedule=None, tags={"ours"}), NOW)
    add_dag(session, held("theirs"), NOW)

    def asked() -> bytes:
        filters = Filters(MONDAY.timestamp(), NEXT_MONDAY.timestamp(), tags=("ours",))
        return list_runs(session, ["mine", "theirs"], filters, NOW.timestamp())

    before = asked()
    add_run(session, "theirs", "queued", utc("2027-03-10 12:00"))
    assert asked() is before
    add_run(session, "mine", "queued", utc("2027-03-10 12:00"))
    assert asked() != before


def test_what_if_counts_with_ticks_that_were_to_run_together(session: Session) -> None:
    """Those before the stored run: they are told, and under other arguments each may run."""
    timetable = CalendarTimetable("0 12 * * *", timezone="UTC", windows=Weekly("mon"))
    add_dag(
        session,
        DAG("mondays", schedule=timetable, start_date=START, catchup=False),
        MONDAY + 13 * HOUR,
    )
    now = utc("2027-03-11 11:00").timestamp()  # Thursday; the next run is Sunday's, on Monday

    def plans_under(**changes: Any) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        found = what_if(session, "mondays", models.WhatIf(**changes), 6, now)
        assert found is not None
        plan, current = (
            [(f"{r.due:%a}", f"{r.start:%a %H}" if r.start else "-") for r in p]
            for p in (found.plan, found.current)
        )
        return plan, current

    plan, current = plans_under()
    assert plan == current
    assert current == [
        ("Thu", "-"),
        ("Fri", "-"),
        ("Sat", "-"),
        ("Sun", "Mon 00"),
        ("Mon", "Mon 12"),
        ("Tue", "-"),
    ]
    plan, _ = plans_under(windows=[])
    assert plan == [(day, f"{day} 12") for day in ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue")]

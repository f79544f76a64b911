"""Advice out of recorded runs and stored schedules: given, followed, and then gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.dag import DagModel, DagTag
from airflow.models.dag_version import DagVersion
from airflow.models.serialized_dag import SerializedDagModel
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, CronTriggerTimetable
from sqlalchemy import delete
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.load.advice import Advice, Kind
from calendar_timetable.load.placement import place
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.plan import Placement
from calendar_timetable.runs import advising, lru, time_budget, usage
from calendar_timetable.runs.advising import Advised, advise
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.room import read_room
from calendar_timetable.runs.stored_schedules import read_schedules
from tests.support.airflow_database import add_dag
from tests.support.moments import utc
from tests.support.recorded import Recorded, Task, add_pool, record

NOW = utc("2027-03-15 00:00")  # a Monday
START = datetime(2027, 1, 1)
AT = int(NOW.timestamp())
HOUR = 3600
NIGHT = Weekly("daily 00:00-06:00")


@pytest.fixture(autouse=True)
def forget() -> None:
    lru.forget()


def a_dag(session: Session, dag_id: str, schedule: Any, pool: str = "work", **columns: Any) -> None:
    """Store the DAG, instead of what was stored of it before."""
    for model in (SerializedDagModel, DagVersion, DagTag, DagModel):
        session.execute(delete(model).where(model.dag_id == dag_id))
    dag = DAG(dag_id, schedule=schedule, start_date=START, catchup=False)
    with dag:
        EmptyOperator(task_id="task", pool=pool)
    add_dag(session, dag, NOW, seen=utc("2027-02-01"), **columns)


def ours(cron: str, **given: Any) -> CalendarTimetable:
    return CalendarTimetable(cron, timezone="UTC", **given)


def placed(dag_id: str, delay: int, **schedule: Any) -> CalendarTimetable:
    """As the deployment's file places it."""
    given = ours("0 1 * * *", **schedule, place=True)
    assert given.arguments is not None
    return given.with_arguments(replace(given.arguments, dag_id=dag_id, placement=Placement(delay)))


def daily(
    session: Session,
    dag_id: str,
    hour: float,
    seconds: Sequence[float],
    pool: str = "work",
    slots: int = 1,
    **columns: Any,
) -> None:
    """Record its runs of the last days, each with one task that takes so long."""
    runs = []
    for n, length in enumerate(seconds, 1):
        at = AT - n * DAY + hour * HOUR
        task = Task("task", at, at, at + length, pool, slots)
        runs.append(Recorded(dag_id, at, at, at + length, [task], **columns))
    record(session, runs)


def told(session: Session, runs_of: Collection[str] | None = None) -> Advised:
    lru.forget()
    ids = [dag_id for (dag_id,) in session.query(DagModel.dag_id)]
    return advise(session, read_dags(session, ids), read_schedules(session, ids), AT, runs_of)


def kinds(session: Session, kind: Kind) -> list[Advice]:
    return [one for one in told(session).advice if one.kind == kind]


def test_a_duration_is_advised_then_written_then_right(session: Session) -> None:
    add_pool(session, "work", 10)
    a_dag(session, "train", ours("0 4 * * *", windows=NIGHT, duration=timedelta(hours=1)))
    daily(session, "train", 4, [HOUR * 2.6, *[HOUR * 2] * 19])
    assert kinds(session, "duration") == [], "two hours still end in time"
    daily(session, "train", 28.5, [HOUR * 2.6] * 5)
    (found,) = kinds(session, "duration")
    assert found.gain == ("runs in two weeks that may end in closed time", 14, 0)
    assert found.python == (("train", "duration=timedelta(hours=2, minutes=40),"),)
    a_dag(
        session,
        "train",
        ours("0 4 * * *", windows=NIGHT, duration=timedelta(hours=2, minutes=40)),
    )
    assert kinds(session, "duration") == []


def test_a_duration_that_is_missing_or_much_too_long(session: Session) -> None:
    add_pool(session, "work", 10)
    a_dag(session, "none", ours("0 1 * * *", windows=NIGHT))
    a_dag(session, "long", ours("0 1 * * *", blackouts=NIGHT, duration=timedelta(hours=4)))
    a_dag(session, "free", ours("0 1 * * *", duration=timedelta(hours=4)))
    a_dag(session, "cron", "0 1 * * *")
    for dag_id in ("none", "long", "free", "cron"):
        daily(session, dag_id, 1, [1000] * 5)
    found = kinds(session, "duration")
    assert [(one.dag_ids, one.python[0][1]) for one in found] == [
        (("long",), "duration=timedelta(minutes=20),"),
        (("none",), "duration=timedelta(minutes=20),"),
    ], "only where time can close"


def test_what_tells_nothing_of_a_whole_run(session: Session) -> None:
    """Four runs are too few; what failed, or was cleared, does not count; nor do paused DAGs."""
    add_pool(session, "work", 10)
    a_dag(session, "train", ours("0 1 * * *", windows=NIGHT))
    daily(session, "train", 1, [2 * HOUR] * 4)
    assert told(session).advice == []
    daily(session, "train", 25.1, [3 * HOUR] * 9, state="failed")
    daily(session, "train", 25.2, [3 * HOUR] * 9, cleared=1)
    assert told(session).advice == []
    daily(session, "train", 25.3, [2 * HOUR])
    assert [one.python for one in told(session).advice] == [
        (("train", "duration=timedelta(hours=2),"),)
    ]
    assert told(session, runs_of=()).advice == [], "who may not read its runs is told nothing"
    a_dag(session, "train", ours("0 1 * * *", windows=NIGHT), is_paused=True)
    assert told(session).advice == []


def test_a_duration_for_which_no_window_is_long_enough(session: Session) -> None:
    add_pool(session, "work", 10)
    a_dag(session, "train", ours("0 1 * * *", windows=NIGHT, duration=timedelta(hours=1)))
    daily(session, "train", 1, [7 * HOUR] * 8)
    assert kinds(session, "duration") == [], "it would never run"


@pytest.mark.parametrize("when_blocked", ["postpone", "advance", "skip", "run"])
def test_starts_are_advised_then_allowed(session: Session, when_blocked: str) -> None:
    add_pool(session, "work", 4)
    schedule: dict[str, Any] = {"max_delay": timedelta(hours=6), "when_blocked": when_blocked}
    for name in "abcd":
        a_dag(session, name, ours("0 1 * * *", **schedule))
        daily(session, name, 1, [HOUR] * 20)
    (found,) = kinds(session, "start")
    assert (found.gain.before, found.gain.after) == (4, 1)
    assert str(found.basis) == "many runs: 20 of each DAG"
    assert {python for _, python in found.python} == {"place=True,"}
    # As the command does that is told with it.
    for dag_id in found.dag_ids:
        a_dag(session, dag_id, ours("0 1 * * *", **schedule, place=True))
    ids = list("abcd")
    room = read_room(session, read_dags(session, ids), read_schedules(session, ids), AT)
    for dag_id, delay in place(room.work, room.load).items():
        a_dag(session, dag_id, placed(dag_id, delay, **schedule))
    assert [one for one in told(session).advice if one.kind == "start"] == []


def test_runs_that_a_placement_leaves_where_they_are_are_counted(session: Session) -> None:
    """On Sundays a run is early; on all other days it may be put elsewhere."""
    add_pool(session, "work", 3)
    early = {"when_blocked": "advance", "blackouts": Weekly("sun 00:00-02:00")}
    a_dag(session, "early", ours("0 1 * * *", max_delay=timedelta(hours=6), **early))
    for name in "ab":
        a_dag(session, name, ours("0 1 * * *", max_delay=timedelta(0)))
    for name in ("early", "a", "b"):
        daily(session, name, 1, [HOUR] * 20)
    (found,) = kinds(session, "start")
    assert (found.dag_ids, found.gain.before, found.gain.after) == (("early",), 3, 2)


def test_no_start_without_room(session: Session) -> None:
    add_pool(session, "work", 4)
    for name in "abcd":
        a_dag(session, name, ours("0 1 * * *", max_delay=timedelta(0)))
        daily(session, name, 1, [HOUR] * 20)
    assert kinds(session, "start") == []
    for name in "abcd":
        a_dag(session, name, ours("0 1 * * *", coalesce=False))
    assert kinds(session, "start") == [], "these cannot be placed"


def test_what_else_runs_counts(session: Session) -> None:
    """Runs by hand at four on each day, as known of past weeks: nothing is put there."""
    add_pool(session, "work", 4)
    a_dag(session, "by_hand", None)
    daily(session, "by_hand", 2, [HOUR] * 30, slots=3)
    for name in "abcd":
        a_dag(session, name, ours("0 1 * * *", max_delay=timedelta(hours=6)))
        daily(session, name, 1, [HOUR] * 20)
    (found,) = kinds(session, "start")
    assert found.basis == (20, 4)
    assert 4 <= found.gain.before < 6 and found.gain.after < found.gain.before - 1


def test_a_stagger_is_advised_then_written(session: Session) -> None:
    add_pool(session, "work", 4)
    names = [f"report_{n}" for n in range(8)]
    for n, name in enumerate(names):
        a_dag(
            session, name, "0 6 * * *" if n < 6 else ours("0 6 * * *", max_delay=timedelta(days=1))
        )
        daily(session, name, 6, [900] * 12)
    (found,) = kinds(session, "stagger")
    assert found.dag_ids == tuple(names) and (found.gain.before, found.gain.after) == (8, 2)
    python = dict(found.python)
    assert python["report_0"] == (
        "schedule=CalendarTimetable('0 6 * * *', timezone='UTC', stagger=timedelta(hours=2)),"
    )
    assert python["report_7"] == "stagger=timedelta(hours=2),"
    for name in names:
        stagger = {"stagger": timedelta(hours=2), "stagger_key": name}
        a_dag(session, name, ours("0 6 * * *", max_delay=timedelta(days=1), **stagger))
    assert kinds(session, "stagger") == []


def test_a_stagger_keeps_the_data_interval(session: Session) -> None:
    """Of what Airflow makes of a cron expression ours makes the same, of other timetables not."""
    add_pool(session, "work", 4)
    others = {
        "hours": CronTriggerTimetable("0 6 * * *", timezone="UTC", interval=timedelta(hours=1)),
        "intervals": CronDataIntervalTimetable("0 6 * * *", timezone="UTC"),
    }
    for name in ("a", "b", "c", "d", *others):
        a_dag(session, name, others.get(name, "0 6 * * *"))
        daily(session, name, 6, [900] * 12)
    (found,) = kinds(session, "stagger")
    python = dict(found.python)
    wrapped = "schedule=CalendarTimetable(..., stagger=timedelta("
    for name in others:
        assert python[name].startswith(wrapped)
        assert python[name].endswith("  # ...: the schedule that it has")
    assert python["a"].startswith("schedule=CalendarTimetable('0 6 * * *', timezone='UTC', ")


def test_no_stagger_for_four(session: Session) -> None:
    add_pool(session, "work", 4)
    for n in range(4):
        a_dag(session, f"report_{n}", "0 6 * * *")
        daily(session, f"report_{n}", 6, [900] * 12)
    assert kinds(session, "stagger") == []


def test_a_conflict_is_advised_then_moved(session: Session) -> None:
    add_pool(session, "gpu", 1)
    a_dag(session, "first", "0 2 * * *", "gpu")
    a_dag(session, "second", ours("10 2 * * MON-FRI"), "gpu")
    for name, hour in (("first", 2), ("second", 3)):
        daily(session, name, hour, [HOUR] * 12, "gpu")
    (found,) = kinds(session, "conflict")
    assert found.dag_ids == ("second", "first")
    assert found.python == (("second", "'10 3 * * MON-FRI',  # instead of '10 2 * * MON-FRI'"),)
    assert found.gain == ("minutes a week waited for pool gpu", 250, 0)
    a_dag(session, "second", ours("10 3 * * MON-FRI"), "gpu")
    assert kinds(session, "conflict") == []


def test_a_conflict_of_what_the_window_lets_start(session: Session) -> None:
    """Both wait for midnight: another cron expression would change nothing, a place does."""
    add_pool(session, "gpu", 3)
    for name, seconds in (("first", 2 * HOUR), ("second", HOUR)):
        a_dag(session, name, ours("0 20 * * *", windows=NIGHT), "gpu")
        daily(session, name, 0, [seconds] * 12, "gpu", slots=2)
    (found,) = kinds(session, "conflict")
    assert found.dag_ids == ("second", "first")
    assert found.python == (("second", "place=True,"),)
    assert found.command.startswith("calendar-timetable place")


def test_no_conflict_where_both_have_slots(session: Session) -> None:
    add_pool(session, "gpu", 2)
    a_dag(session, "first", "0 2 * * *", "gpu")
    a_dag(session, "second", "10 2 * * *", "gpu")
    for name in ("first", "second"):
        daily(session, name, 2, [HOUR] * 12, "gpu")
    assert kinds(session, "conflict") == []


def test_advice_on_one_dag_is_not_lost_among_that_on_many(session: Session) -> None:
    add_pool(session, "work", 128)
    for n in range(22):
        a_dag(session, f"dag_{n:02}", ours(f"{n} 1 * * *", windows=NIGHT))
        daily(session, f"dag_{n:02}", 1, [HOUR] * 6)
    every = told(session).advice
    assert [one.dag_ids[0] for one in every] == [f"dag_{n:02}" for n in range(20)]
    assert told(session).left_out == 2
    ids = [f"dag_{n:02}" for n in range(22)]
    found = advise(
        session, read_dags(session, ids), read_schedules(session, ids), AT, about=["dag_21"]
    )
    assert [one.dag_ids for one in found.advice] == [("dag_21",)] and found.known == 22
    assert found.left_out == 0


def test_a_spent_budget_is_told(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    add_pool(session, "gpu", 1)
    for name in ("first", "second"):
        a_dag(session, name, "0 2 * * *", "gpu")
        daily(session, name, 2, [HOUR] * 12, "gpu")
    assert not told(session).partial
    monkeypatch.setattr(time_budget, "spent", lambda: True)
    found = told(session)
    assert found.partial and found.advice == []


def test_loads_that_there_was_no_time_for_tell_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pool(session, "work", 4)
    for name in "abcd":
        a_dag(session, name, ours("0 1 * * *", max_delay=timedelta(hours=6)))
        daily(session, name, 1, [HOUR] * 20)
    assert [one.kind for one in told(session).advice] == ["start"]

    def interrupted(after: int) -> Advised:
        """The time is over once so many DAGs were looked at, for loads or peaks."""
        left = iter(range(after))

        def metered(steps: Iterable[Any]) -> Iterator[Any]:
            for step in steps:
                if next(left, None) is None:
                    raise time_budget.Spent
                yield step

        watched = SimpleNamespace(**{**vars(time_budget), "metered": metered})
        monkeypatch.setattr(advising, "time_budget", watched)
        return told(session)

    for after in (0, 3, 4, 6):
        found = interrupted(after)
        assert found.partial and found.advice == []


def test_a_dag_with_very_many_runs_counts_as_what_else_runs(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pool(session, "work", 4)
    for name in "abcd":
        a_dag(session, name, ours("0 1 * * *", max_delay=timedelta(hours=6)))
        daily(session, name, 1, [HOUR] * 20)
    (found,) = kinds(session, "start")
    assert found.basis.weeks is None
    monkeypatch.setattr(advising, "_MOST_STEPS", 14 * 12)
    assert kinds(session, "start") == [], "each of fourteen runs is in thirteen steps"


def test_records_that_there_was_no_time_to_read_make_nothing_sure(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pool(session, "work", 4)
    for name in "abcd":
        a_dag(session, name, ours("0 1 * * *", max_delay=timedelta(hours=6)))
        daily(session, name, 1, [HOUR] * 20)
    unread = usage.Used(AT, 0, {}, partial=True)
    monkeypatch.setattr(advising, "read_used", lambda *_: unread)
    found = told(session)
    (start,) = (one for one in found.advice if one.kind == "start")
    assert found.partial and start.basis.level == "few" and start.basis == (20, 0)


def test_what_was_used_says_that_there_was_no_time(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_budget, "spent", lambda: True)
    assert usage.read_used(session, ["a"], {}, 0, AT) == (AT, 0, {}, True)


def test_nothing_to_advise(session: Session) -> None:
    assert told(session) == Advised()
    a_dag(session, "idle", ours("0 2 * * *", windows=NIGHT))
    assert told(session) == Advised(unknown=1)

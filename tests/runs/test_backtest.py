"""The runs of past weeks under other rules, of a deployment whose runs are recorded."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from sqlalchemy import delete, event, update
from sqlalchemy.orm import Session

from calendar_timetable import Calendar, CalendarTimetable, Weekly
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning.open_time import DAY, OpenTime
from calendar_timetable.planning.plan import Placement, Policy, share_of
from calendar_timetable.planning.time_sets import TimeSet
from calendar_timetable.runs import database, lru
from calendar_timetable.runs.backtest import Backtest, Changed, OtherRules, backtest, fates_of
from calendar_timetable.runs.database import PastRun
from calendar_timetable.schedule.compiled import CompiledSchedule
from tests.support.airflow_database import add_dag
from tests.support.ics import event as event_of
from tests.support.ics import feed
from tests.support.moments import utc
from tests.support.recorded import Recorded, Task, add_pool, record

NOW = utc("2027-03-15 00:00")  # a Monday
START = datetime(2027, 1, 1)
AT = int(NOW.timestamp())
HOUR = 3600
NOTHING = OtherRules()


@pytest.fixture(autouse=True)
def forget() -> None:
    lru.forget()


# --- starts, in plain numbers ---------------------------------------------------------------------


def past(due: float, started: float | None = None, planned: float | None = None) -> PastRun:
    """A run of a DAG, due so many seconds after the epoch: a Thursday."""
    at = due if planned is None else planned
    began = at if started is None else started
    return PastRun(int(due), "dag", True, at, began, 60.0, (due, due))


USUAL = Policy()


def changed(
    policy: Policy = USUAL, windows: TimeSet | None = None, blackouts: TimeSet | None = None
) -> Changed:
    made = CompiledSchedule({}, "UTC", policy)
    sets = (one and one.resolve(None, "UTC") for one in (windows, blackouts))  # type: ignore[arg-type]
    made.windows, made.blackouts = sets
    made.open_time = OpenTime(made.windows, made.blackouts, None)
    return Changed(made)


NIGHTS = Weekly("daily 20:00-06:00")


def starts(runs: list[PastRun], other: Changed) -> list[Any]:
    return [fate.why or fate.start for fate in fates_of(runs, other)]


def test_a_run_in_open_time_starts_as_it_did() -> None:
    assert starts([past(2 * HOUR, 2 * HOUR + 7)], changed(windows=NIGHTS)) == [2 * HOUR + 7]


def test_a_run_in_closed_time_starts_as_long_after_its_plan_as_it_did() -> None:
    assert starts([past(9 * HOUR, 9 * HOUR + 7)], changed(windows=NIGHTS)) == [20 * HOUR + 7]


def test_one_that_began_late_waits_for_time_to_open_again() -> None:
    hour = Weekly("daily 20:00-21:00")
    late = past(9 * HOUR, 11 * HOUR)
    assert starts([late], changed(windows=hour)) == [44 * HOUR]
    assert starts([late], changed(Policy(max_delay=12 * HOUR), hour)) == ["skipped"]


def test_runs_that_wait_are_combined_with_the_last_of_them() -> None:
    runs = [past(9 * HOUR), past(12 * HOUR), past(15 * HOUR)]
    assert starts(runs, changed(windows=NIGHTS)) == ["combined", "combined", 20 * HOUR]
    each = changed(Policy(coalesce=False), NIGHTS)
    assert starts(runs, each) == [20 * HOUR] * 3


def test_a_run_past_its_max_delay_is_skipped() -> None:
    short = changed(Policy(max_delay=HOUR), NIGHTS)
    assert starts([past(9 * HOUR), past(19 * HOUR)], short) == ["skipped", 20 * HOUR]


def test_runs_with_one_due_time_have_one_start() -> None:
    twice = [past(9 * HOUR, 9 * HOUR + 1), past(9 * HOUR, 9 * HOUR + 2)]
    assert starts(twice, changed(windows=NIGHTS)) == [20 * HOUR + 1, 20 * HOUR + 2]


def test_a_run_that_was_moved_goes_back_to_its_due_time() -> None:
    own = CompiledSchedule({}, "UTC", Policy())
    moved = past(9 * HOUR, started=20 * HOUR + 5, planned=20 * HOUR)
    plain = changed()
    assert starts([moved], Changed(plain.schedule, own)) == [9 * HOUR + 5]
    assert starts([moved], plain) == [20 * HOUR + 5], "of another timetable intervals say nothing"


def test_what_a_policy_becomes() -> None:
    own = Policy(duration=60, max_delay=DAY, stagger=5)
    assert OtherRules(none=True).policy("dag", own) == Policy(max_delay=DAY)
    assert OtherRules(max_delay=HOUR).policy("dag", own).max_delay == HOUR
    assert OtherRules(stagger=HOUR).policy("dag", own).stagger == share_of(HOUR, "dag")
    placed = OtherRules(placements={"dag": Placement(600)})
    assert placed.policy("dag", own).placement == Placement(600)
    assert placed.policy("dag", own).within == DAY, "its share is not how far it may go"
    assert placed.policy("other", own) == own
    both = OtherRules(stagger=HOUR, placements={"dag": Placement(600)})
    assert both.policy("dag", own).within == HOUR
    for way in ("advance", "skip", "run"):
        assert placed.policy("dag", Policy(way)).placement == Placement(600), way
    for fixed in (Policy(keep_hour="UTC"), Policy(coalesce=False)):
        assert placed.policy("dag", fixed) == fixed
    was = Policy(stagger=HOUR, placement=Placement(99))
    assert placed.policy("other", was).placement == Placement()


# --- with Airflow's records -----------------------------------------------------------------------


def a_dag(session: Session, dag_id: str, schedule: Any = "0 9 * * *", pool: str = "work") -> None:
    dag = DAG(dag_id, schedule=schedule, start_date=START, catchup=False, tags=[dag_id])
    with dag:
        EmptyOperator(task_id="task", pool=pool)
    add_dag(session, dag, NOW, seen=utc("2027-02-01"))


def daily(
    dag_id: str, hour: float = 9, seconds: float = HOUR, days: int = 10, **run: Any
) -> list[Recorded]:
    """Its runs of the last days, each with one task."""
    runs = []
    for n in range(1, days + 1):
        at = AT - n * DAY + int(hour * HOUR)
        one = Task("task", at, at, at + seconds, "work")
        runs.append(Recorded(dag_id, at, at, at + seconds, [one], **run))
    return runs


def told(
    session: Session,
    rules: OtherRules = NOTHING,
    dag_ids: set[str] | None = None,
    days: float = 28,
    now: float = AT,
) -> Backtest:
    lru.forget()
    return backtest(session, rules, dag_ids, now - days * DAY, now)


@pytest.fixture
def three(session: Session) -> Session:
    """Three DAGs that start at nine, in a pool with two slots."""
    add_pool(session, "work", 2)
    for dag_id in ("a", "b", "c"):
        a_dag(session, dag_id)
        record(session, daily(dag_id))
    return session


def test_without_other_rules_both_sides_are_the_same(three: Session) -> None:
    found = told(three)
    assert found.before == found.after
    assert (found.runs, found.moved.total(), found.changed) == ({"a": 10, "b": 10, "c": 10}, 0, ())
    taken = found.before.pools["work"].taken
    assert taken[:5] == (2, 2, 10 * HOUR, HOUR, 10), "one of three waits an hour, on each day"
    assert found.before.counts == {}


@pytest.mark.parametrize(
    "rules",
    [
        OtherRules(windows=Weekly("mon-sun")),
        OtherRules(none=True),
        OtherRules(blackouts=Weekly("daily 15:00-16:00")),
        OtherRules(stagger=0),
        OtherRules(placements={}),
    ],
)
def test_rules_that_change_nothing_give_the_same_numbers(three: Session, rules: OtherRules) -> None:
    found = told(three, rules)
    assert found.changed == ("a", "b", "c") and not found.moved
    assert found.before == found.after


def test_a_placement_makes_room(three: Session) -> None:
    found = told(three, OtherRules(placements={"c": Placement(HOUR)}))
    assert found.moved == {"c": 10}
    assert found.before.pools["work"].taken[:5] == (2, 2, 10 * HOUR, HOUR, 10)
    assert found.after.pools["work"].taken[:5] == (2, 2, 0, 0, 0)


def test_a_stagger_spreads_starts(three: Session) -> None:
    found = told(three, OtherRules(stagger=6 * HOUR))
    assert found.moved.total() == 30
    assert found.after.pools["work"].taken.waited < found.before.pools["work"].taken.waited


def test_rules_for_some_leave_the_others(three: Session) -> None:
    found = told(three, OtherRules(windows=Weekly("daily 20:00-23:00")), {"a"})
    assert (found.changed, found.moved) == (("a",), {"a": 10})
    assert found.after.pools["work"].taken[:5] == (2, 2, 0, 0, 0)


def test_a_run_is_late_after_max_delay_and_its_usual_length(three: Session) -> None:
    """One of three waits an hour: by the same measure before and after."""
    for delay, late in ((HOUR - 1, 10), (HOUR, 0)):
        found = told(three, OtherRules(max_delay=delay))
        assert (found.before.counts["late"], found.after.counts["late"]) == (late, late)
        assert found.after.pools["work"].counts["late"] == late
    moved = OtherRules(max_delay=1800, windows=Weekly("daily 20:00-23:00"))
    found = told(three, moved, {"c"})
    assert found.before.counts == {"late": 10}
    assert found.after.counts == {"skipped": 10}


def test_starts_in_blackouts(three: Session) -> None:
    found = told(three, OtherRules(blackouts=Weekly("mon-fri 08:30-09:30")))
    assert found.before.counts == {"in_events": 18}, "on six of ten days, each of three"
    assert found.after.counts == {}
    assert found.before.by_dag["a"] == {"in_events": 6}


def test_a_dag_without_its_own_rules(session: Session) -> None:
    add_pool(session, "work", 2)
    own = CalendarTimetable("0 9 * * *", timezone="UTC", blackouts=Weekly("daily 08:00-10:00"))
    a_dag(session, "a", own)
    record(session, daily("a", hour=10))
    for run in session.query(DagRun):  # due at nine, planned for ten
        due = run.run_after - timedelta(hours=1)
        run.data_interval_start = run.data_interval_end = due
    session.commit()
    found = told(session, OtherRules(none=True))
    assert (found.before.counts, found.after.counts) == ({}, {"in_events": 10})
    assert told(session, OtherRules(stagger=0)).moved == {}, "as they were planned"


def test_runs_that_would_not_have_run(session: Session) -> None:
    add_pool(session, "work", 2)
    for dag_id in ("a", "b"):
        a_dag(session, dag_id, "0 9,10 * * *")
        record(session, [*daily(dag_id, 9), *daily(dag_id, 10)])
    found = told(session, OtherRules(windows=Weekly("daily 20:00-23:00")))
    assert found.after.counts == {"combined": 20}
    short = OtherRules(windows=Weekly("daily 10:00-11:00"), max_delay=60)
    found = told(session, short, {"a"})
    assert found.after.counts == {"skipped": 10}
    assert found.after.pools["work"].counts == {"skipped": 10}
    assert found.after.by_dag == {"a": {"skipped": 10}, "b": {}}


def test_what_is_still_to_come_is_told(three: Session) -> None:
    found = told(three, OtherRules(windows=Weekly("tue 20:00-23:00"), max_delay=9 * DAY), {"a"})
    # Those due since Tuesday wait for the next one.
    assert found.after.counts == {"combined": 8, "after_end": 1}


def test_a_run_that_was_cleared_counts_once(session: Session) -> None:
    """It ran again days later, for long: that is not when it was due, nor how long it takes."""
    add_pool(session, "work", 2)
    a_dag(session, "a")
    again = daily("a")
    first = again[4]
    first.former = first.tasks
    first.started, first.ended, first.cleared = AT - 5 * HOUR, AT - HOUR, 1
    first.tasks = [Task("task", AT - 5 * HOUR, AT - 5 * HOUR, AT - HOUR, "work", try_number=2)]
    queued = again[5]
    queued.started = queued.ended = None
    queued.state, queued.cleared = "queued", 1
    record(session, again)
    found = told(session)
    assert found.runs == {"a": 10}
    assert found.before.pools["work"].taken[:5] == (1, 1, 0, 0, 0)
    assert sum(found.before.pools["work"].taken.minutes) == 10 * 60


def test_runs_under_way_at_the_edges(session: Session) -> None:
    add_pool(session, "work", 2)
    a_dag(session, "a")
    record(session, daily("a", 9, seconds=4 * HOUR, days=3))
    at = AT - 2 * HOUR
    task = Task("task", at, at, None, "work", state="running")
    record(session, [Recorded("a", at, at, None, [task], "running")])
    begin = AT - DAY + 10 * HOUR  # an hour after the first of them began
    lru.forget()
    found = backtest(session, OtherRules(windows=Weekly("daily 15:00-16:00")), None, begin, AT)
    assert found.runs == {"a": 1}, "what was planned before is none of them"
    assert found.beside == 1
    minutes = found.before.pools["work"].taken.minutes
    assert sum(minutes) == (3 + 2) * 60
    assert sum(found.after.pools["work"].taken.minutes) == 3 * 60, "it is yet to come"
    assert found.after.counts == {"after_end": 1}


def test_runs_of_a_dag_that_is_gone_stay_as_they_were(three: Session) -> None:
    three.execute(update(DagModel).where(DagModel.dag_id == "b").values(is_stale=True))
    three.execute(delete(DagModel).where(DagModel.dag_id == "c"))
    three.commit()
    found = told(three, OtherRules(windows=Weekly("daily 20:00-23:00")))
    assert (found.changed, found.left, found.moved) == (("a",), (), {"a": 10})
    assert found.runs == {"a": 10, "b": 10, "c": 10}
    assert found.after.pools["work"].taken[:5] == (2, 2, 0, 0, 0)


def test_runs_by_hand_take_slots_and_are_not_moved(three: Session) -> None:
    a_dag(three, "hand", None)
    record(three, daily("hand", 20, run_type="manual"))
    found = told(three, OtherRules(windows=Weekly("daily 20:00-23:00")))
    assert found.beside == 10 and "hand" not in found.runs
    assert found.after.pools["work"].taken.runs == 20


def test_a_dag_that_never_succeeded_takes_a_slot_as_long_as_its_runs_took(
    session: Session,
) -> None:
    add_pool(session, "work", 2)
    a_dag(session, "a")
    record(session, daily("a", state="failed", seconds=1800))
    found = told(session)
    assert sum(found.before.pools["work"].taken.minutes) == 10 * 30
    assert found.unknown == 0
    session.execute(update(DagRun).values(clear_number=1))
    session.commit()
    assert told(session).unknown == 10


def test_what_a_dag_does_not_carry_of_its_calendars_is_told(
    session: Session, tmp_path: Path
) -> None:
    add_pool(session, "work", 2)
    freeze = tmp_path / "freeze.ics"
    day = NOW - timedelta(days=2)
    lines = "UID:f", f"DTSTART:{day:%Y%m%d}T083000Z", "DURATION:PT1H", "TRANSP:OPAQUE"
    freeze.write_bytes(feed(event_of(*lines)))
    own = CalendarTimetable("0 9 * * *", timezone="UTC", blackouts=Calendar(str(freeze)))
    a_dag(session, "a", own)
    record(session, daily("a"))
    found = told(session, OtherRules(stagger=0))
    assert found.before.counts == {"in_events": 1}, "it was entered later"
    assert (found.after.counts, found.moved, found.uncertain) == ({}, {"a": 1}, 0)
    found = told(session, OtherRules(windows=Weekly("daily 20:00-23:00")))
    assert (found.moved, found.uncertain) == ({"a": 10}, 10), "what is at noon is not carried"
    found = told(session, OtherRules(blackouts=Weekly("daily 08:00-20:00")))
    assert (found.moved, found.uncertain) == ({"a": 10}, 0)


def test_a_calendar_that_cannot_be_read_is_an_error(three: Session, tmp_path: Path) -> None:
    missing = Calendar(str(tmp_path / "none.ics"))
    with pytest.raises(CalendarUnavailable, match="none.ics"):
        told(three, OtherRules(blackouts=missing))


def test_the_oldest_are_left_out_of_too_many(
    three: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MOST_PAST_RUNS", 12)
    found = told(three)
    assert found.truncated and found.runs == {"a": 4, "b": 4, "c": 4}
    assert found.since == AT - 4 * DAY + 9 * HOUR, "of the time before nothing is told"


def test_queries_do_not_grow_with_dags(three: Session) -> None:
    def count() -> int:
        asked = []

        def note(*args: Any) -> None:
            asked.append(args[2])

        event.listen(three.bind, "before_cursor_execute", note)
        told(three, OtherRules(stagger=600))
        event.remove(three.bind, "before_cursor_execute", note)
        return len(asked)

    few = count()
    for n in range(20):
        a_dag(three, f"more_{n}")
        record(three, daily(f"more_{n}"))
    assert count() == few

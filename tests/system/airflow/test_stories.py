"""What users live through while the clock moves: each story is a sequence, in a running Airflow."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.dags import WriteDag
from tests.support.ics_origin import IcsOrigin, event
from tests.support.stack import Run, Stack, closed_some_day

SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)

HEAD = """\
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.latest_only import LatestOnlyOperator
from airflow.sdk import (
    DAG,
    CronDataIntervalTimetable,
    CronTriggerTimetable,
    DeltaDataIntervalTimetable,
    task,
)
from airflow.timetables.events import EventsTimetable
from calendar_timetable import Calendar, CalendarTimetable, Weekly

at = datetime.fromisoformat

@task
def work():
    print("worked")

"""


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def minute_after(moment: datetime) -> datetime:
    """The first full minute after *moment*."""
    return moment.replace(second=0, microsecond=0) + MINUTE


def at(moment: datetime) -> str:
    """*moment* as a DAG file has it."""
    return f"at({moment.isoformat()!r})"


def scheduled_id(due: datetime) -> str:
    return f"scheduled__{due.isoformat()}"


def written(stack: Stack, name: str, dags: str) -> None:
    stack.write_dag(name, HEAD + dags)


def forget(stack: Stack, name: str, dag_ids: Sequence[str]) -> None:
    """Take a file away, so that its DAGs are no load to what comes after."""
    stack.remove_dag(name)
    for dag_id in dag_ids:
        stack.remove_dag(dag_id)


def scheduled(stack: Stack, dag_id: str) -> list[Run]:
    return [run for run in stack.runs(dag_id) if run.run_type == "scheduled"]


@dataclass(frozen=True)
class Planted:
    """DAGs that all begin at once, so that each has its time while others are looked at."""

    calendar: IcsOrigin
    due: dict[str, datetime]  # of each DAG that waits for a window: the due time of its run
    opens: datetime
    advanced: dict[str, datetime]  # of each DAG whose runs come early: the due time of its run
    begins: datetime
    closes: datetime
    paused: tuple[str, ...]
    planned: datetime  # the start of the run that a pause covers


BYSTANDER = "bystander"


@pytest.fixture(scope="module")
def planted(stack: Stack) -> Iterator[Planted]:
    with ExitStack() as kept:
        calendar = kept.enter_context(IcsOrigin())
        planted = plant(stack, calendar)
        dag_ids = [*planted.due, *planted.advanced, *planted.paused, BYSTANDER]
        kept.callback(forget, stack, "planted", dag_ids)

        def parsed() -> bool:
            assert stack.import_error("planted") is None
            return stack.next_run(BYSTANDER) is not None

        stack.wait("the DAGs to be parsed", parsed)
        yield planted


def plant(stack: Stack, calendar: IcsOrigin) -> Planted:
    """Write them all in one file."""
    begun = now()
    soon = minute_after(begun + 15 * SECOND)
    ago = begun.replace(second=0) - 7 * MINUTE
    opens = soon + MINUTE
    window = f"windows=Weekly('daily {opens:%H:%M}-{opens + 3 * HOUR:%H:%M}'), timezone='UTC'"
    quarters = ",".join(str((ago.minute + 15 * count) % 60) for count in range(4))
    waiting = {
        # Airflow's own cron would have turned to the next due time five minutes after this one.
        "waits_cron_ago": (f"'{quarters} * * * *'", ago),
        "waits_cron_soon": (f"'{soon.minute} {soon.hour} * * *'", soon),
        "waits_interval": (f"CronDataIntervalTimetable('{soon.minute} * * * *', 'UTC')", soon),
        "waits_events": (f"EventsTimetable([{at(soon)}, {at(soon + 2 * HOUR)}])", soon),
    }
    dags = [
        f"with DAG({dag_id!r}, schedule=CalendarTimetable({base}, {window})):\n    work()\n"
        for dag_id, (base, _) in waiting.items()
    ]

    begins = begun + 30 * SECOND
    closes = begins + 4 * MINUTE
    due = minute_after(closes)
    options = (
        f"blackouts=Calendar({calendar.address!r}, match='Blackout'), "
        "duration=timedelta(minutes=4), timezone='UTC'"
    )
    early = {
        "early_cron": f"'{due.minute} {due.hour} * * *'",
        "early_interval": f"CronDataIntervalTimetable('{due.minute} {due.hour} * * *', 'UTC')",
        "early_events": f"EventsTimetable([{at(due)}, {at(due + DAY)}])",
    }
    dags += [
        f"with DAG({dag_id!r}, schedule=CalendarTimetable({base}, {options}, "
        "when_blocked='advance')):\n"
        "    LatestOnlyOperator(task_id='latest_only') >> work()\n"
        for dag_id, base in early.items()
    ]

    planned = begun + 20 * SECOND
    calendar.serve(
        [
            event("blackout", closes, closes + HOUR, "Blackout"),
            event("first", planned, planned + SECOND, "Nightly"),
            event("second", planned + 3 * HOUR, planned + 3 * HOUR + SECOND, "Nightly"),
            event("freeze", planned + 10 * SECOND, planned + 2 * HOUR, "Freeze"),
        ]
    )
    paused = {"paused_max_delay": "max_delay=timedelta()", "paused_skip": "when_blocked='skip'"}
    team = f"Calendar({calendar.address!r}, refresh=timedelta(seconds=1), match="
    dags += [
        f"with DAG({dag_id!r}, is_paused_upon_creation=True,"
        f" schedule=CalendarTimetable({team}'Nightly'), blackouts={team}'Freeze'), {options})):\n"
        "    work()\n"
        for dag_id, options in paused.items()
    ]
    dags.append(
        f"with DAG({BYSTANDER!r}, schedule=timedelta(seconds=5)):\n"
        "    EmptyOperator(task_id='nothing')\n"
    )
    written(stack, "planted", "\n".join(dags))
    waits = {dag_id: due for dag_id, (_, due) in waiting.items()}
    return Planted(
        calendar, waits, opens, dict.fromkeys(early, due), begins, closes, tuple(paused), planned
    )


def let_the_scheduler_go_round(stack: Stack, dag_id: str = BYSTANDER) -> None:
    """Until another DAG's runs have been made, from begin to end.

    What was to be made is made by then.
    """
    stack.wait_for_runs(dag_id, len(stack.runs(dag_id)) + 2)


def wait_for_success(stack: Stack, dag_id: str, run_id: str) -> Run:
    def succeeded() -> Run | None:
        return next(
            (r for r in stack.runs(dag_id) if r.run_id == run_id and r.state == "success"), None
        )

    return stack.wait(f"{run_id} of {dag_id} to succeed", succeeded)


def test_an_advanced_run_works_before_the_blackout(stack: Stack, planted: Planted) -> None:
    for dag_id, due in planted.advanced.items():
        # A data interval that had ended before the DAG was there is made up for first, as Airflow
        # does.
        run = wait_for_success(stack, dag_id, scheduled_id(due))
        assert run.run_after == planted.begins, dag_id
        assert run.data_interval[1] == due
        assert run.logical_date is not None and run.logical_date <= planted.begins
        tasks = stack.task_instances(dag_id, run.run_id)
        assert {task["state"] for task in tasks.values()} == {"success"}, (dag_id, tasks)
        assert planted.begins <= tasks["work"]["start"] <= tasks["work"]["end"] < planted.closes


def test_unpausing_in_closed_time_starts_nothing_that_was_missed(
    stack: Stack, planted: Planted
) -> None:
    for dag_id in planted.paused:
        stack.wait_for_dag(dag_id)
    missed, follows = planted.planned, planted.planned + 3 * HOUR
    stack.wait("time to be closed", lambda: now() > missed + 12 * SECOND)
    for dag_id in planted.paused:
        stack.patch(f"/api/v2/dags/{dag_id}", is_paused=False)
    for dag_id in planted.paused:
        stack.wait_for_next_run(dag_id, follows, follows)
    let_the_scheduler_go_round(stack)
    assert [stack.runs(dag_id) for dag_id in planted.paused] == [[], []]

    # The freeze ends early, and the next run is planned for soon.
    opens = now()
    follows = opens + 15 * SECOND
    planted.calendar.serve(
        [
            event("first", missed, missed + SECOND, "Nightly"),
            event("second", follows, follows + SECOND, "Nightly"),
            event("freeze", missed + 10 * SECOND, opens, "Freeze"),
        ]
    )
    for dag_id in planted.paused:
        stack.wait_for_runs(dag_id, 1)
    let_the_scheduler_go_round(stack)
    assert [[run.run_id for run in stack.runs(dag_id)] for dag_id in planted.paused] == [
        [scheduled_id(follows)]
    ] * 2


def test_unpausing_with_a_max_lateness_starts_nothing_that_was_missed(stack: Stack) -> None:
    missed = now().replace(second=0) - 30 * MINUTE
    cron = f"'{missed.minute} {missed.hour} * * *', timezone='UTC'"
    options = f"start_date={at(missed - 3 * DAY)}, catchup=False, is_paused_upon_creation=True"
    schedules = {
        "left_alone": f"CalendarTimetable({cron}, max_lateness=timedelta(minutes=10))",
        "made_up_for": f"CalendarTimetable({cron})",
    }
    dags = (
        f"with DAG({dag_id!r}, schedule={schedule}, {options}):\n    work()\n"
        for dag_id, schedule in schedules.items()
    )
    written(stack, "unpaused", "\n".join(dags))
    stack.wait("the DAGs to be parsed", lambda: all(map(stack.next_run, schedules)))
    for dag_id in schedules:
        stack.patch(f"/api/v2/dags/{dag_id}", is_paused=False)
    try:
        # The scheduler looks at both at once.
        stack.wait("the other's run", lambda: scheduled(stack, "made_up_for"))
        assert scheduled(stack, "left_alone") == []
        assert stack.next_run("left_alone") == (missed + DAY, missed + DAY)
    finally:
        forget(stack, "unpaused", list(schedules))


def test_without_a_start_date_what_is_due_before_a_window_runs_in_it(
    stack: Stack, planted: Planted
) -> None:
    for dag_id, due in planted.due.items():
        run = stack.wait_for_runs(dag_id, 1)[0]
        assert (run.run_id, run.run_after, run.data_interval[1]) == (
            scheduled_id(due),
            planted.opens,
            due,
        ), dag_id
        (task,) = stack.task_instances(dag_id, run.run_id).values()
        assert task["start"] >= planted.opens


STEP = timedelta(seconds=10)
STAGES = 4  # Airflow's own timetable, ours, Airflow's again, ours again
EVERY_10_SECONDS = "'* * * * * */10', timezone='UTC'"
BASES = {  # each base, and the step of its due times
    "cron_interval": (f"CronDataIntervalTimetable({EVERY_10_SECONDS})", STEP),
    "cron_trigger": (f"CronTriggerTimetable({EVERY_10_SECONDS})", STEP),
    "delta_interval": ("DeltaDataIntervalTimetable(timedelta(seconds=10))", STEP),
    "preset": ("'@hourly'", HOUR),  # which Airflow takes for intervals here, see adopted()
}


@dataclass(frozen=True)
class Adopted:
    """A DAG that goes through several timetables."""

    dag_id: str
    base: str
    step: timedelta
    catchup: bool
    start: datetime

    def source(self, *, ours: bool) -> str:
        schedule = (
            f"CalendarTimetable({self.base}, blackouts={closed_some_day()})" if ours else self.base
        )
        return HEAD + (
            "os.environ['AIRFLOW__SCHEDULER__CREATE_CRON_DATA_INTERVALS'] = 'True'\n"
            f"with DAG({self.dag_id!r}, schedule={schedule}, catchup={self.catchup}, "
            f"start_date={at(self.start)}, max_active_runs=2):\n"
            "    EmptyOperator(task_id='nothing')\n"
        )


@pytest.fixture
def adopted(stack: Stack) -> Iterator[list[Adopted]]:
    """DAGs of every base, with and without catchup, that have not been written yet."""
    begun = now()
    recent = begun.replace(second=begun.second // 10 * 10) - MINUTE
    long_ago = begun.replace(minute=0, second=0) - 60 * DAY
    dags = [
        Adopted(
            f"adopted_{name}_{'catchup' if catchup else 'latest'}",
            base,
            step,
            catchup,
            recent if step == STEP else long_ago,
        )
        for name, (base, step) in BASES.items()
        for catchup in (True, False)
    ]
    yield dags
    for dag in dags:
        stack.remove_dag(dag.dag_id)


def test_a_dag_is_given_this_timetable_and_loses_it_again(
    stack: Stack, planted: Planted, adopted: list[Adopted]
) -> None:
    schedulers = {
        name: service.pid
        for name, service in stack.services.items()
        if name.startswith("scheduler")
    }
    for stage in range(STAGES):
        ours = stage % 2 == 1
        before = {dag.dag_id: len(stack.runs(dag.dag_id)) for dag in adopted}
        for dag in adopted:
            stack.write_dag(dag.dag_id, dag.source(ours=ours))
        for dag in adopted:
            wait_for_timetable(stack, dag.dag_id, ours=ours)
        for dag in adopted:
            # Hourly and without catchup, at most one run is due while this test looks.
            wanted = 2 if dag.catchup or dag.step == STEP else int(stage == 0)
            stack.wait_for_runs(dag.dag_id, before[dag.dag_id] + wanted)
        let_the_scheduler_go_round(stack)
    for dag in adopted:
        assert_whole(dag, scheduled(stack, dag.dag_id))
    for name, pid in schedulers.items():
        assert stack.services[name].running
        assert stack.services[name].pid == pid
        assert "IntegrityError" not in stack.services[name].log.read_text(errors="replace")


def wait_for_timetable(stack: Stack, dag_id: str, *, ours: bool) -> None:
    """Until Airflow has read the DAG's file with our timetable in it, or with its own."""

    def is_so() -> bool:
        assert stack.import_error(dag_id) is None
        found = stack.timetable(dag_id)
        return found != "" and (found == "CalendarTimetable") == ours

    stack.wait(f"{dag_id} to have {'our' if ours else 'its own'} timetable", is_so)


def assert_whole(dag: Adopted, runs: list[Run]) -> None:
    """No run and no interval twice, and with catchup none left out."""
    spans = [run.data_interval for run in runs]
    dues = [due for _, due in spans if due is not None]
    assert len({run.run_id for run in runs}) == len(set(spans)) == len(runs) == len(dues), dag
    assert {run.run_id for run in runs} == {scheduled_id(due) for due in dues}, dag
    if not dag.catchup:
        assert all(
            a < b and (b - a) % dag.step == timedelta() for a, b in itertools.pairwise(dues)
        ), (dag, dues)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans) if a[1] and b[0]), (
            dag,
            spans,
        )
        return
    with_intervals = "trigger" not in dag.dag_id
    first = dag.start + dag.step if with_intervals else dag.start
    expected = [first + dag.step * number for number in range(len(runs))]
    assert dues == expected, dag
    assert spans == [(due - dag.step * with_intervals, due) for due in expected], dag


TWO_TASKS = """
    @task
    def opened():
        while not Path({go!r}).exists():
            sleep(0.2)

    opened() >> work()
"""


def test_a_calendar_that_dies_holds_its_dag_and_nothing_else(stack: Stack, tmp_path: Path) -> None:
    held, tested, neighbour = "dies_held", "dies_tested", "dies_neighbour"
    go = tmp_path / "go"
    with IcsOrigin() as works, IcsOrigin() as team:

        def due(*moments: datetime) -> None:
            works.serve(event(str(m), m, m + SECOND, "Nightly") for m in moments)

        first, last = now() + 15 * SECOND, now() + 3 * HOUR
        due(first, last)
        quick = "refresh=timedelta(seconds=1), max_stale=timedelta(seconds=5)"
        schedule = (
            f"CalendarTimetable(Calendar({works.address!r}, refresh=timedelta(seconds=1)),"
            f" blackouts=Calendar({team.address!r}, name='Team', {quick}))"
        )
        written(
            stack,
            "dies",
            f"with DAG({held!r}, schedule={schedule}):{TWO_TASKS.format(go=str(go))}\n"
            f"with DAG({tested!r}, schedule={schedule}, is_paused_upon_creation=True):\n"
            "    work()\n"
            f"with DAG({neighbour!r}, schedule=CalendarTimetable(timedelta(seconds=5))):\n"
            "    EmptyOperator(task_id='nothing')\n",
        )
        try:
            live(stack, held, tested, neighbour, go, team, due, first, last)
        finally:
            forget(stack, "dies", (held, tested, neighbour))


def live(
    stack: Stack,
    held: str,
    tested: str,
    neighbour: str,
    go: Path,
    team: IcsOrigin,
    due: Callable[..., None],
    first: datetime,
    last: datetime,
) -> None:
    def wait(what: str, check: Callable[[], object]) -> None:
        def reached() -> object:
            assert stack.import_error("dies") is None
            return check()

        stack.wait(what, reached)

    def state(run_id: str, task_id: str) -> object:
        return stack.task_instances(held, run_id).get(task_id, {}).get("state")

    under_way = scheduled_id(first)
    wait("the first task of a run", lambda: state(under_way, "opened") == "running")
    team.is_down = True
    wait("the DAG to be held", lambda: "held: Team cannot be read" in stack.summary(held))
    wait("it to have no next run", lambda: stack.next_run(held) == (None, None))

    # Meanwhile two more runs are due; what is under way, made by hand or next to it goes on.
    due(first, now(), latest := now() + 2 * SECOND, last)
    go.touch()
    wait("the second task of the run", lambda: state(under_way, "work") == "success")
    by_hand = stack.post(f"/api/v2/dags/{held}/dagRuns", logical_date=None)["dag_run_id"]
    wait("the run by hand", lambda: state(by_hand, "work") == "success")
    let_the_scheduler_go_round(stack, neighbour)

    listed = stack.airflow("dags", "list")
    assert listed.returncode == 0, listed.stderr
    assert held in listed.stdout
    done = stack.airflow("dags", "reserialize")
    assert done.returncode == 0, done.stderr
    run = stack.airflow("dags", "test", tested)
    assert run.returncode == 0, run.stderr
    assert "worked" in run.stdout

    wait("a due time in the closure", lambda: now() > latest)
    let_the_scheduler_go_round(stack, neighbour)
    assert "held: Team cannot be read" in stack.summary(held)
    assert [run.run_id for run in scheduled(stack, held)] == [under_way]

    team.is_down = False
    wait(
        "the latest run to be made up for", lambda: state(scheduled_id(latest), "work") == "success"
    )
    wait("the next run to be planned", lambda: stack.next_run(held) == (last, last))
    assert [run.run_id for run in scheduled(stack, held)] == [under_way, scheduled_id(latest)]
    assert "held" not in stack.summary(held)


def test_runs_start_where_the_placement_puts_them_and_move_as_it_is_edited(
    stack: Stack, write_dag: WriteDag
) -> None:
    """The file is there before the DAG, is edited while runs wait, and breaks; no run is lost."""

    def put(dag_id: str, delay: str) -> None:
        draft = stack.placement.with_suffix(".draft")
        draft.write_text(f'version = 1\n[dags.{dag_id}]\ndelay = "{delay}"\n')
        draft.rename(stack.placement)

    dag_id = write_dag("CalendarTimetable('* * * * *', timezone='UTC', place=True)")
    put(dag_id, "00:00:20")

    def put_after(seconds: int) -> list[Run]:
        runs = scheduled(stack, dag_id)
        return [run for run in runs if run.run_after - due_of(run) == seconds * SECOND]

    stack.wait("a run to be put", lambda: put_after(20))
    put(dag_id, "00:00:45")
    stack.wait("a run to be put elsewhere", lambda: put_after(45))
    stack.placement.write_text("version = ")
    stack.wait("a run to start when due", lambda: put_after(0) and scheduled(stack, dag_id)[-1])
    runs = sorted(scheduled(stack, dag_id), key=lambda run: run.run_after)
    stack.placement.unlink()

    dues = [due_of(run) for run in runs]
    assert dues == [dues[0] + count * MINUTE for count in range(len(dues))], "none lost or twice"
    assert all(run.run_after <= run.created for run in runs)
    wait_for_success(stack, dag_id, runs[0].run_id)


def due_of(run: Run) -> datetime:
    due = run.data_interval[1]
    assert due is not None
    return due


@pytest.mark.usefixtures("backfills")
@pytest.mark.parametrize("by", ["command", "api"])
def test_a_backfill_makes_what_calendars_skipped_or_combined(
    stack: Stack, write_dag: WriteDag, origin: IcsOrigin, by: str
) -> None:
    midnight = now().replace(hour=0, minute=0, second=0)
    begins, ends = midnight - 3 * DAY, midnight - 2 * DAY
    origin.serve([event("closed", begins + 4 * HOUR, begins + 20 * HOUR)])
    how = "when_blocked='skip'" if by == "api" else "when_blocked='postpone'"
    schedule = (
        "CalendarTimetable('0 */6 * * *', timezone='UTC', "
        f"blackouts=Calendar({origin.address!r}), {how})"
    )
    dag_id = write_dag(
        schedule, options=f"start_date=datetime.fromisoformat({(begins - DAY).isoformat()!r})"
    )
    stack.wait_for_dag(dag_id)
    if by == "api":
        body = {
            "from_date": begins.isoformat(),
            "to_date": (ends - SECOND).isoformat(),
            "max_active_runs": 4,
        }
        stack.post("/api/v2/backfills", dag_id=dag_id, **body)
    else:
        span = ("--from-date", begins.isoformat(), "--to-date", (ends - SECOND).isoformat())
        done = stack.airflow(
            "backfill", "create", "--dag-id", dag_id, *span, "--max-active-runs", "4"
        )
        assert done.returncode == 0, done.stderr

    def backfilled() -> list[Run]:
        runs = [run for run in stack.runs(dag_id) if run.run_type == "backfill"]
        return runs if len(runs) >= 4 and {run.state for run in runs} == {"success"} else []

    runs = stack.wait("the backfill", backfilled)
    assert [run.logical_date for run in runs] == [begins + hours * HOUR for hours in (0, 6, 12, 18)]

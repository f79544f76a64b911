"""The gate and the window's end in a running Airflow.

What changes after a run was planned still holds its work.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.dav_servers import LOGIN, Server, radicale
from tests.support.ics import feed
from tests.support.ics_origin import IcsOrigin, event
from tests.support.stack import Stack, known

SECOND = timedelta(seconds=1)
Put = Callable[[str, str], str]

HEAD = """\
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import sleep

from airflow.sdk import DAG, task
from calendar_timetable import Calendar, CalendarGate, CalendarTimetable, hold_until_open

with DAG({dag_id!r}, schedule={schedule}, {options}):
"""


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def put(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Writes a DAG of the given tasks, named after the test, and gives its id."""
    written: list[str] = []

    def write(tasks: str, schedule: str, options: str = "") -> str:
        dag_id = (
            f"{request.node.originalname.removeprefix('test_')}"
            f"_{request.node.callspec.id}_{len(written)}"
        )
        head = HEAD.format(dag_id=dag_id, schedule=schedule, options=options)
        stack.write_dag(dag_id, head + textwrap.indent(textwrap.dedent(tasks), "    "))
        written.append(dag_id)
        return dag_id

    yield write
    for dag_id in written:
        stack.remove_dag(dag_id)


def tasks(stack: Stack, dag_id: str) -> dict[str, str]:
    """The state of each of a DAG's tasks, in its first run."""
    found = stack.rows(
        "SELECT task_id, ti.state FROM task_instance ti JOIN dag_run r"
        " ON r.run_id = ti.run_id AND r.dag_id = ti.dag_id"
        " WHERE ti.dag_id = :dag_id ORDER BY r.logical_date DESC",
        dag_id=dag_id,
    )
    return {row["task_id"]: row["state"] for row in found}


def tries(stack: Stack, dag_id: str, task_id: str) -> set[int]:
    query = "SELECT try_number FROM task_instance WHERE dag_id = :dag_id AND task_id = :task_id"
    return {row["try_number"] for row in stack.rows(query, dag_id=dag_id, task_id=task_id)}


ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}


def in_state(stack: Stack, dag_id: str, task_id: str, state: str) -> None:
    def reached() -> bool:
        states = tasks(stack, dag_id)
        assert states.get(task_id) not in ENDED - {state}, states
        return states.get(task_id) == state

    stack.wait(f"{task_id} of {dag_id} to be {state}", reached)


@pytest.fixture
def team(stack: Stack, tmp_path: Path) -> Iterator[tuple[str, Server]]:
    """A calendar on Radicale, and the Airflow Connection, kept in the database, that names it."""
    server = radicale(tmp_path / "radicale", "a password")
    server.start()
    conn_id = f"team_{tmp_path.parent.name}_{server.port}".replace("-", "_")
    try:
        server.make_calendar("team/", "Team")
        address = f"{server.address.rstrip('/')}{server.home}team/"
        stack.post(
            "/api/v2/connections",
            connection_id=conn_id,
            conn_type="caldav",
            host=address,
            login=LOGIN,
            password="a password",
        )
        yield conn_id, server
    finally:
        server.stop()


def meeting(uid: str, start: datetime, end: datetime) -> str:
    return feed(event(uid, start, end)).decode()


GATED = """
    @task
    def work():
        print("worked")

    CalendarGate(task_id="gate", schedule={schedule}) >> work()
"""

HELD = """
    @task(retries=3, retry_delay=timedelta(seconds=1), pre_execute=partial(hold_until_open, schedule={schedule}))
    def work():
        print("worked")

    work()
"""


def test_a_meeting_added_seconds_before_a_due_run_holds_its_work(
    stack: Stack, put: Callable[..., str], team: tuple[str, Server]
) -> None:
    conn_id, server = team
    due = now() + 40 * SECOND
    server.send(
        "PUT",
        "team/due.ics",
        meeting("due", due, due + SECOND).replace("SUMMARY:Busy", "SUMMARY:Nightly"),
    )
    # The plan is made once and then not again for an hour: it is up to the gate to see the meeting.
    schedule = (
        f"CalendarTimetable(Calendar({conn_id!r}, match='Nightly', refresh=REFRESH),"
        f" blackouts=Calendar({conn_id!r}, match='Busy', refresh=REFRESH), "
        "duration=timedelta(minutes=1))"
    )
    plan, closer = (
        schedule.replace("REFRESH", refresh)
        for refresh in ("timedelta(hours=1)", "timedelta(seconds=2)")
    )
    gated, held = (put(kind.format(schedule=closer), plan) for kind in (GATED, HELD))
    for dag_id in (gated, held):
        assert stack.wait_for_dag(dag_id) == (due, due)

    stack.wait("the runs to be due at once", lambda: now() >= due - 3 * SECOND)
    server.send(
        "PUT", "team/meeting.ics", meeting("meeting", due + 3 * SECOND, due + timedelta(hours=1))
    )
    in_state(stack, gated, "gate", "deferred")
    in_state(stack, held, "work", "up_for_reschedule")

    stack.services["triggerer"].kill()
    stack.start("triggerer")
    stack.wait_until_ready()
    assert tasks(stack, gated) == {"gate": "deferred", "work": None}
    server.send("DELETE", "team/meeting.ics")
    for dag_id in (gated, held):
        stack.wait_for_runs(dag_id, 1)
    assert tries(stack, held, "work") == {1}, "being held is no try"


def test_work_queued_into_a_blackout_does_not_start_there(
    stack: Stack, put: Callable[..., str], origin: IcsOrigin, tmp_path: Path
) -> None:
    """Behind a pool that is full, and behind ``max_active_runs``."""
    pool = f"pool_{origin.address.split(':')[2].partition('/')[0]}"
    stack.post("/api/v2/pools", name=pool, slots=1)
    free, begun = tmp_path / "free", tmp_path / "begun"
    hog = f"""
        @task(pool={pool!r})
        def hog():
            while not Path({str(free)!r}).exists():
                sleep(0.2)

        hog()
    """
    since = "start_date=datetime(2026, 1, 1, tzinfo=UTC)"
    guarded = f"{since}, default_args={{'pre_execute': hold_until_open}}"
    calendar = f"Calendar({origin.address!r}, refresh=timedelta(seconds=1))"
    hogs = put(hog, "'@once'", since)
    in_state(stack, hogs, "hog", "running")
    work = f"""
        @task(pool={pool!r})
        def work():
            print("worked")

        work()
    """
    pooled = put(work, f"CalendarTimetable('@once', blackouts={calendar})", guarded)
    in_state(stack, pooled, "work", "scheduled")
    # Of two runs only one may be active: the first is held up by a file, the second waits in the
    # queue.
    second = f"""
        @task
        def work(logical_date=None):
            Path({str(begun)!r}).touch()
            while not Path({str(free)!r}).exists():
                sleep(0.2)

        work()
    """
    start = now() - 15 * SECOND
    options = (
        f"start_date=datetime.fromisoformat({start.isoformat()!r}), max_active_runs=1, "
        "catchup=True, "
    )
    options += f"end_date=datetime.fromisoformat({(start + 15 * SECOND).isoformat()!r}), "
    options += "default_args={'pre_execute': hold_until_open}"
    lined_up = put(
        second, f"CalendarTimetable(timedelta(seconds=10), blackouts={calendar})", options
    )
    stack.wait("the work of the first of two runs", begun.exists)

    freezes = now()
    origin.serve([event("freeze", freezes - SECOND, freezes + timedelta(hours=1), "Freeze")])
    served = now()
    # By what was read before, work may still begin. Moments are whole seconds here.
    stack.wait("older readings to be due for a refresh", lambda: now() > served + SECOND)
    free.touch()
    in_state(stack, pooled, "work", "up_for_reschedule")
    ends = ["success", "up_for_reschedule"]
    stack.wait("the second of two runs to be held", lambda: states(stack, lined_up)[:2] == ends)
    lifted = now()
    origin.serve([])
    stack.wait_for_runs(pooled, 1)
    stack.wait_for_runs(lined_up, 2)
    assert started(stack, pooled)[0] >= lifted
    assert started(stack, lined_up)[1] >= lifted


def started(stack: Stack, dag_id: str) -> list[datetime]:
    """When a DAG's one task last started, run by run."""
    query = (
        "SELECT ti.start_date FROM task_instance ti JOIN dag_run r"
        " ON r.run_id = ti.run_id AND r.dag_id = ti.dag_id"
        " WHERE ti.dag_id = :dag_id ORDER BY r.logical_date"
    )
    return [known(row["start_date"]) for row in stack.rows(query, dag_id=dag_id)]


def states(stack: Stack, dag_id: str) -> list[str]:
    """Of a DAG's one task, run by run."""
    query = (
        "SELECT ti.state FROM task_instance ti JOIN dag_run r"
        " ON r.run_id = ti.run_id AND r.dag_id = ti.dag_id"
        " WHERE ti.dag_id = :dag_id ORDER BY r.logical_date"
    )
    return [row["state"] for row in stack.rows(query, dag_id=dag_id)]


TRAINING = """
    from airflow.providers.standard.operators.bash import BashOperator

    BashOperator(
        task_id="train",
        bash_command="timeout -s TERM --preserve-status {{{{ macros.calendar_schedule.seconds_left() }}}} "
        "bash {script} {folder}",
        skip_on_exit_code=75,
        append_env=True,
    )
"""

# Counts to `goal`, a step in half a second; told to end, it saves how far it came and asks to be
# run again.
SCRIPT = """\
folder=$1
step=$(cat $folder/checkpoint 2>/dev/null || echo 0)
echo "from $step" >> $folder/log
trap 'echo $step > $folder/checkpoint; echo "saved $step" >> $folder/log; exit 75' TERM
while [ ! -e $folder/goal ]; do step=$((step+1)); sleep 0.5 & wait $!; done
echo "done $step" >> $folder/log
"""


def test_a_training_that_outlasts_its_window_goes_on_in_the_next(
    stack: Stack, put: Callable[..., str], origin: IcsOrigin, tmp_path: Path
) -> None:
    (tmp_path / "train.sh").write_text(SCRIPT)
    first = now() + 25 * SECOND
    ends, opens = first + 12 * SECOND, first + 24 * SECOND
    origin.serve([event("freeze", ends, opens, "Freeze")])
    schedule = (
        f"CalendarTimetable(timedelta(seconds=20), blackouts=Calendar({origin.address!r}, "
        "refresh=timedelta(seconds=1)))"
    )
    options = (
        f"start_date=datetime.fromisoformat({first.isoformat()!r}), max_active_runs=1, "
        "catchup=True, "
    )
    options += "default_args={'pre_execute': hold_until_open}"
    dag_id = put(TRAINING.format(script=tmp_path / "train.sh", folder=tmp_path), schedule, options)
    stack.wait_for_dag(dag_id)

    stack.wait(
        "the first run's training to be stopped", lambda: states(stack, dag_id)[:1] == ["skipped"]
    )
    assert now() >= ends - SECOND
    log = (tmp_path / "log").read_text().splitlines()
    assert log[0] == "from 0"
    step = log[1].removeprefix("saved ")
    assert int(step) > 0
    stack.wait(
        "the next run's training", lambda: len((tmp_path / "log").read_text().splitlines()) > 2
    )
    assert now() >= opens
    assert (tmp_path / "log").read_text().splitlines()[2] == f"from {step}"
    (tmp_path / "goal").touch()
    stack.wait("it to succeed", lambda: "success" in states(stack, dag_id))
    assert "failed" not in states(stack, dag_id)

"""Data that come seven hours late, to a run that the calendar and Airflow 3.4 let wait for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy
from airflow.timetables.base import Timetable

from tests.support.stack import Run, Stack

pytestmark = pytest.mark.skipif(
    not hasattr(Timetable, "asset_gated"), reason="Airflow lets time wait for assets since 3.4"
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
KILLS = 10
HEAD = """\
from datetime import datetime, timedelta

from airflow.sdk import DAG, Asset, AssetAndTimeSchedule, CronTriggerTimetable, task
from calendar_timetable import CalendarTimetable, Weekly

@task(retries=5, retry_delay=timedelta(seconds=1))
def work():
    print("worked")

"""


class Late:
    """A file of DAGs whose runs were due seven hours ago, in a blackout that ends soon."""

    def __init__(self, stack: Stack, name: str, *, soon: timedelta) -> None:
        self.stack, self.name = stack, name
        begun = datetime.now(UTC).replace(second=0, microsecond=0)
        self.due, self.opens = begun - 7 * HOUR, begun + soon + MINUTE
        self.dag_ids: list[str] = []
        self._source = HEAD

    def add(self, dag_id: str, asset: str, *, ours: bool = True) -> str:
        cron = f"'{self.due.minute} {self.due.hour} * * *', timezone='UTC'"
        schedule = (
            f"CalendarTimetable({cron}, assets=[Asset({asset!r})],"
            f" blackouts=Weekly('daily {self.due + HOUR:%H:%M}-{self.opens:%H:%M}'))"
            if ours
            else f"AssetAndTimeSchedule(timetable=CronTriggerTimetable({cron}),"
            f" assets=[Asset({asset!r})])"
        )
        start_date = f"datetime.fromisoformat({(self.due - HOUR).isoformat()!r})"
        self._source += (
            f"with DAG({dag_id!r}, schedule={schedule}, start_date={start_date}, catchup=False):\n"
            "    work()\n\n"
        )
        self.dag_ids.append(dag_id)
        return dag_id

    def write(self) -> None:
        self.stack.write_dag(self.name, self._source)

        def parsed() -> bool:
            assert self.stack.import_error(self.name) is None, self.stack.import_error(self.name)
            return all(self.stack.next_run(dag_id) for dag_id in self.dag_ids)

        self.stack.wait("the DAGs to be parsed", parsed)

    def forget(self) -> None:
        self.stack.remove_dag(self.name)
        for dag_id in self.dag_ids:
            self.stack.remove_dag(dag_id)

    # What happens to them.

    @contextmanager
    def as_stored_before_the_blackout(self, dag_ids: Sequence[str]) -> Iterator[None]:
        """Let the schedulers meet the next runs of *dag_ids* as a parse before it left them.

        A parse within the blackout moves them to its end.
        """
        self.stack.services["dag-processor"].kill()
        try:
            with self.stack.engine.begin() as connection:
                connection.execute(
                    sqlalchemy.text(
                        "UPDATE dag SET next_dagrun_create_after = next_dagrun_data_interval_end"
                        " WHERE dag_id IN :dag_ids"
                    ).bindparams(sqlalchemy.bindparam("dag_ids", expanding=True)),
                    {"dag_ids": list(dag_ids)},
                )
            yield
        finally:
            self.stack.start("dag-processor")

    def update(self, asset: str) -> int:
        """Let the data come; the id of the event that says so."""
        [found] = [
            one
            for one in self.stack.get("/api/v2/assets", name_pattern=asset)["assets"]
            if one["name"] == asset
        ]
        return int(self.stack.post("/api/v2/assets/events", asset_id=found["id"])["id"])

    def used(self, dag_id: str) -> list[int]:
        """Return the ids of the events that runs of the DAG have consumed, as often as they did."""
        found = self.stack.rows(
            "SELECT used.event_id FROM dagrun_asset_event used JOIN dag_run run"
            " ON run.id = used.dag_run_id WHERE run.dag_id = :dag_id",
            dag_id=dag_id,
        )
        return [row["event_id"] for row in found]

    def queued(self, dag_id: str) -> int:
        """Return how many events the DAG has not consumed yet."""
        query = "SELECT count(*) AS n FROM asset_dag_run_queue WHERE target_dag_id = :dag_id"
        return int(self.stack.rows(query, dag_id=dag_id)[0]["n"])

    def began(self, dag_id: str, run: Run) -> datetime:
        began = self.stack.task_instances(dag_id, run.run_id)["work"]["start"]
        assert isinstance(began, datetime)
        return began

    def run_of(self, dag_id: str) -> Run:
        """Wait for the one run that is there."""
        runs = self.stack.wait(f"{dag_id} to have a run", lambda: self.stack.runs(dag_id))
        [run] = runs
        assert run.run_type == "scheduled"
        assert run.logical_date == self.due
        return run


_numbers = itertools.count(1)


@pytest.fixture
def late(stack: Stack) -> Iterator[Late]:
    late = Late(stack, f"late_{next(_numbers)}", soon=3 * MINUTE)
    yield late
    late.forget()


def test_late_data_start_ours_at_the_opening_and_airflows_in_the_blackout(late: Late) -> None:
    asset = f"data_{late.name}"
    planned = late.add("planned_anew_in_the_blackout", asset)
    stored = late.add("stored_before_the_blackout", asset)
    airflows = late.add("airflows_own", asset, ours=False)
    unready = late.add("of_other_data", f"never_{late.name}")
    late.write()
    stack, due, opens = late.stack, late.due, late.opens
    assert stack.next_run(airflows) == (due, due)
    assert stack.next_run(planned) == (due, opens)
    assert stack.summary(planned).startswith("Asset and ")

    with late.as_stored_before_the_blackout([stored, unready]):
        assert not any(stack.runs(dag_id) for dag_id in late.dag_ids), "no run without data"
        event = late.update(asset)
        [of_airflow] = stack.wait_for_runs(airflows, 1)
        run = late.run_of(stored)
        assert run.created < opens, "made when its data came; or this machine is too slow"
        assert run.run_after == opens
    assert late.began(airflows, of_airflow) < opens, "Airflow's own starts in the blackout"

    for dag_id in (planned, stored):
        [run] = stack.wait_for_runs(dag_id, 1)
        assert late.began(dag_id, run) >= opens
        assert run.run_id == f"scheduled__{due.isoformat()}"
        assert run.logical_date == due
    for dag_id in (planned, stored, airflows):
        assert late.used(dag_id) == [event]
        assert late.queued(dag_id) == 0
        assert len(stack.runs(dag_id)) == 1
    assert stack.runs(unready) == []


def test_killed_schedulers_neither_lose_an_event_nor_use_it_twice(late: Late) -> None:
    stack = late.stack
    schedulers = [name for name in stack.services if name.startswith("scheduler")]
    if len(schedulers) < 2:
        pytest.skip("with two schedulers, on PostgreSQL")
    assets = {late.add(f"killed_{n}", f"data_killed_{n}"): f"data_killed_{n}" for n in range(KILLS)}
    late.write()
    stack.wait(
        "their next runs to be moved to the opening",
        lambda: all(stack.next_run(dag_id) == (late.due, late.opens) for dag_id in assets),
    )

    events = {}
    with late.as_stored_before_the_blackout(late.dag_ids):
        for count, (dag_id, asset) in enumerate(assets.items()):
            events[dag_id] = late.update(asset)
            if count % 3 == 1:
                late.run_of(dag_id)
            # At times both: whoever had the event in hand is gone.
            for name in schedulers if count % 3 == 2 else [schedulers[count % 2]]:
                stack.services[name].kill()
                stack.start("scheduler", name=name)
            run = late.run_of(dag_id)
            assert run.run_after == (late.opens if run.created < late.opens else late.due)
        in_time = [dag_id for dag_id in assets if late.run_of(dag_id).created < late.opens]
        assert in_time, "this machine is too slow"

    for dag_id in assets:
        [run] = stack.wait_for_runs(dag_id, 1)
        assert late.began(dag_id, run) >= late.opens
        assert run.run_id == f"scheduled__{late.due.isoformat()}"
        assert late.used(dag_id) == [events[dag_id]]
        assert late.queued(dag_id) == 0

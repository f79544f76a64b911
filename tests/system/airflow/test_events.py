"""Calendar events and milestones in a running Airflow.

Its triggerer is killed again and again.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.ics_origin import IcsOrigin, event
from tests.support.stack import Stack, known

watchers = pytest.mark.skipif(
    find_spec("airflow.triggers.shared_stream") is None, reason="Airflow 3.3"
)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

WATCHING = """\
from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetWatcher, task
from calendar_timetable import Calendar, CalendarEventTrigger

calendar = Calendar({address!r}, match="Retrain*", refresh=timedelta(seconds=1), show_titles=True)
events = Asset({dag_id!r}, watchers=[AssetWatcher(name="calendar", trigger=CalendarEventTrigger(calendar))])

with DAG({dag_id!r}, schedule=events):

    @task
    def work(triggering_asset_events=None):
        for event in triggering_asset_events[events]:
            payload = event.extra["payload"]
            print("worked for", payload["event"], payload["uid"])

    work()
"""

DEADLINES = """\
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep

from airflow.sdk import DAG, task
from calendar_timetable import Calendar
from calendar_timetable.runtime import MilestoneDeadline
from calendar_timetable.runtime.late_alerts import late_alert

milestone = Calendar({address!r}, match="Release*", refresh=timedelta(seconds=1))

with DAG(
    {dag_id!r},
    schedule="@once",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    deadline=late_alert(
        MilestoneDeadline(milestone, before=timedelta(hours=1)), "team_pager.Pager", path={path!r},
        text="{{{{ late.sentence }}}}"
    ),
):

    @task
    def work():
        while not Path({path!r} + ".end").exists():
            sleep(0.2)

    work()
"""

# A notifier that writes what it is told to a file, as others send it.
PAGER = """\
from pathlib import Path

from airflow.sdk import BaseNotifier


class Pager(BaseNotifier):
    template_fields = ("text",)

    def __init__(self, text, path):
        self.text, self.path = text, path
        super().__init__()

    async def async_notify(self, context):
        with Path(self.path).open("a") as file:
            file.write(f"{self.text}\\n")
"""


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def payloads(stack: Stack, dag_id: str) -> list[dict[str, Any]]:
    """Of every asset event, in order."""
    query = (
        "SELECT e.extra FROM asset_event e JOIN asset a ON a.id = e.asset_id"
        " WHERE a.name = :name ORDER BY e.id"
    )
    found = [row["extra"] for row in stack.rows(query, name=dag_id)]
    return [(json.loads(extra) if isinstance(extra, str) else extra)["payload"] for extra in found]


def told(stack: Stack, dag_id: str) -> list[str]:
    return [f"{payload['event']} {payload['uid']}" for payload in payloads(stack, dag_id)]


def are_told(stack: Stack, dag_id: str, count: int) -> bool:
    return len(told(stack, dag_id)) >= count


def is_asked(origin: IcsOrigin, count: int) -> bool:
    return origin.requests >= count


def noted(stack: Stack, dag_id: str) -> str | None:
    """What the watcher has noted in Airflow's asset state store."""
    query = (
        "SELECT s.value FROM asset_state_store s JOIN asset a ON a.id = s.asset_id"
        " WHERE a.name = :name"
    )
    return next((row["value"] for row in stack.rows(query, name=dag_id)), None)


@watchers
def test_edits_of_a_calendar_each_trigger_a_run(stack: Stack, origin: IcsOrigin) -> None:
    dag_id = f"watching_{stack.engine.dialect.name}"
    stack.write_dag(dag_id, WATCHING.format(dag_id=dag_id, address=origin.address))
    try:
        stack.wait("watching to begin", lambda: noted(stack, dag_id))
        base = now() + HOUR
        steps = [
            ([event("a", base, base + HOUR, "Retrain A")], "created a"),
            (
                [
                    event("a", base + HOUR, base + 2 * HOUR, "Retrain A"),
                    event("b", base, base + HOUR, "Lunch"),
                ],
                "changed a",
            ),
            ([event("b", base, base + HOUR, "Lunch")], "cancelled a"),
        ]
        for count, (events, what) in enumerate(steps, 1):
            origin.serve(events)
            stack.wait(what, partial(are_told, stack, dag_id, count))
            stack.wait_for_runs(dag_id, count)
        assert told(stack, dag_id) == [what for _, what in steps]
        assert len(stack.runs(dag_id)) == len(steps)
        assert payloads(stack, dag_id)[1]["was_start"] == base.isoformat().replace("+00:00", "Z")
        assert payloads(stack, dag_id)[0]["title"] == "Retrain A"
    finally:
        stack.remove_dag(dag_id)


@watchers
def test_no_event_is_lost_across_kills_of_the_triggerer(stack: Stack, origin: IcsOrigin) -> None:
    """Doubles are those told between firing and noting: counted here, and printed."""
    dice = random.Random(4711)
    kills = 9  # three at each of three moments: each takes an Airflow component's start
    dag_id = f"killed_{stack.engine.dialect.name}"
    stack.write_dag(dag_id, WATCHING.format(dag_id=dag_id, address=origin.address))
    events: list[str] = []
    expected: list[str] = []
    try:
        stack.wait("watching to begin", lambda: noted(stack, dag_id))
        for kill in range(kills):
            start = now() + HOUR
            events.append(event(f"e{kill}", start, start + HOUR, f"Retrain {kill}"))
            expected.append(f"created e{kill}")
            asked, known = origin.requests, len(told(stack, dag_id))
            origin.serve(events)
            if kill % 3:  # else at once
                stack.wait(
                    "it to be asked for", partial(is_asked, origin, asked + dice.randrange(1, 4))
                )
            if kill % 3 == 2:  # in the moment between firing and noting
                stack.wait("an event", partial(are_told, stack, dag_id, known + 1))
            stack.services["triggerer"].kill()
            stack.start("triggerer")
            asked = origin.requests
            stack.wait("the new triggerer to ask", partial(is_asked, origin, asked + 1))
        stack.wait("all events", lambda: set(told(stack, dag_id)) >= set(expected))
        stack.wait("a run", lambda: stack.runs(dag_id))
    finally:
        stack.remove_dag(dag_id)
        stack.wait_until_ready()
    counts = Counter(told(stack, dag_id))
    doubles = sum(counts.values()) - len(expected)
    print(f"{doubles} doubles in {kills} kills")
    assert counts.keys() == set(expected), "nothing that did not happen"
    assert doubles <= 3 * kills, "each kill repeats what it kept from being noted, and no more"


def test_a_milestone_that_moves_takes_the_deadline_along(
    stack: Stack, origin: IcsOrigin, tmp_path: Path
) -> None:
    path = tmp_path / "told"
    dag_id = f"milestone_{stack.engine.dialect.name}"
    (stack.home / "plugins" / "team_pager.py").write_text(PAGER)
    starts = now() + 30 * HOUR
    origin.serve([event("release", starts, starts + HOUR, "Release 1")])
    stack.write_dag(dag_id, DEADLINES.format(dag_id=dag_id, address=origin.address, path=str(path)))

    def deadlines() -> list[tuple[datetime, bool]]:
        query = (
            "SELECT deadline_time, missed FROM deadline d JOIN dag_run r ON r.id = d.dagrun_id"
            " WHERE r.dag_id = :dag_id"
        )
        rows = stack.rows(query, dag_id=dag_id)
        return [(known(row["deadline_time"]), bool(row["missed"])) for row in rows]

    def moved_to(moment: datetime) -> None:
        stack.wait(f"the deadline to be {moment}", lambda: deadlines() == [(moment, False)])

    try:
        moved_to(starts - HOUR)
        for hours in (5, 50, 4):
            moved = now() + timedelta(hours=hours)
            origin.serve([event("release", moved, moved + HOUR, "Release 1")])
            moved_to(moved - HOUR)
        assert not path.exists()
        soon = now() + HOUR + 5 * SECOND
        origin.serve([event("release", soon, soon + HOUR, "Release 1")])
        stack.wait("its callback", path.exists)
        later = now() + 9 * HOUR
        # What is missed stays missed
        origin.serve([event("release", later, later + HOUR, "Release 1")])
        path.with_suffix(".end").touch()
        stack.wait_for_runs(dag_id, 1)
    finally:
        path.with_suffix(".end").touch()
        stack.remove_dag(dag_id)
    (line,) = path.read_text().splitlines()
    assert line.startswith(f"{dag_id} has not ended by ")
    assert "for an event of 127.0.0.1" in line

"""What README.md and docs/scheduling.md promise.

The first example without a start date, and how to adopt this timetable.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import time_machine
from airflow.sdk import DAG
from airflow.timetables.base import Timetable
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable
from airflow.utils.types import DagRunType

from calendar_timetable import CalendarTimetable, Weekly
from tests.support.scheduler import Scheduler
from tests.support.timetables import restriction, travelled

ROOT = Path(__file__).parents[2]
BEGIN = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
FREEZE = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:tests
BEGIN:VEVENT
UID:1
DTSTART:20261127T230000Z
DTEND:20261128T180000Z
SUMMARY:Release freeze
END:VEVENT
END:VCALENDAR
"""


def test_the_first_example_runs_without_a_start_date(tmp_path: Path) -> None:
    """Due on Saturday at 02:00, in a freeze until 19:00.

    It waits for its end, however often the DAG file is parsed.
    """
    (tmp_path / "team.ics").write_text(FREEZE.replace("\n", "\r\n"))
    snippet = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )[0]
    found: dict[str, Any] = {"__file__": str(tmp_path / "retrain.py")}
    with time_machine.travel(BEGIN, tick=False):
        exec(
            snippet.replace("):\n    ...", ") as dag:\n    ..."),
            found,
        )
        dag: DAG = found["dag"]
        schedule: Any = dag.timetable
        alive = Scheduler(
            travelled(schedule),
            start_date=dag.start_date,  # type: ignore[arg-type]
            step=timedelta(minutes=30),
        )
    made = alive.run((BEGIN, BEGIN + timedelta(days=12)))

    assert dag.start_date is None
    assert [(due.isoformat(), start.isoformat()) for due, start, _ in made if start > BEGIN] == [
        ("2026-11-28T01:00:00+00:00", "2026-11-28T18:00:00+00:00"),
        ("2026-12-05T01:00:00+00:00", "2026-12-05T01:00:00+00:00"),
    ]


@pytest.mark.parametrize(
    "plain",
    [
        CronTriggerTimetable("0 2 * * *", timezone="UTC"),
        CronDataIntervalTimetable("0 2 * * *", "UTC"),
    ],
    ids=["cron", "data intervals"],
)
@pytest.mark.parametrize("back", [False, True], ids=["adopted", "left"])
def test_a_change_of_timetable_makes_nothing_twice_and_leaves_nothing_out(
    plain: Timetable, back: bool
) -> None:
    ours = travelled(CalendarTimetable(plain, timezone="UTC", windows=Weekly("daily 01:00-05:00")))
    before, after = (ours, plain) if back else (plain, ours)
    ids, intervals, last = [], [], None
    for day in range(8):
        timetable = before if day < 4 else after
        with time_machine.travel(BEGIN + timedelta(days=day), tick=False):
            info = timetable.next_dagrun_info(
                last_automated_data_interval=last,
                restriction=restriction(BEGIN - timedelta(days=1), catchup=True),
            )
        assert info is not None and info.data_interval is not None
        last = info.data_interval
        intervals.append(last)
        ids.append(
            timetable.generate_run_id(
                run_type=DagRunType.SCHEDULED, run_after=info.run_after, data_interval=last
            )
        )

    assert len(set(ids)) == 8
    ends = [interval.end for interval in intervals]
    assert all(b - a == timedelta(days=1) for a, b in pairwise(ends))

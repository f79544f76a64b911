"""Airflow's scheduler in a few lines.

It holds one next run, and makes it when its time has come.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import time_machine
from airflow.timetables.base import DagRunInfo, DataInterval
from airflow.utils.types import DagRunType

from calendar_timetable.timetable import CalendarTimetable
from tests.support.timetables import restriction


def dag_model(info: DagRunInfo) -> Any:
    """Return a stand-in for the stored row of a DAG whose next run is *info*."""
    # As Airflow does, put together anew from the columns of the row.
    interval = info.data_interval and DataInterval(*info.data_interval)
    return SimpleNamespace(
        next_dagrun=info.logical_date,
        next_dagrun_data_interval=interval,
        next_dagrun_data_interval_start=interval and interval.start,
        next_dagrun_data_interval_end=interval and interval.end,
        next_dagrun_create_after=info.run_after,
        next_dagrun_partition_date=None,
        next_dagrun_partition_key=None,
    )


def plain(moment: datetime) -> datetime:
    """Return *moment* as a plain datetime in UTC."""
    return datetime.fromtimestamp(moment.timestamp(), UTC)


@dataclass
class Scheduler:
    """A scheduler that parses and looks for due runs once per *step*.

    ``made`` holds (tick, when it may start, run id).

    ``begun`` holds when each of them began: not before its start, nor before it was made.
    """

    timetable: CalendarTimetable
    start_date: datetime
    catchup: bool = False
    end_date: datetime | None = None
    step: timedelta = timedelta(minutes=1)
    latency: timedelta = timedelta(seconds=5)
    last: DagRunInfo | None = None
    made: list[tuple[datetime, datetime, str]] = field(default_factory=list)
    begun: list[datetime] = field(default_factory=list)

    def next(self) -> DagRunInfo | None:
        return self.timetable.next_dagrun_info_v2(
            last_dagrun_info=self.last,
            restriction=restriction(self.start_date, self.end_date, catchup=self.catchup),
        )

    def run(self, *stretches: tuple[datetime, datetime]) -> list[tuple[datetime, datetime, str]]:
        """Alive only during *stretches*."""
        for now, end in stretches:
            while now <= end:
                following = self._look(now + self.latency)
                pause = now + self.step
                now = pause if following is None or following <= now else min(pause, following)  # noqa: PLW2901
        return self.made

    def _look(self, now: datetime) -> datetime | None:
        """Make what is due *now*; when the next is to start."""
        with time_machine.travel(now, tick=False):
            # Each parse computes the next run anew; a run that was made is followed by the next at
            # once.
            while (info := self.next()) is not None:
                if info.run_after > now:
                    return plain(info.run_after)
                created = self.timetable.next_run_info_from_dag_model(dag_model=dag_model(info))
                assert created is not None
                self._make(created)
                self.begun.append(max(self.made[-1][1], now))
        return None

    def _make(self, info: DagRunInfo) -> None:
        interval = info.data_interval
        assert interval is not None
        run_id = self.timetable.generate_run_id(
            run_type=DagRunType.SCHEDULED, run_after=info.run_after, data_interval=interval
        )
        assert run_id not in {made[2] for made in self.made}, (
            "Airflow's scheduler crashes on a run id twice"
        )
        self.made.append((plain(interval.end), plain(info.run_after), run_id))
        self.last = info

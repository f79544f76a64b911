"""DAGs drawn at random: what a soak's Airflow schedules, and what its judge knows of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

HOUR = 3600
# Names of calendars; those that serve as windows are kept open for longer.
CALENDARS = tuple(f"{kind}{number}" for kind in ("dav", "ics") for number in range(10))
WINDOWS = tuple(name for name in CALENDARS if name.endswith(("8", "9")))
BLACKOUTS = tuple(name for name in CALENDARS if name not in WINDOWS)
# Seconds after which a calendar may be asked again.
REFRESH = 60


@dataclass(frozen=True)
class Dag:
    """A DAG that is due at the multiples of *every* seconds since the epoch."""

    dag_id: str
    every: int
    # "cron", "interval" (a cron whose runs have data intervals) or "delta"
    base: str = "cron"
    windows: str = ""
    blackouts: tuple[str, ...] = ()
    when_blocked: str = "postpone"
    duration: int = 0
    max_delay: int = HOUR
    stagger: int = 0
    coalesce: bool = True
    catchup: bool = True
    # Whether its task is run by a worker; else by the scheduler itself.
    works: bool = False

    @property
    def never_loses(self) -> bool:
        """Whether the rules give each due time a run of its own, however late."""
        waits_for_all = self.when_blocked == "postpone" and not self.coalesce and not self.windows
        return self.catchup and (
            self.when_blocked == "run" or (waits_for_all and self.max_delay >= HOUR)
        )


def draw(count: int, seed: int) -> list[Dag]:
    """Return so many DAGs; the same for the same *seed*."""
    rng = random.Random(seed)
    return [_drawn(f"soak_{number:03}", rng) for number in range(count)]


def _drawn(dag_id: str, rng: random.Random) -> Dag:
    base = rng.choice(("cron", "cron", "interval", "delta"))
    when_blocked = rng.choice(("postpone", "postpone", "postpone", "advance", "skip", "run"))
    return Dag(
        dag_id,
        every=60 * rng.choice((2, 3, 4, 5, 5, 6, 6)),
        base=base,
        windows=rng.choice(WINDOWS) if rng.random() < 0.2 else "",
        blackouts=tuple(rng.sample(BLACKOUTS, rng.choice((1, 1, 1, 2, 3)))),
        when_blocked=when_blocked,
        duration=rng.choice((0, 0, 30, 60)),
        max_delay=rng.choice((120, 600, HOUR, HOUR)),
        stagger=rng.choice((0, 0, 30, 90)),
        coalesce=when_blocked != "postpone" or rng.random() < 0.7,
        # Without it Airflow counts a timedelta from when it looks.
        catchup=base == "delta" or rng.random() < 0.7,
        works=rng.random() < 0.02,
    )


def source(dags: Sequence[Dag], addresses: Mapping[str, str], start: float) -> str:
    """Return a DAG file with *dags*, which begin when each was due last before *start*."""
    calendars = "".join(
        f"    {name!r}: Calendar({address!r}, name={name!r}, refresh=timedelta(seconds={REFRESH})),\n"
        for name, address in addresses.items()
    )
    return _HEAD.format(calendars=calendars) + "".join(_source(dag, start) for dag in dags)


def _source(dag: Dag, start: float) -> str:
    minutes = dag.every // 60
    base = {
        "cron": f"'*/{minutes} * * * *'",
        "interval": f"CronDataIntervalTimetable('*/{minutes} * * * *', timezone='UTC')",
        "delta": f"timedelta(minutes={minutes})",
    }[dag.base]
    given = {
        "timezone": "'UTC'",
        "windows": f"on[{dag.windows!r}]" if dag.windows else "None",
        "blackouts": f"[{', '.join(f'on[{name!r}]' for name in dag.blackouts)}]",
        "when_blocked": repr(dag.when_blocked),
        "duration": f"timedelta(seconds={dag.duration})" if dag.duration else "None",
        "max_delay": f"timedelta(seconds={dag.max_delay})",
        "stagger": f"timedelta(seconds={dag.stagger})" if dag.stagger else "None",
        "coalesce": repr(dag.coalesce),
    }
    arguments = ", ".join(f"{name}={value}" for name, value in given.items())
    begin = datetime.fromtimestamp(start // dag.every * dag.every, UTC)
    task = "EmptyOperator(task_id='work')"
    if dag.works:
        task = "PythonOperator(task_id='work', python_callable=print, retries=9, retry_delay=soon)"
    return (
        f"with DAG({dag.dag_id!r}, schedule=CalendarTimetable({base}, {arguments}),\n"
        f"         start_date=datetime.fromisoformat('{begin}'), catchup={dag.catchup}):\n"
        f"    {task}\n"
    )


_HEAD = """\
from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable
from calendar_timetable import Calendar, CalendarTimetable

on = {{
{calendars}}}
soon = timedelta(seconds=1)
"""

"""What people want of GPUs, and the recurring work that comes on top: public traces, or made up.

GPU demand: of 16 virtual clusters of SenseTime's Helios, every five minutes of May 2020, Shanghai
time (HeliosArtifact, S-Lab-System-Group, MIT; its data, SC '21, CC-BY 4.0). Lengths and deadlines:
jobs of Microsoft's Philly as in ChronusArtifact (SoCC '21, MIT), taken as minutes. Both are read
where they are and are no part of this repository.
"""

from __future__ import annotations

import csv
import gzip
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from calendar_timetable.load.history import STEP_SECONDS

DEMAND = "helios_earth_gpu_demand_5min_2020-05.csv.gz"
JOBS = "chronus_philly_jobs_sample.csv.gz"
ZONE = "Asia/Shanghai"
DAY_STEPS = 86_400 // STEP_SECONDS
LEARNT_DAYS, DAYS = 14, 30
SHARE = 0.2  # of the demand that is scheduled work; the rest is what people start by hand
_IDLE = 2  # GPUs: a cluster that wants fewer on average has nothing to place
# Minutes, as long as a night of the windows: a run that takes longer fits into none, and nobody has
# it run every day.
_LONGEST = 12 * 60
_TIGHT = 4 * 60  # minutes of slack, as long as a freeze: with less a run is advanced


@dataclass(frozen=True)
class Cluster:
    """GPUs that people share; *demand* is by steps, from *begin* on."""

    name: str
    capacity: int
    demand: list[float]
    begin: datetime

    @property
    def by_hand(self) -> list[float]:
        """What people start by hand, and no schedule knows of."""
        return [wanted * (1 - SHARE) for wanted in self.demand]


@dataclass(frozen=True)
class Job:
    """A DAG whose runs use *gpus* for *minutes*, and must be over *slack* minutes later at most."""

    dag_id: str
    cron: str
    gpus: int
    minutes: int
    slack: int

    @property
    def is_tight(self) -> bool:
        """Whether it cannot wait for the end of a freeze, and has to begin before it."""
        return self.slack < _TIGHT


def clusters(folder: Path | None) -> list[Cluster]:
    """Return the clusters of the trace in *folder*, or ones that are made up."""
    if folder is None:
        return [made_up(number) for number in range(6)]
    with gzip.open(folder / DEMAND, "rt") as file:
        names, capacities, *rows = csv.reader(file)
    begin = datetime.fromisoformat(rows[0][0]).replace(tzinfo=ZoneInfo(ZONE))
    found = []
    for column, name in enumerate(names[1:], 1):
        demand = [float(row[column]) for row in rows[: DAYS * DAY_STEPS]]
        if sum(demand) / len(demand) >= _IDLE:
            found.append(Cluster(name, int(capacities[column]), demand, begin))
    return found


def made_up(number: int) -> Cluster:
    """Return a stand-in: busy afternoons, quiet weekends, and chance."""
    draw = random.Random(f"cluster {number}")
    capacity = draw.choice([32, 64, 96])
    demand, drift = [], 0.0
    for step in range(DAYS * DAY_STEPS):
        hour, weekday = step % DAY_STEPS / 12, (step // DAY_STEPS + 4) % 7
        usual = 0.45 + 0.25 * math.sin((hour - 9) / 24 * 2 * math.pi) - (0.15 if weekday > 4 else 0)
        drift = 0.995 * drift + draw.gauss(0, 0.012)
        demand.append(max(0.0, round(capacity * (usual + drift))))
    return Cluster(
        f"made up {number + 1}", capacity, demand, datetime(2020, 5, 1, tzinfo=ZoneInfo(ZONE))
    )


def lengths(folder: Path | None) -> list[tuple[int, int, int]]:
    """Return GPUs, minutes, and minutes from the due time to the deadline, of each job."""
    if folder is None:
        draw = random.Random("jobs")
        drawn = (
            (draw.choice([1] * 9 + [4, 8]), int(draw.lognormvariate(4.3, 1.2)) + 15)
            for _ in range(999)
        )
        return [(gpus, minutes, int(minutes * draw.uniform(1.3, 3))) for gpus, minutes in drawn]
    with gzip.open(folder / JOBS, "rt") as file:
        rows = csv.DictReader(file)
        return [
            (int(row["num_gpu"]), int(row["duration"]), int(row["expected_by"]))
            for row in rows
            if int(row["num_gpu"]) > 0
        ]


def jobs(
    cluster: Cluster, drawn_from: list[tuple[int, int, int]], *, within_a_day: bool
) -> Iterator[Job]:
    """Yield DAGs that together are a fifth of the demand of *cluster*.

    With *within_a_day* each must be over a day after it is due, instead of by the trace's deadline,
    if that comes sooner.
    """
    draw = random.Random(cluster.name)
    wanted = SHARE * sum(cluster.demand) * STEP_SECONDS / 60  # GPU-minutes
    number = 0
    while wanted > 0:
        gpus, minutes, deadline = draw.choice(drawn_from)
        if gpus > max(1, cluster.capacity // 8) or minutes > _LONGEST:
            continue
        cron = f"{_time_of_day(draw)} * * *"
        if within_a_day:
            deadline = max(deadline, 1440)
        yield Job(f"job_{number:03}", cron, gpus, minutes, deadline - minutes)
        wanted -= gpus * minutes * DAYS
        number += 1


def _time_of_day(draw: random.Random) -> str:
    """Return minute and hour as people write them: a quarter at midnight, most on the full hour."""
    if draw.random() < 0.25:
        return "0 0"
    minute = 0 if draw.random() < 0.8 else draw.choice([5, 10, 15, 20, 30, 45])
    hours = [1, 2, 3, 4, 5, 6] * 4 + [7, 8, 9, 12, 18, 20, 21, 22, 23] * 2 + list(range(24))
    return f"{minute} {draw.choice(hours)}"


def team_calendar(begin: datetime) -> bytes:
    """Return a calendar of *begin*'s month: meetings on weekdays, and a freeze of an evening."""
    draw = random.Random("calendar")
    events = []
    for number in range(5):
        day = begin + timedelta(days=(7 - begin.weekday()) % 7 + draw.randrange(5) - 7)
        start = day.replace(hour=draw.choice([9, 10, 11, 14, 15, 16]), minute=draw.choice([0, 30]))
        length = draw.choice([30, 60, 60, 90])
        events.append(event(f"meeting {number}", start, length, "RRULE:FREQ=WEEKLY\r\n"))
    freeze = begin + timedelta(days=LEARNT_DAYS + draw.randrange(3, 13))
    events.append(event("release freeze", freeze.replace(hour=18), _TIGHT))
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//team//\r\n"
        + "".join(events)
        + "END:VCALENDAR\r\n"
    ).encode()


def event(name: str, start: datetime, minutes: int, rule: str = "") -> str:
    end = start + timedelta(minutes=minutes)
    return (
        f"BEGIN:VEVENT\r\nUID:{name}\r\nSUMMARY:{name}\r\n{rule}DTSTAMP:20200401T000000Z\r\n"
        f"DTSTART;TZID={ZONE}:{start:%Y%m%dT%H%M%S}\r\nDTEND;TZID={ZONE}:{end:%Y%m%dT%H%M%S}\r\n"
        "END:VEVENT\r\n"
    )

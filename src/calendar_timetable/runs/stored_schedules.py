"""Schedules as Airflow stores them: read once for each version of a DAG, then remembered."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any
from weakref import WeakValueDictionary
from zoneinfo import ZoneInfo

from airflow.models.dag_version import DagVersion
from airflow.models.pool import Pool
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction, Timetable
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.lru import LruCache
from calendar_timetable.schedule.base import encode_base, to_pendulum
from calendar_timetable.schedule.compiled import CompiledSchedule
from calendar_timetable.schedule.ticks import Ticks

OURS = "calendar_timetable.timetable.CalendarTimetable"
_NONE = "airflow.timetables.simple.NullTimetable"
_ASSET_OR_TIME = "airflow.timetables.assets.AssetOrTimeSchedule"
_ASSET_AND_TIME = "airflow.timetables.assets.AssetAndTimeSchedule"
# Characters of all remembered schedules together, as Airflow serializes them.
_SCHEDULES_CHARACTERS = 32 * 1024 * 1024
_CHARACTERS_PER_SCHEDULE = 2_000  # added, for the objects that are made of it
_MOST_POOLS = 20  # of one DAG
_AT_ONCE = 200  # serialized DAGs that one query reads

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """When a DAG is due, known without its file.

    *data* is the DAG's timetable as Airflow serializes it.
    """

    dag_id: str
    version: str
    since: float  # when the DAG was first seen, in epoch seconds
    changed: float  # when the DAG's serialized form last changed, in epoch seconds
    data: dict[str, Any] = field(repr=False)
    timezone: str
    restriction: TimeRestriction
    pools: tuple[str, ...]  # those that its tasks take slots of
    # Whether runs come without a due time too, made by assets; whether only people make runs.
    by_assets_too: bool = False
    only_by_hand: bool = False
    # Whether a run that is due also waits for assets, nobody knows for how long.
    waits_for_assets: bool = False
    # In a what-if: the schedule that replaces what *data* says.
    changed_to: CompiledSchedule | None = None

    @cached_property
    def compiled(self) -> CompiledSchedule | None:
        """The schedule where it is one of ours, else ``None``."""
        if self.changed_to is not None:
            return self.changed_to
        if self.data["__type"] != OURS:
            return None
        compiled = CompiledSchedule.from_json(self.data["__var"])
        # Many DAGs use the same windows: their open time is worked out once.
        key = compiled.windows, compiled.blackouts, compiled.horizon
        compiled.open_time = _open_times.setdefault(key, compiled.open_time)
        return compiled

    @cached_property
    def ticks(self) -> Ticks:
        """The due times of a schedule that is not ours."""
        return Ticks(self.data)

    @cached_property
    def timetable(self) -> Timetable:
        """The timetable that *data* says."""
        return decode_timetable(self.data)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone in which people think of the schedule; UTC where it has no known name."""
        try:
            return zones.load_zone(self.timezone)
        except InvalidArgument:
            # Airflow takes fixed offsets too.
            return ZoneInfo("UTC")

    @cached_property
    def calendars(self) -> tuple[str, ...]:
        """The labels of the calendars that it uses, each once."""
        return (
            tuple(dict.fromkeys(used.label for used in self.compiled.calendars))
            if self.compiled
            else ()
        )


# By windows, blackouts and horizon; each is kept as long as some schedule uses it.
_open_times: WeakValueDictionary[Any, OpenTime] = WeakValueDictionary()
# By DAG: the key and hash of its newest version, its weight, and the schedule. A new version
# replaces the one before.
_schedules: LruCache[tuple[Any, int, Schedule]] = LruCache(
    _SCHEDULES_CHARACTERS, lambda entry: _CHARACTERS_PER_SCHEDULE + entry[1]
)


def read_schedules(session: Session, dag_ids: Collection[str]) -> dict[str, Schedule]:
    """Return the schedules of *dag_ids*, each from its DAG's newest version.

    A schedule that cannot be read is left out, and logged.
    """
    schedules: dict[str, Schedule] = {}
    missing: dict[Any, float] = {}
    for key, version, dag_id, since in session.execute(newest(dag_ids)):
        entry = _schedules.get(dag_id)
        if entry is None or entry[0] != (key, version):
            missing[key] = since.timestamp()
        else:
            schedules[dag_id] = entry[2]
    for keys in _portions(missing):
        query = select(SerializedDagModel).where(SerializedDagModel.id.in_(keys))
        for row in session.scalars(query.execution_options(yield_per=_AT_ONCE)):
            try:
                schedule = _read(row, missing[row.id])
            except Exception:
                # One broken DAG must not take the page away from all others.
                log.exception("Cannot read the schedule of %s", row.dag_id)
                continue
            _schedules.put(
                row.dag_id, ((row.id, row.dag_hash), len(json.dumps(schedule.data)), schedule)
            )
            schedules[row.dag_id] = schedule
        session.expunge_all()
    return schedules


# By version of a DAG: its weight, and the schedule. Past runs are judged by their own version.
_versions: LruCache[tuple[int, Schedule]] = LruCache(
    _SCHEDULES_CHARACTERS // 4, lambda entry: _CHARACTERS_PER_SCHEDULE + entry[0]
)


def read_versions(session: Session, versions: Collection[Any]) -> dict[Any, Schedule]:
    """Return the schedules of these *versions* of DAGs, by the key of each version.

    One that cannot be read is left out, and logged. Where there is no time left for all of them
    (see :mod:`time_budget`), some are left out.
    """
    entries = {key: entry for key in versions if (entry := _versions.get(key)) is not None}
    for keys in _portions([key for key in versions if key not in entries]):
        query = select(SerializedDagModel).where(SerializedDagModel.dag_version_id.in_(keys))
        for row in session.scalars(query.execution_options(yield_per=_AT_ONCE)):
            if time_budget.spent():
                break
            key = row.dag_version_id
            try:
                schedule = _read(row, row.created_at.timestamp())
            except Exception:  # one broken DAG must not take the list away from all others
                log.exception("Cannot read the schedule of %s", row.dag_id)
                continue
            entries[key] = len(json.dumps(schedule.data)), schedule
            _versions.put(key, entries[key])
        session.expunge_all()
    return {key: schedule for key, (_, schedule) in entries.items()}


def newest(dag_ids: Collection[str]) -> Any:
    """Return the query for each DAG's newest serialized form.

    It gives its key, its hash, the DAG's id, and when the DAG was first seen.
    """
    versions = (
        select(
            DagVersion.dag_id,
            func.max(DagVersion.version_number).label("newest"),
            func.min(DagVersion.created_at).label("since"),
        )
        .where(DagVersion.dag_id.in_(dag_ids))
        .group_by(DagVersion.dag_id)
        .subquery()
    )
    return (
        select(
            SerializedDagModel.id,
            SerializedDagModel.dag_hash,
            SerializedDagModel.dag_id,
            versions.c.since,
        )
        .join(DagVersion, SerializedDagModel.dag_version_id == DagVersion.id)
        .join(
            versions,
            (DagVersion.dag_id == versions.c.dag_id)
            & (DagVersion.version_number == versions.c.newest),
        )
    )


def _read(row: SerializedDagModel, since: float) -> Schedule:
    """Return the schedule of the DAG in *row*, first seen at *since* in epoch seconds."""
    serialized = row.data
    assert serialized is not None, "every serialized DAG has data"
    dag = serialized["dag"]
    data = dag.get("timetable")
    # Only Airflow understands another version of the form, or how dates of tasks limit the DAG's.
    if serialized.get("__version") != DagSerialization.SERIALIZER_VERSION or _tasks_have_dates(dag):
        restriction = row.dag._time_restriction  # noqa: SLF001
        data = encode_base(row.dag.timetable)
    else:
        dates = (dag.get("start_date"), dag.get("end_date"))
        earliest, latest = (None if date is None else to_pendulum(date) for date in dates)
        restriction = TimeRestriction(earliest, latest, bool(dag.get("catchup")))
    kinds = {data["__type"]}
    while data["__type"] in (_ASSET_OR_TIME, _ASSET_AND_TIME):
        data = data["__var"]["timetable"]
        kinds.add(data["__type"])
    timezone = data["__var"].get("timezone") or dag.get("timezone")
    timezone = timezone if isinstance(timezone, str) else "UTC"
    changed = row.last_updated.timestamp()
    tasks = dag.get("tasks", ())
    pools = sorted({str(task["__var"].get("pool") or Pool.DEFAULT_POOL_NAME) for task in tasks})
    return Schedule(
        row.dag_id,
        row.dag_hash,
        since,
        changed,
        data,
        timezone,
        restriction,
        tuple(pools[:_MOST_POOLS]),
        by_assets_too=_ASSET_OR_TIME in kinds,
        only_by_hand=_NONE in kinds,
        waits_for_assets=_ASSET_AND_TIME in kinds or (OURS in kinds and "assets" in data["__var"]),
    )


def _tasks_have_dates(dag: dict[str, Any]) -> bool:
    return any(
        "start_date" in task["__var"] or "end_date" in task["__var"]
        for task in dag.get("tasks", ())
    )


def _portions(keys: Collection[Any]) -> Iterator[list[Any]]:
    left = iter(keys)
    while portion := list(islice(left, _AT_ONCE)):
        yield portion

"""Deadlines out of calendars, for Airflow's ``DeadlineAlert``.

One is before the next matching event, the other at the window's end. See
https://airflow.apache.org/docs/apache-airflow/stable/howto/deadline-alerts.html. Calendars are read
where the DAG file is; what matters of them is stored with the DAG, and the scheduler, which makes a
run's deadline, reads none.
"""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version
from airflow.sdk.definitions.deadline import REFERENCE_TYPE_FIELD, BaseDeadlineReference

from calendar_timetable import clock
from calendar_timetable.exceptions import CalendarUnavailable, InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.milestones import milestone_deadline
from calendar_timetable.planning.time_sets import as_timeset, horizon_around
from calendar_timetable.runtime.dag_schedule import schedule_of
from calendar_timetable.runtime.overrides import ignores_calendars
from calendar_timetable.runtime.window import WINDOW_AHEAD, end_of_open_time

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from calendar_timetable.calendars.calendar import Calendar

_LONGEST_RUN_SECONDS = 31 * 86400  # a run that still runs may have started so long ago
_log = logging.getLogger(__name__)


class MilestoneDeadline(BaseDeadlineReference):
    """A deadline some time before the start of the next matching event of *calendar*.

    The next event is the first that starts after the run's planned start. An event that is moved
    while the run is under way moves its deadline, within one parse of the DAG file and the
    calendar's ``refresh``. Without such an event there is no deadline. While the calendar cannot be
    read, runs that are created get none, and those under way keep theirs.

    :param calendar: a :class:`Calendar`, an Airflow Connection id or an address.
    :param before: how long before the event's start.
    """

    def __init__(self, calendar: Calendar | str = "", before: timedelta = timedelta(0)) -> None:
        self.calendar, self.before = calendar, before
        self._data: dict[str, Any] | None = None

    def serialize_reference(self) -> dict[str, Any]:
        """Return the reference together with the milestones themselves.

        This reads the calendar, in the same place as ``CalendarTimetable.serialize``.
        """
        if self._data is None:
            calendar = milestones(self)
            horizon = horizon_around(clock.now(), _LONGEST_RUN_SECONDS)
            data = {
                REFERENCE_TYPE_FIELD: self.reference_name,
                "calendar": calendar.label,
                "which": hashlib.sha256(repr(calendar._key()).encode()).hexdigest()[:16],  # noqa: SLF001
                "before": zones.whole_seconds("before", self.before),
            }
            try:
                starts, _ = calendar.starts(horizon, zones.default_zone())
            except CalendarUnavailable as error:
                # Not raised: an import error would stop every DAG of the file, and runs under way.
                _log.warning(
                    "No deadlines for events of %s: it cannot be read: %s",
                    calendar.label,
                    error.why,
                )
                return {**data, "milestones": [], "unread": True}
            # Each milestone is stored as its distance from the one before.
            return {
                **data,
                "milestones": [b - a for a, b in zip((0, *starts), starts, strict=False)],
            }
        return self._data

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> MilestoneDeadline:
        """Return the reference that was serialized, with the milestones as they were stored."""
        reference = cls()
        reference._data = {
            name: value for name, value in reference_data.items() if name != "__class_path"
        }
        return reference

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str) -> datetime | None:
        return milestone_deadline(
            self.serialize_reference(), _run(session, dag_id, run_id).run_after
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MilestoneDeadline)
            and self.serialize_reference() == other.serialize_reference()
        )

    def __hash__(self) -> int:
        return hash(json.dumps(self.serialize_reference(), sort_keys=True))


class WindowEndDeadline(BaseDeadlineReference):
    """A deadline at the end of the open time in which the run is planned to start.

    Open time is as the DAG's ``CalendarTimetable`` has it when the deadline is made. For a run that
    comes into closed time (asked for by an asset) it is the end of the next open time. Stored with
    the DAG are all rules, and the events near its due times; far from these, only the rules count.
    There is no deadline where no end is in sight, nor for a run that ignores calendars: triggered
    by hand, or told to by its conf.
    """

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str) -> datetime | None:
        from airflow.models.serialized_dag import SerializedDagModel

        run = _run(session, dag_id, run_id)
        if ignores_calendars(run):
            return None
        stored = SerializedDagModel.get(dag_id, session=session)
        if stored is None:
            return None
        open_time = schedule_of(stored.dag).compiled.open_time
        planned = run.run_after.timestamp()
        opens = open_time.next_fit(planned, 0, planned + WINDOW_AHEAD)
        end = None if opens is None else end_of_open_time(open_time, opens)
        return None if end is None else zones.to_datetime(end)


def milestones(reference: MilestoneDeadline) -> Calendar:
    """Return the calendar of *reference*, as its DAG file gives it.

    Raises :class:`InvalidArgument` where it cannot be used.
    """
    from calendar_timetable.calendars.calendar import Calendar

    calendar = as_timeset("calendar", reference.calendar or None, Calendar)  # type: ignore[arg-type]
    if not isinstance(calendar, Calendar):
        raise InvalidArgument(
            "calendar",
            reference.calendar,
            "give a Calendar, an Airflow Connection id or an address",
        )
    calendar.validate()
    return calendar.in_role(deny=False)


def _run(session: Session, dag_id: str, run_id: str) -> Any:
    """Return the run's planned start, and what tells whether it ignores calendars."""
    from airflow.models import DagRun
    from sqlalchemy import select

    query = select(DagRun.run_id, DagRun.run_after, DagRun.run_type, DagRun.conf)
    return session.execute(query.where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one()


REFERENCES: list[type[BaseDeadlineReference]] = [MilestoneDeadline, WindowEndDeadline]
# Before Airflow 3.4 a reference names what it is evaluated with. Since then Airflow goes by the
# parameters of `_evaluate_with`, and the names are deprecated.
if [int(number) for number in airflow_version.split(".")[:2]] < [3, 4]:
    for _reference in REFERENCES:
        _reference.required_kwargs = frozenset({"dag_id", "run_id"})  # type: ignore[attr-defined]

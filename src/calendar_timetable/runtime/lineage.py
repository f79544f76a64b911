"""What calendars did to a run, for OpenLineage: a facet of the run.

``[openlineage] custom_run_facets = calendar_timetable.runtime.lineage.run_facets`` has Airflow's
OpenLineage provider ask. Nothing of OpenLineage is imported before it does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from calendar_timetable.exceptions import CalendarTimetableError
from calendar_timetable.runtime.dag_schedule import find_schedule

if TYPE_CHECKING:
    from calendar_timetable.timetable import CalendarTimetable

FACET = "calendarTimetable_run"


def run_facets(task_instance: Any, state: Any) -> dict[str, Any]:
    """Return the facet of the run that *task_instance* belongs to, by its name.

    There is none where its DAG has no ``CalendarTimetable``, or calendars did not place the run: by
    hand, for an asset, of a backfill.
    """
    timetable = find_schedule(getattr(task_instance, "task", None))
    run = _run_of(task_instance)
    kind = getattr(run, "run_type", None)
    if timetable is None or str(getattr(kind, "value", kind)) != "scheduled":
        return {}
    due = _utc(getattr(run, "data_interval_end", None))
    start = _utc(getattr(run, "run_after", None))
    if due is None or start is None:
        return {}
    # A run on time has no reason, and no calendar is read to look for one. Of an advanced run the
    # data interval ends at its due time, too.
    reasons = [] if start == due else _reasons(timetable, due)
    return {
        FACET: _facet_class()(
            due=due.isoformat(),
            start=start.isoformat(),
            timezone=timetable.zone_name,
            calendars=_calendars(timetable, start),
            reasons=reasons,
        )
    }


def _run_of(task_instance: Any) -> Any:
    """Return the run: the scheduler's task instance has it, a task runner's in its context."""
    run = getattr(task_instance, "dag_run", None)
    if run is None and hasattr(task_instance, "get_template_context"):
        run = task_instance.get_template_context().get("dag_run")
    return run


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def _reasons(timetable: CalendarTimetable, due: datetime) -> list[str]:
    """Return why, as far as it can be told: a calendar that cannot be read costs no event."""
    try:
        planned = next(iter(timetable.plan(due, limit=1)), None)
    except CalendarTimetableError:
        return []
    return list(planned.reasons) if planned is not None and planned.due == due else []


def _calendars(timetable: CalendarTimetable, moment: datetime) -> list[str]:
    """Return what people are shown for its calendars, never an address; none is read for it."""
    if timetable.arguments is None:
        return sorted({calendar.label for calendar in timetable.calendars})
    return sorted({calendar.label for calendar, _ in timetable.questions(moment.timestamp())})


@cache
def _facet_class() -> Any:
    """Return the facet's class; OpenLineage writes its fields, and who made it."""
    import attr
    from openlineage.client.facet_v2 import RunFacet

    @attr.define
    class CalendarTimetableRunFacet(RunFacet):  # type: ignore[misc]
        """When a run was due, when it may start, and why then."""

        due: str
        start: str
        timezone: str
        calendars: list[str]
        reasons: list[str]

    return CalendarTimetableRunFacet

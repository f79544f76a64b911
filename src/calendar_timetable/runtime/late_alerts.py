"""What a notifier can say of a run that misses its deadline.

That is ``{{ late.sentence }}``, and the facts behind it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import BaseDeadlineReference, DeadlineAlert

from calendar_timetable.calendars import codec
from calendar_timetable.calendars.addresses import is_address, text_of
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning import explain, zones
from calendar_timetable.runtime.deadlines import MilestoneDeadline, milestones
from calendar_timetable.runtime.notifiers import is_async, load_object
from calendar_timetable.runtime.shared_readings import in_thread

_USUAL_QUEUE_SECONDS = 60  # seconds between planned and real start that need no mention


@dataclass(frozen=True)
class LateRun:
    """A run at its missed deadline.

    Times are UTC-aware, and ``sentence`` shows them in Airflow's default zone.
    """

    what: str  # the DAG's name
    run_id: str
    state: str
    due: datetime  # by its schedule; where that did not ask for it, its planned start
    planned: datetime  # its start, after calendars had their say
    started: datetime | None
    deadline: datetime
    why: str
    milestone: str  # which event the deadline is for, "" where it is for none
    sentence: str


def late_alert(
    reference: BaseDeadlineReference,
    notifier: Any,
    *,
    interval: timedelta = timedelta(0),
    name: str | None = None,
    **arguments: Any,
) -> DeadlineAlert:
    """Return a ``DeadlineAlert`` that has *notifier* tell of a missed *reference*.

    *notifier* is any Airflow notifier class, *arguments* are its own; in those that it renders as
    templates, ``late`` is a :class:`LateRun`, and ``dag_run`` and ``deadline`` are what Airflow
    gives. It runs in the triggerer.
    """
    path = (
        notifier if isinstance(notifier, str) else f"{notifier.__module__}.{notifier.__qualname__}"
    )
    kwargs: dict[str, Any] = {
        "notifier": path,
        "arguments": arguments,
        "before": 0.0,
        "milestones": "",
    }
    if isinstance(reference, MilestoneDeadline):
        kwargs["before"] = reference.before.total_seconds() - interval.total_seconds()
        kwargs["milestones"] = _described(milestones(reference))
    callback = AsyncCallback(tell, kwargs=kwargs)
    return DeadlineAlert(reference, interval, callback, **({"name": name} if name else {}))


async def tell(
    context: dict[str, Any],
    notifier: str,
    arguments: dict[str, Any],
    before: float,
    milestones: str,
) -> None:
    """Notify of a missed deadline, in the triggerer: the callback of :func:`late_alert`."""
    notification = load_object(notifier)(**arguments)
    deadline = _moment(context["deadline"]["deadline_time"])
    assert deadline is not None
    milestone = (
        await _milestone(milestones, deadline + timedelta(seconds=before)) if milestones else ""
    )
    context = {**context, "late": late(context, milestone)}
    if is_async(notification):
        notification.context = context
        await notification
    else:
        await in_thread(notification, context)


def late(context: dict[str, Any], milestone: str = "") -> LateRun:
    """Return the facts from the *context* that Airflow gives to a deadline's callback."""
    run = context["dag_run"]
    planned, deadline = _moment(run["run_after"]), _moment(context["deadline"]["deadline_time"])
    assert planned is not None
    assert deadline is not None
    # It stays so for a run that no calendar placed: by hand, asked for by an asset, of a backfill.
    due = planned
    if str(run.get("run_type") or "scheduled") == "scheduled":
        due = _moment(run.get("data_interval_end")) or _moment(run.get("logical_date")) or planned
    started = _moment(run.get("start_date"))
    name = run.get("dag_display_name") or run["dag_id"]
    state = str(run.get("state", ""))
    why = _why(due, planned, started, deadline, state)
    zone = zones.load_zone(zones.default_zone())
    clock = [
        explain.format_clock(moment.timestamp(), zone, deadline.timestamp())
        for moment in (due, planned)
    ]
    by = f", {milestone}" if milestone else ""
    head = f"{name} has not ended by {explain.format_clock(deadline.timestamp(), zone)}{by}"
    text = f"{head}: due {clock[0]}, planned {clock[1]}, {why}"
    # A deadline's context names it as the REST API does.
    run_id = str(run.get("dag_run_id") or run.get("run_id") or "")
    times = due, planned, started, deadline
    return LateRun(name, run_id, state, *times, why, milestone, text)


def _why(
    due: datetime, planned: datetime, started: datetime | None, deadline: datetime, state: str
) -> str:
    parts = []
    if planned > due:
        parts.append(f"held by calendars, windows or stagger for {_length(planned - due)}")
    if started is None:
        parts.append("not started yet")
    else:
        if (started - planned).total_seconds() > _USUAL_QUEUE_SECONDS:
            parts.append(f"waited in the queue for {_length(started - planned)}")
        if deadline > started:
            parts.append(
                f"running for {_length(deadline - started)}" if state != "failed" else "failed"
            )
    return ", ".join(parts) or "no reason known"


def _length(delta: timedelta) -> str:
    return explain.format_length(delta.total_seconds())


def _described(calendar: Calendar) -> str:
    """Return *calendar* for the callback, which Airflow stores in clear.

    Of a URL, which may be a secret, that is the label only.
    """
    text = text_of(calendar.address)
    return (
        calendar.label if is_address(text) and "://" in text else json.dumps(codec.encode(calendar))
    )


async def _milestone(described: str, starts: datetime) -> str:
    if not described.startswith("{"):
        return f"for an event of {described}"
    calendar = codec.decode(json.loads(described))
    assert isinstance(calendar, Calendar)
    title = ""
    if calendar.show_titles:
        at = starts - calendar.offset
        try:
            events = await in_thread(calendar.events, at, at + timedelta(seconds=1))
        except CalendarUnavailable:
            events = []
        # As Calendar.starts() has them.
        title = next(
            (e.summary for e in events if e.start == at and calendar.counts(e, deny=False)), ""
        )
    return f"for {title!r} in {calendar}" if title else f"for an event of {calendar}"


def _moment(value: datetime | str | None) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).astimezone(UTC)

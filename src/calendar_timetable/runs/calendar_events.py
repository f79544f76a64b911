"""Runs as calendar events (RFC 5545), for subscribers and for publishing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from icalendar import Alarm, Calendar, Event, vDuration

from calendar_timetable._version import __version__
from calendar_timetable.calendars.ical.writer import DOMAIN
from calendar_timetable.planning import zones
from calendar_timetable.planning.explain import on_one_line
from calendar_timetable.runs.rows import LATE, RunRow, explanation, reasons_of

# SEQUENCE counts the seconds from here to the event's last change, so that it never goes back.
_SEQUENCE_FROM = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
_STATES = {"running": "running", "success": "done", "failed": "failed", "skipped": "skipped"}
_REFRESH = timedelta(minutes=15)
# Seconds that an event of unknown length lasts: without a length, calendars draw next to nothing.
_SHOWN = 900


class Site:
    """The Airflow that events come from and link to; its *key* distinguishes it from others."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url, self.key = base_url.rstrip("/"), key

    def uid(self, row: RunRow) -> str:
        """Return a globally unique id that stays the same as long as the run does.

        It reveals nothing about the run (RFC 7986 section 5.3).
        """
        return (
            f"{hashlib.sha256(f'{self.key} {row.identity}'.encode()).hexdigest()[:40]}"
            f"-{self.key}@{DOMAIN}"
        )

    def link(self, row: RunRow) -> str:
        """Return the address of the run's page, or of its DAG's where *row* is not one such run."""
        run = (
            f"/runs/{quote(row.run.run_id, safe='')}"
            if row.run is not None and row.count == 1
            else ""
        )
        return f"{self.base_url}/dags/{quote(row.dag.dag_id, safe='')}{run}"


def write_feed(rows: Iterable[RunRow], site: Site, name: str, now: float) -> bytes:
    """Return a calendar of *rows*, as they are at *now* in epoch seconds, called *name*.

    The bytes stay the same as long as the events do.
    """
    calendar = Calendar()
    calendar.add("prodid", f"-//calendar_timetable//{__version__}//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("name", on_one_line(name))
    calendar.add("x-wr-calname", on_one_line(name))
    calendar.add("refresh-interval", vDuration(_REFRESH), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(_REFRESH))
    for row in rows:
        calendar.add_component(event_of(row, site, now))
    return bytes(calendar.to_ical())


def event_of(row: RunRow, site: Site, now: float) -> Event:
    """Return *row*, as it is at *now* in epoch seconds, as an event.

    It takes no time from anyone: TRANSP:TRANSPARENT.
    """
    event = Event()
    changed = zones.to_datetime(int(row.changed(now)))
    late = row.is_late(now)
    event.add("uid", site.uid(row))
    event.add("sequence", int(changed.timestamp() - _SEQUENCE_FROM))
    # In a published calendar DTSTAMP is the time of the last change: RFC 5545 section 3.8.7.2.
    event.add("dtstamp", changed)
    event.add("last-modified", changed)
    event.add("dtstart", zones.to_datetime(int(row.at)))
    end = int(row.at) + _SHOWN if row.end is None or int(row.end) <= int(row.at) else int(row.end)
    event.add("dtend", zones.to_datetime(end))
    state = _STATES.get(row.state, "late" if late else "")
    event.add("summary", on_one_line(row.dag.name) + (f" ({state})" if state else ""))
    event.add("description", f"{on_one_line(explanation(row, reasons_of(row)))}\n{site.link(row)}")
    event.add("url", site.link(row))
    event.add("categories", [row.state, *(on_one_line(tag) for tag in row.dag.tags)])
    event.add("status", _status(row))
    event.add("transp", "TRANSPARENT")
    event.add("class", "CONFIDENTIAL")
    if row.state == "failed":
        event.add_component(_alarm(f"{row.dag.name} failed", {"RELATED": "END"}, timedelta(0)))
    elif late and row.state in ("planned", "queued"):
        event.add_component(_alarm(f"{row.dag.name} is late", {}, timedelta(seconds=LATE)))
    return event


def _status(row: RunRow) -> str:
    if row.state == "skipped":
        return "CANCELLED"
    return "TENTATIVE" if row.state == "planned" and row.dag.paused else "CONFIRMED"


def _alarm(text: str, parameters: dict[str, str], after: timedelta) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", on_one_line(text))
    alarm.add("trigger", after, parameters=parameters)
    return alarm

"""``calendar-timetable check``: one calendar, now."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rich.console import Console

from calendar_timetable.cli import values
from calendar_timetable.cli.output import (
    clock,
    event_json,
    health_json,
    health_line,
    print_json,
    progress,
    reach_text,
    show_rows,
)
from calendar_timetable.planning import zones
from calendar_timetable.planning.time_sets import Range


def add_check(command: argparse.ArgumentParser) -> None:
    """The options of :func:`check`."""
    command.add_argument("address", help="a calendar's address (https://, webcal://, a path) or Connection id")
    zone = "zone for floating and all-day times if the calendar names none"
    command.add_argument("--timezone", metavar="ZONE", help=zone)
    command.add_argument("--days", type=values.days, default=90, help="how far ahead to look (default: %(default)s)")
    command.add_argument("--limit", type=values.count, default=10, help="how many events (default: %(default)s)")


def check(options: argparse.Namespace, out: Console) -> int:
    """Read a calendar and say what was understood."""
    from calendar_timetable.calendars.calendar import Calendar

    calendar = Calendar(options.address, timezone=options.timezone)
    calendar.validate()
    now = datetime.now(UTC)
    ahead = Range(int(now.timestamp()), int(now.timestamp()) + (options.days + 1) * 86400)
    with progress(f"Reading {calendar}"):
        health = calendar.refreshed(ahead, zones.default_zone(), force=True)
        found = [] if health.status == "unavailable" else calendar.events(now, now + timedelta(days=options.days))
    events = [event for event in found if event.status != "cancelled"]
    shown = events[: options.limit]
    zone = ZoneInfo(options.timezone or health.zone or "UTC")
    if options.json:
        print_json(out, {**health_json(health), "next": [event_json(event) for event in shown]})
    else:
        out.print(health_line(health))
        if health.status != "unavailable":
            out.print(f"All-day events are days of {health.zone or 'a zone of its own'}.")
            next_of = f"Next {len(shown)} of {len(events)} in {options.days} days, in {zone.key}:"
            out.print(next_of if events else f"Nothing is coming in {options.days} days.")
            rows = ((clock(e.start, zone), clock(e.end, zone), "busy" if e.busy else "free", e.summary) for e in shown)
            if shown:
                show_rows(out, ("Start", "End", "Busy", "Event"), rows)
        for problem in health.problems:
            out.print(f"problem: {problem.uid or '(no UID)'}: {problem.reason}; {reach_text(problem, zone)}")
    return 0 if health.status == "ok" else 1

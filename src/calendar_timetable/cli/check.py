"""``calendar-timetable check``: one calendar, now."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rich.console import Console

from calendar_timetable.cli.output import (
    clock,
    event_json,
    health_json,
    health_line,
    print_json,
    progress,
    reach_text,
    table,
)
from calendar_timetable.planning import zones
from calendar_timetable.planning.timesets import Range

_SHOWN = 10


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
    zone = ZoneInfo(options.timezone or health.zone or "UTC")
    if options.json:
        print_json(out, {**health_json(health), "next": [event_json(event) for event in events[:_SHOWN]]})
    else:
        out.print(health_line(health))
        if health.status != "unavailable":
            out.print(f"All-day events are days of {health.zone or 'a zone of its own'}.")
            shown = table("Start", "End", "Busy", "Event")
            for event in events[:_SHOWN]:
                busy = "busy" if event.busy else "free"
                shown.add_row(clock(event.start, zone), clock(event.end, zone), busy, event.summary)
            next_of = f"Next of {len(events)} in {options.days} days, in {zone.key}:"
            out.print(next_of if events else f"Nothing is coming in {options.days} days.")
            if events:
                out.print(shown)
        for problem in health.problems:
            out.print(f"problem: {problem.uid or '(no UID)'}: {problem.reason}; {reach_text(problem, zone)}")
    return 0 if health.status == "ok" else 1

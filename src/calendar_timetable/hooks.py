"""Hooks of the connection types ``ical`` and ``caldav``.

Their forms are in the provider's metadata, not here.
"""

from __future__ import annotations

from airflow.sdk import BaseHook


class IcalHook(BaseHook):
    """Hook of a connection to a calendar's ICS feed."""

    conn_name_attr = "calendar_conn_id"
    default_conn_name = "ical_default"
    conn_type = "ical"
    hook_name = "Calendar (ICS)"

    def __init__(self, calendar_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.calendar_conn_id = calendar_conn_id

    def test_connection(self) -> tuple[bool, str]:
        """Read the calendar now, past the cache, for Airflow's Test button.

        Returns whether that succeeded, and what the calendar holds or why it cannot be read.
        """
        from calendar_timetable.calendars.calendar import around_now
        from calendar_timetable.calendars.feed.body import check_body
        from calendar_timetable.calendars.ical.expand import ExpansionFailed, expand
        from calendar_timetable.calendars.sources.base import FetchFailed, fetch_from
        from calendar_timetable.calendars.sources.caldav import CalDavSource
        from calendar_timetable.calendars.sources.lookup import connected_source
        from calendar_timetable.config import SECTION
        from calendar_timetable.planning import zones

        try:
            source = connected_source(self.calendar_conn_id)
            fetched = fetch_from(source)
            if fetched is None:
                return False, "the server answers that nothing changed, to a first question"
            reading = expand(check_body(fetched.body), *around_now(), zones.default_zone())
        except (FetchFailed, ExpansionFailed) as error:
            # Airflow's command line hides what is in brackets.
            return False, str(error).replace(f"[{SECTION}] ", "the option ")
        problems = f"; {len(reading.problems)} could not be parsed" if reading.problems else ""
        content = _count(reading.components, "event")
        if isinstance(source, CalDavSource):
            calendars, busy = source.count(fetched)
            only = f", {busy} of them as free/busy only," if busy else ""
            content = f"{_count(calendars, 'calendar')}{only} with {content}"
        return True, f"read {content}{problems}; zone {reading.zone}"


class CaldavHook(IcalHook):
    """Hook of a connection to calendars on a CalDAV server."""

    default_conn_name = "caldav_default"
    conn_type = "caldav"
    hook_name = "Calendar (CalDAV)"

    def __init__(self, calendar_conn_id: str = default_conn_name) -> None:
        super().__init__(calendar_conn_id)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

"""What Airflow's provider registry shows of this package.

Forms of connection types, options, and database managers: plain data, for which nothing has to be
imported.
"""

from __future__ import annotations

from typing import Any

from calendar_timetable._version import __version__


def _text(label: str, description: str, **schema: str) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": ["string", "null"], **schema},
    }


def _switch(label: str, description: str, *, default: bool = False) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": ["boolean", "null"], "default": default},
    }


_ACCESS: dict[str, Any] = {
    "token": _text(
        "Token", "Sent as 'Authorization: Bearer', or in the header below.", format="password"
    ),
    "header": _text(
        "Header for the token", "For servers that want it elsewhere, such as X-Api-Key."
    ),
    "verify": _switch(
        "Check the TLS certificate", "Switch off only for a test server.", default=True
    ),
    "ca_file": _text(
        "CA file", "A PEM file, on every Airflow component, of a certificate authority of your own."
    ),
}

CONNECTION_TYPES: list[dict[str, Any]] = [
    {
        "connection-type": "ical",
        "hook-class-name": "calendar_timetable.hooks.IcalHook",
        "hook-name": "Calendar (ICS)",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port"],
            "relabeling": {"host": "URL"},
            "placeholders": {
                "host": "https://calendar.example.com/team.ics",
                "login": "if the server asks for one",
            },
        },
        "conn-fields": {
            "secret_url": _text(
                "Secret URL", "In place of URL, when who knows it may read.", format="password"
            ),
            **_ACCESS,
        },
    },
    {
        "connection-type": "caldav",
        "hook-class-name": "calendar_timetable.hooks.CaldavHook",
        "hook-name": "Calendar (CalDAV)",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port"],
            "relabeling": {"host": "URL"},
            "placeholders": {
                "host": "https://cloud.example.com",
                "password": "app password, if your provider requires one",
            },
        },
        "conn-fields": {
            "calendars": _text(
                "Calendars", "Names or URLs, one on each line; empty: all.", format="multiline"
            ),
            "days_back": {
                "label": "Days back",
                "description": "Ignore events older than this many days (empty: keep all). "
                "For very big calendars.",
                "schema": {"type": ["integer", "null"], "minimum": 1},
            },
            "free_busy": _switch(
                "Only free/busy", "Ask when the calendars are busy, not what is in them."
            ),
            "availability": _switch(
                "Availability too", "Time outside the working hours kept for the account is busy."
            ),
            **_ACCESS,
        },
    },
]


def _option(description: str, default: str | None, example: str | None) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.9.0",
        "type": "string",
        "example": example,
        "default": default,
    }


CONFIG: dict[str, Any] = {
    "calendar_timetable": {
        "description": "How calendars are read for CalendarTimetable.",
        "options": {
            "allow_private_networks": _option(
                "Whether calendars may be on servers whose address is not public (loopback, "
                "10.0.0.0/8, fc00::/7 and the like): True, False, or only in these networks, "
                "separated by commas. Link-local addresses and those of metadata services are "
                "asked only when listed. Holds for redirects too.",
                "False",
                "10.20.0.0/16, fd12:3456::/32",
            ),
            "cache_dir": _option(
                "The folder for the last good copies of calendars, which the DAG files of a host "
                "share. Default: calendar-timetable-cache in $AIRFLOW_HOME (~/airflow). The "
                "environment variable CALENDAR_TIMETABLE_CACHE goes before it.",
                None,
                "/opt/airflow/calendars",
            ),
            "connection_files": _option(
                "Whether an Airflow Connection may name a calendar file of this host: True or "
                "False. Who may write Connections, but no DAG files, can tell by the Test button "
                "which files there are.",
                "True",
                None,
            ),
            "blackouts": _option(
                "Calendars whose events hold every DAG, whatever its schedule: Airflow Connections "
                "or addresses, separated by commas. What is due in one of their events starts when "
                "it ends.",
                None,
                "change_freeze, https://calendar.example.com/maintenance.ics",
            ),
            "exempt_tags": _option(
                "DAGs with one of these tags are left alone by 'blackouts'.",
                None,
                "no-freeze",
            ),
            "apply_to": _option(
                "Which runs 'blackouts' hold: 'scheduled' (runs that are triggered by hand pass) "
                "or 'all'.",
                "scheduled",
                None,
            ),
            "placement": _option(
                "The file that 'calendar-timetable place' writes: when, within its windows and "
                "max_delay, each DAG with place=True starts. Read where DAG files are parsed.",
                None,
                "/opt/airflow/dags/placement.toml",
            ),
            "notify": _option(
                "What tells people of runs that an edit of a calendar moved: Airflow notifiers, "
                "as paths in Python of a class that needs no arguments, of a notifier, or of a "
                "function, separated by commas. Read by 'calendar-timetable sync --watch' and "
                "'publish --watch'.",
                None,
                "my_company.notifiers.team_chat",
            ),
            "require_reason": _option(
                "Whether a run that somebody triggers by hand while time is closed, or that "
                "ignores calendars by its conf, must say why: True or False. Without a reason its "
                "tasks fail.",
                "False",
                None,
            ),
            "publish_to": _option(
                "The calendar that 'calendar-timetable publish' writes runs into: an Airflow "
                "Connection of type CalDAV that names one calendar, or one of Google's provider "
                "with the calendar after a slash.",
                None,
                "runs_calendar",
            ),
            "publish_scope": _option(
                "Which runs that are: all, tag:NAME or dag:ID. Everybody who may see the calendar "
                "sees them.",
                "all",
                "tag:ml",
            ),
            "fetch": _option(
                "Who asks calendars: 'parse' (the DAG processor, while it reads a DAG file) or "
                "'external' (only 'calendar-timetable sync'; the DAG processor then reads the "
                "cache folder and never the network).",
                "parse",
                None,
            ),
        },
    }
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata (entry point ``apache_airflow_provider``)."""
    return {
        "package-name": "airflow-calendar-timetable",
        "name": "Calendar Timetable",
        "description": "Let your calendar decide when heavy work may run.",
        "versions": [__version__],
        "connection-types": CONNECTION_TYPES,
        "config": CONFIG,
        "db-managers": ["calendar_timetable.web.store.SubscriptionsDB"],
    }

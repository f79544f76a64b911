"""The forms of the connection types in Airflow's UI: data for ``get_provider_info``, and nothing to import for it."""

from __future__ import annotations

from typing import Any


def _text(label: str, description: str, **schema: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


def _switch(label: str, description: str, *, default: bool = False) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["boolean", "null"], "default": default}}


_ACCESS: dict[str, Any] = {
    "token": _text("Token", "Sent as 'Authorization: Bearer', or in the header below.", format="password"),
    "header": _text("Header for the token", "For servers that want it elsewhere, such as X-Api-Key."),
    "verify": _switch("Check the TLS certificate", "Switch off only for a test server.", default=True),
    "ca_file": _text("CA file", "A PEM file, on every Airflow component, of a certificate authority of your own."),
}

CONNECTION_TYPES: list[dict[str, Any]] = [
    {
        "connection-type": "ical",
        "hook-class-name": "calendar_timetable.hooks.IcalHook",
        "hook-name": "Calendar (ICS)",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port"],
            "relabeling": {"host": "URL"},
            "placeholders": {"host": "https://calendar.example.com/team.ics", "login": "if the server asks for one"},
        },
        "conn-fields": {
            "secret_url": _text("Secret URL", "In place of URL, when who knows it may read.", format="password"),
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
            "calendars": _text("Calendars", "Names or URLs, one on each line; empty: all.", format="multiline"),
            "days_back": {
                "label": "Days back",
                "description": "Ignore events older than this many days (empty: keep all). For very big calendars.",
                "schema": {"type": ["integer", "null"], "minimum": 1},
            },
            "free_busy": _switch("Only free/busy", "Ask when the calendars are busy, not what is in them."),
            "availability": _switch("Availability too", "Time outside the working hours kept for the account is busy."),
            **_ACCESS,
        },
    },
]

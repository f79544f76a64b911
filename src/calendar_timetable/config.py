"""The section ``[calendar_timetable]`` of Airflow's configuration, and its description in the provider's metadata.

Read where calendars are read, and only there. An option's environment variable counts also where Airflow itself is
not imported; a process of ours that can be killed inherits none of it, and is told what it needs to know.
"""

from __future__ import annotations

import os
import sys
from configparser import Error as ConfigParserError
from configparser import RawConfigParser
from contextlib import suppress
from pathlib import Path
from typing import Any

from calendar_timetable.calendars.net.networks import parse_networks
from calendar_timetable.exceptions import InvalidArgument

SECTION = "calendar_timetable"


def option(name: str) -> str:
    """What the option *name* is set to; ``""`` where it is not set."""
    return setting(SECTION, name)


def setting(section: str, name: str) -> str:
    """What *name* of a *section* of Airflow's configuration is set to, also where Airflow itself is not imported."""
    value = os.environ.get(f"AIRFLOW__{section}__{name}".upper())
    if value is None and "airflow.configuration" in sys.modules:
        value = sys.modules["airflow.configuration"].conf.get(section, name, fallback=None)
    elif value is None:
        value = _configuration_file().get(section, name, fallback=None)
    return (value or "").strip()


def _configuration_file() -> RawConfigParser:
    """Airflow's configuration file, as far as it can be read."""
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow")
    path = Path(os.environ.get("AIRFLOW_CONFIG") or home / "airflow.cfg").expanduser()
    found = RawConfigParser(strict=False)
    with suppress(OSError, ConfigParserError, UnicodeDecodeError):
        found.read_string(path.read_text(encoding="utf-8"))
    return found


def fetches_while_parsing() -> bool:
    """Whether calendars may be asked while a DAG file is read; else only ``calendar-timetable sync`` asks them."""
    value = option("fetch") or "parse"
    if value not in ("parse", "external"):
        raise InvalidArgument(f"[{SECTION}] fetch", value, "write parse or external")
    return value == "parse"


def connection_files_allowed() -> bool:
    """Whether an Airflow Connection may name a file of this host: who may write one learns which files there are."""
    value = option("connection_files") or "True"
    if value.lower() not in ("true", "t", "1", "false", "f", "0"):
        raise InvalidArgument(f"[{SECTION}] connection_files", value, "write True or False")
    return value.lower() in ("true", "t", "1")


def allowed_networks() -> list[str]:
    """Which networks that are not public calendars may be in; see :mod:`calendar_timetable.calendars.net.networks`."""
    value = option("allow_private_networks")
    try:
        return parse_networks(value)
    except ValueError:
        remedy = "write True, False, or networks such as 10.20.0.0/16, fd12:3456::/32"
        raise InvalidArgument(f"[{SECTION}] allow_private_networks", value, remedy) from None


def _text(description: str, default: str | None, example: str | None) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": default,
    }


CONFIG: dict[str, Any] = {
    SECTION: {
        "description": "How calendars are read for CalendarTimetable.",
        "options": {
            "allow_private_networks": _text(
                "Whether calendars may be on servers whose address is not public (loopback, 10.0.0.0/8, fc00::/7 and "
                "the like): True, False, or only in these networks, separated by commas. Link-local addresses "
                "and those of metadata services are asked only when listed. Holds for redirects too.",
                "False",
                "10.20.0.0/16, fd12:3456::/32",
            ),
            "cache_dir": _text(
                "The folder for the last good copies of calendars, which the DAG files of a host share. Default: "
                "calendar-timetable-cache in $AIRFLOW_HOME (~/airflow). The environment variable "
                "CALENDAR_TIMETABLE_CACHE goes before it.",
                None,
                "/opt/airflow/calendars",
            ),
            "connection_files": _text(
                "Whether an Airflow Connection may name a calendar file of this host: True or False. Who may write "
                "Connections, but no DAG files, can tell by the Test button which files there are.",
                "True",
                None,
            ),
            "publish_to": _text(
                "The calendar that 'calendar-timetable publish' writes runs into: an Airflow Connection of type CalDAV "
                "that names one calendar, or one of Google's provider with the calendar after a slash.",
                None,
                "runs_calendar",
            ),
            "publish_scope": _text(
                "Which runs that are: all, tag:NAME or dag:ID. Everybody who may see the calendar sees them.",
                "all",
                "tag:ml",
            ),
            "fetch": _text(
                "Who asks calendars: 'parse' (the DAG processor, while it reads a DAG file) or 'external' (only "
                "'calendar-timetable sync'; the DAG processor then reads the cache folder and never the network).",
                "parse",
                None,
            ),
        },
    }
}

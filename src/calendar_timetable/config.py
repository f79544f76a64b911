"""Options of the section ``[calendar_timetable]`` in Airflow's configuration.

The provider's metadata describes them. They are read where calendars are read, and only there. An
option's environment variable counts also where Airflow itself is not imported; a process of ours
that can be killed inherits none of these variables, and is told what it needs to know.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from configparser import Error as ConfigParserError
from configparser import RawConfigParser
from contextlib import contextmanager, suppress
from pathlib import Path

from calendar_timetable.exceptions import InvalidArgument

SECTION = "calendar_timetable"
# What the conf of a run has that passes closed time, with a reason.
FLAG = "ignore_calendar"
# The name of the list of rules in airflow_local_settings.py; see schedule/deployment_rules.py.
RULES = "CALENDAR_TIMETABLE_RULES"
# Under which Airflow mounts the page and its API.
URL_PREFIX = "/calendar-timetable"


def option(name: str) -> str:
    """Return what the option *name* is set to; ``""`` where it is not set."""
    return setting(SECTION, name)


@contextmanager
def environment_variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable of this process for the time."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def listed(name: str) -> list[str]:
    """Return the values of an option that may have several, with commas or blanks between them."""
    return [value for value in re.split(r"[,\s]+", option(name)) if value]


def setting(section: str, name: str) -> str:
    """Return what *name* in *section* of Airflow's configuration is set to; ``""`` where it is not.

    Works also where Airflow itself is not imported.
    """
    value = os.environ.get(f"AIRFLOW__{section}__{name}".upper())
    if value is None and "airflow.configuration" in sys.modules:
        value = sys.modules["airflow.configuration"].conf.get(section, name, fallback=None)
    elif value is None:
        value = _configuration_file().get(section, name, fallback=None)
    return (value or "").strip()


def _configuration_file() -> RawConfigParser:
    """Read Airflow's configuration file, as far as it can be read."""
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow")
    path = Path(os.environ.get("AIRFLOW_CONFIG") or home / "airflow.cfg").expanduser()
    parser = RawConfigParser(strict=False)
    with suppress(OSError, ConfigParserError, UnicodeDecodeError):
        parser.read_string(path.read_text(encoding="utf-8"))
    return parser


def fetches_while_parsing() -> bool:
    """Tell whether calendars may be fetched while a DAG file is parsed.

    Otherwise only ``calendar-timetable sync`` fetches them. Raises :class:`InvalidArgument` where
    the option is neither ``parse`` nor ``external``.
    """
    value = option("fetch") or "parse"
    if value not in ("parse", "external"):
        raise InvalidArgument(f"[{SECTION}] fetch", value, "write parse or external")
    return value == "parse"


def connection_files_allowed() -> bool:
    """Tell whether an Airflow Connection may name a file of this host.

    Whoever may write a Connection can find out which files exist. Raises :class:`InvalidArgument`
    where the option is not a boolean.
    """
    return _switch("connection_files", default=True)


def reason_required() -> bool:
    """Tell whether a run that passes closed time must say why.

    Raises :class:`InvalidArgument` where the option is not a boolean.
    """
    return _switch("require_reason", default=False)


def _switch(name: str, *, default: bool) -> bool:
    value = option(name) or str(default)
    if value.lower() not in ("true", "t", "1", "false", "f", "0"):
        raise InvalidArgument(f"[{SECTION}] {name}", value, "write True or False")
    return value.lower() in ("true", "t", "1")

"""Addresses that are a secret themselves, written in a DAG file: they work, with a warning, and are masked."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from urllib.parse import parse_qsl, unquote

from calendar_timetable.calendars.addresses import split_url

log = logging.getLogger(__name__)

_AFTER = re.compile(r"/owa/calendar/|/calendar/published/|/public-calendars/|/published/\d+/", re.IGNORECASE)
_GOOGLE = re.compile(r"private-[0-9a-z]+", re.IGNORECASE)
_KEYS = re.compile(r"token|secret|key|sig|auth|pass|code", re.IGNORECASE)
_RANDOM = re.compile(
    r"(?=[^0-9]*[0-9])(?=[^a-z]*[a-z])[0-9a-z]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
_warned: set[str] = set()


def secrets_in(address: str) -> tuple[str, ...]:
    """The parts of *address* that only those who may read the calendar should know; none of a plain address.

    A password, a login without one, what follows the paths of published calendars (Google, Outlook, iCloud, Nextcloud),
    long random texts, and values in a query that are called so. A public calendar of Google is none.
    """
    parts = split_url(address) if "://" in address else None
    if parts is None or parts.scheme == "file":
        return ()
    told = parts.password or parts.username  # a login without a password is a token
    found = [told, unquote(told)] if told else []
    steps = parts.path.split("/")
    if parts.hostname in ("calendar.google.com", "www.google.com") and "ical" in steps:
        found += [step for step in steps if _GOOGLE.fullmatch(step)]
    elif published := _AFTER.search(parts.path):
        found += [step for step in parts.path[published.end() :].split("/") if len(step) > 8 and "." not in step[-4:]]
    else:
        found += [step for step in steps if _RANDOM.search(step)]
    found += [value for key, value in parse_qsl(parts.query) if _KEYS.search(key) or _RANDOM.search(value)]
    return tuple(dict.fromkeys(found))


def warn_of(address: str, label: str) -> None:
    """Say once, of an address in a DAG file that is a secret, what to do; and have Airflow mask it."""
    secrets = secrets_in(address)
    if not secrets or address in _warned:
        return
    _warned.add(address)
    if "airflow" in sys.modules:
        with suppress(ImportError):
            from airflow.sdk.log import mask_secret

            mask_secret(list(secrets))
    log.warning(
        "Calendar %s: its address holds a secret, which everybody who can read this DAG file can use. Make an "
        "Airflow Connection of type 'ical' with the address in its field 'Secret URL' (secret_url), or with "
        "Login and Password, and write Calendar('its_id'); then have the provider make a new address.",
        label,
    )

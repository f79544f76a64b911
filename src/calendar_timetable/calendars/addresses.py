"""Addresses as people write them, and what of them may be shown: never a path or query of a URL.

Those that are a secret themselves, written in a DAG file, work, with a warning, and are masked.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.weekly import parse_weekly_rule

log = logging.getLogger(__name__)
_AFTER = re.compile(r"/owa/calendar/|/calendar/published/|/public-calendars/|/published/\d+/", re.IGNORECASE)
_GOOGLE = re.compile(r"private-[0-9a-z]+", re.IGNORECASE)
_KEYS = re.compile(r"token|secret|key|sig|auth|pass|code", re.IGNORECASE)
_RANDOM = re.compile(
    r"(?=[^0-9]*[0-9])(?=[^a-z]*[a-z])[0-9a-z]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
_warned: set[str] = set()

SCHEMES = {"http": "http", "https": "https", "webcal": "https", "webcals": "https", "file": "file"}
PORTS = {"http": 80, "https": 443}
_PATHS = ("/", "./", "../", "~")
_REMEDY = "give an address ('https://…', 'webcal://…' or the path of an .ics file) or an Airflow Connection id"
_CALENDAR = r"/[^\s/@?]+@[^\s/@?]+(?:/[^\s/?]+)?"  # one of many behind a Connection
_CONNECTION = re.compile(rf"[\w#!()\-.:]+(?:{_CALENDAR})?")


def text_of(address: object) -> str:
    """*address*, a text or a path, as text; a path always looks like one. ``""`` for anything else."""
    if isinstance(address, os.PathLike):
        path = os.fsdecode(address)
        return path if is_address(path) and "://" not in path else f"./{path}"
    return address.strip() if isinstance(address, str) else ""


def is_address(text: str) -> bool:
    """Whether *text* is an address rather than a Connection id."""
    return "://" in text or text.startswith(_PATHS) or text.lower().endswith(".ics")


def label_of(address: str) -> str:
    """What people may see of *address*: the Connection id, the host, or the file's name."""
    if not is_address(address):
        return address
    if "://" not in address:
        return Path(address).name or "file"
    parts = split_url(address)
    if parts is None:
        return "calendar"
    if parts.scheme == "file":
        return Path(unquote(parts.path)).name or "file"
    return parts.hostname or "calendar"


def split_url(address: str) -> SplitResult | None:
    """The parts of a URL, its scheme in lower case; ``None`` if it is malformed."""
    try:
        parts = urlsplit(address.strip())
        _ = parts.port, parts.hostname
    except ValueError:
        return None
    return parts._replace(scheme=parts.scheme.lower())


def shown(address: object) -> object:
    """*address* as it may be printed: of a URL the scheme and host only."""
    text = text_of(address)
    if not text:
        return address
    if "://" not in text:
        plain = text.startswith(_PATHS) or not re.search(r"[/?@\s]", text) or _CONNECTION.fullmatch(text)
        return (
            text if plain else re.split(r"[/?\s]", text)[0].rpartition("@")[2] + " …"
        )  # perhaps a URL without its scheme: a secret
    parts = split_url(text)
    if parts is None:
        return text.partition("://")[0][:20] + "://…"
    if parts.scheme == "file":
        return f"file://…/{label_of(text)}"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}" + ("/…" if parts.path.strip("/") or parts.query else "")


def check_address(address: object) -> None:
    """Refuse what is neither an address nor a Connection id; no I/O."""
    text = text_of(address)
    if not text:
        raise InvalidArgument("Calendar", address, _REMEDY)
    if "://" in text:
        parts = split_url(text)
        if parts is None:
            raise InvalidArgument("Calendar", shown(address), f"this URL is malformed; {_REMEDY}")
        if parts.scheme not in SCHEMES:
            remedy = "use http, https, webcal, webcals or file"
            raise InvalidArgument("Calendar", shown(address), remedy)
        if parts.scheme == "file" and (parts.hostname not in (None, "localhost") or not parts.path.strip("/")):
            raise InvalidArgument("Calendar", shown(address), "a file's address is file:// and its whole path")
        if parts.scheme != "file" and not parts.hostname:
            raise InvalidArgument("Calendar", shown(address), f"this URL names no host; {_REMEDY}")
    elif not is_address(text):
        if _is_weekly(text):
            raise InvalidArgument("Calendar", text, f"a weekly rule goes in Weekly({text!r})")
        if not _CONNECTION.fullmatch(text):
            raise InvalidArgument("Calendar", shown(text), _REMEDY)


def _is_weekly(text: str) -> bool:
    try:
        parse_weekly_rule(text)
    except InvalidArgument:
        return False
    return True


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


def server_of(url: str) -> str:
    """The name and port of the server of *url*."""
    parts = split_url(url)
    return "" if parts is None else f"{parts.hostname}:{parts.port or PORTS.get(parts.scheme, 0)}"

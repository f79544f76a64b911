"""Addresses of calendars as people write them, and what of them may be shown.

Of a URL, path and query are never shown. An address in a DAG file that is itself a secret works,
but a warning is logged, and Airflow masks the secret.
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

log = logging.getLogger(__name__)
_AFTER = re.compile(
    r"/owa/calendar/|/calendar/published/|/public-calendars/|/published/\d+/", re.IGNORECASE
)
_GOOGLE = re.compile(r"private-[0-9a-z]+", re.IGNORECASE)
_KEYS = re.compile(r"token|secret|key|sig|auth|pass|code", re.IGNORECASE)
_RANDOM = re.compile(
    r"(?=[^0-9]*[0-9])(?=[^a-z]*[a-z])[0-9a-z]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.IGNORECASE,
)
_warned: set[str] = set()

SCHEMES = {"http": "http", "https": "https", "webcal": "https", "webcals": "https", "file": "file"}
PORTS = {"http": 80, "https": 443}
PATHS = ("/", "./", "../", "~")
_REMEDY = (
    "give an address ('https://…', 'webcal://…' or the path of an .ics file) "
    "or an Airflow Connection id"
)
# After a Connection id: one of the many calendars behind that Connection.
_CALENDAR = r"/[^\s/@?]+@[^\s/@?]+(?:/[^\s/?]+)?"
_CONNECTION = re.compile(rf"[\w#!()\-.:]+(?:{_CALENDAR})?")


def text_of(address: object) -> str:
    """Return *address*, a text or a path, as text; ``""`` for anything else.

    A path always looks like one: it gets ``./`` in front where it would be taken for something
    else.
    """
    if isinstance(address, os.PathLike):
        path = os.fsdecode(address)
        return path if is_address(path) and "://" not in path else f"./{path}"
    return address.strip() if isinstance(address, str) else ""


def is_address(text: str) -> bool:
    """Tell whether *text* is an address rather than a Connection id."""
    return "://" in text or text.startswith(PATHS) or text.lower().endswith(".ics")


def label_of(address: str) -> str:
    """Return what people may see of *address*: the Connection id, the host, or the file's name."""
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
    """Return the parts of a URL, its scheme in lower case; ``None`` if it is malformed."""
    try:
        parts = urlsplit(address.strip())
        _ = parts.port, parts.hostname
    except ValueError:
        return None
    return parts._replace(scheme=parts.scheme.lower())


def printable(address: object) -> object:
    """Return *address* as it may be printed: of a URL the scheme, host and port only."""
    text = text_of(address)
    if not text:
        return address
    if "://" not in text:
        plain = (
            text.startswith(PATHS) or not re.search(r"[/?@\s]", text) or _CONNECTION.fullmatch(text)
        )
        return (
            text if plain else re.split(r"[/?\s]", text)[0].rpartition("@")[2] + " …"
            # Anything else may be a URL without its scheme, which may hold a secret.
        )
    parts = split_url(text)
    if parts is None:
        return text.partition("://")[0][:20] + "://…"
    if parts.scheme == "file":
        return f"file://…/{label_of(text)}"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}" + (
        "/…" if parts.path.strip("/") or parts.query else ""
    )


def check_address(address: object) -> None:
    """Refuse what is neither an address nor a Connection id, without I/O.

    Raises :class:`InvalidArgument`.
    """
    text = text_of(address)
    if not text:
        raise InvalidArgument("Calendar", address, _REMEDY)
    if "://" in text:
        parts = split_url(text)
        if parts is None:
            raise InvalidArgument(
                "Calendar", printable(address), f"this URL is malformed; {_REMEDY}"
            )
        if parts.scheme not in SCHEMES:
            remedy = "use http, https, webcal, webcals or file"
            raise InvalidArgument("Calendar", printable(address), remedy)
        if parts.scheme == "file" and (
            parts.hostname not in (None, "localhost") or not parts.path.strip("/")
        ):
            raise InvalidArgument(
                "Calendar", printable(address), "a file's address is file:// and its whole path"
            )
        if parts.scheme != "file" and not parts.hostname:
            raise InvalidArgument(
                "Calendar", printable(address), f"this URL names no host; {_REMEDY}"
            )
    elif not is_address(text):
        if _is_weekly(text):
            raise InvalidArgument("Calendar", text, f"a weekly rule goes in Weekly({text!r})")
        if not _CONNECTION.fullmatch(text):
            raise InvalidArgument("Calendar", printable(text), _REMEDY)


def _is_weekly(text: str) -> bool:
    # A child that fetches a calendar asks for no such thing, and begins a quarter sooner without.
    from calendar_timetable.planning.weekly import parse_weekly_rule

    try:
        parse_weekly_rule(text)
    except InvalidArgument:
        return False
    return True


def secrets_in(address: str) -> tuple[str, ...]:
    """Return the parts of *address* that only those who may read the calendar should know.

    Such parts are a password, a login without a password, what follows the paths of published
    calendars (Google, Outlook, iCloud, Nextcloud), long random texts, and values in the query whose
    names say so, such as ``token``. A plain address has none, and neither has a public calendar of
    Google.
    """
    parts = split_url(address) if "://" in address else None
    if parts is None or parts.scheme == "file":
        return ()
    # A login without a password is a token.
    login = parts.password or parts.username
    secrets = [login, unquote(login)] if login else []
    segments = parts.path.split("/")
    if parts.hostname in ("calendar.google.com", "www.google.com") and "ical" in segments:
        secrets += [segment for segment in segments if _GOOGLE.fullmatch(segment)]
    elif published := _AFTER.search(parts.path):
        secrets += [
            segment
            for segment in parts.path[published.end() :].split("/")
            if len(segment) > 8 and "." not in segment[-4:]
        ]
    else:
        secrets += [segment for segment in segments if _RANDOM.search(segment)]
    secrets += [
        value for key, value in parse_qsl(parts.query) if _KEYS.search(key) or _RANDOM.search(value)
    ]
    return tuple(dict.fromkeys(secrets))


def warn_of(address: str, label: str) -> None:
    """Warn once of an *address* in a DAG file that holds a secret, and have Airflow mask that.

    The warning names the calendar by *label* and says what to do.
    """
    secrets = secrets_in(address)
    if not secrets or address in _warned:
        return
    _warned.add(address)
    if "airflow" in sys.modules:
        with suppress(ImportError):
            from airflow.sdk.log import mask_secret

            mask_secret(list(secrets))
    log.warning(
        "Calendar %s: its address holds a secret, which everybody who can read this DAG "
        "file can use. Make an Airflow Connection of type 'ical' with the address in its field "
        "'Secret URL' (secret_url), or with Login and Password, and write Calendar('its_id'); "
        "then have the provider make a new address.",
        label,
    )


def server_of(url: str) -> str:
    """Return the server of *url* as ``"host:port"``; ``""`` if *url* is malformed."""
    parts = split_url(url)
    return "" if parts is None else f"{parts.hostname}:{parts.port or PORTS.get(parts.scheme, 0)}"

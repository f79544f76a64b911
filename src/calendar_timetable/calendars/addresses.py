"""Addresses as people write them, and what of them may be shown: never a path or query of a URL."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.weekly import parse_rule

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
        parse_rule(text)
    except InvalidArgument:
        return False
    return True

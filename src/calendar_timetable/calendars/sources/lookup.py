"""Which source an address, or an Airflow Connection, names.

The text of an error names the Connection, the field and the remedy, never the field's value.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calendar_timetable.calendars.addresses import PATHS, SCHEMES, is_address, label_of, split_url
from calendar_timetable.calendars.net.credentials import Credentials
from calendar_timetable.calendars.sources.base import ConnectionUnseen, FetchFailed, Source
from calendar_timetable.calendars.sources.caldav import CalDavSource
from calendar_timetable.calendars.sources.cloud import HostedSource
from calendar_timetable.calendars.sources.ics import plain_url, source_at
from calendar_timetable.config import connection_files_allowed

_ICS_TYPES = ("ical", "generic", *SCHEMES)
# The Connection types of Airflow's providers, and the service that each leads to.
_SERVICES = {"google_cloud_platform": "google", "msgraph": "microsoft"}
_EXAMPLES = {"google": "team@group.calendar.google.com", "microsoft": "team@example.com"}
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 section 5.6.2
_MOST_DAYS, _MOST_DIGITS = 36500, 9
_VALUE = re.compile(r"[\x21-\xff](?:[\x20-\xff]*[\x21-\xff])?")


def connected_source(conn_id: str, calendar: str = "") -> Source:
    """Return the source that the Airflow Connection *conn_id* describes.

    Of type ``caldav``: calendars on a CalDAV server. Of type ``ical`` (also ``generic``, ``http``
    and the other schemes): an ICS feed. Of type ``google_cloud_platform`` or ``msgraph``: the
    *calendar* there. Raises :class:`FetchFailed`, which says what is wrong with the Connection.
    """
    connection = _look_up(conn_id, tuple(_SERVICES) if calendar else ("ical", "caldav"))
    kind = connection.conn_type or "generic"
    fields = _Fields(conn_id, _extra(conn_id, connection))
    if kind in _SERVICES:
        return _hosted(_SERVICES[kind], connection, fields, calendar)
    if calendar:
        remedy = f"write Calendar({conn_id!r})"
        raise fields.wrong(
            "Connection Type", f"is {kind!r}, which needs no calendar after the id", remedy
        )
    if kind == "caldav":
        return _caldav(connection, fields)
    if kind not in _ICS_TYPES:
        raise fields.wrong("Connection Type", f"is {kind!r}", "make it 'ical' or 'caldav'")
    secret = fields.text("secret_url")
    if secret and "://" not in secret:
        raise fields.wrong("extra field secret_url", "is not an address", "write it as https://…")
    address = secret or connection_address(connection)
    if not address:
        remedy = "give the feed's address there, or in the extra field secret_url if it is a secret"
        raise fields.wrong("Host", "names no address", remedy)
    source = source_at(address, conn_id, _access(connection, fields), conn_id)
    if source.local and not connection_files_allowed():
        remedy = "give an address, or allow files of Connections with that option"
        raise fields.wrong(
            "Host", "is a file, which [calendar_timetable] connection_files forbids", remedy
        )
    return source


def _look_up(conn_id: str, kinds: tuple[str, ...]) -> Any:
    from airflow.sdk import BaseHook

    try:
        return BaseHook.get_connection(conn_id)
    except Exception as error:  # noqa: BLE001
        # Only its type is shown: its text may hold what the secrets backend was asked.
        if type(error).__name__ == "AirflowNotFoundException":
            types = " or ".join(map(repr, kinds))
            reason = f"there is no Airflow Connection {conn_id!r}: make one of type {types}"
        else:
            reason = (
                f"the Airflow Connection {conn_id!r} cannot be looked up ({type(error).__name__})"
            )
        raise ConnectionUnseen(reason) from None


def _extra(conn_id: str, connection: Any) -> dict[str, Any]:
    extra: object = connection.extra_dejson
    text = str(getattr(connection, "extra", None) or "").strip()
    if not isinstance(extra, dict) or (text and not extra and text.strip("{} \r\n\t")):
        raise _Fields(conn_id, {}).wrong(
            "Extra", "is not a JSON object", 'write it as {"field": "value"}'
        )
    return extra


def _caldav(connection: Any, fields: _Fields) -> CalDavSource:
    address = connection_address(connection)
    if not address:
        remedy = "give the address of the server, of a principal or of a calendar (https://…)"
        raise fields.wrong("Host", "names no address", remedy)
    parts = split_url(address)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise fields.wrong("Host", "is not the address of a CalDAV server", "write it as https://…")
    if parts.username or parts.password:
        raise fields.wrong("Host", "holds a login or password", "move it to Login and Password")
    access = _access(connection, fields)
    if bool(access.login) != bool(access.password):
        missing, other = ("Password", "Login") if access.login else ("Login", "Password")
        raise fields.wrong(missing, f"is empty while {other} is set", "fill it in")
    return CalDavSource(
        plain_url(parts),
        fields.conn_id,
        access,
        fields.listed("calendars"),
        fields.days("days_back"),
        fields.switch("free_busy", default=False),
        fields.switch("availability", default=False),
    )


def _hosted(service: str, connection: Any, fields: _Fields, calendar: str) -> HostedSource:
    address = calendar or fields.text("calendar")
    if "@" not in address:
        example = f"Calendar('{fields.conn_id}/{_EXAMPLES[service]}')"
        fault = "names no calendar by its address" if address else "is not there"
        raise fields.wrong(
            "extra field calendar", fault, f"write {example}, or put the part after the slash there"
        )
    names = ("conn_type", "login", "password", "host", "schema", "port")
    settings = {name: getattr(connection, name) for name in names} | {"extra": fields.extra}
    label = f"{fields.conn_id}/{calendar}" if calendar else fields.conn_id
    return HostedSource(
        service, label, address, json.dumps(settings, sort_keys=True), fields.days("days_back")
    )


def _access(connection: Any, fields: _Fields) -> Credentials:
    header, token, ca_file = fields.text("header"), fields.text("token"), fields.text("ca_file")
    if header and not token:
        raise fields.wrong(
            "extra field token", "is empty while header is set", "put what that header says there"
        )
    if header and not _HEADER.fullmatch(header):
        raise fields.wrong("extra field header", "is not a header's name", "write it as X-Api-Key")
    if token and not _VALUE.fullmatch(token):
        raise fields.wrong(
            "extra field token", "holds what no header may hold", "copy it anew, on one line"
        )
    if ca_file and not Path(ca_file).is_file():
        remedy = "give the path of a PEM file that every Airflow component can read"
        raise fields.wrong("extra field ca_file", "names no file on this host", remedy)
    return Credentials(
        connection.login or "",
        connection.password or "",
        token,
        header,
        fields.switch("verify", default=True),
        ca_file,
    )


@dataclass(frozen=True, slots=True)
class _Fields:
    """The extra fields of a Connection, as the form or as people write them."""

    conn_id: str
    extra: dict[str, Any]

    def wrong(self, name: str, what: str, remedy: str) -> FetchFailed:
        """Return the error that says *what* is wrong with field *name*, and the *remedy*."""
        return FetchFailed(f"Airflow Connection {self.conn_id!r}: {name} {what}; {remedy}")

    def text(self, name: str) -> str:
        """Return the text of field *name*, or ``""``."""
        value = self.extra.get(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(f"extra field {name}", "is not a text", "write it in quotes")
        return (value or "").strip()

    def switch(self, name: str, *, default: bool) -> bool:
        """Return whether field *name* is true; *default* where it is not set."""
        value = self.extra.get(name)
        if value in (None, ""):
            return default
        text = str(value).strip().lower()
        if text not in ("true", "false"):
            raise self.wrong(
                f"extra field {name}", "is neither true nor false", "write one of them"
            )
        return text == "true"

    def listed(self, name: str) -> tuple[str, ...]:
        """Return field *name*, a list of texts, or one text with an entry on each line."""
        value = self.extra.get(name) or []
        entries = value.splitlines() if isinstance(value, str) else value
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise self.wrong(
                f"extra field {name}", "is not a list of texts", 'write it as ["Team", "On call"]'
            )
        return tuple(entry.strip() for entry in entries if entry.strip())

    def days(self, name: str) -> int:
        """Return field *name* as a number of days; 0 where it is not set."""
        text = str(self.extra.get(name) or 0).strip()
        if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) > _MOST_DAYS:
            raise self.wrong(
                f"extra field {name}", "is not a number of days", "write it as 366, or leave it out"
            )
        return int(text)


def source_for(address: str) -> Source:
    """Return the source that *address*, already validated, names.

    Where it names a Connection, that is looked up. Raises :class:`FetchFailed`.
    """
    if is_address(address):
        return source_at(address, label_of(address))

    conn_id, _, calendar = address.partition("/")
    return connected_source(conn_id, calendar)


def connection_address(connection: Any) -> str | None:
    """Return the address in an Airflow Connection; ``None`` where there is none.

    That is the extra field ``url``, a host that is a URL or a path, or the host with its schema,
    port and path.
    """
    extra = connection.extra_dejson
    if extra.get("url"):
        return str(extra["url"])
    host = connection.host or ""
    if not host or "://" in host or host.startswith(PATHS):
        return host or None
    path, schema = str(extra.get("path") or ""), connection.schema or ""
    # A Connection given as a URI keeps its path in the schema.
    if schema not in SCHEMES:
        path, schema = (
            path or schema,
            connection.conn_type if connection.conn_type in SCHEMES else "https",
        )
    port = f":{connection.port}" if connection.port else ""
    if "/" in host:
        # The host brings its own port and path.
        return f"{schema}://{host}"
    return f"{schema}://{host}{port}/{path.lstrip('/')}"

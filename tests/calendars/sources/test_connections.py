"""Airflow Connections as calendars.

How they sign in, whom they trust, and every mistake named with its remedy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.sources.base import FetchFailed
from calendar_timetable.calendars.sources.ics import HttpSource
from calendar_timetable.calendars.sources.lookup import connected_source
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.provider import CONNECTION_TYPES
from tests.support.dav_servers import (
    LOGIN,
    OTHER,
    Connect,
    radicale,
)
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed
from tests.support.one_meeting import AFTERNOON, GOOD, LATER, NOON, error, known
from tests.support.origin import SECRET, Origin, Reply

ADDRESS = "https://calendar.example.com"
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"address": ""}, "Host names no address; give the address of the server"),
    (
        {"address": "", "kind": "ical"},
        "Host names no address; give the feed's address there, or in the extra field",
    ),
    (
        {"kind": "ical", "secret_url": SECRET},
        "extra field secret_url is not an address; write it as https://…",
    ),
    ({"kind": "postgres"}, "Connection Type is 'postgres'; make it 'ical' or 'caldav'"),
    (
        {"address": "webcal://h/x"},
        "Host is not the address of a CalDAV server; write it as https://…",
    ),
    (
        {"address": "/data/team.ics"},
        "Host is not the address of a CalDAV server; write it as https://…",
    ),
    (
        {"address": f"https://a:{SECRET}@h/"},
        "Host holds a login or password; move it to Login and Password",
    ),
    ({"password": ""}, "Password is empty while Login is set; fill it in"),
    ({"login": None}, "Login is empty while Password is set; fill it in"),
    (
        {"header": "X-Key"},
        "extra field token is empty while header is set; put what that header says there",
    ),
    (
        {"header": "X Key:", "token": SECRET},
        "extra field header is not a header's name; write it as X-Api-Key",
    ),
    (
        {"token": f"{SECRET}\r\nX: y"},
        "extra field token holds what no header may hold; copy it anew, on one line",
    ),
    ({"token": [SECRET]}, "extra field token is not a text; write it in quotes"),
    (
        {"ca_file": f"/{SECRET}.pem"},
        "extra field ca_file names no file on this host; give the path of a PEM file",
    ),
    ({"verify": "maybe"}, "extra field verify is neither true nor false; write one of them"),
    ({"free_busy": "maybe"}, "extra field free_busy is neither true nor false; write one of them"),
    ({"availability": 2}, "extra field availability is neither true nor false; write one of them"),
    ({"calendars": {"a": 1}}, "extra field calendars is not a list of texts"),
    (
        {"days_back": "000000000999999999"},
        "extra field days_back is not a number of days; write it as 366, or leave it out",
    ),
    (
        {"days_back": "-1"},
        "extra field days_back is not a number of days; write it as 366, or leave it out",
    ),
]


@pytest.mark.parametrize(
    ("fields", "reason"), MISTAKES, ids=[reason.partition(";")[0] for _, reason in MISTAKES]
)
def test_a_mistake_is_named_with_its_remedy(
    fields: dict[str, Any], reason: str, connect: Connect
) -> None:
    conn_id = connect(**{"address": ADDRESS, **fields})
    with pytest.raises(FetchFailed) as raised:
        connected_source(conn_id)
    assert str(raised.value).startswith(f"Airflow Connection 'dav': {reason}")
    assert SECRET not in str(raised.value)
    with pytest.raises(
        CalendarUnavailable, match="calendar dav cannot be read: Airflow Connection 'dav'"
    ):
        known(Calendar(conn_id))


def test_a_connection_that_is_not_there(connect: Connect) -> None:
    with pytest.raises(FetchFailed) as raised:
        connected_source("team")
    assert (
        str(raised.value)
        == "there is no Airflow Connection 'team': make one of type 'ical' or 'caldav'"
    )


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, {"authorization": "Basic YWxpY2U6cHJpdmF0ZS0wMTIzNDU2Nzg5YWJjZGVm"}),
        ({"login": "", "password": "", "token": SECRET}, {"authorization": f"Bearer {SECRET}"}),
        (
            {"login": "", "password": "", "token": SECRET, "header": "X-Api-Key"},
            {"x-api-key": SECRET},
        ),
        ({"login": "zoë", "password": "pässword"}, {"authorization": "Basic em/Dqzpww6Rzc3dvcmQ="}),
        ({"login": None, "password": None}, {"authorization": None}),
    ],
)
def test_signing_in(
    fields: dict[str, Any],
    sent: dict[str, str | None],
    origin: Origin,
    other_origin: Origin,
    connect: Connect,
) -> None:
    origin.fail(Reply(302, {"Location": other_origin.url()}))
    other_origin.serve(GOOD)
    assert list(known(Calendar(connect(origin.url(), kind="ical", **fields))).known) == NOON
    assert {name: origin.seen[0].get(name) for name in sent} == sent
    assert not {"authorization", "x-api-key"} & set(other_origin.seen[0])


def test_a_redirect_to_where_credentials_are_asked_for_is_named(
    origin: Origin, other_origin: Origin, connect: Connect
) -> None:
    origin.fail(Reply(302, {"Location": other_origin.url()}))
    other_origin.fail(Reply(401))
    with pytest.raises(
        CalendarUnavailable, match="HTTP 401: it redirects to another host, port or scheme"
    ):
        known(Calendar(connect(origin.url(), kind="ical")))


def test_a_secret_address(origin: Origin, connect: Connect) -> None:
    origin.serve(GOOD)
    calendar = Calendar(
        connect("", kind="ical", secret_url=origin.url(), login=None, password=None)
    )
    assert list(known(calendar).known) == NOON
    source = connected_source("dav")
    assert SECRET not in f"{source!r} {calendar!r} {calendar.label}"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("calendar.example.com/team.ics", "https://calendar.example.com/team.ics"),
        ("webcal://calendar.example.com/a", "https://calendar.example.com/a"),
    ],
)
def test_hosts_as_people_write_them(host: str, url: str, connect: Connect) -> None:
    source = connected_source(connect(host, kind="ical"))
    assert isinstance(source, HttpSource)
    assert source.url == url


def test_a_new_password_is_tried_at_once_and_a_wrong_one_keeps_the_copy(
    origin: Origin, connect: Connect, clock: Clock
) -> None:
    right = "Basic YWxpY2U6cHJpdmF0ZS0wMTIzNDU2Nzg5YWJjZGVm"
    body = [GOOD]
    origin.reply = lambda request: (
        Reply(200, {}, body[0]) if request.headers["Authorization"] == right else Reply(401)
    )
    calendar = Calendar(connect(origin.url(), kind="ical"))
    assert list(known(calendar).known) == NOON
    body[0] = feed(LATER)
    connect(origin.url(), kind="ical", password="wrong")
    assert list(known(calendar).known) == NOON
    assert error(calendar).startswith("HTTP 401")
    assert len(origin.seen) == 2
    connect(origin.url(), kind="ical")
    assert list(known(calendar).known) == AFTERNOON
    assert len(origin.seen) == 3


# --- TLS ------------------------------------------------------------------------------------------


def test_tls(tls_origin: tuple[Origin, Path], connect: Connect) -> None:
    origin, ca_file = tls_origin
    origin.serve(GOOD)
    address = origin.url().replace("http:", "https:")
    with pytest.raises(
        CalendarUnavailable, match="its TLS certificate or handshake is not accepted"
    ):
        known(Calendar(connect(address, "unknown", kind="ical")))
    for conn_id, options in (("trusted", {"ca_file": str(ca_file)}), ("blind", {"verify": False})):
        assert (
            list(known(Calendar(connect(address, conn_id, kind="ical", **options))).known) == NOON
        )


# --- Airflow --------------------------------------------------------------------------------------

AIRFLOW = """
import json, os, sys
from calendar_timetable import provider
from calendar_timetable.provider import CONNECTION_TYPES
given = provider.get_provider_info()
provider.get_provider_info = lambda: {**given, "connection-types": CONNECTION_TYPES}
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
forms = {meta.connection_type: meta for meta in HookMetaService.hook_meta_data()}
others = "flask" in sys.modules  # Airflow 3.2 loads it by itself
from airflow.models import Connection
from airflow.sdk import BaseHook
report = {"forms": {}, "tests": {}}
for kind in ("ical", "caldav"):
    meta = forms[kind]
    report["forms"][kind] = [meta.hook_name, sorted(meta.extra_fields), meta.standard_fields.host.title]
    assert manager.hooks[kind].hook_class_name == meta.hook_class_name
for name in json.loads(sys.stdin.read()):
    connection = Connection(uri=None, conn_id=name, conn_type=BaseHook.get_connection(name).conn_type)
    report["tests"][name] = connection.test_connection()
assert others or "flask" not in sys.modules
print(json.dumps(report))
"""


def in_airflow(home: Path, made: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The forms of our types, and the answer of the Test button for each of *made*.

    By a real Airflow.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    environment |= {"AIRFLOW_HOME": str(home), "NO_PROXY": "127.0.0.1"}
    environment["AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS"] = "127.0.0.0/8"
    environment |= {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in made.items()
    }
    command = [sys.executable, "-W", "ignore", "-c", AIRFLOW]
    names = json.dumps(list(made))
    done = subprocess.run(
        command, env=environment, input=names, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_airflow_knows_the_types_and_its_test_button_works(origin: Origin, tmp_path: Path) -> None:
    origin.reply = lambda request: (
        Reply(200, {}, feed(event("UID:a", "DTSTART:20240310T120000Z"), event("UID:b"), head=HEAD))
        if request.headers.get("Authorization")
        else Reply(401)
    )
    fields = {"conn_type": "ical", "host": origin.url()}
    good = {**fields, "login": "alice", "password": SECRET}
    blank = {"conn_type": "caldav", "extra": {"token": SECRET}}
    server = radicale(tmp_path / "radicale", SECRET)
    server.start()
    try:
        server.make_calendar("team/", "Team")
        server.send("PUT", "team/m.ics", GOOD.decode())
        dav = {"conn_type": "caldav", "host": server.address, "login": LOGIN, "password": SECRET}
        busy = {**dav, "host": f"{server.address}alice/team/", "login": OTHER}
        report = in_airflow(
            tmp_path, {"good": good, "bad": fields, "blank": blank, "dav": dav, "busy": busy}
        )
    finally:
        server.stop()
    both = ["ca_file", "header", "token", "verify"]
    assert report["forms"] == {
        "ical": ["Calendar (ICS)", sorted([*both, "secret_url"]), "URL"],
        "caldav": [
            "Calendar (CalDAV)",
            sorted([*both, "calendars", "days_back", "free_busy", "availability"]),
            "URL",
        ],
    }
    assert report["tests"]["good"] == [
        True,
        "read 2 events; 1 could not be parsed; zone Europe/Berlin",
    ]
    assert report["tests"]["bad"] == [False, "HTTP 401: it needs a login"]
    assert report["tests"]["busy"] == [
        True,
        "read 1 calendar, 1 of them as free/busy only, with 1 event; zone UTC",
    ]
    assert report["tests"]["dav"] == [True, "read 1 calendar with 1 event; zone UTC"]
    assert report["tests"]["blank"][0] is False
    assert "Host names no address" in report["tests"]["blank"][1]


HEAD = ("X-WR-TIMEZONE:Europe/Berlin",)


def test_the_forms_fit_airflows_schema() -> None:
    spec: Callable[[str], Any] = __import__("importlib.util").util.find_spec
    schema = json.loads(
        (Path(spec("airflow").origin).parent / "provider_info.schema.json").read_text()
    )
    assert {"connection-type", "hook-class-name"} == set(
        schema["properties"]["connection-types"]["items"]["required"]
    )
    for kind in CONNECTION_TYPES:
        assert set(kind) >= {
            "connection-type",
            "hook-class-name",
            "conn-fields",
            "ui-field-behaviour",
        }
        secret = {
            name
            for name, given in kind["conn-fields"].items()
            if given["schema"].get("format") == "password"
        }
        assert secret == {"token", "secret_url"} & set(kind["conn-fields"])


def test_a_process_that_does_not_see_the_connection_goes_by_the_last_good_copy(
    origin: Origin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's command line does not see Connections of the database; the DAG processor does."""
    origin.serve(GOOD)
    monkeypatch.setenv("AIRFLOW_CONN_SEEN", json.dumps({"conn_type": "ical", "host": origin.url()}))
    calendar = Calendar("seen")
    assert list(known(calendar).known) == NOON
    monkeypatch.delenv("AIRFLOW_CONN_SEEN")
    asked = len(origin.seen)

    assert list(known(calendar).known) == NOON
    clock.now += 23 * 3600
    assert list(known(calendar).known) == NOON
    clock.now += 2 * 3600
    with pytest.raises(CalendarUnavailable, match="calendar seen cannot be read"):
        known(calendar)
    assert len(origin.seen) == asked

"""Calendars of services that Airflow has providers for.

How they are named, and what is said when it is wrong.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.ical.bundle import digest, split
from calendar_timetable.calendars.ical.writer import item
from calendar_timetable.calendars.net.client import DownloadFailed
from calendar_timetable.calendars.sources.base import FetchFailed
from calendar_timetable.calendars.sources.cloud import HostedSource, build_body
from calendar_timetable.calendars.sources.lookup import connected_source
from calendar_timetable.exceptions import InvalidArgument
from demo.services import free_port
from tests.support.dav_servers import (
    Connect,
)
from tests.support.google_service import account_key
from tests.support.origin import SECRET

TEAM = "team@group.calendar.google.com"


@pytest.mark.parametrize(
    "text",
    [
        f"google_cloud_default/{TEAM}",
        "g/en.german#holiday@group.v.calendar.google.com",
        "ms/team@example.com/AAMkAGI2TQ_-9AAA=",
    ],
)
def test_a_calendar_behind_a_connection_is_named_by_both(text: str) -> None:
    calendar = Calendar(text)
    calendar.validate()
    assert (calendar.label, repr(calendar)) == (text, f"Calendar({text!r})")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"calendar.google.com/{SECRET}/basic", "calendar.google.com …"),
        (f"me:{SECRET}@calendar.example.com/team", "calendar.example.com …"),
        (f"host/a@b?token={SECRET}", "host …"),
        (f"host/a@b/c/{SECRET}", "host …"),
        (f"me:{SECRET}@calendar.example.com", "calendar.example.com …"),
        ("conn/team", "conn …"),
    ],
)
def test_what_may_be_a_url_without_its_scheme_is_none(text: str, shown: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        Calendar(text).validate()
    assert f"{shown!r}" in str(raised.value)
    assert SECRET not in str(raised.value)


def service(connect: Connect, kind: str = "google_cloud_platform", **given: Any) -> str:
    return connect("", "conn", kind, **given)


def test_what_tells_one_from_another(connect: Connect) -> None:
    given = connected_source(service(connect, keyfile_dict=SECRET), TEAM)
    assert isinstance(given, HostedSource)
    assert (given.label, given.calendar, given.server, given.local) == (
        f"conn/{TEAM}",
        TEAM,
        "google conn",
        False,
    )
    assert SECRET not in given.identity + repr(given)
    assert SECRET in given.secret
    rekeyed = connected_source(service(connect, keyfile_dict="other"), TEAM)
    assert (rekeyed.identity == given.identity, rekeyed.secret == given.secret) == (True, False)
    others = [
        connected_source("conn", "b@c"),
        connected_source(service(connect, days_back=30), TEAM),
    ]
    others += [
        connected_source(service(connect, "msgraph"), TEAM),
        connected_source(service(connect, calendar=TEAM)),
    ]
    assert len({source.identity for source in (given, *others)}) == 5


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    (
        {},
        "",
        (
            "extra field calendar is not there; write "
            "Calendar('conn/team@group.calendar.google.com'), or put the part"
        ),
    ),
    (
        {"kind": "msgraph"},
        "",
        (
            "extra field calendar is not there; write Calendar('conn/team@example.com'), or put "
            "the part"
        ),
    ),
    (
        {"calendar": "Team"},
        "",
        "extra field calendar names no calendar by its address; write Calendar('conn/team@",
    ),
    ({"calendar": 5}, "", "extra field calendar is not a text; write it in quotes"),
    ({"days_back": "all"}, TEAM, "extra field days_back is not a number of days"),
    (
        {"kind": "caldav"},
        TEAM,
        "Connection Type is 'caldav', which needs no calendar after the id; write Calendar('conn')",
    ),
]


@pytest.mark.parametrize(("given", "calendar", "reason"), MISTAKES)
def test_a_mistake_is_named_with_its_remedy(
    given: dict[str, Any], calendar: str, reason: str, connect: Connect
) -> None:
    with pytest.raises(FetchFailed) as raised:
        connected_source(service(connect, **given), calendar)
    assert str(raised.value).startswith(f"Airflow Connection 'conn': {reason}")
    assert SECRET not in str(raised.value)


def test_a_connection_that_is_not_there(connect: Connect) -> None:
    reason = (
        "there is no Airflow Connection 'conn': make one of type 'google_cloud_platform' or "
        "'msgraph'"
    )
    with pytest.raises(FetchFailed, match=f"^{reason}$"):
        connected_source("conn", TEAM)


@pytest.mark.parametrize(
    ("kind", "extra", "module"),
    [("google_cloud_platform", "google", "suite"), ("msgraph", "microsoft", "azure")],
)
def test_a_provider_that_is_not_installed_is_named(
    kind: str,
    extra: str,
    module: str,
    connect: Connect,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text(f"import sys\nsys.modules['airflow.providers.{extra}.{module}'] = None\n")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    )
    source = connected_source(
        service(connect, kind, login="client", keyfile_dict="{}", tenant_id="t"), TEAM
    )
    with pytest.raises(FetchFailed) as raised:
        source.fetch()
    missing = f"airflow.providers.{extra}.{module}"
    assert str(raised.value).startswith(missing)
    assert str(raised.value).endswith(
        f"cannot be imported: pip install 'airflow-calendar-timetable[{extra}]'"
    )


def test_a_microsoft_connection_that_is_not_filled_in(connect: Connect) -> None:
    with pytest.raises(
        FetchFailed,
        match="the Connection needs Client ID, Client Secret and Tenant ID: fill them in",
    ):
        connected_source(service(connect, "msgraph", login="client"), TEAM).fetch()


def test_the_reading_process_is_given_none_of_airflows_configuration(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told.json"
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, json, os\n"
        "def tell():\n"
        f"    with open({str(told)!r}, 'w') as file:\n"
        "        json.dump({k: v for k, v in os.environ.items() if 'AIRFLOW' in k}, file)\n"
        "atexit.register(tell)\n"
    )
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    )
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:////{SECRET}")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", f"http://{SECRET}")
    reason = (
        r"the Connection's credentials cannot be used \(KeyError\): paste the whole key into "
        r"Keyfile JSON"
    )
    with pytest.raises(FetchFailed, match=reason):
        connected_source(service(connect, keyfile_dict='{"type": "service_account"}'), TEAM).fetch()
    given = json.loads(told.read_text())
    assert given == {
        "AIRFLOW_CONFIG": os.devnull,
        "AIRFLOW_HOME": os.devnull,
        "_AIRFLOW__AS_LIBRARY": "1",
    }


def test_a_calendar_beyond_all_bounds_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = {digest(str(n)): item(str(n), []) for n in range(3)}
    assert len(split(build_body(many))) == 3
    monkeypatch.setattr(limits, "MAX_BODY", 100)
    with pytest.raises(DownloadFailed, match="larger than 0 KiB: set days_back"):
        build_body(many)
    monkeypatch.setattr(limits, "MAX_COMPONENTS", 2)
    with pytest.raises(DownloadFailed, match="more than 2 events: set days_back"):
        build_body(many)


@pytest.mark.parametrize("kind", ["google_cloud_platform", "msgraph"])
def test_a_network_that_is_down_is_named_and_not_tried_for_each_calendar(
    kind: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    extra = {
        "keyfile_dict": account_key(),
        "tenant_id": "11111111-2222-3333-4444-555555555555",
        "trust_env": True,
    }
    source = connected_source(
        service(connect, kind, login="client", password=SECRET, **extra), TEAM
    )
    with pytest.raises(FetchFailed) as raised:
        source.fetch()
    assert (str(raised.value), raised.value.unreachable) == ("the connection is refused", True)

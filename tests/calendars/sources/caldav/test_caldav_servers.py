"""What well-known servers answer to those who look for calendars.

Known answers, as their documents and users tell them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from ssl import SSLContext
from urllib.parse import unquote

import pytest

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.exceptions import CalendarUnavailable
from tests.support.dav_servers import (
    Connect,
)
from tests.support.dav_team import at, hours
from tests.support.feed_fixtures import Clock
from tests.support.one_meeting import known
from tests.support.small_dav_server import found, multistatus, serving
from tests.support.tls import tls_for

Props = dict[str, str]
# To a PROPFIND, by path: where it redirects to, a refusal, or resources
Answers = dict[str, str | int | Props]
PLAIN = "<D:resourcetype><D:collection/></D:resourcetype>"
BOOK = (
    "<D:resourcetype><D:collection/>"
    '<A:addressbook xmlns:A="urn:ietf:params:xml:ns:carddav"/></D:resourcetype>'
)


def kind(*names: str) -> str:
    return (
        f"<D:resourcetype><D:collection/>{''.join(f'<C:{name}/>' for name in names)}"
        "</D:resourcetype>"
    )


def holding(name: str, *components: str) -> str:
    """A calendar that says which components it may hold."""
    listed = "".join(f'<C:comp name="{component}"/>' for component in components)
    holds = (
        f"<C:supported-calendar-component-set>{listed}</C:supported-calendar-component-set>"
        if listed
        else ""
    )
    return f"{kind('calendar')}<D:displayname>{name}</D:displayname><S:getctag>1</S:getctag>{holds}"


def principal(href: str) -> str:
    return f"<D:current-user-principal><D:href>{href}</D:href></D:current-user-principal>"


def home(href: str) -> str:
    return f"<C:calendar-home-set><D:href>{href}</D:href></C:calendar-home-set>"


@dataclass
class Case:
    """What a server answers, and what is read of it."""

    answers: Answers
    read: list[str]
    path: str = "/"
    calendars: list[str] = field(default_factory=list)


NEXTCLOUD: Answers = {
    "/.well-known/caldav": "/remote.php/dav/",
    "/remote.php/dav/": {
        "/remote.php/dav/": PLAIN + principal("/remote.php/dav/principals/users/alice/")
    },
    "/remote.php/dav/principals/users/alice/": {
        "/remote.php/dav/principals/users/alice/": home("/remote.php/dav/calendars/alice/")
    },
    "/remote.php/dav/calendars/alice/": {
        "/remote.php/dav/calendars/alice/": PLAIN,
        "/remote.php/dav/calendars/alice/personal/": holding("Personal", "VEVENT", "VTODO"),
        "/remote.php/dav/calendars/alice/chores/": holding("Chores", "VTODO"),
        "/remote.php/dav/calendars/alice/team_shared_by_bob/": holding("Team (bob)", "VEVENT"),
        "/remote.php/dav/calendars/alice/inbox/": kind("schedule-inbox"),
        "/remote.php/dav/calendars/alice/outbox/": kind("schedule-outbox"),
        "/remote.php/dav/calendars/alice/trashbin/": PLAIN,
    },
}
SERVERS: dict[str, Case] = {
    "Nextcloud": Case(
        NEXTCLOUD,
        [
            "/remote.php/dav/calendars/alice/personal/",
            "/remote.php/dav/calendars/alice/team_shared_by_bob/",
        ],
    ),
    "Nextcloud, one calendar by its name": Case(
        NEXTCLOUD,
        ["/remote.php/dav/calendars/alice/team_shared_by_bob/"],
        "/remote.php/dav/",
        ["team (BOB)"],
    ),
    "Nextcloud, one calendar by its address": Case(
        {
            **NEXTCLOUD,
            "/remote.php/dav/calendars/alice/personal": {
                "/remote.php/dav/calendars/alice/personal/": holding("Personal", "VEVENT", "VTODO")
            },
        },
        ["/remote.php/dav/calendars/alice/personal/"],
        "/remote.php/dav/calendars/alice/personal",
    ),
    "Fastmail": Case(
        {
            "/.well-known/caldav": "/dav/calendars",
            "/dav/calendars": {
                "/dav/calendars": PLAIN + principal("/dav/principals/user/a%40fastmail.com/")
            },
            "/dav/principals/user/a@fastmail.com/": {
                "/dav/principals/user/a@fastmail.com/": home(
                    "/dav/calendars/user/a%40fastmail.com/"
                )
            },
            "/dav/calendars/user/a@fastmail.com/": {
                "/dav/calendars/user/a%40fastmail.com/": PLAIN,
                "/dav/calendars/user/a%40fastmail.com/6b9f/": holding("Work", "VEVENT"),
                "/dav/calendars/user/a%40fastmail.com/Inbox/": kind("schedule-inbox"),
            },
        },
        ["/dav/calendars/user/a@fastmail.com/6b9f/"],
    ),
    "Zimbra: everything is in the home": Case(
        {
            "/dav/alice@example.com/": {
                "/dav/alice@example.com/": PLAIN + home("/dav/alice@example.com/"),
                "/dav/alice@example.com/Calendar/": holding("Calendar", "VEVENT"),
                "/dav/alice@example.com/Tasks/": holding("Tasks", "VTODO"),
                "/dav/alice@example.com/Contacts/": BOOK,
                "/dav/alice@example.com/Inbox/": kind("schedule-inbox"),
            },
        },
        ["/dav/alice@example.com/Calendar/"],
        "/dav/alice@example.com/",
    ),
    "SOGo: absolute addresses": Case(
        {
            "/SOGo/dav/alice/": {
                "/SOGo/dav/alice/": PLAIN + home("http://{host}/SOGo/dav/alice/Calendar/")
            },
            "/SOGo/dav/alice/Calendar/": {
                "http://{host}/SOGo/dav/alice/Calendar/": PLAIN,
                "http://{host}/SOGo/dav/alice/Calendar/personal/": holding(
                    "Personal Calendar", "VEVENT", "VTODO"
                ),
                "http://{host}/SOGo/dav/alice/Calendar/bob_team/": holding(
                    "Team", "VEVENT", "VTODO"
                ),
            },
        },
        ["/SOGo/dav/alice/Calendar/bob_team/", "/SOGo/dav/alice/Calendar/personal/"],
        "/SOGo/dav/alice/",
    ),
    "DAViCal: a principal that is its own home, a calendar without a name": Case(
        {
            "/caldav.php/": {"/caldav.php/": PLAIN + principal("/caldav.php/alice/")},
            "/caldav.php/alice/": {
                "/caldav.php/alice/": "<D:resourcetype><D:collection/><D:principal/>"
                "</D:resourcetype>"
                f"{home('/caldav.php/alice/')}",
                "/caldav.php/alice/on%20call/": holding(""),
                "/caldav.php/alice/home/": holding("Alice", "VEVENT"),
                "/caldav.php/alice/addresses/": BOOK,
            },
        },
        ["/caldav.php/alice/on call/"],
        "/caldav.php/",
        ["On Call"],
    ),
}


@dataclass
class Told:
    """What came in: requests as ``"PROPFIND /path"``, and the hosts that got credentials."""

    requests: list[str] = field(default_factory=list)
    trusted: set[str] = field(default_factory=set)
    port: int = 0


@contextmanager
def answering(answers: dict[str, Answers], tls: SSLContext | None = None) -> Iterator[Told]:
    """Servers by host, behind a proxy when there is *tls*; one for all of them is called ``""``."""
    told = Told()

    def reply(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        host, path = request.headers["Host"], unquote(request.path)
        told.requests.append(f"{request.command} {path}")
        if request.headers["Authorization"]:
            told.trusted.add(host)
        if request.command == "REPORT":
            data = f"<D:getetag>1</D:getetag><C:calendar-data>{at(path, 12)}</C:calendar-data>"
            code, content = multistatus(found(f"{path}m.ics", data))
            return code, {}, content
        answer = answers.get(host.partition(":")[0], answers.get("", {})).get(path)
        if answer is None:
            return 404, {}, b""
        if isinstance(answer, int):
            return answer, {}, b""
        if isinstance(answer, str):
            return 301, {"Location": answer}, b""
        listed = answer.items() if request.headers["Depth"] == "1" else list(answer.items())[:1]
        shown = (found(href.format(host=host), props.format(host=host)) for href, props in listed)
        code, content = multistatus(*shown)
        return code, {}, content

    with serving(reply, tls) as told.port:
        yield told


@pytest.mark.parametrize("name", SERVERS)
def test_calendars_are_found(name: str, connect: Connect, clock: Clock) -> None:
    case = SERVERS[name]
    with answering({"": case.answers}) as told:
        calendar = Calendar(
            connect(f"http://127.0.0.1:{told.port}{case.path}", calendars=case.calendars),
            timezone="UTC",
        )
        assert hours(calendar) == [12]
        assert calendar.describe().events == len(case.read)
        assert [line for line in told.requests if line.startswith("REPORT")] == [
            f"REPORT {path}" for path in case.read
        ]
        told.requests.clear()
        clock.now += 300
        assert hours(calendar) == [12]
        assert len(told.requests) == 1


ICLOUD, PARTITION, MOVED = "caldav.icloud.com", "p42-caldav.icloud.com", "p153-caldav.icloud.com"


def icloud(place: str) -> dict[str, Answers]:
    """iCloud keeps an account's calendars on one of many hosts."""
    listed = {"/17/calendars/": PLAIN, "/17/calendars/work/": holding("Work", "VEVENT")}
    here: Answers = {
        "/": {"/": PLAIN + principal("/17/principal/")},
        "/17/principal/": {"/17/principal/": home(f"{place}/17/calendars/")},
    }
    return {ICLOUD: here, "": {"/17/calendars/": listed}}


@pytest.mark.parametrize(
    ("address", "place", "allowed"),
    [
        (ICLOUD, f"https://{PARTITION}:443", True),
        (ICLOUD, f"https://{PARTITION}", True),
        (ICLOUD, f"https://{PARTITION}:8443", False),
        (ICLOUD, f"http://{PARTITION}", False),
        (ICLOUD, "https://p42-caldav.icloud.com.example.net", False),
        (ICLOUD, "https://evil-caldav.icloud.com", False),
        ("dav.example.com", "https://p42-dav.example.com", False),
    ],
)
def test_credentials_follow_to_icloud_s_own_hosts_and_no_others(
    address: str,
    place: str,
    allowed: bool,
    connect: Connect,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tls, ca_file = tls_for(tmp_path, ICLOUD, PARTITION, "dav.example.com")
    answers = icloud(place)
    answers[address] = answers[ICLOUD]
    with answering(answers, tls) as told:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{told.port}")
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{told.port}")
        calendar = Calendar(connect(f"https://{address}", ca_file=str(ca_file)), timezone="UTC")
        if not allowed:
            with pytest.raises(
                CalendarUnavailable, match="its calendars are on another host: give their address"
            ):
                known(calendar)
            assert told.trusted == {address}
            return
        assert hours(calendar) == [12]
        assert told.trusted == {ICLOUD, PARTITION}
        told.requests.clear()
        clock.now += 300
        assert hours(calendar) == [12]
        assert told.requests == ["PROPFIND /17/calendars/"]


@pytest.mark.parametrize("refusal", [401, 404, 421])
def test_an_account_that_icloud_moves_is_found_again(
    refusal: int, connect: Connect, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, ca_file = tls_for(tmp_path, ICLOUD, PARTITION, MOVED)
    answers = icloud(f"https://{PARTITION}")
    with answering(answers, tls) as told:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{told.port}")
        calendar = Calendar(connect(f"https://{ICLOUD}", ca_file=str(ca_file)), timezone="UTC")
        assert hours(calendar) == [12]
        answers.update(icloud(f"https://{MOVED}"))
        answers[PARTITION] = {"/17/calendars/": refusal}
        clock.now += 300
        assert hours(calendar) == [12]
        assert (calendar.describe().status, calendar.describe().error) == ("ok", "")
        assert told.trusted == {ICLOUD, PARTITION, MOVED}

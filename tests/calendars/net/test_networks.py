"""Which addresses are asked.

By literal tables, and by connections that must or must not be made.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.net.networks import (
    NEVER,
    PRIVATE,
    AddressNotAllowed,
    check,
    check_behind_proxy,
    guard,
    parse_networks,
)
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.provider import get_provider_info
from tests.support.one_meeting import GOOD, meetings
from tests.support.origin import SECRET, Origin, Reply

ALLOW = "AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS"

PUBLIC = [
    "8.8.8.8",
    "93.184.215.14",
    "2606:4700::1111",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "::ffff:8.8.8.8",
]
PRIVATE_ONES = [
    "127.0.0.1",
    "127.1.2.3",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "100.64.0.1",  # shared address space of providers, RFC 6598
    "192.0.2.1",  # documentation
    "198.18.0.1",  # benchmarks
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::a00:1",
    "64:ff9b::a00:1",  # 10.0.0.1 through NAT64
    "2002:a00:1::1",  # 10.0.0.1 through 6to4
    "64:ff9b:1::a00:1",  # 10.0.0.1 through a NAT64 of one's own
    "64:ff9b:1::808:808",
    "::ffff:0:a00:1",
    "2606:4700::5efe:a00:1",  # 10.0.0.1 through ISATAP
    "2606:4700::200:5efe:a00:1",
    "fd00::5efe:808:808",
    "192.0.0.8",
    "192.0.0.255",
    "3fff::1",
    "5f00::1",
]
NO_CALENDAR = [
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::23",  # Amazon's EKS
    "fd20:ce::254",  # Google's
    "fd00:c1::a9fe:a9fe",  # Oracle's
    "fd00:42::42",  # Scaleway's
    "64:ff9b:1::a9fe:a9fe",
    "::ffff:0:a9fe:a9fe",
    "2606:4700::5efe:a9fe:a9fe",
]


def refusal(address: str, allowed: list[str]) -> str:
    try:
        check(address, allowed)
    except AddressNotAllowed as error:
        return str(error)
    return ""


def test_which_addresses_are_asked() -> None:
    assert {address: refusal(address, []) for address in PUBLIC} == dict.fromkeys(PUBLIC, "")
    assert {address: refusal(address, []) for address in PRIVATE_ONES} == dict.fromkeys(
        PRIVATE_ONES, PRIVATE
    )
    assert {address: refusal(address, []) for address in NO_CALENDAR} == dict.fromkeys(
        NO_CALENDAR, NEVER
    )


def test_which_are_asked_when_all_private_ones_may_be() -> None:
    allowed = parse_networks("True")
    assert {
        address: refusal(address, allowed) for address in PUBLIC + PRIVATE_ONES
    } == dict.fromkeys(PUBLIC + PRIVATE_ONES, "")
    assert {address: refusal(address, allowed) for address in NO_CALENDAR} == dict.fromkeys(
        NO_CALENDAR, NEVER
    )


def test_which_are_asked_when_some_may_be() -> None:
    allowed = parse_networks("10.20.0.0/16, fd12:3456::/32,169.254.7.7")
    assert [
        refusal(address, allowed)
        for address in ("10.20.3.4", "::ffff:10.20.3.4", "fd12:3456::9", "8.8.8.8")
    ] == [""] * 4
    assert [
        refusal(address, allowed) for address in ("10.21.0.1", "127.0.0.1", "fd12:3457::9")
    ] == [PRIVATE] * 3
    assert [refusal(address, allowed) for address in ("169.254.7.7", "169.254.169.254")] == [
        "",
        NEVER,
    ]


def test_the_option() -> None:
    assert [parse_networks(text) for text in ("", "False", "f", "0", "True", "t", "1")] == [
        []
    ] * 4 + [["private"]] * 3
    assert parse_networks("10.1.2.3/8 , ::1") == ["10.0.0.0/8", "::1/128"]
    for wrong in ("yes", "10.0.0.0/33", "10.0.0.0/8 11.0.0.0/8", "example.com"):
        with pytest.raises(ValueError, match="."):
            parse_networks(wrong)
    described = get_provider_info()["config"]["calendar_timetable"]["options"]
    assert {"allow_private_networks", "cache_dir", "connection_files", "fetch"} <= set(described)
    assert described["allow_private_networks"]["default"] == "False"


def test_behind_a_proxy_a_zone_hides_nothing() -> None:
    for url in (
        "http://[fe80::1%25eth0]/x.ics",
        "http://[fe80::1%eth0]:8080/",
        "http://[::1%25lo]/",
    ):
        with pytest.raises(AddressNotAllowed):
            check_behind_proxy(url, [])
    check_behind_proxy("http://[2606:4700::1111%25eth0]/", [])


def reason(address: str) -> str:
    with pytest.raises(CalendarUnavailable) as raised:
        meetings(Calendar(address))
    assert SECRET not in str(raised.value)
    return str(raised.value).partition(" cannot be read: ")[2].partition(" (never")[0]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]"]
)
def test_by_default_this_host_is_not_asked(
    host: str, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ALLOW)
    origin.serve(GOOD)
    assert reason(origin.url(host=host)) == PRIVATE
    assert origin.seen == []
    monkeypatch.setenv(ALLOW, "10.0.0.0/8")
    assert reason(origin.url("/other.ics", host=host)) == PRIVATE
    assert origin.seen == []


def test_what_is_allowed_now_is_asked_at_once(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(GOOD)
    monkeypatch.setenv(ALLOW, "False")
    assert reason(origin.url()) == PRIVATE
    monkeypatch.setenv(ALLOW, "True")
    assert meetings(Calendar(origin.url())) == 1
    monkeypatch.setenv(ALLOW, "10.0.0.0/8")  # and what was read well is not asked again for it
    assert meetings(Calendar(origin.url())) == 1
    assert len(origin.seen) == 1


def test_a_network_that_is_listed_is_asked(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW, "127.0.0.1")
    origin.serve(GOOD)
    assert meetings(Calendar(origin.url())) == 1


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("http://127.0.0.2:1/", f"redirected, and there {PRIVATE}"),
        ("http://[::1]:1/", f"redirected, and there {PRIVATE}"),
        ("http://169.254.169.254/latest/meta-data/", f"redirected, and there {NEVER}"),
        ("http://[fd00:ec2::254]/latest/", f"redirected, and there {NEVER}"),
        ("file:///etc/passwd", "redirected to something other than http or https"),
    ],
)
def test_a_redirect_leads_nowhere_that_was_not_allowed(
    target: str, why: str, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOW, "127.0.0.1")
    origin.fail(Reply(302, {"Location": target}))
    assert reason(origin.url()) == why
    monkeypatch.setenv(ALLOW, "True")
    if why.endswith(NEVER):
        assert reason(origin.url("/again.ics")) == why


# --- the connection itself, in this process -------------------------------------------------------


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Look-ups of names get these *answers*, one after the other; what was looked up."""
    real, asked, left = socket.getaddrinfo, [], list(answers)

    def look_up(host: Any, port: Any, *given: Any, **options: Any) -> Any:
        if not str(host).endswith(".example"):
            return real(host, port, *given, **options)
        asked.append(host)
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [found for address in addresses for found in real(address, port, *given, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_the_address_that_was_checked_is_the_one_connected_to(
    origin: Origin, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that points elsewhere when it is looked up again (DNS rebinding) gains nothing.

    It is not looked up again.
    """
    asked = names(monkeypatch, ["127.0.0.1"], ["10.9.9.9"])
    origin.serve(GOOD)
    guard(session, ["127.0.0.1/32"])
    assert session.get(f"http://rebinding.example:{origin.port}/", timeout=5).content == GOOD
    assert asked == ["rebinding.example"]
    assert origin.seen[0]["host"] == f"rebinding.example:{origin.port}"
    session.close()
    with pytest.raises(AddressNotAllowed, match="private network"):
        session.get(f"http://rebinding.example:{origin.port}/", timeout=5)


def test_one_private_address_among_public_ones_is_refused(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, ["93.184.215.14", "10.0.0.1"])
    guard(session, [])
    for scheme in ("http", "https"):
        with pytest.raises(AddressNotAllowed, match="private network"):
            session.get(f"{scheme}://mixed.example/", timeout=5)


def test_the_next_address_is_tried(
    origin: Origin, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, ["127.0.0.2", "127.0.0.1"])  # on the first nothing listens
    origin.serve(GOOD)
    guard(session, ["private"])
    assert session.get(f"http://two.example:{origin.port}/", timeout=5).content == GOOD


def test_a_slow_name_is_given_up(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **options: answered.wait(30) and [])
    guard(session, [])
    try:
        with pytest.raises(requests.ConnectionError, match="NameResolutionError"):
            session.get("http://slow.example/", timeout=(0.2, 5))
    finally:
        answered.set()


# --- behind a proxy -------------------------------------------------------------------------------


def test_a_proxy_is_asked_for_names_but_not_for_private_addresses(
    origin: Origin, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "HTTP_PROXY", f"http://127.0.0.1:{origin.port}"
    )  # itself on a private address: an operator's word
    monkeypatch.delenv("NO_PROXY")
    origin.serve(GOOD)
    guard(session, [])
    assert session.get("http://only-the-proxy-knows.example/team.ics", timeout=5).content == GOOD
    assert origin.seen[0]["path"] == "http://only-the-proxy-knows.example/team.ics"
    for host in (
        "127.0.0.1",
        "localhost",
        "intern.localhost",
        "0x7f.1",
        "[::1]",
        "169.254.169.254",
    ):
        with pytest.raises(AddressNotAllowed):
            session.get(f"http://{host}/", timeout=5)
    assert len(origin.seen) == 1

"""The fault table: whatever a feed does, the last good copy stays in force.

The DAG keeps its plan.

Each line is a fault of a real server, with the reason that people are shown. When the copy has
become too old, the DAG is held or the calendar ignored, as it was told. Nothing secret is said
anywhere.
"""

from __future__ import annotations

import gzip
import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from calendar_timetable import CalendarTimetable
from calendar_timetable.calendars import limits
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.net.networks import NEVER, PRIVATE
from calendar_timetable.calendars.sources.base import Validators
from calendar_timetable.calendars.sources.ics import HttpSource
from calendar_timetable.exceptions import CalendarUnavailable
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed
from tests.support.origin import SECRET, Origin, Reply

TITLE = "Acquisition-of-Initech"
YESTERDAY = datetime.now(UTC) - timedelta(days=1)
DAILY = event(
    "UID:d",
    f"SUMMARY:{TITLE}",
    f"DTSTART:{YESTERDAY:%Y%m%d}T120000Z",
    "DURATION:PT1H",
    "RRULE:FREQ=DAILY",
)
HUNDREDS = [
    event(f"UID:{n}", f"DTSTART:2024{n % 12 + 1:02}10T120000Z", "DURATION:PT1H") for n in range(300)
]
GOOD = feed(DAILY, *HUNDREDS)
EVENING = feed(DAILY.replace("T120000Z", "T180000Z"))
BOMB = gzip.compress(b"BEGIN:VCALENDAR\r\nX-A:" + b"0" * 30_000_000 + b"\r\nEND:VCALENDAR\r\n")
PLAIN = b"BEGIN:VCALENDAR\r\n" + b"X-A:0123456789\r\n" * 65536  # a megabyte, for ever


@dataclass
class Scene:
    """A calendar that was read well an hour ago, and everything a fault may touch."""

    origin: Origin
    tls: Origin
    elsewhere: Origin
    ca_file: Path
    clock: Clock
    cache: Path
    monkeypatch: pytest.MonkeyPatch
    good: datetime = field(init=False)

    def connect(self, address: str, **extra: Any) -> None:
        """From now on the Connection ``team`` is this one."""
        made = {
            "conn_type": "ical",
            "host": address,
            "login": "alice",
            "password": SECRET,
            "extra": extra,
        }
        self.monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps(made))

    def schedule(self, **options: Any) -> CalendarTimetable:
        calendar = Calendar("team", max_stale=timedelta(hours=1), timezone="UTC", **options)
        return CalendarTimetable("30 12 * * *", timezone="UTC", blackouts=calendar)

    def calendar(self) -> Calendar:
        return Calendar("team", max_stale=timedelta(hours=1), timezone="UTC")

    def outcomes(self, **options: Any) -> set[str]:
        """What becomes of the next days' runs."""
        start = datetime.now(UTC).replace(hour=0, minute=0) + timedelta(days=1)
        return {
            run.outcome for run in self.schedule(**options).plan(start, start + timedelta(days=3))
        }

    def files(self, suffix: str) -> list[Path]:
        return [path for path in self.cache.iterdir() if path.name.endswith(suffix)]

    @property
    def state(self) -> Path:
        (path,) = (path for path in self.files(".json") if len(path.suffixes) == 1)
        return path

    @property
    def expansions(self) -> list[Path]:
        return [path for path in self.files(".json") if path != self.state]


@pytest.fixture
def scene(
    origin: Origin,
    other_origin: Origin,
    tls_origin: tuple[Origin, Path],
    clock: Clock,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    monkeypatch.setattr(limits, "READ_SECONDS", 1.0)
    tls, ca_file = tls_origin
    return Scene(origin, tls, other_origin, ca_file, clock, cache, monkeypatch)


Start = Callable[[Scene], None]


def over_http(scene: Scene) -> None:
    scene.connect(scene.origin.url())


def over_tls(scene: Scene, *, trusted: bool = True) -> None:
    address = scene.tls.url().replace("http:", "https:")
    scene.connect(address, **({"ca_file": str(scene.ca_file)} if trusted else {}))


@dataclass(frozen=True)
class Fault:
    """One line: how it comes about, the exact reason shown, and what else ends it."""

    reason: str
    begin: Start
    before: Start = over_http
    after: Start = lambda scene: None


def answers(reason: str, status: int = 200, body: bytes = b"", **given: Any) -> Fault:
    headers = {name.replace("_", "-"): value for name, value in given.pop("headers", {}).items()}
    return Fault(reason, lambda scene: scene.origin.fail(Reply(status, headers, body, **given)))


def redirects(reason: str, target: str) -> Fault:
    def begin(scene: Scene) -> None:
        scene.monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS", "127.0.0.1")
        scene.origin.fail(Reply(302, {"Location": target}))

    return Fault(reason, begin)


def slowly(reply: Reply) -> Start:
    def begin(scene: Scene) -> None:
        scene.monkeypatch.setattr(limits, "FETCH_SECONDS", 4.0)
        scene.origin.fail(reply)

    return begin


def no_such_host(scene: Scene) -> None:
    """A name that was known.

    What is kept of the calendar is kept under its address, which stays.
    """
    from calendar_timetable.calendars.sources.base import FetchResult

    scene.connect(f"http://no-such-host.invalid/{SECRET}.ics")
    with scene.monkeypatch.context() as before:
        before.setattr(HttpSource, "fetch", lambda source, last: FetchResult(GOOD))
        scene.schedule().serialize()


def to_plain_http(scene: Scene) -> None:
    scene.tls.fail(Reply(302, {"Location": scene.origin.url()}))


def to_a_stranger(scene: Scene) -> None:
    scene.origin.fail(Reply(302, {"Location": scene.elsewhere.url("/team.ics")}))
    scene.elsewhere.fail(Reply(401))


def to_another_host(scene: Scene) -> None:
    scene.connect(scene.elsewhere.url())


def retry_on_a_date(scene: Scene) -> None:
    asked = datetime.fromtimestamp(scene.clock.now, UTC) + timedelta(hours=1)  # the next time
    until = format_datetime(asked + timedelta(seconds=3000), usegmt=True)
    scene.origin.fail(Reply(429, {"Retry-After": until}))


WHOLE = str(len(GOOD))
LINES: dict[str, Fault] = {
    "refused": Fault(
        "the connection is refused", lambda scene: scene.origin.close(), after=to_another_host
    ),
    "DNS failure": Fault(
        "its host name could not be resolved",
        lambda scene: None,
        before=no_such_host,
        after=to_another_host,
    ),
    "TLS failure": Fault(
        "its TLS certificate or handshake is not accepted",
        lambda scene: over_tls(scene, trusted=False),
        before=over_tls,
        after=over_tls,
    ),
    "slow drip": Fault(
        "the download was not done within 4 s",
        slowly(Reply(200, {"Content-Length": WHOLE}, parts=[b"B"] * 900, pause=0.1)),
    ),
    "slow headers": Fault(
        "the download was not done within 4 s",
        slowly(Reply(raw=b"HTTP/1.0 200 OK\r\n" * 50, pause=0.1)),
    ),
    "stalled body": answers("no answer in time", parts=[GOOD[:99], GOOD[99:]], pause=30),
    "204": answers("HTTP 204", 204),
    "304 that was not asked for": answers("HTTP 304", 304),
    "401": answers("HTTP 401: login, password or token is not accepted", 401, SECRET.encode()),
    "403": answers("HTTP 403: reading it is not allowed", 403),
    "404": answers("HTTP 404: nothing is there, was it removed?", 404),
    "410": answers("HTTP 410: it was removed", 410),
    "429 with seconds": answers("HTTP 429", 429, headers={"Retry_After": "3000"}),
    "429 with a date": Fault("HTTP 429", retry_on_a_date),
    "500": answers("HTTP 500", 500, f"Traceback: {SECRET} {TITLE}".encode()),
    "503": answers("HTTP 503", 503),
    "truncated body": answers("the answer is cut off: it has no END:VCALENDAR", body=GOOD[:-30]),
    "truncated in an event": answers(
        "the answer is cut off: it has no END:VCALENDAR", body=GOOD[:150]
    ),
    "truncated in the second": answers(
        "the answer is cut off: it has no END:VCALENDAR", body=GOOD.lower() + GOOD.lower()[:-20]
    ),
    "Content-Length too long": answers(
        "the answer breaks off", body=GOOD, headers={"Content_Length": f"1{WHOLE}"}
    ),
    "Content-Length too short": answers(
        "the answer is cut off: it has no END:VCALENDAR",
        body=GOOD,
        headers={"Content_Length": str(len(GOOD) - 100)},
    ),
    "Content-Length that is none": answers(
        "the answer is cut off: it has no END:VCALENDAR",
        body=GOOD[:-30],
        headers={"Content_Length": "many"},
    ),
    "login page with 200": answers(
        "the answer is a web page, not a calendar: is a login needed?",
        body=f"<!doctype html><title>Sign in</title>{SECRET}".encode(),
    ),
    "JSON error with 200": answers(
        "the answer is JSON, not a calendar",
        body=b'{"error": {"message": "' + SECRET.encode() + b'"}}',
    ),
    "text with 200": answers("the answer is not a calendar", body=f"Hello {SECRET}".encode()),
    "empty body": answers("the answer is empty"),
    "NULs for a body": answers("the answer is empty", body=b"\0" * 4096),
    "zero events where there were hundreds": answers(
        "suddenly empty: it had 301 events", body=feed()
    ),
    "UTF-16 that is cut off": answers(
        "the answer is cut off: it has no END:VCALENDAR", body=GOOD.decode().encode("utf-16")[:-31]
    ),
    "gzip bomb": answers("larger than 20480 KiB", body=BOMB, headers={"Content_Encoding": "gzip"}),
    "broken gzip": answers(
        "the answer's compression is broken", body=b"junk", headers={"Content_Encoding": "gzip"}
    ),
    "200 MB": answers(
        "larger than 20480 KiB",
        parts=[PLAIN] * 200,
        headers={"Content_Length": str(200 * len(PLAIN))},
    ),
    "redirect loop": redirects("redirected more than 5 times", "/again"),
    "redirect to nothing": redirects(
        "redirected to something other than http or https", "javascript:alert(1)"
    ),
    "redirect to file:": redirects(
        "redirected to something other than http or https", "file:///etc/passwd"
    ),
    "redirect to loopback": redirects(
        f"redirected, and there {PRIVATE}", "http://127.0.0.2:9/team.ics"
    ),
    "redirect to a metadata address": redirects(
        f"redirected, and there {NEVER}", "http://169.254.169.254/latest/meta-data/iam/"
    ),
    "redirect to a malformed address": redirects(
        "an address is malformed: its own, or one that it redirects to", "http://[::1/team.ics"
    ),
    "https -> http": Fault("redirected from https to http", to_plain_http, before=over_tls),
    "cross-host with credentials": Fault(
        (
            "HTTP 401: it redirects to another host, port or scheme, where no credentials are "
            "sent: give that address"
        ),
        to_a_stranger,
    ),
}


def nothing_secret(scene: Scene, *texts: str) -> None:
    for text in (*texts, *(path.name for path in scene.cache.iterdir())):
        assert SECRET not in text
        assert TITLE not in text
    for path in scene.cache.rglob("*"):
        assert SECRET not in path.name
        assert path.is_dir() or SECRET not in path.read_text(errors="replace")


@pytest.mark.parametrize("line", LINES)
def test_a_fault_changes_no_plan(line: str, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    fault = LINES[line]
    caplog.set_level(logging.DEBUG)
    scene.origin.serve(GOOD)
    scene.tls.serve(GOOD)
    fault.before(scene)
    plan = scene.schedule().serialize()
    scene.good = datetime.fromtimestamp(scene.clock.now, UTC)
    assert scene.outcomes() == {"postponed"}

    fault.begin(scene)
    scene.clock.now += 3600
    assert scene.schedule().serialize() == plan
    health = scene.calendar().describe()
    assert (health.error, health.status, health.read_at) == (fault.reason, "stale", scene.good)
    assert health.next_retry is not None
    waits = round(health.next_retry.timestamp() - scene.clock.now)
    assert 2900 < waits <= 3000 if line.startswith("429") else waits == 300

    scene.clock.now += 1  # now the copy is too old
    stored = scene.schedule().serialize()
    assert stored["blackouts"]["held"]["why"] == fault.reason
    with pytest.raises(CalendarUnavailable) as held:
        scene.schedule().plan(datetime.now(UTC))
    assert str(held.value) == (
        f"calendar team cannot be read: {fault.reason} (since {scene.good:%Y-%m-%d %H:%M} UTC); "
        "check its address and credentials, raise max_stale, or set on_unavailable='ignore'"
    )
    assert scene.outcomes(on_unavailable="ignore") == {"on_time"}
    ignored = scene.schedule(on_unavailable="ignore").explain(datetime.now(UTC))
    assert "team cannot be read and is ignored" in ignored
    nothing_secret(
        scene,
        caplog.text,
        ignored,
        repr(plan),
        repr(stored),
        repr(health),
        "".join(traceback.format_exception(held.value)),
    )
    if line == "cross-host with credentials":
        assert scene.origin.seen[-1]["authorization"]
        assert "authorization" not in scene.elsewhere.seen[-1]

    for origin in (scene.origin, scene.tls, scene.elsewhere):
        origin.serve(EVENING)
    fault.after(scene)
    for limit in ("FETCH_SECONDS", "READ_SECONDS"):  # of what is not slow on purpose
        scene.monkeypatch.setattr(limits, limit, 120.0)
    scene.clock.now += limits.MAX_RETRY_AFTER
    assert scene.outcomes() == {"on_time"}
    assert scene.calendar().describe().status == "ok"


def test_a_304_confirms_the_copy(scene: Scene) -> None:
    scene.origin.serve(GOOD, ETag='"1"')
    over_http(scene)
    plan = scene.schedule().serialize()
    scene.origin.fail(Reply(304))
    for _ in range(3):
        scene.clock.now += 3000
        assert scene.schedule().serialize() == plan
        assert scene.calendar().describe().status == "ok"
    assert [seen.get("if-none-match") for seen in scene.origin.seen] == [None, '"1"', '"1"', '"1"']


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_other_encodings_are_read(encoding: str, scene: Scene) -> None:
    scene.origin.serve(GOOD)
    over_http(scene)
    plan = scene.schedule().serialize()
    scene.clock.now += 300
    scene.origin.serve(GOOD.decode().replace("Initech", "Initéch").encode(encoding))
    assert scene.schedule().serialize() == plan
    assert scene.calendar().describe().error == ""
    assert scene.calendar().describe().events == 301
    start = datetime.now(UTC) + timedelta(days=1)
    assert (
        scene.calendar().events(start, start + timedelta(days=1))[0].summary
        == "Acquisition-of-Initéch"
    )


def test_nuls_and_several_calendars_in_one_body_are_read(scene: Scene) -> None:
    scene.origin.serve(
        feed(*HUNDREDS) + b"\0\r\n" + feed(DAILY).replace(b"VERSION", b"VER\0SION") + b"\0\0"
    )
    over_http(scene)
    assert scene.outcomes() == {"postponed"}
    assert scene.calendar().describe().events == 301


# --- the cache folder and the clock ---------------------------------------------------------------


def half(*files: Path) -> None:
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def newer(*files: Path) -> None:
    for path in files:
        path.write_text(path.read_text().replace('"v": 1', '"v": 2'))


def corrupt(*files: Path) -> None:
    for path in files:
        path.write_bytes(b"\xff\0\x80" * 50)


DAMAGES: dict[str, Callable[[Scene], None]] = {
    "state half-written": lambda scene: half(scene.state),
    "state corrupt": lambda scene: corrupt(scene.state),
    "state from a newer version": lambda scene: newer(scene.state),
    "expansions corrupt": lambda scene: corrupt(*scene.expansions),
    "expansions half-written": lambda scene: half(*scene.expansions),
    "body corrupt": lambda scene: corrupt(*scene.files(".ics")),
    "all but the body corrupt": lambda scene: corrupt(*scene.files(".json")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_changes_no_plan_even_when_the_server_is_down(
    damage: str, scene: Scene
) -> None:
    scene.origin.serve(GOOD)
    over_http(scene)
    plan = scene.schedule().serialize()
    scene.calendar().describe()
    DAMAGES[damage](scene)
    scene.origin.fail(Reply(503))
    scene.clock.now += 300
    assert scene.schedule().serialize() == plan
    health = scene.calendar().describe()
    assert (health.error, health.status, health.events) == ("HTTP 503", "stale", 301)

    scene.clock.now += 3601
    assert scene.schedule().serialize()["blackouts"]["held"]["why"] == "HTTP 503"
    assert scene.outcomes(on_unavailable="ignore") == {"on_time"}
    scene.origin.serve(GOOD)
    scene.clock.now += limits.MAX_BACKOFF
    assert scene.schedule().serialize() == plan
    assert scene.calendar().describe().status == "ok"


def test_a_question_that_a_damaged_cache_cannot_answer_takes_nothing_from_others(
    scene: Scene,
) -> None:
    scene.origin.serve(GOOD)
    over_http(scene)
    plan = scene.schedule().serialize()
    corrupt(*scene.files(".ics"))
    scene.origin.fail(Reply(503))
    for _ in range(3):  # about another stretch of time, which was not read before
        assert (scene.calendar().describe().status, scene.calendar().describe().error) == (
            "unavailable",
            "HTTP 503",
        )
        assert scene.schedule().serialize() == plan
    assert len(scene.origin.seen) == 2
    scene.origin.serve(GOOD)
    scene.clock.now += 300
    assert scene.calendar().describe().status == "ok"
    assert scene.schedule().serialize() == plan


@pytest.mark.parametrize("back", [3600, 400 * 86400])
def test_a_clock_stepped_back_holds_nothing(back: int, scene: Scene) -> None:
    """The copy is younger than the clock: it answers for the months around the clock."""
    scene.clock.now = datetime.now(UTC).replace(day=15).timestamp()  # no step changes the month
    scene.origin.serve(GOOD)
    over_http(scene)
    plan = scene.schedule().serialize()
    scene.clock.now -= back
    scene.origin.fail(Reply(503))
    plan_there = scene.schedule().serialize()
    assert "held" not in plan_there["blackouts"]
    assert (plan_there == plan) == (back == 3600)
    assert scene.calendar().describe().error == "HTTP 503"
    scene.clock.now += 3601  # and what is too old is told by the clock as it is now
    assert scene.schedule().serialize()["blackouts"]["held"]["why"] == "HTTP 503"
    scene.origin.serve(GOOD)
    scene.clock.now += 3600
    assert scene.schedule().serialize() == plan_there
    scene.clock.now += back
    assert scene.schedule().serialize() == plan


@pytest.mark.parametrize("error", [OverflowError, RuntimeError, ValueError, RecursionError])
def test_what_nobody_thought_of_keeps_the_plan_too(
    error: type[Exception], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says nothing of what its text may hold."""

    def fail(source: HttpSource, last: Validators) -> None:
        raise error(SECRET)

    scene.origin.serve(GOOD)
    over_http(scene)
    plan = scene.schedule().serialize()
    monkeypatch.setattr(HttpSource, "fetch", fail)
    scene.clock.now += 600
    assert scene.schedule().serialize() == plan
    assert scene.calendar().describe().error == error.__name__


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("~nosuchuser/team.ics", "the user that its path begins with is not known here"),
        ("file:///team%00.ics", "its path has a null byte"),
        ("./team\0.ics", "its path has a null byte"),
    ],
)
def test_a_path_that_is_none_holds_its_dag(address: str, error: str) -> None:
    schedule = CalendarTimetable("30 12 * * *", timezone="UTC", blackouts=Calendar(address))
    assert schedule.serialize()["blackouts"]["held"]["why"] == error

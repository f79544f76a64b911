"""What edits of calendars moved, looked at by a watch again and again while the clock moves."""

from __future__ import annotations

import json
import logging
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import time_machine
from airflow.sdk import DAG, BaseNotifier
from airflow.timetables.base import TimeRestriction
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable
from calendar_timetable.planning.time_sets import CalendarSpans, TimeSet, Unread
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.stored_schedules import read_schedules
from calendar_timetable.runtime import notifiers
from calendar_timetable.runtime.calendar_edits import (
    MovedRuns,
    Watch,
    WatchedDag,
    moved_since_last_look,
    tell,
    watched_stored,
)
from tests.support.airflow_database import add_dag
from tests.support.moments import instant, utc
from tests.support.time_sets import FakeCalendar, spans

NOON = "2026-11-27 12:00"  # a Friday
ALWAYS = TimeRestriction(None, None, catchup=True)
FREEZE = "2026-11-28 01:00", "2026-11-28 05:00"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Titled(FakeCalendar):
    """A calendar whose titles are shown."""

    def resolve(self, horizon: Any, timezone: str) -> TimeSet:
        titles = tuple((start, end, "Secret merger") for start, end in self.known)
        return CalendarSpans(self.label, self.known, titles)


class Gone(FakeCalendar):
    """A calendar that cannot be read."""

    def resolve(self, horizon: Any, timezone: str) -> TimeSet:
        return CalendarSpans(self.label, self.known, unread=Unread("HTTP 404", None))


def blackout(*busy: tuple[str, str], kind: type[FakeCalendar] = FakeCalendar) -> FakeCalendar:
    return kind(spans(*busy))


def dag(
    dag_id: str, *busy: tuple[str, str], at: str = NOON, schedule: Any = "0 2 * * *", **given: Any
) -> WatchedDag:
    """A DAG as it is looked at, with these stretches blacked out."""
    given.setdefault("blackouts", blackout(*busy))
    with time_machine.travel(utc(at), tick=False):
        made = CalendarTimetable(schedule, timezone="UTC", **given)
        return WatchedDag(dag_id, made.serialize(), ALWAYS)


def look(*dags: WatchedDag, at: str = NOON, watch: Watch = "sync") -> list[str]:
    """What a look tells: the runs, one by one."""
    moved = moved_since_last_look(watch, dags, instant(at))
    return [] if moved is None else [f"{run.change} {run.sentence}" for run in moved.runs]


MOVED = (
    "moves nightly due Sat 28 Nov 2026 02:00 UTC: 02:00 becomes 05:00 "
    "(blocked by team_calendar until 05:00)"
)
BACK = (
    "moves nightly due Sat 28 Nov 2026 02:00 UTC: 05:00 becomes 02:00 "
    "(was blocked by team_calendar until 05:00)"
)


def test_an_event_comes_and_goes() -> None:
    assert look(dag("nightly")) == [], "the first look knows no other"
    assert look(dag("nightly", FREEZE)) == [MOVED]
    assert look(dag("nightly", FREEZE)) == []
    aside = "2026-11-28 08:00", "2026-11-28 09:00"
    assert look(dag("nightly", FREEZE, aside)) == [], "an event that moves nothing"
    assert look(dag("nightly")) == [BACK]


def test_several_edits_are_one_message() -> None:
    look(*(dag(f"dag{n}") for n in range(9)), dag("other"))
    edited = [dag(f"dag{n}", FREEZE) for n in range(9)]
    moved = moved_since_last_look("sync", [*edited, dag("other")], instant(NOON))
    assert moved is not None
    assert (moved.count, moved.dag_ids) == (9, tuple(f"dag{n}" for n in range(9)))
    assert moved.sentence.startswith("Calendars changed, 9 runs move: dag0 due ")
    assert moved.sentence.endswith("; and 4 more")


def test_what_moves_by_the_clock_alone_is_not_told() -> None:
    """Two months of looks, in which nobody edits anything, and the horizon moves on."""
    busy = tuple(
        (f"2026-{m:02}-{d:02} 00:00", f"2026-{m:02}-{d:02} 06:00")
        for m in (11, 12)
        for d in (5, 28)
    )
    for days in range(0, 60, 3):
        at = (utc(NOON) + timedelta(days=days, hours=days)).strftime("%Y-%m-%d %H:%M")
        assert look(dag("nightly", *busy, at=at), at=at) == []


def test_what_waits_moves_and_what_has_begun_does_not() -> None:
    look(dag("nightly", FREEZE))
    longer = "2026-11-28 01:00", "2026-11-28 07:00"
    at = "2026-11-28 04:00"
    assert look(dag("nightly", longer, at=at), at=at) == [
        (
            "moves nightly due Sat 28 Nov 2026 02:00 UTC: 05:00 becomes 07:00 "
            "(blocked by team_calendar until 07:00)"
        )
    ]
    at = "2026-11-28 07:30"
    longest = "2026-11-28 01:00", "2026-11-28 09:00"
    assert look(dag("nightly", longest, at=at), at=at) == []


def test_what_waited_may_start_at_once() -> None:
    look(dag("nightly", FREEZE))
    at = "2026-11-28 04:00"
    assert look(dag("nightly", at=at), at=at) == [
        (
            "moves nightly due Sat 28 Nov 2026 02:00 UTC: 05:00 becomes 04:00 "
            "(was blocked by team_calendar until 05:00)"
        )
    ]
    # It is closed again by now: what was let go in between waits for the next opening.
    look(dag("nightly", FREEZE))
    split = ("2026-11-28 01:00", "2026-11-28 03:00"), ("2026-11-28 03:30", "2026-11-28 08:00")
    assert look(dag("nightly", *split, at=at), at=at) == [
        (
            "moves nightly due Sat 28 Nov 2026 02:00 UTC: 05:00 becomes 08:00 "
            "(blocked by team_calendar until 03:00)"
        )
    ]


def test_an_edit_of_the_dag_file_is_not_the_calendars() -> None:
    look(dag("nightly"))
    assert look(dag("nightly", FREEZE, schedule="0 3 * * *")) == []
    assert look(dag("nightly", FREEZE, schedule="0 3 * * *", duration=timedelta(hours=1))) == []
    assert look(dag("nightly", schedule="0 3 * * *", duration=timedelta(hours=1))) != []
    assert look(dag("nightly", FREEZE)._replace(arguments="other")) == []


def test_a_calendar_that_cannot_be_read_is_no_edit() -> None:
    look(dag("nightly", FREEZE))
    assert look(dag("nightly", blackouts=blackout(FREEZE, kind=Gone))) == []
    assert look(dag("nightly", FREEZE)) == []
    assert look(dag("nightly")) == [BACK]


def test_events_that_are_the_schedule() -> None:
    def every(*starts: str) -> WatchedDag:
        made = dag("releases")
        events = [int(instant(start)) for start in starts]
        deltas = [b - a for a, b in zip((0, *events), events, strict=False)]
        base = {"calendar": "releases", "events": deltas}
        return made._replace(data=made.data | {"base": base})

    look(every("2026-11-28 10:00", "2026-11-30 10:00"))
    assert look(every("2026-11-28 12:00", "2026-11-30 10:00")) == [
        "vanishes releases due Sat 28 Nov 2026 10:00 UTC: 10:00 becomes not due (not due any more)",
        "appears releases due Sat 28 Nov 2026 12:00 UTC: not due becomes 12:00 (was not due)",
    ]


def test_nothing_private_is_kept(cache: Path) -> None:
    look(dag("nightly", blackouts=blackout(kind=Titled)))
    (told,) = look(dag("nightly", blackouts=blackout(FREEZE, kind=Titled)))
    assert "Secret merger" in told, "as show_titles says"
    kept = (cache / "edits-sync.json").read_text()
    assert "Secret merger" not in kept and "nightly" in kept


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"v": 9, "dags": {}}',
        '{"v": 1, "dags": {"nightly": {}}}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_what_is_kept_may_be_damaged(cache: Path, content: str) -> None:
    look(dag("nightly"))
    (cache / "edits-sync.json").write_text(content)
    assert look(dag("nightly", FREEZE)) == []
    assert look(dag("nightly")) == [BACK]


def test_a_dag_that_is_gone_is_forgotten(cache: Path) -> None:
    look(dag("nightly"), dag("other"))
    later = "2027-01-10 12:00"
    look(dag("other", at=later), at=later)
    assert json.loads((cache / "edits-sync.json").read_text())["dags"].keys() == {"other"}


# --- two watches ----------------------------------------------------------------------------------


def test_two_watches_tell_once() -> None:
    """``sync`` knows first; ``publish`` sees it when the DAG file was read again."""
    for watch in ("sync", "publish"):
        look(dag("nightly"), watch=watch)
    assert look(dag("nightly", FREEZE), watch="sync") == [MOVED]
    assert look(dag("nightly"), watch="publish") == []
    assert look(dag("nightly", FREEZE), watch="publish") == []
    # The DAG processor was faster this time.
    assert look(dag("nightly"), watch="publish") == []
    assert look(dag("nightly"), watch="sync") == [BACK]


def test_where_one_watch_has_ended_the_other_tells() -> None:
    for watch in ("sync", "publish"):
        look(dag("nightly"), watch=watch)
    at = "2026-11-27 13:00"
    assert look(dag("nightly", FREEZE, at=at), at=at, watch="publish") == [MOVED]
    assert look(dag("nightly", FREEZE, at=at), at=at, watch="sync") == [], "it starts again"


# --- schedules that follow their runs -------------------------------------------------------------


def test_only_the_database_knows_what_follows_a_run(session: Session) -> None:
    def stored(*busy: tuple[str, str]) -> list[WatchedDag]:
        made = CalendarTimetable(timedelta(hours=8), timezone="UTC", blackouts=blackout(*busy))
        with time_machine.travel(utc(NOON), tick=False):
            return [
                one._replace(data=made.serialize())
                for one in watched_stored(
                    read_dags(session, ["step"]), read_schedules(session, ["step"])
                )
            ]

    with time_machine.travel(utc(NOON), tick=False):
        made = CalendarTimetable(timedelta(hours=8), timezone="UTC", blackouts=blackout())
        add_dag(session, DAG("step", schedule=made, start_date=utc("2026-11-27 07:00")), utc(NOON))
    from_file = [one._replace(schedule=None, stored=None) for one in stored()]
    look(*from_file, watch="sync")
    assert (
        look(*(one._replace(data=stored(FREEZE)[0].data) for one in from_file), watch="sync") == []
    )
    at = "2026-11-27 13:00"
    look(*stored(), watch="publish", at=at)
    (told,) = look(*stored(("2026-11-27 20:00", "2026-11-27 21:00")), watch="publish", at=at)
    assert told.startswith("moves step due Fri 27 Nov 2026 ")


# --- telling --------------------------------------------------------------------------------------


class Chat(BaseNotifier):
    """Keeps what it is told."""

    template_fields = ("text",)
    said: ClassVar[list[str]] = []

    def __init__(self, text: str = "class: {{ moved.sentence }}") -> None:
        super().__init__()
        self.text = text

    def notify(self, context: Any) -> None:
        self.said.append(self.text)


class AsyncChat(Chat):
    async def async_notify(self, context: Any) -> None:
        self.said.append(f"awaited {self.text}")


CHAT = Chat("instance: {{ moved.count }}")
NOT_ONE = 3


def function(context: Any) -> None:
    Chat.said.append(f"function: {context['moved'].dag_ids}")


async def coroutine(context: Any) -> None:
    Chat.said.append("coroutine")


def broken(context: Any) -> None:
    raise RuntimeError("no chat today")


def ending(context: Any) -> None:
    raise SystemExit(3)


def hanging(context: Any) -> None:
    import threading

    threading.Event().wait()


def message() -> MovedRuns:
    look(dag("nightly"))
    moved = moved_since_last_look("sync", [dag("nightly", FREEZE)], instant(NOON))
    assert moved is not None
    return moved


def test_whoever_is_named_is_told(
    monkeypatch: pytest.MonkeyPatch, counted: Counter[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Chat, "said", [])
    monkeypatch.setattr(notifiers, "_SECONDS", 0.5)
    names = ["broken", "Chat", "ending", "CHAT", "AsyncChat", "hanging", "function", "NOT_ONE"]
    names += ["coroutine", "NoSuchThing"]
    paths = ", ".join([*(f"{__name__}.{name}" for name in names), "no_module.Chat", "nonsense"])
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__NOTIFY", paths)
    moved = message()
    said: list[str] = []
    with caplog.at_level(logging.ERROR):
        tell(moved, said.append)
        tell(moved, said.append)
    assert said == [moved.sentence] * 2
    assert (
        Chat.said
        == [
            f"class: {moved.sentence}",
            "instance: 1",
            f"awaited class: {moved.sentence}",
            "function: ('nightly',)",
            "coroutine",
        ]
        * 2
    ), "and a template is rendered each time"
    assert counted == {"calendar_timetable.run.moved": 2}
    for failed in (
        "broken",
        "ending",
        "hanging",
        "NOT_ONE",
        "NoSuchThing",
        "no_module",
        "nonsense",
    ):
        assert failed in caplog.text


def test_nobody_is_named(counted: Counter[str]) -> None:
    tell(message(), lambda text: None)
    assert counted["calendar_timetable.run.moved"] == 1

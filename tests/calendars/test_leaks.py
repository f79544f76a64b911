"""No secret, and by default no event's text, gets out of a process that reads calendars.

Whatever they answer.

``tests/system/airflow/test_leaks.py`` searches a whole Airflow.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.feed.health import health_reports
from calendar_timetable.exceptions import CalendarTimetableError
from calendar_timetable.timetable import CalendarTimetable
from tests.support.origin import Origin
from tests.support.planted_secrets import (
    OTHER_PASSWORD,
    PASSWORD,
    PATH,
    QUERY,
    SECRETS,
    TEXTS,
    TITLE,
    TOKEN,
    answer,
    found_in,
)

NAMES = ("good", "page", "junk", "away", "denied", "gone")


def address(origin: Origin, name: str) -> str:
    return f"http://alice:{PASSWORD}@127.0.0.1:{origin.port}/{PATH}/{name}.ics?key={QUERY}"


@pytest.fixture
def connections(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> dict[str, SimpleNamespace]:
    """Connections by id, that hold what is planted."""
    plain = SimpleNamespace(
        conn_type="ical", host="", schema="", port=None, login=None, password=None, extra_dejson={}
    )
    feed_at = f"http://127.0.0.1:{origin.port}/{PATH}"
    made = {
        f"conn_{name}": SimpleNamespace(
            **{
                **vars(plain),
                "host": f"{feed_at}/{name}.ics?key={QUERY}",
                "login": "alice",
                "password": OTHER_PASSWORD,
            }
        )
        for name in NAMES
    }
    extra = {"token": TOKEN, "secret_url": f"{feed_at}/good.ics?key={QUERY}"}
    made["conn_token"] = SimpleNamespace(**{**vars(plain), "extra_dejson": extra})
    monkeypatch.setattr("airflow.sdk.BaseHook.get_connection", made.__getitem__)
    return made


def said_of(make: Callable[[], CalendarTimetable]) -> str:
    """All that a schedule lets be seen.

    Its form, words, plan; or its error with every frame of it.
    """
    try:
        timetable = make()
        compiled = CalendarTimetable.deserialize(json.loads(json.dumps(timetable.serialize())))
        return repr(
            [
                compiled.serialize(),
                compiled.summary,
                compiled.description,
                compiled.calendars,
                vars(timetable),
            ]
        )
    except CalendarTimetableError as error:
        return "".join(traceback.format_exception(error)) + repr(error.args)


@pytest.mark.parametrize("role", ["windows", "blackouts", "schedule"])
def test_nothing_planted_gets_out(
    role: str,
    origin: Origin,
    connections: dict[str, SimpleNamespace],
    cache: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    origin.reply = answer
    said: dict[str, str] = {}
    for given in [*(address(origin, name) for name in NAMES), *connections]:
        for policy in ("hold", "ignore"):
            calendar = Calendar(given, on_unavailable=policy, strict=True)
            arguments = (
                {"schedule": calendar}
                if role == "schedule"
                else {"schedule": "0 * * * *", role: calendar}
            )
            name = f"{given[:9]} {given[-20:].partition('.ics')[0]} {policy}"
            said[name] = said_of(lambda arguments=arguments: CalendarTimetable(**arguments))  # type: ignore[misc]
            said[f"{name}: health"] = repr(
                [
                    calendar,
                    str(calendar),
                    calendar.label,
                    calendar.describe(),
                    calendar.problems() if policy == "ignore" else "",
                ]
            )
    said["health"] = repr(health_reports())
    said["log"] = caplog.text
    said["output"] = "".join(capfd.readouterr())
    files = [path for path in cache.rglob("*") if path.is_file()]
    said["names in the cache"] = repr(sorted(path.name for path in files))
    told = [
        path for path in files if path.suffix in ("", ".json", ".server") and ".x" not in path.name
    ]
    said["states and schedules in the cache"] = repr([path.read_text() for path in told])
    assert found_in(said) == ""
    held = [text for text in said.values() if "cannot be read" in text]
    assert len(held) >= 10
    assert any("HTTP 401" in text for text in held)


def test_what_was_planted_was_used(
    origin: Origin, connections: dict[str, SimpleNamespace], cache: Path
) -> None:
    """That the search above could have found something."""
    origin.reply = answer
    shown = CalendarTimetable(
        "0 * * * *", blackouts=Calendar(address(origin, "good"), show_titles=True)
    ).serialize()
    assert TITLE in json.dumps(shown), "who asks for titles gets them"
    for conn_id in ("conn_good", "conn_token"):
        Calendar(conn_id).describe()
    seen = repr(origin.seen)
    assert all(word in seen for word in (*SECRETS[-2:], TOKEN, PATH, QUERY))
    body = next(path for path in cache.iterdir() if path.suffix == ".ics").read_text()
    assert all(word in body for word in TEXTS)

"""Why a run starts when it does: as data, and in one sentence that names its zone once."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from calendar_timetable import Weekly
from calendar_timetable.planning.time_sets import CalendarSpans, TimeRange, TimeSet
from calendar_timetable.schedule.compiled import CompiledSchedule
from calendar_timetable.timetable import CalendarTimetable
from tests.support.moments import instant, utc
from tests.support.time_sets import FakeCalendar, spans
from tests.support.timetables import travelled

HOUR = timedelta(hours=1)
ZONE = "Europe/Berlin"


class Titled(TimeSet):
    """A calendar that shows titles."""

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        freeze = spans(("2026-11-27 10:00", "2026-11-29 23:00"))
        (start, end), *_ = freeze
        return CalendarSpans("team_calendar", freeze, ((start, end, "Release freeze"),))


OFF_PEAK = Weekly("daily 19:00-07:00")
# (arguments of the schedule, due, the sentence, each reason's fields that are not empty)
SAID: dict[str, tuple[str, dict[str, Any], str, str, list[dict[str, Any]]]] = {
    "on time": (
        "0 2 * * SAT",
        {},
        "2026-11-28 01:00",
        "due Sat 28 Nov 2026 02:00 CET; starts on time",
        [],
    ),
    "a titled event": (
        "0 2 * * SAT",
        {"blackouts": Titled()},
        "2026-11-28 01:00",
        (
            'due Sat 28 Nov 2026 02:00 CET, blocked by "Release freeze" (team_calendar) '
            "until Mon 30 Nov 00:00; starts Mon 30 Nov 00:00"
        ),
        [
            {
                "kind": "blackout",
                "calendar": "team_calendar",
                "event": "Release freeze",
                "start": "2026-11-28 01:00",
                "end": "2026-11-29 23:00",
            }
        ],
    ),
    "a window": (
        "0 12 * * *",
        {"windows": OFF_PEAK},
        "2026-11-25 11:00",
        "due Wed 25 Nov 2026 12:00 CET, outside daily 19:00-07:00 until 19:00; starts 19:00",
        [
            {
                "kind": "outside_windows",
                "detail": "daily 19:00-07:00",
                "zone": ZONE,
                "start": "2026-11-25 11:00",
                "end": "2026-11-25 18:00",
            }
        ],
    ),
    "a rule of another zone": (
        "0 12 * * *",
        {"windows": Weekly("daily 19:00-07:00", timezone="America/New_York")},
        "2026-11-25 11:00",
        "due Wed 25 Nov 2026 12:00 CET; starts on time",
        [],
    ),
    "a rule of another zone that blocks": (
        "0 12 * * *",
        {"blackouts": Weekly("daily 04:00-07:00", timezone="America/New_York")},
        "2026-11-25 11:00",
        (
            "due Wed 25 Nov 2026 12:00 CET, blocked by daily 04:00-07:00 (America/New_York) until "
            "13:00; starts 13:00"
        ),
        [
            {
                "kind": "blackout",
                "detail": "daily 04:00-07:00",
                "zone": "America/New_York",
                "start": "2026-11-25 11:00",
                "end": "2026-11-25 12:00",
            }
        ],
    ),
    "too short before an event": (
        "0 9 27 * *",
        {"blackouts": Titled(), "duration": 3 * HOUR},
        "2026-11-27 08:00",
        (
            "due Fri 27 Nov 2026 09:00 CET, needs 3 h, but only 2 h are open from 09:00 "
            '(then blocked by "Release freeze" (team_calendar)), '
            'blocked by "Release freeze" (team_calendar) until Mon 30 Nov 00:00;'
            " starts Mon 30 Nov 00:00"
        ),
        [
            {
                "kind": "too_short",
                "calendar": "team_calendar",
                "event": "Release freeze",
                "start": "2026-11-27 08:00",
                "end": "2026-11-27 10:00",
                "needed_seconds": 10800,
            },
            {
                "kind": "blackout",
                "calendar": "team_calendar",
                "event": "Release freeze",
                "start": "2026-11-27 10:00",
                "end": "2026-11-29 23:00",
            },
        ],
    ),
    "too short in a window": (
        "0 5 * * *",
        {"windows": OFF_PEAK, "duration": 3 * HOUR, "when_blocked": "skip"},
        "2026-11-25 04:00",
        (
            "due Wed 25 Nov 2026 05:00 CET, needs 3 h, but only 2 h are open from 05:00 "
            "(then outside windows), skipped (when_blocked='skip')"
        ),
        [
            {
                "kind": "too_short",
                "start": "2026-11-25 04:00",
                "end": "2026-11-25 06:00",
                "needed_seconds": 10800,
            },
            {"kind": "skipped"},
        ],
    ),
    "no other slot": (
        "0 5 * * *",
        {
            "windows": OFF_PEAK,
            "duration": 3 * HOUR,
            "when_blocked": "advance",
            "max_delay": 0 * HOUR,
        },
        "2026-11-25 04:00",
        (
            "due Wed 25 Nov 2026 05:00 CET, needs 3 h, but only 2 h are open from 05:00 "
            "(then outside windows), skipped: no available slot when due (max_delay is 0)"
        ),
        [
            {
                "kind": "too_short",
                "start": "2026-11-25 04:00",
                "end": "2026-11-25 06:00",
                "needed_seconds": 10800,
            },
            {
                "kind": "skipped",
                "start": "2026-11-25 04:00",
                "end": "2026-11-25 04:00",
                "needed_seconds": 10800,
            },
        ],
    ),
    "no slot": (
        "0 5 * * *",
        {"windows": OFF_PEAK, "duration": 13 * HOUR, "max_delay": HOUR},
        "2026-11-25 04:00",
        (
            "due Wed 25 Nov 2026 05:00 CET, needs 13 h, but only 2 h are open from 05:00 "
            "(then outside windows), "
            "skipped: no available slot of 13 h within 1 h after (max_delay)"
        ),
        [
            {
                "kind": "too_short",
                "start": "2026-11-25 04:00",
                "end": "2026-11-25 06:00",
                "needed_seconds": 46800,
            },
            {
                "kind": "skipped",
                "start": "2026-11-25 04:00",
                "end": "2026-11-25 05:00",
                "needed_seconds": 46800,
            },
        ],
    ),
    "combined": (
        "0 12,15 * * *",
        {"windows": OFF_PEAK},
        "2026-11-25 11:00",
        (
            "due Wed 25 Nov 2026 12:00 CET, outside daily 19:00-07:00 until 19:00, combined with "
            "the 15:00 run"
        ),
        [
            {
                "kind": "outside_windows",
                "detail": "daily 19:00-07:00",
                "zone": ZONE,
                "start": "2026-11-25 11:00",
                "end": "2026-11-25 18:00",
            },
            {"kind": "combined", "start": "2026-11-25 14:00"},
        ],
    ),
    "anyway": (
        "0 12 * * *",
        {"windows": OFF_PEAK, "when_blocked": "run"},
        "2026-11-25 11:00",
        (
            "due Wed 25 Nov 2026 12:00 CET, outside daily 19:00-07:00 until 19:00, "
            "runs anyway (when_blocked='run'); starts on time"
        ),
        [
            {
                "kind": "outside_windows",
                "detail": "daily 19:00-07:00",
                "zone": ZONE,
                "start": "2026-11-25 11:00",
                "end": "2026-11-25 18:00",
            },
            {"kind": "run_anyway"},
        ],
    ),
    "across a change of the clocks": (
        "0 12 24 10 *",
        {"blackouts": Weekly("sat-sun")},
        "2026-10-24 10:00",
        (
            "due Sat 24 Oct 2026 12:00 CEST, blocked by sat-sun until Mon 26 Oct 00:00 CET; "
            "starts Mon 26 Oct 00:00 CET"
        ),
        [
            {
                "kind": "blackout",
                "detail": "sat-sun",
                "zone": ZONE,
                "start": "2026-10-24 10:00",
                "end": "2026-10-25 23:00",
            }
        ],
    ),
}


@pytest.mark.parametrize("case", SAID.values(), ids=SAID)
def test_a_run_in_data_and_in_a_sentence(
    case: tuple[str, dict[str, Any], str, str, list[dict[str, Any]]],
) -> None:
    schedule, arguments, due, sentence, data = case
    compiled = CalendarTimetable(schedule, timezone=ZONE, **arguments).planner(instant(due), None)
    placed = next(compiled.placed(instant(due)))
    assert placed.tick.due == instant(due)
    assert compiled.sentence(placed) == sentence
    for one in data:
        one |= {name: instant(one[name]) for name in ("start", "end") if name in one}
    found = [
        {k: v for k, v in asdict(reason).items() if v is not None}
        for reason in compiled.reasons(placed)
    ]
    assert found == data


def test_what_stands_alone_names_its_zone() -> None:
    [run] = CalendarTimetable("0 12 * * *", timezone=ZONE, windows=OFF_PEAK).plan(
        utc("2026-11-25 00:00"), limit=1
    )
    assert run.reasons == ("outside daily 19:00-07:00 until 19:00 CET",)


def test_a_zone_without_a_name_is_told_by_its_offset() -> None:
    timetable = CalendarTimetable("0 12 * * *", timezone="America/Sao_Paulo")
    assert "12:00 UTC-03" in timetable.explain(utc("2026-11-25 00:00"))


def test_explain_names_the_zone_of_its_answer() -> None:
    timetable = CalendarTimetable("0 9 * * *", timezone=ZONE, blackouts=Weekly("sat-sun"))
    assert timetable.explain(utc("2026-11-28 01:00")) == (
        "Sat 28 Nov 2026 02:00 CET is closed, blocked by sat-sun until Mon 30 Nov 00:00."
        " Next: due Sat 28 Nov 2026 09:00 CET, blocked by sat-sun until Mon 30 Nov 00:00,"
        " combined with the Sun 29 Nov 09:00 run."
    )


def test_windows_of_any_length_are_told_shortly() -> None:
    rules = [f"mon {hour:02}:00-{hour:02}:30" for hour in range(24)]
    timetable = CalendarTimetable("45 12 * * MON", timezone="UTC", windows=Weekly(*rules))
    compiled: CompiledSchedule = travelled(timetable)._compiled
    (reason,) = compiled.reasons(next(compiled.placed(instant("2026-11-23 00:00"))))
    assert len(reason.detail or "") < 170
    assert "mon 00:00-00:30" in str(reason.detail) and "mon 23:00-23:30" in str(reason.detail)


def test_airflows_list_of_dags_tells_what_a_schedule_goes_by() -> None:
    """Within the 1,000 characters that Airflow's database has room for."""
    now = utc("2026-11-25 03:00")
    long = Weekly(*(f"mon {hour:02}:00-{hour:02}:30" for hour in range(24)))
    team = FakeCalendar(spans(("2026-11-27 10:00", "2026-11-29 23:00")))
    said = {
        "0 5 * * *": {},
        "0 5 * * * + daily 19:00-07:00, not team_calendar": {
            "windows": OFF_PEAK,
            "blackouts": team,
        },
        "0 5 * * * + daily 19:00-04:00 (next Wed 25 Nov 2026 19:00 CET, due 05:00)": {
            "windows": Weekly("daily 19:00-04:00")
        },
        "0 5 * * * + not wed-thu (next Fri 27 Nov 2026 05:00 CET, skipped until then)": {
            "blackouts": Weekly("wed-thu"),
            "when_blocked": "skip",
        },
        "0 5 * * * + not thu": {"blackouts": Weekly("thu"), "when_blocked": "skip"},
    }
    with time_machine.travel(now, tick=False):
        for summary, arguments in said.items():
            assert (
                travelled(CalendarTimetable("0 5 * * *", timezone=ZONE, **arguments)).summary
                == summary
            )
        assert (
            len(travelled(CalendarTimetable("0 5 * * *", timezone=ZONE, windows=long)).summary)
            < 300
        )


def test_airflows_page_of_a_dag_tells_what_is_skipped_before_its_next_run() -> None:
    skipping = CalendarTimetable(
        "0 5 * * *", timezone=ZONE, blackouts=Weekly("wed-thu"), when_blocked="skip"
    )
    with time_machine.travel(utc("2026-11-25 03:00"), tick=False):
        assert travelled(skipping).description == (
            "At 05:00. Next: due Fri 27 Nov 2026 05:00 CET; starts on time. Before it: due Wed"
            " 25 Nov 2026 05:00 CET, blocked by wed-thu until Fri 27 Nov 00:00, skipped"
            " (when_blocked='skip')"
        )
    with time_machine.travel(utc("2026-11-26 12:00"), tick=False):
        assert travelled(skipping).description == (
            "At 05:00. Next: due Fri 27 Nov 2026 05:00 CET; starts on time"
        )


def test_a_schedule_says_what_it_is_and_no_secret() -> None:
    secret = (
        "https://calendar.google.com/calendar/ical/a%40b.c/"
        "private-0123456789abcdef0123456789abcdef/basic.ics"
    )
    timetable = CalendarTimetable(
        "0 5 * * *", timezone=ZONE, windows=OFF_PEAK, blackouts=[secret, Weekly("sat")]
    )
    said = repr(timetable)
    assert said.startswith(
        "CalendarTimetable('0 5 * * *', timezone='Europe/Berlin', "
        "windows=Weekly('daily 19:00-07:00'),"
    )
    assert "private" not in said and "Weekly('sat')]" in said
    assert repr(travelled(CalendarTimetable("@daily", windows=OFF_PEAK))) == (
        "<CalendarTimetable 0 0 * * * + daily 19:00-07:00>"
    )


DOUBTFUL: dict[str, dict[str, Any]] = {
    "no window is open at any time": {"windows": Weekly("sat-sun") & Weekly("mon-fri")},
    "no window is open for 9:00:00": {"windows": Weekly("daily 01:00-05:00"), "duration": 9 * HOUR},
    "max_delay is 0": {"windows": OFF_PEAK, "max_delay": timedelta(0)},
    "stagger is longer than max_delay": {"stagger": timedelta(days=400)},
}


@pytest.mark.parametrize(("text", "arguments"), DOUBTFUL.items(), ids=DOUBTFUL)
def test_what_makes_no_sense_is_warned_of(text: str, arguments: dict[str, Any]) -> None:
    with pytest.warns(UserWarning, match=text):
        CalendarTimetable("0 5 * * *", timezone=ZONE, **arguments).validate()


def test_what_makes_sense_is_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for arguments in (
            {"windows": OFF_PEAK, "duration": 9 * HOUR},
            {"windows": Weekly("sat"), "duration": 24 * HOUR},
        ):
            CalendarTimetable("0 5 * * *", timezone=ZONE, stagger=HOUR, **arguments).validate()

"""Without windows and blackouts, or with windows always open, runs are Airflow's own.

To the second.

220 cron expressions x 12 zones x catchup on and off, 50 runs each, are compared for
CronTriggerTimetable (plain and with ``interval=``) and CronDataIntervalTimetable, twice: without
any windows, where Airflow's timetable could simply be asked, and with ``Weekly("mon-sun")``, where
our own code decides.

By default this is a spread sample, 15 runs each: every expression in one of the zones with one of
the three timetables, catchup on and off; every zone has some 18 expressions, 6 of them with each
timetable. ``HYPOTHESIS_PROFILE=deep`` compares the whole product, 50 runs each, in over half an
hour.

Dates are spread over 2010 to 2027 so that each expression starts in another season, days before a
change of the clocks in one of the zones. Without catchup the clock is moved along with the runs, at
uneven steps, so that some ticks are missed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.timetables.trigger import (
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    MultipleCronTriggerTimetable,
)
from dateutil.relativedelta import relativedelta

from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.base import to_pendulum
from calendar_timetable.schedule.cron import _thread, several_crons
from calendar_timetable.timetable import CalendarTimetable
from tests.support.cron_expressions import EXPRESSIONS, ZONES
from tests.support.effort import DEEP
from tests.support.moments import utc
from tests.support.timetables import next_run, pen, restriction, travelled

pytestmark = pytest.mark.slow

RUNS = 50 if DEEP else 15
ALWAYS = {"no windows": None, "always open": Weekly("mon-sun")}

STARTS = [
    *(
        "2011-12-27 09:41",
        "2026-03-26 22:13",
        "2026-10-22 03:00",
        "2026-03-05 11:11",
        "2026-10-29 00:00",
    ),
    *(
        "2026-04-02 05:05",
        "2026-09-30 16:00",
        "2026-09-02 17:30",
        "2027-02-03 00:59",
        "2016-10-12 12:00",
    ),
    *("2010-09-22 20:00", "2018-02-14 13:37", "2024-02-27 23:59"),
]

Row = tuple[datetime, datetime, datetime]


def cron_trigger(expression: str, zone: str) -> Timetable:
    return CronTriggerTimetable(expression, timezone=zone)


def cron_trigger_with_interval(expression: str, zone: str) -> Timetable:
    return CronTriggerTimetable(expression, timezone=zone, interval=timedelta(hours=5))


def cron_data_interval(expression: str, zone: str) -> Timetable:
    return CronDataIntervalTimetable(expression, zone)


KINDS = [cron_trigger, cron_trigger_with_interval, cron_data_interval]
Kind = Callable[[str, str], Timetable]


def cases() -> Iterator[tuple[Kind, str, str, datetime, bool]]:
    for i, expression in enumerate(EXPRESSIONS):
        start = utc(STARTS[i % len(STARTS)])
        for j, zone in enumerate(ZONES):
            for k, kind in enumerate(KINDS):
                for catchup in (True, False):
                    if DEEP or ((i + j) % 12, i // 12 % 3) == (0, k):
                        yield kind, expression, zone, start, catchup


def rows(timetable: Timetable, start: datetime, runs: int, *, catchup: bool) -> list[Row]:
    """Runs as the scheduler makes them; without catchup, with a clock that goes on unevenly."""
    found: list[Row] = []
    last: DataInterval | None = None
    now = start if catchup else start + timedelta(hours=30)
    with time_machine.travel(now, tick=False) as clock:
        for i in range(runs):
            try:
                info = asked(timetable, last, restriction(start, catchup=catchup))
            except (AssertionError, ValueError):
                if isinstance(timetable, CalendarTimetable):
                    raise
                break  # Airflow's own fails here
            if info is None or not goes_on(info, last):
                break
            found.append(row(info))
            last = info.data_interval
            if not catchup:
                pause = timedelta(minutes=(7 * i) % 90, seconds=i % 3)
                clock.move_to(
                    max(datetime.now(UTC), info.run_after) + (pause if i % 4 else timedelta(0))
                )
    return found


def goes_on(info: DagRunInfo | None, last: DataInterval | None) -> bool:
    """Tell whether a run is after the last one: of data intervals, not always before Airflow 3.3."""
    if info is None or info.data_interval is None or last is None:
        return True
    return info.data_interval.end > last.end


def asked(
    timetable: Timetable, last: DataInterval | None, limits: TimeRestriction
) -> DagRunInfo | None:
    return timetable.next_dagrun_info(last_automated_data_interval=last, restriction=limits)


def answers(
    timetable: Timetable, last: DataInterval | None, limits: TimeRestriction
) -> list[DagRunInfo | None]:
    """Ours beside Airflow's.

    Empty where Airflow's own fails, as it does in some hours when clocks change, or goes back.
    """
    try:
        expected = asked(timetable, last, limits)
    except (AssertionError, ValueError):
        return []
    if not goes_on(expected, last):
        return []
    return [
        expected,
        *(asked(CalendarTimetable(timetable, windows=w), last, limits) for w in ALWAYS.values()),
    ]


def row(info: DagRunInfo) -> Row:
    assert info.data_interval is not None
    return info.run_after, info.data_interval.start, info.data_interval.end


def differences(
    made: Callable[[], Timetable], start: datetime, runs: int, *, catchup: bool
) -> Iterator[str]:
    expected = rows(made(), start, runs, catchup=catchup)
    for name, windows in ALWAYS.items():
        ours = rows(
            CalendarTimetable(made(), windows=windows), start, len(expected), catchup=catchup
        )
        if ours != expected:
            first = next(i for i in range(len(expected)) if ours[i : i + 1] != expected[i : i + 1])
            yield (
                f"{name}, run {first}: {ours[first : first + 1]} instead of "
                f"{expected[first : first + 1]}"
            )


def test_what_the_sample_covers() -> None:
    sample = list(cases())

    assert len(EXPRESSIONS) >= 200
    assert len(ZONES) == 12
    assert {expression for _, expression, _, _, _ in sample} == set(EXPRESSIONS)
    assert {(kind, zone, catchup) for kind, _, zone, _, catchup in sample} == {
        (kind, zone, catchup) for kind in KINDS for zone in ZONES for catchup in (True, False)
    }


@pytest.mark.parametrize("catchup", [True, False], ids=["catchup", "no catchup"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("zone", ZONES)
def test_cron_is_airflows(zone: str, kind: Kind, catchup: bool) -> None:
    wrong = [
        f"{expression} from {start}: {difference}"
        for a_kind, expression, a_zone, start, a_catchup in cases()
        if (a_kind, a_zone, a_catchup) == (kind, zone, catchup)
        for difference in differences(
            lambda e=expression: kind(e, zone),  # type: ignore[misc]
            start,
            RUNS,
            catchup=catchup,
        )
    ]
    assert not wrong, "\n".join(wrong)


DELTAS: list[Callable[[], Timetable]] = [
    lambda: DeltaTriggerTimetable(timedelta(minutes=17)),
    lambda: DeltaTriggerTimetable(timedelta(hours=25), interval=timedelta(hours=3)),
    lambda: DeltaTriggerTimetable(timedelta(days=1), interval=timedelta(days=1)),
    lambda: DeltaTriggerTimetable(relativedelta(months=1)),
    lambda: DeltaTriggerTimetable(relativedelta(days=2), interval=relativedelta(months=1)),
    lambda: DeltaDataIntervalTimetable(timedelta(minutes=50)),
    lambda: DeltaDataIntervalTimetable(relativedelta(weeks=2)),
    lambda: MultipleCronTriggerTimetable("0 1 * * *", "30 */7 * * MON", timezone="Europe/Berlin"),
    lambda: MultipleCronTriggerTimetable(
        "0 2 * * *", "0 2 1 * *", timezone="America/Santiago", interval=timedelta(hours=1)
    ),
]


@pytest.mark.parametrize("catchup", [True, False], ids=["catchup", "no catchup"])
@pytest.mark.parametrize("start", STARTS[:6])
@pytest.mark.parametrize("made", range(len(DELTAS)))
def test_other_timetables_are_airflows(made: int, start: str, catchup: bool) -> None:
    assert not list(differences(DELTAS[made], utc(start), 50, catchup=catchup))


BARE: list[tuple[Any, str, Callable[[], Timetable]]] = [
    (
        "30 2 * * *",
        "Europe/Berlin",
        lambda: CronTriggerTimetable("30 2 * * *", timezone="Europe/Berlin"),
    ),
    ("@daily", "Asia/Kolkata", lambda: CronTriggerTimetable("@daily", timezone="Asia/Kolkata")),
    (timedelta(hours=7), "UTC", lambda: DeltaTriggerTimetable(timedelta(hours=7))),
    (relativedelta(months=1), "UTC", lambda: DeltaTriggerTimetable(relativedelta(months=1))),
]


@pytest.mark.parametrize("catchup", [True, False], ids=["catchup", "no catchup"])
@pytest.mark.parametrize(("schedule", "zone", "airflows"), BARE, ids=lambda value: str(value)[:16])
def test_texts_and_deltas_mean_what_they_mean_to_airflow(
    schedule: Any, zone: str, airflows: Callable[[], Timetable], catchup: bool
) -> None:
    start = utc("2026-03-20 10:10")
    for windows in ALWAYS.values():
        ours = CalendarTimetable(schedule, timezone=zone, windows=windows)
        assert rows(ours, start, 50, catchup=catchup) == rows(
            airflows(), start, 50, catchup=catchup
        )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_without_a_start_date(kind: Kind) -> None:
    for now in ("2026-03-29 00:00", "2026-03-29 00:04", "2026-03-29 00:31", "2026-03-29 23:59:59"):
        for expression in EXPRESSIONS[::9]:
            for catchup in (True, False):
                made = kind(expression, "Europe/Berlin")
                with time_machine.travel(utc(now), tick=False):
                    said = [
                        each and row(each)
                        for each in answers(made, None, restriction(catchup=catchup))
                    ]
                assert said == said[:1] * len(said), (expression, now)


@pytest.mark.parametrize("catchup", [True, False], ids=["catchup", "no catchup"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_end_date_ends_as_in_airflow(kind: Kind, catchup: bool) -> None:
    start, latest = utc("2026-03-27 10:00"), utc("2026-03-30 06:00")
    last = DataInterval(pen(utc("2026-03-30 04:00")), pen(utc("2026-03-30 05:00")))
    limits = restriction(start, latest, catchup=catchup)
    for expression in EXPRESSIONS[::5]:
        made = kind(expression, "Europe/Berlin")
        for now in (start, utc("2026-03-30 06:30"), utc("2026-04-02 00:00")):
            with time_machine.travel(now, tick=False):
                for before in (None, last):
                    said = [each and row(each) for each in answers(made, before, limits)]
                    assert said == said[:1] * len(said), (expression, now, before)


@pytest.mark.parametrize("windows", ALWAYS.values(), ids=ALWAYS)
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_where_airflows_own_fails_ours_still_answers(day: str, windows: Weekly | None) -> None:
    """A failure in next_dagrun_info silently ends a DAG.

    CronDataIntervalTimetable fails when clocks change.
    """
    failed = []
    for expression in ("30 2 * * *", "0 * 4 * *", "19 * * * 4,5"):
        ours = CalendarTimetable(cron_data_interval(expression, "Europe/Berlin"), windows=windows)
        for minute in range(0, 240, 15):
            now = utc(day) + timedelta(minutes=minute)
            with time_machine.travel(now, tick=False):
                try:
                    asked(ours, None, restriction(utc("2026-01-01"), catchup=False))
                except (AssertionError, ValueError) as error:
                    failed.append(f"{expression} at {now}: {error}")
    assert not failed, "\n".join(failed)


# A change of clocks in a zone: forward, by an hour, half an hour and a day, also at midnight and
# just before it; and back.
CHANGES = {
    "Berlin": ("Europe/Berlin", "2026-03-29 01:00"),
    "Berlin, back": ("Europe/Berlin", "2026-10-25 01:00"),
    "Lord Howe": ("Australia/Lord_Howe", "2026-10-03 15:30"),
    "Lord Howe, back": ("Australia/Lord_Howe", "2026-04-04 15:00"),
    "Sao Paulo": ("America/Sao_Paulo", "2018-11-04 03:00"),
    "Sao Paulo, back": ("America/Sao_Paulo", "2018-02-18 02:00"),
    "Cairo": ("Africa/Cairo", "2026-04-23 22:00"),
    "Beirut": ("Asia/Beirut", "2026-03-28 22:00"),
    "Nuuk": ("America/Nuuk", "2026-03-29 01:00"),
    "Apia": ("Pacific/Apia", "2011-12-30 10:00"),
}
AROUND: list[tuple[str, ...]] = [
    ("30 2 * * *",),
    ("15,45 2 * * *",),
    ("45 * * * *",),
    ("15,30 0,23 * * *",),
    ("30 2 29 3,7 *",),
    ("20 2 * * L0",),
    ("0 * * * SUN",),
    ("30 2 * * *", "0 1,3,22 * * *"),
    ("30 0 * * *", "30 23 * * *", "0 1 * * *"),
]


@pytest.mark.parametrize("expressions", AROUND, ids=" and ".join)
@pytest.mark.parametrize("change", CHANGES)
def test_due_times_do_not_depend_on_what_is_remembered(
    change: str, expressions: tuple[str, ...]
) -> None:
    """Asked from every quarter of an hour around the change, in any order, and step by step."""
    zone, at = CHANGES[change]
    airflows = MultipleCronTriggerTimetable(*expressions, timezone=zone)
    changed = utc(at).timestamp()

    def following(instant: float) -> float:
        info = asked(airflows, DataInterval.exact(to_pendulum(instant)), restriction())
        assert info is not None
        return info.run_after.timestamp()

    def steps(instant: float, until: float) -> list[float]:
        found = [instant]
        while (due := following(found[-1])) <= until:
            found.append(due)
        return found

    moments = [changed + 900 * quarter for quarter in range(-14, 15)]
    moments += [changed + 3600 * hour for hour in range(-48, 49, 6)]
    expected = {moment: following(moment) for moment in moments}
    due = steps(changed - 40 * DAY, changed + 2 * DAY)[1:]
    last = {moment: max((d for d in due if d <= moment), default=None) for moment in moments}
    # From a moment in between on, not what was shifted before it.
    since = {moment: steps(moment - 2700, moment)[-1] for moment in moments}
    shuffled = random.Random(change).sample(moments, len(moments))
    for remembered, order in (("nothing", moments), ("all", moments), ("some", shuffled)):
        _thread.ticks.clear()
        step = changed - 3 * DAY
        while remembered == "all" and step < changed + DAY:
            step = several_crons((each, zone) for each in expressions).after(step)
        for moment in order:
            if remembered == "nothing":
                _thread.ticks.clear()
            ours = several_crons((each, zone) for each in expressions)
            assert ours.after(moment) == expected[moment]
            if last[moment] is not None:
                assert ours.last_until(moment) == last[moment]
            assert max(ours.last_until(moment, moment - 2700), moment - 2700) == since[moment]


def test_a_due_time_that_a_gap_shifted_follows_only_what_is_before_the_gap() -> None:
    """At 03:00 another schedule's run was made, or one before an edit; 02:30 became 03:30."""
    berlin = "Europe/Berlin"
    night = {"timezone": berlin, "windows": Weekly("daily 00:00-24:00")}
    alone = travelled(CalendarTimetable("30 2 * * *", **night))
    both = MultipleCronTriggerTimetable("30 2 * * *", "0 1,3,22 * * *", timezone=berlin)
    together = travelled(CalendarTimetable(both, **night))
    three, four = utc("2026-03-29T03:00+02:00"), utc("2026-03-29T04:00+02:00")
    tomorrow, evening = utc("2026-03-30T02:30+02:00"), utc("2026-03-29T22:00+02:00")
    with time_machine.travel(utc("2026-03-28 12:00"), tick=False):
        plan = [run.due for run in together.plan(utc("2026-03-29T00:30+01:00"), limit=4)]
        alone.plan(utc("2026-03-28 00:00"), limit=3)
    for now in (three + timedelta(minutes=5), three + timedelta(minutes=45), four):
        for catchup in (True, False):
            with time_machine.travel(now, tick=False):
                after = [next_run(each, three, catchup=catchup) for each in (alone, together)]
            assert [info and info.run_after for info in after] == [tomorrow, evening]

    assert plan == [utc("2026-03-29 00:00"), three, evening, utc("2026-03-29 23:00")]
    with time_machine.travel(four, tick=False):
        [made] = [run.due for run in alone.plan(three + timedelta(minutes=10), limit=1)]
    assert made == utc("2026-03-29T03:30+02:00"), "it is still to come for whoever looks at 03:10"

"""The judge of a soak finds each fault, and none where there is none."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import asdict, replace

import pytest

from tests.soak.__main__ import read
from tests.soak.calendars import Look, Version
from tests.soak.drawn import CALENDARS, Dag, draw, source
from tests.soak.judge import Event, Parse, Record, Run, Sample, judge, rise_of
from tests.soak.picture import picture

T = 1_800_000_000.0  # a multiple of five minutes
DAG = Dag("some", every=300, blackouts=("dav0",))
MEETING = (T + 590.0, T + 720.0)  # the run due at T + 600 is held until T + 720


def run(due: float, start: float | None = None, **more: float | str) -> Run:
    start = due if start is None else start
    given = {"created": T + start + 1, "begins": T + due} | more
    return Run("some", T + due, T + start, **given)


def record(
    *runs: Run, dag: Dag = DAG, spans: tuple[tuple[float, float], ...] = (MEETING,)
) -> Record:
    """An hour in which the calendar is asked and the DAG is parsed all the time."""
    moments = [T - 300 + 30 * number for number in range(140)]
    return Record(
        began=T,
        quiet=T + 1800,
        opened=T + 1200,
        ended=T + 3600,
        dags=[dag],
        runs=list(runs),
        versions=[Version(T - 400, "dav0", spans)],
        looks=[Look(at, "dav0") for at in moments],
        parses=[
            *(Parse(at, "some", "a.py") for at in moments),
            *(Parse(at - 20, "other", "b.py") for at in moments),
        ],
    )


FIVE = (run(0), run(300), run(600, 720), run(900), run(1200), run(1500))


def faults(found: Record) -> str:
    return "\n".join(fault for verdict in judge(found) for fault in verdict.faults)


def test_what_is_right_has_no_fault() -> None:
    assert faults(record(*FIVE)) == ""
    made_early = replace(FIVE[2], created=T + 650, begun=T + 721)
    assert faults(record(*FIVE[:2], made_early, *FIVE[3:])) == ""
    skips = replace(DAG, when_blocked="skip")
    assert faults(record(*FIVE[:2], *FIVE[3:], dag=skips)) == ""


@pytest.mark.parametrize(
    ("runs", "dag", "why"),
    [
        ((*FIVE[:1], *FIVE[2:]), DAG, "expected a run: no calendar closed that time"),
        ((*FIVE[:2], *FIVE[3:]), replace(DAG, coalesce=False), "expected a run of its own"),
        ((*FIVE[:2], run(600), *FIVE[3:]), DAG, "when time was closed"),
        ((*FIVE, replace(FIVE[5], created=T + 1600)), DAG, "expected after the run due"),
        ((*FIVE, replace(FIVE[0], created=T + 1600)), DAG, "expected after the run due"),
        ((*FIVE, run(1801)), DAG, "it is not due then, but every 300 s"),
        ((*FIVE, run(1800, begun=T + 1700)), DAG, "before its start"),
        ((*FIVE, run(1800, 1700)), DAG, "starts 100 s before it is due"),
        (FIVE, replace(DAG, when_blocked="run"), "starts 120 s after it is due, expected 0 s"),
        (FIVE[:4], DAG, "expected a run, as all was open; the last one was due"),
        ((replace(FIVE[0], state="failed"), *FIVE[1:]), DAG, "its run is failed"),
        ((), DAG, "the last one was due never"),
        (FIVE, replace(DAG, base="interval"), "its data interval begins"),
        (FIVE, replace(DAG, windows="ics8"), "when time was closed"),
    ],
)
def test_each_fault_is_told(runs: tuple[Run, ...], dag: Dag, why: str) -> None:
    told = record(*runs, dag=dag)
    told.versions.append(Version(T - 400, "ics8", ()))
    assert why in faults(told)


def test_time_that_may_have_been_open_is_not_held_against_a_run() -> None:
    made_in_meeting = (*FIVE[:2], run(600), *FIVE[3:])
    late_edit = record(*made_in_meeting)
    late_edit.versions = [Version(T, "dav0", ()), Version(T + 590, "dav0", (MEETING,))]
    assert faults(late_edit) == "", "its calendar was edited ten seconds before"
    late_edit.versions[1] = Version(T + 200, "dav0", (MEETING,))
    assert "when time was closed" in faults(late_edit), "it was edited, and read, long before"
    late_edit.looks = [look for look in late_edit.looks if look.at < T + 200]
    assert faults(late_edit) == "", "its server did not answer since"


def test_a_duration_has_to_fit() -> None:
    dag = replace(DAG, duration=100, max_delay=120)
    closes = ((T + 650.0, T + 700.0),)
    runs = (*FIVE[:2], run(600), *FIVE[3:])
    assert "when 100 s did not fit" in faults(record(*runs, dag=dag, spans=closes))
    assert faults(record(*runs, dag=replace(dag, duration=50), spans=closes)) == ""


def test_without_catchup_runs_may_be_lost_to_lateness_alone() -> None:
    dag = replace(DAG, catchup=False)
    without = (run(0), run(900), run(1200), run(1500))
    assert "no calendar closed" in faults(record(*without, dag=dag, spans=()))
    late = replace(without[0], created=T + 900.5)
    assert faults(record(late, *without[1:], dag=dag, spans=())) == ""


def test_what_rises_or_is_lost_is_told() -> None:
    level, rising = record(*FIVE), record(*FIVE)
    for number in range(100):
        at = T + 1800 + 15 * number
        level.samples.append(Sample(at, "scheduler", 400 + 30 * (number % 3), 50, 9))
        rising.samples.append(Sample(at, "scheduler", 400 + 2 * number, 50 + number, 9))
    assert faults(level) == ""
    assert "scheduler: memory rises by 198" in faults(rising)
    assert "scheduler: files rises by 99" in faults(rising)
    rising.events = [Event(T, "triggerer", "ended"), Event(T, "radicale", "killed")]
    assert "triggerer ended on its own" in faults(rising)
    assert "radicale was not started again" in faults(rising)


def test_an_outlier_is_no_rise() -> None:
    assert rise_of([(at, 900.0 if at == 40 else 100.0) for at in range(50)]) == 0


def test_a_record_is_kept_whole_and_drawn() -> None:
    kept = record(*FIVE)
    kept.samples = [Sample(T, "scheduler", 400), Sample(T + 60, "scheduler", 410)]
    kept.events = [Event(T + 30, "scheduler", "killed"), Event(T + 40, "scheduler", "started")]
    assert read(asdict(kept)) == kept
    drawn = ET.fromstring(picture(kept, judge(kept)))
    said = "".join(drawn.itertext())
    assert "60 minutes of 1 DAGs" in said
    assert said.count("✓") == 5


def test_dags_are_drawn_again_by_their_seed() -> None:
    dags = draw(300, 7)
    assert dags == draw(300, 7) != draw(300, 8)
    assert {dag.when_blocked for dag in dags} == {"postpone", "advance", "skip", "run"}
    compile(source(dags, {name: name for name in CALENDARS}, T), "dags.py", "exec")

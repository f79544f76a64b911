"""What may be placed in a deployment whose runs are recorded, and how it goes on from there.

The story: DAGs get ``place=True``, ``calendar-timetable place`` writes a file, the DAGs are parsed
with it, weeks pass, somebody adds one.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.models.dag import DagModel
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.cli import main
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.policy import dag_policy
from calendar_timetable.runs import lru
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.room import Room, read_room
from calendar_timetable.runs.stored_schedules import read_schedules
from calendar_timetable.schedule.placement_file import read
from tests.support.airflow_database import add_dag
from tests.support.moments import utc
from tests.support.recorded import Recorded, Task, add_pool, record

NOW = utc("2027-03-15 00:00")  # a Monday
AT = int(NOW.timestamp())
HOUR = 3600
OPTION = "AIRFLOW__CALENDAR_TIMETABLE__PLACEMENT"

pytestmark = pytest.mark.usefixtures("for_commands")


def nightly(**more: Any) -> CalendarTimetable:
    given: dict[str, Any] = {"max_delay": timedelta(hours=8), "place": True} | more
    return CalendarTimetable("0 1 * * *", timezone="UTC", **given)


def a_dag(session: Session, dag_id: str, schedule: Any, pool: str = "gpu") -> None:
    dag = DAG(dag_id, schedule=schedule, start_date=datetime(2027, 1, 1), catchup=False)
    with dag:
        EmptyOperator(task_id="task", pool=pool)
    dag_policy(dag)
    add_dag(session, dag, NOW, seen=utc("2027-02-01"))


def recorded(dag_id: str, hour: float, hours: float, days: int = 28, **task: Any) -> list[Recorded]:
    """Its runs of the last days, each with one task of so many hours."""
    runs = []
    for number in range(1, days + 1):
        due = AT - number * DAY + hour * HOUR
        one = Task("task", due, due, due + hours * HOUR, **{"pool": "gpu", **task})
        runs.append(Recorded(dag_id, due, due, due + hours * HOUR, [one]))
    return runs


def room_of(session: Session) -> Room:
    lru.forget()
    ids = [dag_id for (dag_id,) in session.query(DagModel.dag_id)]
    return read_room(session, read_dags(session, ids), read_schedules(session, ids), AT)


def placed(file: Path, capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    """Run the command, and return what it prints as JSON."""
    lru.forget()
    code = main(["place", "--out", str(file), "--json", *options])
    told = json.loads(capsys.readouterr().out)
    return told | {"code": code}


def test_the_story_of_a_placement(
    session: Session,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_pool(session, "gpu", 8)
    a_dag(session, "by_hand", "0 0 * * *")  # a DAG of Airflow's own uses most until three
    record(session, recorded("by_hand", 0, 3, slots=5))
    for number in range(4):
        a_dag(session, f"train_{number}", nightly())
        record(session, recorded(f"train_{number}", 1, 1))
    file = tmp_path / "placement.toml"

    told = placed(file, capsys)

    assert told["code"] == 0
    (pool,) = told["pools"]
    assert (pool["pool"], pool["slots"]) == ("gpu", 8)
    assert pool["peak_before"] == pytest.approx(9, abs=0.6), "all four begin at one, beside five"
    assert pool["peak"] < 6
    starts = sorted(one["next_start"] for one in told["dags"])
    assert all(start > "2027-03-15T02:30" for start in starts)
    assert len(set(starts)) == 4
    assert any("pool gpu is busier until 0" in one["why"] for one in told["dags"])

    # The DAGs are parsed anew, with the file.
    monkeypatch.setenv(OPTION, str(file))
    dag = DAG("train_0", schedule=nightly(), start_date=datetime(2027, 1, 1))
    dag_policy(dag)
    assert isinstance(dag.timetable, CalendarTimetable)
    (run,) = dag.timetable.plan(NOW, limit=1)
    delay = read(file)["train_0"].delay
    assert (run.start, run.due) == (
        NOW + timedelta(hours=1, seconds=delay),
        NOW + timedelta(hours=1),
    )
    assert run.reasons[0].startswith("placed at 0")
    assert run.outcome == "on_time"

    # Nothing new, nothing moves: the file is the same, byte for byte.
    before = file.read_bytes()
    placed(file, capsys)
    assert file.read_bytes() == before

    # One more moves no other; one that is gone leaves the file, one that is paused does not.
    a_dag(session, "one_more", nightly())
    record(session, recorded("one_more", 1, 1))
    session.query(DagModel).filter(DagModel.dag_id == "train_3").update({"is_stale": True})
    session.query(DagModel).filter(DagModel.dag_id == "train_2").update({"is_paused": True})
    session.commit()
    old = read(file)
    assert placed(file, capsys)["removed"] == ["train_3"]
    new = read(file)
    assert new.keys() == {"train_0", "train_1", "train_2", "one_more"}
    assert {i: new[i] for i in old if i in new} == {i: old[i] for i in old if i in new}


def test_windows_and_a_stagger_bound_where_a_dag_may_be_put(session: Session) -> None:
    add_pool(session, "gpu", 8)
    a_dag(session, "nights", nightly(windows=Weekly("daily 02:00-04:00")))
    a_dag(session, "soon", nightly(stagger=timedelta(minutes=30)))
    record(session, [*recorded("nights", 2, 0.5), *recorded("soon", 1, 0.5)])

    work = {one.dag_id: one for one in room_of(session).work}

    (due, first), *_ = work["nights"].room
    assert due == AT + HOUR
    # Without a duration no run is put into the last five minutes.
    assert list(first) == [(AT + 2 * HOUR, AT + 4 * HOUR - 300 + 1)]
    assert list(work["soon"].room[0][1]) == [(AT + HOUR, AT + HOUR + 1800 + 1)]
    assert len(work["soon"].room) == 14


def test_what_cannot_be_placed_says_why(session: Session) -> None:
    add_pool(session, "gpu", 8)
    a_dag(session, "new", nightly())
    a_dag(session, "new_with_a_duration", nightly(duration=timedelta(hours=2)))
    a_dag(session, "often", CalendarTimetable("* * * * *", place=True))
    a_dag(session, "never", nightly(windows=Weekly("mon 09:00-10:00"), max_delay=timedelta(0)))
    a_dag(session, "not_asked", nightly(place=False))
    record(session, [*recorded("often", 1, 0.01), *recorded("never", 1, 0.5)])

    room = room_of(session)

    assert [one.dag_id for one in room.work] == ["new_with_a_duration"]
    assert [tuple(need)[:4] for need in room.work[0].needs] == [("gpu", 1, 0, 7200)]
    assert room.unknown.keys() == {"new", "often", "never"}
    assert room.weeks == 0 or room.weeks == 4


def test_the_load_beside_is_that_of_other_dags_in_the_same_hours(session: Session) -> None:
    add_pool(session, "gpu", 8)
    a_dag(session, "by_hand", "0 9 * * *")
    a_dag(session, "train", nightly())
    record(session, [*recorded("by_hand", 9, 8, slots=3), *recorded("train", 1, 4, slots=2)])

    room = room_of(session)

    assert room.weeks == 3, "the fourth is not whole"
    at = {hour: room.load["gpu"].at(AT + hour * HOUR + 1800) for hour in (3, 13, 22)}
    assert at[13] == pytest.approx(3, abs=0.1)
    assert at[3] == pytest.approx(0, abs=0.1), "its own runs are put anew"
    assert room.load["gpu"].at(AT + 10 * DAY + 13 * HOUR + 1800) == pytest.approx(3, abs=0.1)


def test_it_says_that_there_is_nothing_to_place(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_dag(session, "plain", "0 1 * * *", pool="default_pool")

    assert main(["place", "--out", str(tmp_path / "placement.toml")]) == 2
    assert "place=True" in capsys.readouterr().err
    assert not (tmp_path / "placement.toml").exists()


def test_a_file_that_cannot_be_written_is_named(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_pool(session, "gpu", 8)
    a_dag(session, "train", nightly())
    record(session, recorded("train", 1, 1))

    assert main(["place", "--out", str(tmp_path / "none" / "placement.toml")]) == 2
    assert "--out=" in capsys.readouterr().err


def test_it_is_told_in_a_table(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    add_pool(session, "gpu", 8)
    for number in range(3):
        a_dag(session, f"train_{number}", nightly())
        record(session, recorded(f"train_{number}", 1, 2))

    assert main(["place"]) == 0

    out = capsys.readouterr().out
    assert "Pool gpu: at most 1 of 8 slots in use; 3 before" in out
    assert "pool gpu is busier until 03:00" in out
    assert "train_2" in out

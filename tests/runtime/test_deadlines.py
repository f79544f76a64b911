"""Deadlines out of calendars.

What is stored with the DAG, what a run gets of it, and what a notifier can say.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from airflow.sdk import BaseNotifier
from airflow.sdk.definitions.deadline import DeadlineAlert
from airflow.serialization.decoders import decode_deadline_reference
from airflow.serialization.encoders import encode_deadline_alert, encode_deadline_reference

from calendar_timetable import Calendar, CalendarTimetable, InvalidArgument, Weekly
from calendar_timetable.planning.milestones import milestone_deadline
from calendar_timetable.plugin import CalendarSchedulePlugin
from calendar_timetable.runtime import MilestoneDeadline, WindowEndDeadline, deadlines, late_alerts
from calendar_timetable.runtime.late_alerts import late, late_alert
from tests.support.moments import utc
from tests.support.team_calendar import TeamCalendar

DAY = timedelta(days=1)
NIGHTS = Weekly("daily 22:00-06:00")


@pytest.fixture(autouse=True)
def march() -> Any:
    with time_machine.travel(utc("2026-03-02 12:00"), tick=False):
        yield


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = CalendarSchedulePlugin()
    known = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in plugin.deadline_references}
    monkeypatch.setattr("airflow.plugins_manager.get_deadline_references_plugins", lambda: known)


def release(team: TeamCalendar) -> MilestoneDeadline:
    return MilestoneDeadline(Calendar(team.address, match="Release*"), before=DAY)


@pytest.mark.parametrize(
    ("planned", "deadline"),
    [
        ("2026-03-02 02:00", "2026-03-04 09:00"),
        ("2026-03-04 10:00", "2026-03-04 09:00"),  # too late from the start: told at once
        ("2026-03-05 09:00", "2026-03-11 09:00"),  # it has begun: the next one counts
        ("2026-03-20 09:00", None),
    ],
)
def test_before_the_next_milestone(team: TeamCalendar, planned: str, deadline: str | None) -> None:
    team.put("one", "2026-03-05 09:00", "2026-03-05 10:00", "SUMMARY:Release 1")
    team.put("lunch", "2026-03-03 12:00", "2026-03-03 13:00", "SUMMARY:Lunch")
    team.put(
        "gone", "2026-03-03 09:00", "2026-03-03 10:00", "SUMMARY:Release 0", "STATUS:CANCELLED"
    )
    team.put(
        "two", "2026-03-12 09:00", "2026-03-12 10:00", "SUMMARY:Release 2", "TRANSP:TRANSPARENT"
    )
    stored = json.loads(json.dumps(encode_deadline_reference(release(team))))
    again = decode_deadline_reference(stored)

    assert encode_deadline_reference(again.inner_ref) == stored
    found = milestone_deadline(stored, utc(planned))
    assert found == (None if deadline is None else utc(deadline))


def test_what_is_stored_holds_no_address_and_no_title(team: TeamCalendar) -> None:
    team.put("one", "2026-03-05 09:00", "2026-03-05 10:00", "SUMMARY:Release 1")
    assert release(team).serialize_reference() == {
        "reference_type": "MilestoneDeadline",
        "calendar": "team.ics",
        "which": release(team).serialize_reference()["which"],
        "before": 86400,
        "milestones": [int(utc("2026-03-05 09:00").timestamp())],
    }


def test_what_is_stored_changes_with_the_milestones_only(team: TeamCalendar) -> None:
    team.put("one", "2026-03-05 09:00", "2026-03-05 10:00", "SUMMARY:Release 1")
    stored = release(team).serialize_reference()
    team.put("lunch", "2026-03-03 12:00", "2026-03-03 13:00", "SUMMARY:Lunch")
    with time_machine.travel(utc("2026-03-30 12:00"), tick=False):
        assert release(team).serialize_reference() == stored
    assert release(team) == release(team)
    assert len({release(team), release(team)}) == 1
    team.put("one", "2026-03-04 09:00", "2026-03-05 10:00", "SUMMARY:Release 1")
    assert release(team).serialize_reference()["milestones"] != stored["milestones"]


def test_a_calendar_that_cannot_be_read_is_no_error_of_the_dag_file(team: TeamCalendar) -> None:
    team.path.unlink()
    stored = release(team).serialize_reference()

    assert stored["unread"] is True
    assert milestone_deadline(stored, utc("2026-03-02 02:00")) is None
    team.put("one", "2026-03-05 09:00", "2026-03-05 10:00", "SUMMARY:Release 1")
    assert release(team).serialize_reference()["which"] == stored["which"]


@pytest.mark.parametrize("reference", [MilestoneDeadline(), MilestoneDeadline("team", before=-DAY)])
def test_mistakes_are_named(reference: MilestoneDeadline) -> None:
    with pytest.raises(Exception, match=r"calendar|before"):
        reference.serialize_reference()
    with pytest.raises(InvalidArgument):
        deadlines.milestones(MilestoneDeadline(Weekly("sat")))


@pytest.mark.parametrize(
    ("windows", "planned", "deadline"),
    [
        (NIGHTS, "2026-03-03 02:00", "2026-03-03 05:55"),
        (NIGHTS, "2026-03-03 06:00", "2026-03-04 05:55"),  # closed by then: an asset asked for it
        (None, "2026-03-03 02:00", None),
        (~Weekly("daily 00:00-24:00"), "2026-03-03 02:00", None),
    ],
)
def test_the_windows_end(
    windows: Any, planned: str, deadline: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = end_of_window(windows, planned, monkeypatch)
    assert found == (None if deadline is None else utc(deadline))


@pytest.mark.parametrize("run", [{"run_type": "manual"}, {"conf": {"ignore_calendar": "hotfix"}}])
@pytest.mark.parametrize("planned", ["2026-03-03 02:00", "2026-03-03 12:00"])
def test_the_windows_end_is_of_no_account_to_a_run_that_ignores_it(
    run: dict[str, Any], planned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert end_of_window(NIGHTS, planned, monkeypatch, **run) is None


def end_of_window(
    windows: Any, planned: str, monkeypatch: pytest.MonkeyPatch, **given: Any
) -> datetime | None:
    """The deadline of a run that is planned to start then.

    It is five minutes before the window's end.
    """
    made = CalendarTimetable("0 2 * * *", timezone="UTC", windows=windows)
    dag = SimpleNamespace(timetable=CalendarTimetable.deserialize(made.serialize()))
    stored = SimpleNamespace(get=lambda dag_id, session: SimpleNamespace(dag=dag))
    monkeypatch.setattr("airflow.models.serialized_dag.SerializedDagModel", stored)
    run = SimpleNamespace(
        **{"run_after": utc(planned), "run_type": "scheduled", "conf": None} | given
    )
    session = SimpleNamespace(execute=lambda query: SimpleNamespace(one=lambda: run))
    reference = decode_deadline_reference(encode_deadline_reference(WindowEndDeadline()))

    found: datetime | None = reference.evaluate_with(
        session=session, interval=timedelta(minutes=-5), dag_id="d", run_id="r"
    )
    return found


CONTEXT: dict[str, Any] = {
    "dag_run": {
        "dag_id": "training",
        "dag_display_name": "Training",
        "run_id": "scheduled__1",
        "state": "running",
        "data_interval_end": "2026-03-02T02:00:00Z",
        "logical_date": "2026-03-02T02:00:00Z",
        "run_after": "2026-03-02T05:00:00Z",
        "start_date": "2026-03-02T05:30:00Z",
    },
    "deadline": {"id": "1", "deadline_time": "2026-03-04T09:00:00+00:00"},
}


@pytest.mark.parametrize(
    ("run", "milestone", "sentence"),
    [
        (
            {},
            "for 'Release 1' in team",
            (
                "Training has not ended by Wed 4 Mar 2026 09:00 UTC, for 'Release 1' in team: "
                "due Mon 2 Mar 02:00, planned Mon 2 Mar 05:00, "
                "held by calendars, windows or stagger for 3 h, waited in the "
                "queue for 30 min, running for 2 d 3 h 30 min"
            ),
        ),
        (
            {"run_after": "2026-03-02T02:00:00Z", "start_date": None, "state": "queued"},
            "",
            (
                "Training has not ended by Wed 4 Mar 2026 09:00 UTC: due Mon 2 Mar 02:00, "
                "planned Mon 2 Mar 02:00, not started yet"
            ),
        ),
        (
            {"data_interval_end": None, "logical_date": None, "start_date": "2026-03-02T05:00:01Z"},
            "",
            (
                "Training has not ended by Wed 4 Mar 2026 09:00 UTC: due Mon 2 Mar 05:00, "
                "planned Mon 2 Mar 05:00, running for 2 d 3 h 59 min 59 s"
            ),
        ),
        (
            {"run_type": "manual", "start_date": "2026-03-02T05:00:01Z"},  # no calendar held it
            "",
            (
                "Training has not ended by Wed 4 Mar 2026 09:00 UTC: due Mon 2 Mar 05:00, "
                "planned Mon 2 Mar 05:00, running for 2 d 3 h 59 min 59 s"
            ),
        ),
    ],
)
def test_a_sentence_for_people(run: dict[str, Any], milestone: str, sentence: str) -> None:
    said = late({**CONTEXT, "dag_run": CONTEXT["dag_run"] | run}, milestone)

    assert said.sentence == sentence
    assert said.what == "Training" and said.deadline == utc("2026-03-04 09:00")


SENT: list[str] = []


class Pager(BaseNotifier):
    """A notifier that is not asynchronous, as some are."""

    template_fields = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__()

    def notify(self, context: Any) -> None:
        SENT.append(self.text)


class AsyncPager(Pager):
    async def async_notify(self, context: Any) -> None:
        SENT.append(f"async {self.text}")


@pytest.mark.parametrize(("notifier", "sign"), [(Pager, ""), (AsyncPager, "async ")])
@pytest.mark.parametrize(("titles", "named"), [(True, "'Release 1' in"), (False, "an event of")])
def test_a_notifier_tells_of_it(
    team: TeamCalendar, notifier: Any, sign: str, titles: bool, named: str
) -> None:
    team.put("one", "2026-03-05 09:00", "2026-03-05 10:00", "SUMMARY:Release 1")
    reference = MilestoneDeadline(Calendar(team.address, show_titles=titles), before=DAY)
    alert = late_alert(
        reference, notifier, text="{{ late.what }} {{ late.milestone }} of {{ dag_run.run_id }}"
    )
    assert isinstance(alert, DeadlineAlert)
    encode_deadline_alert(alert)
    assert alert.callback.path == "calendar_timetable.runtime.late_alerts.tell"
    kwargs = json.loads(json.dumps(alert.callback.kwargs))

    SENT.clear()
    asyncio.run(late_alerts.tell(context=CONTEXT, **kwargs))
    assert [f"{sign}Training for {named} team.ics of scheduled__1"] == SENT


@pytest.mark.parametrize("offset", [timedelta(0), timedelta(hours=-1), 2 * DAY])
def test_the_event_named_is_the_milestone(team: TeamCalendar, offset: timedelta) -> None:
    """Others begin when it does, or where it would without an offset, and are none."""
    at = utc("2026-03-05 09:00") - offset
    times = [f"{at + shift:%Y-%m-%d %H:%M}" for shift in (timedelta(0), timedelta(minutes=30))]
    cancelled, draft = "STATUS:CANCELLED", "STATUS:TENTATIVE"
    team.put("0", *times, "SUMMARY:Release 0", cancelled)
    team.put("1", *times, "SUMMARY:Release 1", draft)
    team.put("2", *times, "SUMMARY:Release 2")
    if offset:
        team.put("3", "2026-03-05 09:00", "2026-03-05 10:00", "SUMMARY:Release 3", cancelled)
    calendar = Calendar(team.address, show_titles=True, offset=offset)
    alert = late_alert(MilestoneDeadline(calendar, before=DAY), Pager, text="{{ late.milestone }}")

    SENT.clear()
    asyncio.run(late_alerts.tell(context=CONTEXT, **alert.callback.kwargs))
    assert SENT == ["for 'Release 2' in team.ics"]


def test_a_secret_address_does_not_go_into_the_callback() -> None:
    reference = MilestoneDeadline("https://example.org/private-4711/basic.ics")
    alert = late_alert(reference, Pager, text="x")

    assert "4711" not in json.dumps(alert.callback.kwargs)
    SENT.clear()
    asyncio.run(
        late_alerts.tell(
            context=CONTEXT,
            **alert.callback.kwargs | {"arguments": {"text": "{{ late.milestone }}"}},
        )
    )
    assert SENT == ["for an event of example.org"]


def test_times_are_aware() -> None:
    assert late(CONTEXT).due.tzinfo is UTC

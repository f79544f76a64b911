"""Who passes closed time must say why, where that is required; and gates note who passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from calendar_timetable import CalendarGate, CalendarTimetable, Weekly, hold_until_open
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.runs.override_reasons import PASSED, REFUSED
from tests.support.moments import utc
from tests.support.team_calendar import context_of

pytestmark = pytest.mark.usefixtures("counted")
OPTION = "AIRFLOW__CALENDAR_TIMETABLE__REQUIRE_REASON"
CLOSED, OPEN = "2026-03-02 12:00", "2026-03-02 23:00"
FORMS = {
    "hold_until_open": hold_until_open,
    "CalendarGate": lambda context: CalendarGate(task_id="gate").execute(context),
}
Form = Callable[[Any], None]
forms = pytest.mark.parametrize("gate", FORMS.values(), ids=FORMS)


def passing(**run: Any) -> tuple[dict[str, Any], list[str]]:
    """A task's context, and the keys of what it pushes."""
    schedule = CalendarTimetable("0 2 * * *", timezone="UTC", windows=Weekly("daily 22:00-06:00"))
    context, pushed = context_of(schedule, **run), []
    context["ti"].xcom_push = lambda key, value: pushed.append(key)
    return context, pushed


@forms
@pytest.mark.parametrize(
    ("run", "at", "required", "outcome"),
    [
        ({"run_type": "manual"}, CLOSED, "False", [PASSED]),
        ({"run_type": "manual"}, OPEN, "True", []),
        ({"run_type": "manual"}, CLOSED, "True", [REFUSED]),
        ({"run_type": "manual", "note": "customer waits"}, CLOSED, "True", [PASSED]),
        ({"run_type": "manual", "note": " \n"}, CLOSED, "True", [REFUSED]),
        ({"conf": {"ignore_calendar": "hotfix"}}, CLOSED, "True", [PASSED]),
        ({"conf": {"ignore_calendar": "hotfix"}}, OPEN, "True", []),
        ({"conf": {"ignore_calendar": True}}, CLOSED, "False", [PASSED]),
        ({"conf": {"ignore_calendar": True}}, CLOSED, "True", [REFUSED]),
        ({"conf": {"ignore_calendar": True}}, OPEN, "True", [REFUSED]),
        ({"conf": {"ignore_calendar": " "}}, CLOSED, "True", [REFUSED]),
    ],
)
def test_who_passes(
    gate: Form,
    run: dict[str, Any],
    at: str,
    required: str,
    outcome: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(OPTION, required)
    context, pushed = passing(**run)
    with time_machine.travel(utc(at), tick=False):
        if outcome == [REFUSED]:
            with pytest.raises(AirflowFailException, match=r'\{"ignore_calendar": "why"\}'):
                gate(context)
        else:
            gate(context)
    assert pushed == outcome


def test_others_wait_whatever_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPTION, "True")
    context, pushed = passing(conf={"ignore_calendar": False})
    with time_machine.travel(utc(CLOSED), tick=False), pytest.raises(AirflowRescheduleException):
        hold_until_open(context)
    assert pushed == []


def test_a_wrong_option_lets_nobody_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPTION, "maybe")
    context, _ = passing(run_type="manual")
    with (
        time_machine.travel(utc(CLOSED), tick=False),
        pytest.raises(InvalidArgument, match=r"require_reason='maybe': write True or False"),
    ):
        hold_until_open(context)

"""Runs that ignore calendars: triggered by hand, or told to.

Who did that, and why, goes to the task's log. Where time is closed it is noted in Airflow's records
too, and refused without a reason if ``[calendar_timetable] require_reason`` says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from calendar_timetable.config import FLAG, SECTION, reason_required
from calendar_timetable.runs.override_reasons import (
    MOST_SAID,
    NO_REASON,
    PASSED,
    REFUSED,
    flag_of,
    reason_given,
)

_log = logging.getLogger(__name__)
_told: tuple[Any, ...] = ()  # the run that this process logged last


def ignores_calendars(run: Any) -> bool:
    """Tell whether *run* was triggered by hand, or its conf tells it to ignore calendars."""
    return bool(_flag(run)) or _by_hand(run)


def override(context: Any, *, is_closed: Callable[[], bool], by_hand: bool = True) -> bool:
    """Tell whether the run of *context* passes a gate, and log it if so.

    Without *by_hand* it passes only where its conf says so, not because somebody triggered it.
    *is_closed* tells whether the gate is closed for it. Raises ``AirflowFailException`` where a
    reason is required and there is none: in open time who triggers by hand needs none.
    """
    run = context["dag_run"]
    if not (ignores_calendars(run) if by_hand else _flag(run)):
        return False
    closed = is_closed()
    if (closed or _flag(run)) and _why(run) is None and reason_required():
        from airflow.sdk.exceptions import AirflowFailException

        _note(context, REFUSED)
        raise AirflowFailException(
            f"Run {run.run_id} ignores calendars ({_how(run)}) and gives no reason, which "
            f'[{SECTION}] require_reason asks for: trigger it with the conf {{"{FLAG}": "why"}}'
        )
    _tell(run)
    if closed:
        _note(context, PASSED)
    return True


def _note(context: Any, key: str) -> None:
    """Note in Airflow's records what a gate did: other records do not tell that it was closed."""
    push = getattr(context["ti"], "xcom_push", None)
    if push is not None:
        push(key, _how(context["dag_run"]))


def overridden(source: Any) -> bool:
    """Tell whether the window's end does not matter to the run that asks.

    That is the run of *source*, where this is a task's context or a task instance; else the run of
    the running task. It is logged once per run and process.
    """
    run = _run_of(source)
    if run is None or not ignores_calendars(run):
        return False
    if _told != _identity(run):
        _tell(run)
    return True


def _run_of(source: Any) -> Any:
    if isinstance(source, Mapping):
        own = source.get("dag_run")
    else:
        # A task instance has its run itself; in a worker, it has what the server told of the run.
        holders = (source, getattr(source, "_ti_context_from_server", None))
        own = next(
            (run for holder in holders if (run := getattr(holder, "dag_run", None)) is not None),
            None,
        )
    if own is not None:
        return own
    from airflow.sdk import get_current_context

    try:
        return get_current_context().get("dag_run")
    except RuntimeError:  # no task is running
        return None


def _tell(run: Any) -> None:
    global _told  # noqa: PLW0603
    who = getattr(run, "triggering_user_name", None) or "a user not named"
    _log.warning(
        "Calendars are ignored for run %s: %s, by %s: %.*r",
        run.run_id,
        _how(run),
        who,
        MOST_SAID,
        _why(run) or NO_REASON,
    )
    _told = _identity(run)


def _how(run: Any) -> str:
    return f"its conf sets {FLAG}" if _flag(run) else "it was triggered by hand"


def _why(run: Any) -> str | None:
    return reason_given(getattr(run, "conf", None), getattr(run, "note", None))


def _flag(run: Any) -> Any:
    return flag_of(getattr(run, "conf", None))


def _by_hand(run: Any) -> bool:
    kind = getattr(run, "run_type", "")
    return str(getattr(kind, "value", kind)) == "manual"


def _identity(run: Any) -> tuple[Any, ...]:
    return getattr(run, "dag_id", None), run.run_id

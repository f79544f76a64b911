"""Runs that ignore calendars: started by hand, or told to. Who and why go to the task's log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

FLAG = "ignore_calendar"  # in a run's conf: true, or the reason as text
_MOST_SAID = 300
_log = logging.getLogger(__name__)
_told: tuple[Any, ...] = ()  # the run that this process told of last


def ignores_calendars(run: Any) -> bool:
    """Whether *run* was triggered by hand, or its conf tells it to ignore calendars."""
    return bool(_flag(run)) or _by_hand(run)


def override(context: Any) -> bool:
    """Whether this run passes every gate, which is then logged."""
    run = context["dag_run"]
    if not ignores_calendars(run):
        return False
    _tell(run)
    return True


def overridden(source: Any) -> bool:
    """Whether the window's end is of no account to the run that asks; logged once per run and process.

    That is the run of *source*, where this is a task's context or a task instance; else the run of the running task.
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
        # A task instance has its run itself; the one that a worker has, has what the server told it of the run.
        holders = (source, getattr(source, "_ti_context_from_server", None))
        own = next((run for holder in holders if (run := getattr(holder, "dag_run", None)) is not None), None)
    if own is not None:
        return own
    from airflow.sdk import get_current_context

    try:
        return get_current_context().get("dag_run")
    except RuntimeError:  # no task is running
        return None


def _tell(run: Any) -> None:
    global _told  # noqa: PLW0603
    flag = _flag(run)
    who = getattr(run, "triggering_user_name", None) or "a user not named"
    why = flag if isinstance(flag, str) else getattr(run, "note", None) or "no reason given"
    how = f"its conf sets {FLAG}" if flag else "it was triggered by hand"
    _log.warning("Calendars are ignored for run %s: %s, by %s: %.*r", run.run_id, how, who, _MOST_SAID, str(why))
    _told = _identity(run)


def _flag(run: Any) -> Any:
    return (getattr(run, "conf", None) or {}).get(FLAG)


def _by_hand(run: Any) -> bool:
    kind = getattr(run, "run_type", "")
    return str(getattr(kind, "value", kind)) == "manual"


def _identity(run: Any) -> tuple[Any, ...]:
    return getattr(run, "dag_id", None), run.run_id

"""Runs that ignore calendars: triggered by hand, or told to.

Who did that, and why, goes to the task's log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

FLAG = "ignore_calendar"  # in a run's conf: true, or the reason as text
_MOST_SAID = 300  # characters of a reason that are logged
_log = logging.getLogger(__name__)
_told: tuple[Any, ...] = ()  # the run that this process logged last


def ignores_calendars(run: Any) -> bool:
    """Tell whether *run* was triggered by hand, or its conf tells it to ignore calendars."""
    return bool(_flag(run)) or _by_hand(run)


def override(context: Any, *, by_hand: bool = True) -> bool:
    """Tell whether the run of *context* passes every gate, and log it if so.

    Without *by_hand* it passes only where its conf says so, not because somebody triggered it.
    """
    run = context["dag_run"]
    if not (ignores_calendars(run) if by_hand else _flag(run)):
        return False
    _tell(run)
    return True


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
    flag = _flag(run)
    who = getattr(run, "triggering_user_name", None) or "a user not named"
    why = flag if isinstance(flag, str) else getattr(run, "note", None) or "no reason given"
    how = f"its conf sets {FLAG}" if flag else "it was triggered by hand"
    _log.warning(
        "Calendars are ignored for run %s: %s, by %s: %.*r",
        run.run_id,
        how,
        who,
        _MOST_SAID,
        str(why),
    )
    _told = _identity(run)


def _flag(run: Any) -> Any:
    return (getattr(run, "conf", None) or {}).get(FLAG)


def _by_hand(run: Any) -> bool:
    kind = getattr(run, "run_type", "")
    return str(getattr(kind, "value", kind)) == "manual"


def _identity(run: Any) -> tuple[Any, ...]:
    return getattr(run, "dag_id", None), run.run_id

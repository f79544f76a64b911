"""Runs that ignore calendars: started by hand, or told to. Who and why go to the task's log."""

from __future__ import annotations

import logging
from typing import Any

FLAG = "ignore_calendar"  # in a run's conf: true, or the reason as text
_MOST_SAID = 300
_log = logging.getLogger(__name__)


def override(context: Any) -> bool:
    """Whether this run passes every gate, which is then logged."""
    run = context["dag_run"]
    flag = (run.conf or {}).get(FLAG)
    by_hand = str(getattr(run.run_type, "value", run.run_type)) == "manual"
    if not (flag or by_hand):
        return False
    who = getattr(run, "triggering_user_name", None) or "a user not named"
    why = flag if isinstance(flag, str) else getattr(run, "note", None) or "no reason given"
    how = f"its conf sets {FLAG}" if flag else "it was triggered by hand"
    _log.warning("Calendars are ignored for run %s: %s, by %s: %.*r", run.run_id, how, who, _MOST_SAID, str(why))
    return True

"""What a run itself says of why it passes closed time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from calendar_timetable.config import FLAG
from calendar_timetable.planning.explain import on_one_line

How = Literal["by_hand", "conf", "exemption", "command"]

MOST_SAID = 300  # characters of a reason that are kept and shown
NO_REASON = "no reason given"
# XComs by which a gate notes, in Airflow's own records, what it let pass in closed time, and what
# it refused as there was no reason.
PASSED, REFUSED = "calendar_override", "calendar_override_refused"


def flag_of(conf: Any) -> Any:
    """Return what a run's *conf* says of ignoring calendars; ``None`` where it says nothing."""
    return conf.get(FLAG) if isinstance(conf, Mapping) else None


def reason_given(conf: Any, note: Any) -> str | None:
    """Return why, as the text in the *conf* says, else the run's *note*, else ``None``.

    It is what somebody wrote: on one line, and at most :data:`MOST_SAID` characters of it.
    """
    flag = flag_of(conf)
    texts = (flag if isinstance(flag, str) else "", note if isinstance(note, str) else "")
    return next((reason for text in texts if (reason := bounded(text))), None)


def bounded(text: str) -> str:
    """Return *text* on one line, and no longer than a reason may be."""
    return on_one_line(text[: 4 * MOST_SAID]).strip()[:MOST_SAID]

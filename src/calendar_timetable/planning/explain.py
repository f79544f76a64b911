"""Why a run starts when it does, in words."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from calendar_timetable.planning.opentime import OpenTime
from calendar_timetable.planning.plan import Placed, Policy

_MOST_HOLDS = 6  # more would not be read


def reasons(placed: Placed, policy: Policy, open_time: OpenTime, zone: ZoneInfo) -> tuple[str, ...]:
    """Why *placed* does not simply run when due; empty when it does and nothing needs saying."""
    due = placed.tick.due
    said: list[str] = []
    if placed.outcome in ("postponed", "forced", "skipped", "coalesced"):
        until = placed.opening if placed.opening is not None else due + policy.max_delay
        one = policy.when_blocked in ("skip", "run")
        said += holds(due, due if one else until, policy.duration, open_time, zone)
    elif placed.outcome == "advanced":
        said += holds(due, due, policy.duration, open_time, zone)
        said.append("starts before instead of after")
    if placed.outcome == "coalesced" and placed.survivor is not None:
        said.append(f"runs together with the tick of {clock(placed.survivor, zone, due)}")
    elif placed.outcome == "skipped":
        said.append(_why_skipped(policy))
    elif placed.outcome == "forced":
        said.append("runs when due all the same (when_blocked='run')")
    if placed.opening is not None and placed.start is not None and placed.start > placed.opening:
        said.append(f"staggered by {length(placed.start - placed.opening)}")
    said += open_time.notes
    if not open_time.is_known(due):
        said.append("calendars are not read this far from today")
    elif placed.start is not None and open_time.horizon is not None and open_time.is_beyond(placed.start):
        said.append(f"no opening is known: calendars are read until {clock(open_time.horizon.end, zone)}")
    return tuple(said)


def holds(start: float, until: float, duration: int, open_time: OpenTime, zone: ZoneInfo) -> list[str]:
    """What stands in the way from *start* to *until*, in order."""
    said: list[str] = []
    cursor: float | None = start
    while cursor is not None and cursor <= until and len(said) < _MOST_HOLDS:
        blocker, over = open_time.blocker(cursor, until + duration)
        if blocker:
            line = f"{blocker} until {clock(over, zone, start)}" if over else blocker
        else:
            if open_time.fits(cursor, duration):
                break
            over = open_time.over(cursor, cursor + duration + 1).end_of_span(cursor)
            assert over is not None
            cause, _ = open_time.blocker(over, until + duration)
            line = (
                f"needs {length(duration)}, but only {length(over - cursor)} are open from {clock(cursor, zone, start)}"
            )
            line += f" ({cause})" if cause else ""
        if line not in said:
            said.append(line)
        cursor = over
    return said


def sentence(placed: Placed, policy: Policy, open_time: OpenTime, zone: ZoneInfo) -> str:
    """*placed* in one sentence: "Due Sat 02:00, held by team_calendar until 05:00; starts 05:00"."""
    due = placed.tick.due
    why = ", ".join(reasons(placed, policy, open_time, zone))
    head = f"due {clock(due, zone)}" + (f", {why}" if why else "")
    if placed.start is None:
        return f"{head}; does not run"
    if open_time.is_beyond(placed.start) and not open_time.is_beyond(due):
        return f"{head}; waits"
    return f"{head}; starts {'then' if placed.start == due else clock(placed.start, zone, due)}"


def clock(instant: float, zone: ZoneInfo, near: float | None = None) -> str:
    """*instant* on the clock of *zone*; without its date where *near* is on the same day."""
    moment = datetime.fromtimestamp(instant, zone)
    time = "%H:%M:%S" if moment.second else "%H:%M"
    if near is None:
        return f"{moment:%a {moment.day} %b %Y {time}}"
    if datetime.fromtimestamp(near, zone).date() == moment.date():
        return f"{moment:{time}}"
    return f"{moment:%a {moment.day} %b {time}}"


def length(seconds: float) -> str:
    """A length of time as "2 d 4 h 30 min"."""
    left = timedelta(seconds=int(seconds))
    parts = ((left.days, "d"), (left.seconds // 3600, "h"), (left.seconds // 60 % 60, "min"), (left.seconds % 60, "s"))
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s"


def _why_skipped(policy: Policy) -> str:
    if policy.when_blocked == "skip":
        return "skipped (when_blocked='skip')"
    run = f" of {length(policy.duration)}" if policy.duration else ""
    side = "after" if policy.when_blocked == "postpone" else "before"
    return f"skipped: no opening{run} within {length(policy.max_delay)} {side} (max_delay)"


def plain(text: str) -> str:
    """*text* on one line, without control characters and without those that turn the direction of writing."""
    kept = (" " if unicodedata.category(char) == "Cc" else char for char in text)
    return " ".join("".join(char for char in kept if unicodedata.category(char) not in ("Cf", "Cs", "Co")).split())

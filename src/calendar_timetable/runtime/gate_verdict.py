"""What a gate finds: whether work may start now, and if not, when and why."""

from __future__ import annotations

from dataclasses import dataclass

from calendar_timetable.planning import explain
from calendar_timetable.planning.late_start import may_start, next_opening
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.plan import Policy
from calendar_timetable.schedule.compiled import Carried


@dataclass(frozen=True)
class Verdict:
    """Whether work may start; if not, the next opening, as far as that is known, and why not."""

    open: bool
    opens: float | None = None
    release: float | None = None  # when this schedule's own work starts then: the opening, staggered
    reason: str = ""


def judge(carried: Carried, policy: Policy, planned: float, instant: float) -> Verdict:
    """Whether work whose run was to start at *planned* may start at *instant*, by the rule that runs are created by."""
    open_time = carried.open_time  # laid out once for all who share it, whatever their policies
    if may_start(planned, instant, policy, open_time):
        return Verdict(True)
    start = next_opening(instant, policy, open_time)
    if start is None:
        return Verdict(False)
    return Verdict(False, start, open_time.last_fit(start, policy.duration, start + policy.stagger))


def why_closed(carried: Carried, policy: Policy, verdict: Verdict, instant: float) -> str:
    """What stands in the way, in words; costs more than the judgement itself."""
    until = instant + DAY if verdict.opens is None else verdict.opens - 1
    why = explain.obstacles(instant, until, policy, carried.open_time)
    told = ", ".join(explain.told(why, carried.zone, instant))
    return (told or "time is closed") + ("" if verdict.opens else ", and no available slot is known")

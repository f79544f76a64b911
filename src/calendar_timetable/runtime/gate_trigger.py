"""What a gate finds, and what waits for it in the triggerer.

Calendars are read once per refresh there, whatever the number of gates.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from calendar_timetable import clock
from calendar_timetable.calendars.codec import SealedElsewhere
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.late_start import may_start, next_opening
from calendar_timetable.planning.open_time import DAY, OpenTime
from calendar_timetable.planning.plan import Policy, spread_from
from calendar_timetable.runtime.shared_readings import Shared, reading
from calendar_timetable.schedule.time_rules import TimeRules

_MIN_POLL = 0.2  # seconds between two looks
# Seconds after which the task is woken where the calendar's sealed address cannot be opened here.
_BLIND_POLL_SECONDS = 300.0


@dataclass(frozen=True)
class Verdict:
    """Whether work may start; if not, the next opening, as far as that is known, and why not.

    Times are in epoch seconds.
    """

    open: bool
    opens: float | None = None
    # When this schedule's own work starts then: the opening, staggered.
    release: float | None = None
    reason: str = ""


def judge(open_time: OpenTime, policy: Policy, planned: float, instant: float) -> Verdict:
    """Tell whether work that was to start at *planned* may start at *instant*.

    Both are in epoch seconds. The rule is the one that runs are created by.
    """
    if may_start(planned, instant, policy, open_time):
        return Verdict(True)
    start = next_opening(instant, policy, open_time)
    if start is None:
        return Verdict(False)
    return Verdict(False, start, spread_from(start, planned, math.inf, policy, open_time))


def why_closed(open_time: OpenTime, rules: TimeRules, verdict: Verdict, instant: float) -> str:
    """Return what stands in the way, in words; this costs more than :func:`judge`."""
    until = instant + DAY if verdict.opens is None else verdict.opens - 1
    why = explain.obstacles(instant, until, rules.policy, open_time)
    obstacles = ", ".join(explain.in_words(why, zones.load_zone(rules.timezone), instant))
    return (obstacles or "time is closed") + (
        "" if verdict.opens else ", and no available slot is known"
    )


class GateTrigger(BaseTrigger):
    """Fires when work of these *rules* may start, or at *late_at*, which ends the waiting.

    *planned* and *late_at* are in epoch seconds. It holds no connection and no state: a triggerer
    that takes it over goes on where the other stopped.
    """

    def __init__(self, rules: dict[str, Any], planned: float, late_at: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rules, self.planned, self.late_at = rules, planned, late_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class and its arguments."""
        kwargs = {"rules": self.rules, "planned": self.planned, "late_at": self.late_at}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    def __repr__(self) -> str:
        # Without its rules, which may hold secret addresses.
        return f"<GateTrigger until {zones.to_datetime(self.late_at)}>"

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, when time is open and it is this schedule's turn, or at *late_at*."""
        try:
            rules = TimeRules.from_json(self.rules)
        except SealedElsewhere as error:
            self.log.warning(
                "%s. Until then the gate's task looks itself, every few minutes.", error
            )
            await asyncio.sleep(min(max(self.late_at - clock.now(), 0), _BLIND_POLL_SECONDS))
            yield TriggerEvent({"open": False})  # type: ignore[no-untyped-call]
            return
        # The verdict of the last look that found time closed.
        closed = Verdict(False)
        with reading(rules) as shared:
            while True:
                verdict = await self._look(rules, shared)
                instant = clock.now()
                waits = verdict.open and _waits_for_its_turn(closed, instant)
                if (verdict.open and not waits) or instant >= self.late_at:
                    yield TriggerEvent({"open": verdict.open})  # type: ignore[no-untyped-call]
                    return
                if not verdict.open:
                    if verdict != closed:
                        self.log.info("Time is closed%s", _until(verdict))
                    closed = verdict
                wakes = [
                    t for t in (self.late_at, closed.release, shared.next_read) if t is not None
                ]
                await asyncio.sleep(max(min(wakes) - instant, _MIN_POLL))

    async def _look(self, rules: TimeRules, shared: Shared) -> Verdict:
        try:
            open_time = await shared.latest()
        except CalendarUnavailable as error:
            return Verdict(False, reason=str(error))
        return judge(open_time, rules.policy, self.planned, clock.now())


def _until(verdict: Verdict) -> str:
    if verdict.opens is None:
        return f": {verdict.reason}" if verdict.reason else ", and no available slot is known"
    return f" until {zones.to_datetime(verdict.opens):%Y-%m-%d %H:%M:%S} UTC"


def _waits_for_its_turn(closed: Verdict, instant: float) -> bool:
    """Tell whether the awaited opening has come, but not yet this schedule's turn in it.

    Its turn comes when its own share of the stagger has passed.
    """
    return (
        closed.opens is not None
        and closed.release is not None
        and closed.opens <= instant < closed.release
    )

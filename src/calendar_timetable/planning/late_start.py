"""The one rule of lateness: when a run that did not start as planned may start all the same.

Asked before a run is created, by gates while it runs, and by the page.
"""

from __future__ import annotations

import math

from calendar_timetable.planning.open_time import DAY, OpenTime
from calendar_timetable.planning.plan import Policy, same_hour, spread_from

# A run that just fitted is not lost to a delay of this length: schedulers and queues take time.
GRACE_SECONDS = 300
OPENING_SEARCH_SECONDS = 366 * DAY  # how far ahead an opening is looked for


def may_start(planned: float, now: float, policy: Policy, open_time: OpenTime) -> bool:
    """Tell whether a run that was to start at *planned* may start *now*; both epoch seconds.

    It may where it fits; or where time is open, and it fitted at *planned*, or at the opening it
    waited for, at most :data:`GRACE_SECONDS` ago. An advanced run is planned for the last second
    that fits, so for it time may be closed by then.
    """
    return open_time.fits(now, policy.duration) or _has_just_fitted(planned, now, policy, open_time)


def _has_just_fitted(planned: float, now: float, policy: Policy, open_time: OpenTime) -> bool:
    """Tell whether a run may start *now*, though it does not fit: see :func:`may_start`."""
    duration = policy.duration
    if not duration or not open_time.fits(now, 0):
        return policy.when_blocked == "advance" and _just_fitted(planned, now, duration, open_time)
    return _just_fitted(planned, now, duration, open_time) or _just_fitted(
        open_time.opening_before(now, GRACE_SECONDS), now, duration, open_time
    )


def _just_fitted(instant: float | None, now: float, duration: int, open_time: OpenTime) -> bool:
    if instant is None or not 0 <= now - instant <= GRACE_SECONDS:
        return False
    # In whole seconds: where several start at once, microseconds tell them apart.
    return open_time.fits(instant // 1, duration)


def next_opening(now: float, policy: Policy, open_time: OpenTime) -> float | None:
    """Return the earliest start from *now* on, as far as that is known."""
    return open_time.next_fit(now, policy.duration, now + OPENING_SEARCH_SECONDS)


def _open_since(
    planned: float, due: float, now: float, policy: Policy, open_time: OpenTime
) -> float | None:
    """Return since when a run that was to start at *planned* could have started; *now* fits.

    That is *planned* where time has been open since, else the last opening. With ``keep_hour`` it
    is the last day's hour; ``None`` where time has been closed since then.
    """
    if not policy.keep_hour:
        return max(planned, open_time.opening_of(now, planned))
    since = planned
    while (following := same_hour(due, since + 1, policy.keep_hour)) <= now:
        since = following
    return since if open_time.opening_of(now, since) <= since else None


def is_missed(planned: float, now: float, policy: Policy) -> bool:
    """Tell whether a run that was to start at *planned* is too late by its ``max_lateness``."""
    return policy.max_lateness is not None and now - planned > policy.max_lateness


def late_start(
    planned: float,
    due: float,
    now: float,
    policy: Policy,
    open_time: OpenTime,
    *,
    catchup: bool,
) -> float | None:
    """Return when a run starts that was to start at *planned* and has not begun by *now*.

    Times are in epoch seconds; *due* is the run's due time. The run starts now, or at the next
    opening. Return ``None`` where it is skipped:

    * that opening comes, or came, later than ``max_delay`` after *due*;
    * with ``when_blocked="skip"``, time has closed since *planned*;
    * it would start more than ``max_lateness`` after *planned*.

    With *catchup* the past is made up for, however late: then the first holds only where the
    closure after *planned* was itself longer than ``max_delay``. The answer does not change while
    the clock moves.
    """
    if planned > now:
        return planned
    if is_missed(planned, now, policy):
        return None
    if policy.when_blocked == "run":
        return planned
    since = None
    if open_time.fits(now, policy.duration):
        since = _open_since(planned, due, now, policy, open_time)
    elif _has_just_fitted(planned, now, policy, open_time):
        return planned
    opening = since or policy.next_start(due, now, now + OPENING_SEARCH_SECONDS, open_time)
    if opening is None:
        return None
    # Told at once, so that the answer does not change while the run waits.
    if is_missed(planned, opening, policy):
        return None
    last = max(planned, due + policy.max_delay) if policy.waits else planned
    if opening > last and open_time.opening_of(opening, last) > last:
        closes = open_time.end_of(planned // 1) if catchup and policy.waits else None
        if (
            closes is None
            or policy.next_start(due, closes, closes + policy.max_delay, open_time) is None
        ):
            return None
    if opening <= planned:
        return planned
    # A share of stagger is taken also where all of max_delay has passed, as many DAGs may be late.
    latest = math.inf if policy.delay is None else max(opening, due + policy.max_delay)
    start = spread_from(opening, due, latest, policy, open_time)
    return start if start > now else planned

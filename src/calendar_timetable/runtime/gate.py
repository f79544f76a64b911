"""The gate: work starts only in open time, even if a calendar changed after its run was planned."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Literal, NoReturn

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
)

from calendar_timetable import clock
from calendar_timetable.exceptions import CalendarUnavailable, InvalidArgument
from calendar_timetable.metrics import TASK
from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.time_sets import horizon_around
from calendar_timetable.runtime.dag_schedule import rules_of
from calendar_timetable.runtime.gate_trigger import GateTrigger, Verdict, judge, why_closed
from calendar_timetable.runtime.overrides import override
from calendar_timetable.schedule.time_rules import TimeRules

WhenLate = Literal["skip", "fail"]
# Seconds. A scheduler under load fails a task that is rescheduled for sooner than it looks.
SHORTEST_HOLD = 10
SHORTEST_POLL = 30  # seconds between two looks of a task that is held by rescheduling
_OLDEST_COPY = 3600  # seconds that a feed may ask not to be asked again
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gate:
    """What both forms of the gate share: the rules, the planned start, and how long to wait.

    ``planned`` and ``since`` are in epoch seconds, ``max_delay`` is in seconds.
    """

    rules: TimeRules
    planned: float
    # When this try of the task first found time closed; else now, when it looks.
    since: float
    max_delay: float
    when_late: WhenLate

    @classmethod
    def at(cls, context: Any, options: GateOptions, since: float | None) -> Gate:
        """Return the gate before the task whose *context* this is."""
        rules = rules_of(context if options.schedule is None else options.schedule)
        policy = rules.policy
        if options.duration is not None:
            policy = replace(policy, duration=zones.whole_seconds("duration", options.duration))
        # They say what is done when a run is planned; a gate always waits.
        if policy.when_blocked in ("run", "skip"):
            policy = replace(policy, when_blocked="postpone")
        policy = replace(policy, keep_hour="", max_lateness=None, placement=None)
        wait = (
            policy.max_delay
            if options.max_delay is None
            else zones.whole_seconds("max_delay", options.max_delay)
        )
        planned = context["dag_run"].run_after.timestamp()
        since = clock.now() if since is None else since
        return cls(replace(rules, policy=policy), planned, since, wait, options.when_late)

    @property
    def late_at(self) -> float:
        """When waiting ends, in epoch seconds."""
        return self.since + self.max_delay

    def look(self) -> Verdict:
        """Read the calendars afresh and tell whether work may start now."""
        instant = clock.now()
        try:
            open_time = self.rules.read_afresh(instant)
        except CalendarUnavailable as error:
            return Verdict(False, reason=str(error))
        verdict = judge(open_time, self.rules.policy, self.planned, instant)
        if verdict.open:
            return verdict
        return replace(verdict, reason=why_closed(open_time, self.rules, verdict, instant))

    def pass_or_raise(self, context: Any) -> Verdict | None:
        """Return ``None`` when work may start, else why it has to wait.

        Where it waited too long, ``AirflowSkipException`` or ``AirflowFailException`` is raised, as
        ``when_late`` says.
        """
        dag_id = context["ti"].dag_id
        verdict = self.look()
        waited = max(clock.now() - self.since, 0)
        if verdict.open:
            TASK.timing("gate.wait", waited, dag_id=dag_id)
            _log.info(
                "Time is open%s.", f", after {explain.format_length(waited)}" if waited >= 1 else ""
            )
            return None
        if clock.now() >= self.late_at:
            TASK.count("gate.late", dag_id=dag_id)
            self._give_up(verdict)
        TASK.count("gate.held", dag_id=dag_id)
        zone = zones.load_zone(self.rules.timezone)
        opens = f"; opens {explain.format_clock(verdict.opens, zone)}" if verdict.opens else ""
        _log.info(
            "Time is closed: %s%s. Waits, at most until %s.",
            verdict.reason,
            opens,
            explain.format_clock(self.late_at, zone),
        )
        return verdict

    def _give_up(self, verdict: Verdict) -> NoReturn:
        waited = explain.format_length(self.max_delay)
        why = f"not started: {verdict.reason}; waited {waited} (max_delay)"
        raise (AirflowSkipException if self.when_late == "skip" else AirflowFailException)(why)


@dataclass(frozen=True)
class GateOptions:
    """The arguments of a gate; ``None`` means the schedule's own."""

    duration: timedelta | None = None
    max_delay: timedelta | None = None
    when_late: WhenLate = "skip"
    schedule: Any = None

    def check(self) -> None:
        """Raise :class:`InvalidArgument` for what cannot be used, without I/O."""
        for name in ("duration", "max_delay"):
            if (value := getattr(self, name)) is not None:
                zones.whole_seconds(name, value)
        if self.when_late not in ("skip", "fail"):
            raise InvalidArgument("when_late", self.when_late, "give 'skip' or 'fail'")


class CalendarGate(BaseSensorOperator):
    """Waits, without a worker slot, until calendars and weekly rules let the work behind it start.

    Calendars are read afresh when it runs. Where time is open and *duration* fits, it succeeds at
    once. Otherwise it is deferred to the next opening, following what changes in the calendars
    meanwhile, once per their ``refresh``.

    :param duration: how long the work behind it takes; all of it must lie in open time. Default:
        the schedule's.
    :param max_delay: how long to wait at most, counted from its first look. Default: the
        schedule's.
    :param when_late: past that, ``"skip"`` (the work behind it is skipped too) or ``"fail"``.
    :param schedule: whose windows and blackouts count. Default: the DAG's own
        ``CalendarTimetable``.

    Runs triggered by hand pass, and so do runs whose conf says ``{"ignore_calendar": "why"}``; who
    and why are logged.
    """

    ui_color = "#e3f0fb"

    def __init__(
        self,
        *,
        duration: timedelta | None = None,
        max_delay: timedelta | None = None,
        when_late: WhenLate = "skip",
        schedule: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.duration = duration
        self.max_delay = max_delay
        self.when_late = when_late
        self.gate_schedule = schedule
        self._options.check()

    @property
    def _options(self) -> GateOptions:
        return GateOptions(self.duration, self.max_delay, self.when_late, self.gate_schedule)

    def execute(self, context: Any) -> None:
        """Succeed in open time, else wait for it."""
        if not override(context, is_closed=partial(_is_closed, context, self._options)):
            self._wait(context, None)

    def look_again(self, context: Any, event: Mapping[str, Any], since: float) -> None:
        """Look once more after the trigger fired: time may have closed while the task was queued.

        *since*, in epoch seconds, is when this try of the task first looked.
        """
        self._wait(context, since)

    def _wait(self, context: Any, since: float | None) -> None:
        gate = Gate.at(context, self._options, since)
        if gate.pass_or_raise(context) is not None:
            trigger = GateTrigger(gate.rules.to_json(hide=True), gate.planned, gate.late_at)
            self.defer(trigger=trigger, method_name="look_again", kwargs={"since": gate.since})


def hold_until_open(
    context: Any,
    *,
    duration: timedelta | None = None,
    max_delay: timedelta | None = None,
    when_late: WhenLate = "skip",
    schedule: Any = None,
) -> None:
    """Hold any operator until time is open, by rescheduling its task: a ``pre_execute``.

    ``default_args={"pre_execute": hold_until_open}`` guards every task of a DAG: none holds a slot
    while it waits, and no try is counted. Arguments, given with ``functools.partial``, and
    overrides are those of :class:`CalendarGate`. It looks again at the next opening, and once per
    the calendars' ``refresh`` (at most every :data:`SHORTEST_POLL` seconds). A task that resumes
    from its own trigger is not held: its work began long ago.
    """
    options = GateOptions(duration, max_delay, when_late, schedule)
    if not _resumes(context) and not override(
        context, is_closed=partial(_is_closed, context, options)
    ):
        _hold(context, options)


def hold_for_deployment(
    context: Any, *, schedule: Any, holds_by_hand: bool, then: Callable[[Any], None] | None = None
) -> None:
    """Hold a task as rules of the whole deployment say: a ``pre_execute``.

    The open time is that of *schedule*. Runs that began in it pass, as their work may finish, and
    runs whose conf says ``{"ignore_calendar": "why"}``; without *holds_by_hand* also runs that
    somebody triggered. *then* is what the DAG itself gave as ``pre_execute``.
    """
    options, rules = GateOptions(schedule=schedule), rules_of(schedule)

    def is_closed() -> bool:
        return not _has_begun(context, rules) and _is_closed(context, options)

    passes = _resumes(context) or override(context, is_closed=is_closed, by_hand=not holds_by_hand)
    if not passes and not _has_begun(context, rules):
        _hold(context, options)
    if then is not None:
        then(context)


def _is_closed(context: Any, options: GateOptions) -> bool:
    """Tell whether the gate is closed for a run that would pass it all the same."""
    try:
        return not Gate.at(context, options, None).look().open
    except InvalidArgument:  # there are no calendars to ignore
        return False


def _has_begun(context: Any, rules: TimeRules) -> bool:
    """Tell whether the run of *context* began in open time."""
    run = context["dag_run"]
    if run.start_date is None:
        return False
    # `airflow dags test` says that a run began at its logical date.
    start = max(run.start_date, run.run_after).timestamp()
    at = clock.now()
    horizon = rules.horizon or horizon_around(at, math.ceil(max(at - start, 0)))
    rules = replace(rules, horizon=horizon)
    try:
        if not rules.read_kept(at).fits(start, 0):
            return False
        # A copy may be older than an event that was entered just before the run began.
        return at - start > _OLDEST_COPY or rules.read_afresh(at).fits(start, 0)
    except CalendarUnavailable:
        return False


def _hold(context: Any, options: GateOptions) -> None:
    """Let the task of *context* go on in open time; raise ``AirflowRescheduleException`` else."""
    options.check()
    first = context["ti"].get_first_reschedule_date(context)
    gate = Gate.at(context, options, first.timestamp() if first else None)
    verdict = gate.pass_or_raise(context)
    if verdict is None:
        return
    again = min(t for t in (verdict.release, gate.late_at, _poll(gate.rules)) if t is not None)
    again = max(again, clock.now() + SHORTEST_HOLD)
    raise AirflowRescheduleException(zones.to_datetime(again))  # type: ignore[no-untyped-call]


def is_guarded() -> bool:
    """Tell whether the running task need not be stopped by others.

    That is where :func:`hold_until_open` holds it, or it resumes from its own trigger.
    """
    from airflow.sdk import get_current_context

    context = get_current_context()
    hook = getattr(context["ti"].task, "_pre_execute_hook", None)
    return _resumes(context) or getattr(hook, "func", hook) is hold_until_open


def _resumes(context: Any) -> bool:
    """Tell whether the task was deferred and its trigger has fired.

    Then its work began long ago.
    """
    server = getattr(context["ti"], "_ti_context_from_server", None)
    return bool(getattr(server, "next_method", None))


def _poll(rules: TimeRules) -> float | None:
    """Return when calendars have to be looked at again, in epoch seconds; ``None`` for never."""
    return None if rules.refresh is None else clock.now() + max(rules.refresh, SHORTEST_POLL)

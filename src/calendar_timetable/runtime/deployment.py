"""The rules of a whole deployment, applied to DAGs that do not name them themselves.

The cluster policy in ``policy.py`` applies them to every DAG that Airflow reads from a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, partial, reduce
from operator import and_
from typing import Any

from calendar_timetable import clock
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import members
from calendar_timetable.planning.time_sets import Period, TimeSet
from calendar_timetable.runs import exemptions
from calendar_timetable.runtime.gate import hold_for_deployment
from calendar_timetable.schedule.deployment_rules import DeploymentRule, has_due_times, rules
from calendar_timetable.timetable import CalendarTimetable


def apply(dag: Any) -> None:
    """Let the rules of this deployment hold for *dag*, which was just read from its file."""
    mine = [rule for rule in rules() if rule.holds_for(dag)]
    if not mine:
        return
    zone, exemption = _zone_of(dag), exemptions.of_dag(dag.dag_id)
    lately = None if exemption is None else Period(exemption.since, exemption.until)
    exempt = lately if exemption is not None and exemption.in_force(clock.now()) else None
    limits = _Limits(mine, zone, exempt)
    dag.timetable = limits.schedule(dag.timetable)
    # Work that began while the DAG was exempt may finish after that.
    gate = limits if lately is exempt else _Limits(mine, zone, lately)
    # Also where runs are planned in open time: they may begin later than planned, as many do that
    # wait for max_active_runs, and events may be entered after they were made.
    if gate.closes:
        for task in dag.tasks:
            gate.guard(task)


class _Limits:
    """What *rules* leave open, for one DAG that they hold for, in its time *zone*.

    All of the time *exempt* is open.
    """

    def __init__(
        self, rules: Sequence[DeploymentRule], zone: str | None, exempt: TimeSet | None
    ) -> None:
        self._zone = zone
        self._blackouts = [s for rule in rules for s in members(rule.blackout_set)]
        self._windows = [s for rule in rules if (s := rule.window_set) is not None]
        if exempt is not None:
            self._blackouts = [blackout - exempt for blackout in self._blackouts]
            self._windows = [window | exempt for window in self._windows]
        self._max_delay = max(rule.max_delay for rule in rules)
        self._place = any(rule.place for rule in rules)
        self._for_all = any(rule.apply_to == "all" for rule in rules)

    @property
    def closes(self) -> bool:
        """Whether they close any time; they may be there for a placement alone."""
        return bool(self._blackouts or self._windows)

    def schedule(self, schedule: Any) -> Any:
        """Return *schedule* within these limits; *schedule* itself without due times."""
        if isinstance(schedule, CalendarTimetable):
            return self._united(schedule)
        inner = getattr(schedule, "timetable", None)  # that of AssetOrTimeSchedule
        if inner is not None:
            mine = self.schedule(inner)
            if getattr(schedule, "asset_gated", False) and isinstance(mine, CalendarTimetable):
                # AssetAndTimeSchedule does not ask it once the assets come, which may be in here.
                return mine.waiting_for(schedule.asset_condition)
            own = copy(schedule)
            own.timetable = mine
            return own
        if type(schedule).__name__ == "OnceTimetable":
            # Its one run is due since its start date, and would be skipped past max_delay.
            return schedule
        if not has_due_times(schedule):
            return schedule
        own = self._timetable(schedule)
        own.validate()
        return own

    @cached_property
    def _rules(self) -> CalendarTimetable:
        """These limits by themselves, for the gates of all tasks."""
        own = self._timetable("@once")
        # Here, as the DAG file is read: in a task an error would fail it.
        own.validate()
        return own

    def guard(self, task: Any) -> None:
        """Let *task* wait for open time before it begins."""
        hook = partial(hold_for_deployment, schedule=self._rules, holds_by_hand=self._for_all)
        if hasattr(task, "partial_kwargs"):  # of a mapped task
            then = task.partial_kwargs.get("pre_execute")
            task.partial_kwargs["pre_execute"] = partial(hook, then=then)
            task.partial_kwargs.pop("start_from_trigger", None)
        else:
            task._pre_execute_hook = partial(hook, then=task._pre_execute_hook)  # noqa: SLF001
        if task.start_from_trigger:
            # The scheduler would hand it to the triggerer, past all that a worker does first.
            task.start_from_trigger = False

    def _timetable(self, schedule: Any) -> CalendarTimetable:
        return CalendarTimetable(
            schedule,
            timezone=self._zone,
            blackouts=self._blackouts or None,
            windows=self._intersection([]),
            max_delay=self._max_delay,
            place=self._place,
        )

    def _united(self, timetable: CalendarTimetable) -> CalendarTimetable:
        """Return *timetable* with these limits added to its own."""
        arguments = timetable.arguments
        assert arguments is not None, "it comes from a DAG file"
        if arguments.when_blocked == "run":
            # Its own windows and blackouts hold nothing back; these do.
            arguments = replace(arguments, when_blocked="postpone", windows=None, blackouts=None)
        own_blackouts = [] if arguments.blackout_set is None else [arguments.blackout_set]
        own_windows = [] if arguments.window_set is None else [arguments.window_set]
        return timetable.with_arguments(
            replace(
                arguments,
                blackouts=[*own_blackouts, *self._blackouts] or None,
                windows=self._intersection(own_windows),
                place=arguments.place or (self._place and arguments.policy.may_be_placed),
            )
        )

    def _intersection(self, own: list[TimeSet]) -> TimeSet | None:
        windows = [*own, *self._windows]
        return reduce(and_, windows) if windows else None


def _zone_of(dag: Any) -> str | None:
    """Return the IANA zone of *dag*; ``None``, for Airflow's own, where it has but an offset."""
    try:
        return zones.load_zone(dag.timezone).key
    except InvalidArgument:
        return None

"""Windows and blackouts of a whole deployment, for DAGs that do not name them themselves.

The cluster policy in ``policy.py`` applies them to every DAG that Airflow reads from a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import partial, reduce
from operator import and_
from typing import Any

from calendar_timetable.planning.time_sets import TimeSet
from calendar_timetable.runtime.gate import hold_for_deployment
from calendar_timetable.schedule.deployment_rules import DeploymentRule, has_due_times, rules
from calendar_timetable.timetable import CalendarTimetable


def apply(dag: Any) -> None:
    """Let the rules of this deployment hold for *dag*, which was just read from its file."""
    mine = [rule for rule in rules() if rule.holds_for(dag)]
    if not mine:
        return
    limits = _Limits(mine, getattr(dag.timezone, "name", None))
    dag.timetable = limits.schedule(dag.timetable)
    if limits.needs_gate(dag.timetable):
        for task in dag.tasks:
            limits.guard(task)


class _Limits:
    """What *rules* leave open, for one DAG that they hold for, in its time *zone*."""

    def __init__(self, rules: Sequence[DeploymentRule], zone: str | None) -> None:
        self._zone = zone
        self._blackouts = [s for rule in rules if (s := rule.blackout_set) is not None]
        self._windows = [s for rule in rules if (s := rule.window_set) is not None]
        self._max_delay = max(rule.max_delay for rule in rules)
        self._for_all = any(rule.apply_to == "all" for rule in rules)

    def schedule(self, given: Any) -> Any:
        """Return the schedule *given* within these limits; *given* itself without due times."""
        if isinstance(given, CalendarTimetable):
            return self._united(given)
        inner = getattr(given, "timetable", None)  # that of AssetOrTimeSchedule
        if inner is not None:
            own = copy(given)
            own.timetable = self.schedule(inner)
            return own
        return self._timetable(given) if has_due_times(given) else given

    def needs_gate(self, schedule: Any) -> bool:
        """Tell whether runs may come that no due time makes, or none of our schedules plans."""
        return self._for_all or not isinstance(schedule, CalendarTimetable)

    def guard(self, task: Any) -> None:
        """Let *task* wait for open time before it begins."""
        hook = partial(
            hold_for_deployment, schedule=self._timetable("@once"), by_hand=self._for_all
        )
        if hasattr(task, "partial_kwargs"):  # of a mapped task
            then = task.partial_kwargs.get("pre_execute")
            task.partial_kwargs["pre_execute"] = partial(hook, then=then)
        else:
            task._pre_execute_hook = partial(hook, then=task._pre_execute_hook)  # noqa: SLF001

    def _timetable(self, schedule: Any) -> CalendarTimetable:
        return CalendarTimetable(
            schedule,
            timezone=self._zone,
            blackouts=self._blackouts or None,
            windows=self._intersection([]),
            max_delay=self._max_delay,
        )

    def _united(self, given: CalendarTimetable) -> CalendarTimetable:
        """Return *given* with these limits added to its own."""
        arguments = given.arguments
        assert arguments is not None, "it comes from a DAG file"
        own_blackouts = [] if arguments.blackout_set is None else [arguments.blackout_set]
        own_windows = [] if arguments.window_set is None else [arguments.window_set]
        return given.with_arguments(
            replace(
                arguments,
                blackouts=[*own_blackouts, *self._blackouts] or None,
                windows=self._intersection(own_windows),
            )
        )

    def _intersection(self, own: list[TimeSet]) -> TimeSet | None:
        windows = [*own, *self._windows]
        return reduce(and_, windows) if windows else None

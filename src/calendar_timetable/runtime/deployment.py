"""Windows and blackouts of a whole deployment, for DAGs that do not name them themselves.

They come from ``[calendar_timetable] blackouts`` and from :data:`RULES`, a list of
:class:`DeploymentRule` in ``airflow_local_settings.py``. The cluster policy in ``policy.py``
applies them to every DAG that Airflow reads from a file.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cached_property, partial, reduce
from operator import and_
from typing import Any, Literal, get_args

from airflow.exceptions import AirflowTimetableInvalid

from calendar_timetable.config import SECTION, listed, option
from calendar_timetable.exceptions import CalendarUnavailable, InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.time_sets import TimeRange, TimeSet, as_timeset
from calendar_timetable.runtime.gate import hold_for_deployment
from calendar_timetable.timetable import CalendarTimetable

ApplyTo = Literal["scheduled", "all"]

# The name of the list in airflow_local_settings.py; policy.py looks for it too.
RULES = "CALENDAR_TIMETABLE_RULES"
# A freeze may be longer than a week: what waits for its end is made up for.
_MAX_DELAY = timedelta(days=31)


@dataclass(frozen=True)
class DeploymentRule:
    """Windows and blackouts for all DAGs, or for those that have one of the tags, owners or ids.

    :param blackouts: as those of ``CalendarTimetable``: a Connection id, an address, a time set, or
        a list of these. They are added to what a DAG has itself.
    :param windows: likewise; a DAG that has windows runs only where both are open.
    :param tags, owners, dag_ids: the DAGs that it holds for, as patterns (``ml-*``); without any it
        holds for every DAG.
    :param exempt_tags: DAGs with one of these tags are left alone, whatever else they have.
    :param apply_to: ``"scheduled"``: runs that are triggered by hand pass; ``"all"``: the tasks of
        every run wait.
    :param max_delay: how long what is due waits at most, where the DAG has no ``CalendarTimetable``
        that says so.

    Raises :class:`InvalidArgument` where a value cannot be used; calendars are not read here.
    """

    blackouts: Any = None
    windows: Any = None
    tags: Collection[str] = ()
    owners: Collection[str] = ()
    dag_ids: Collection[str] = ()
    exempt_tags: Collection[str] = ()
    apply_to: ApplyTo = "scheduled"
    max_delay: timedelta = _MAX_DELAY

    def __post_init__(self) -> None:
        for name in ("tags", "owners", "dag_ids", "exempt_tags"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(one, str) for one in value):
                raise InvalidArgument(name, value, "give a list of texts")
        if self.apply_to not in get_args(ApplyTo):
            raise InvalidArgument("apply_to", self.apply_to, "give 'scheduled' or 'all'")
        for timeset in (self.blackout_set, self.window_set):
            if timeset is not None:
                timeset.validate()

    @property
    def blackout_set(self) -> TimeSet | None:
        """The blackouts as one set."""
        return as_timeset("blackouts", self.blackouts, _calendar_at)

    @property
    def window_set(self) -> TimeSet | None:
        """The windows as one set."""
        return as_timeset("windows", self.windows, _calendar_at)

    def holds_for(self, dag: Any) -> bool:
        """Tell whether *dag* is one of those that this rule is for."""
        owners = {one.strip() for one in str(getattr(dag, "owner", "")).split(",")}
        if _any_matches(dag.tags, self.exempt_tags):
            return False
        if not (self.tags or self.owners or self.dag_ids):
            return True
        return (
            _any_matches(dag.tags, self.tags)
            or _any_matches(owners, self.owners)
            or _any_matches((dag.dag_id,), self.dag_ids)
        )


def rules() -> list[DeploymentRule]:
    """Return the rules of this deployment: those of the configuration, then those in Python.

    Where one cannot be used nothing is scheduled, by a rule that says why: to go on without it
    could start work in a freeze, and an error would end work that is under way.
    """
    try:
        return list(_rules())
    except InvalidArgument as error:
        return [DeploymentRule(_Unusable(str(error)), apply_to="all")]


def _rules() -> Iterator[DeploymentRule]:
    blackouts = listed("blackouts")
    if blackouts:
        apply_to: Any = option("apply_to") or "scheduled"
        if apply_to not in get_args(ApplyTo):
            raise InvalidArgument(f"[{SECTION}] apply_to", apply_to, "write scheduled or all")
        yield DeploymentRule(blackouts, exempt_tags=listed("exempt_tags"), apply_to=apply_to)
    given = _given()
    if not isinstance(given, Sequence) or not all(isinstance(one, DeploymentRule) for one in given):
        remedy = "give a list of DeploymentRule"
        raise InvalidArgument(f"{RULES} in airflow_local_settings.py", given, remedy)
    yield from given


def _given() -> Any:
    return getattr(sys.modules.get("airflow_local_settings"), RULES, ())


@dataclass(frozen=True)
class _Unusable(TimeSet):
    """A rule that says nothing but *why* it cannot be used: what it counts for is held."""

    why: str

    def __str__(self) -> str:
        return "the rules of this deployment"

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        raise CalendarUnavailable(str(self), self.why)


def apply(dag: Any) -> None:
    """Let the rules of this deployment hold for *dag*, which was just read from its file."""
    mine = [rule for rule in rules() if rule.holds_for(dag)]
    if not mine:
        return
    limits = _Limits(mine, _zone_of(dag))
    dag.timetable = limits.schedule(dag.timetable)
    # Also where runs are planned in open time: they may begin later than planned, as many do that
    # wait for max_active_runs, and events may be entered after they were made.
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
        if type(given).__name__ == "OnceTimetable":
            # Its one run is due since its start date, and would be skipped past max_delay.
            return given
        own = self._timetable(given)
        try:
            own.validate()
        except AirflowTimetableInvalid:
            # It does not say by itself when runs are due; the gates hold its tasks.
            return given
        return own

    @cached_property
    def _rules(self) -> CalendarTimetable:
        """These limits by themselves, for the gates of all tasks."""
        return self._timetable("@once")

    def guard(self, task: Any) -> None:
        """Let *task* wait for open time before it begins."""
        hook = partial(hold_for_deployment, schedule=self._rules, by_hand=self._for_all)
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
        )

    def _united(self, given: CalendarTimetable) -> CalendarTimetable:
        """Return *given* with these limits added to its own."""
        arguments = given.arguments
        assert arguments is not None, "it comes from a DAG file"
        if arguments.when_blocked == "run":
            # Its own windows and blackouts hold nothing back; these do.
            arguments = replace(arguments, when_blocked="postpone", windows=None, blackouts=None)
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


def _zone_of(dag: Any) -> str | None:
    """Return the IANA zone of *dag*; ``None``, for Airflow's own, where it has but an offset."""
    try:
        return zones.load_zone(dag.timezone).key
    except InvalidArgument:
        return None


def _any_matches(values: Collection[str], patterns: Collection[str]) -> bool:
    return any(fnmatchcase(value, pattern) for value in values for pattern in patterns)


def _calendar_at(address: Any) -> TimeSet:
    from calendar_timetable.calendars.calendar import Calendar

    return Calendar(address)

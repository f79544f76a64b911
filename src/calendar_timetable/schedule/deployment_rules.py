"""Rules of a whole deployment: which windows and blackouts hold for which DAGs.

They come from ``[calendar_timetable] blackouts`` and from :data:`RULES`, a list of
:class:`DeploymentRule` in ``airflow_local_settings.py``. ``runtime/deployment.py`` applies them.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, get_args

from calendar_timetable.config import RULES, SECTION, listed, option
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import CalendarSpans, TimeSet, Unread, as_timeset, leaves
from calendar_timetable.schedule.base import check_base, make_base

if TYPE_CHECKING:
    from calendar_timetable.calendars.calendar import Calendar

ApplyTo = Literal["scheduled", "all"]

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
    :param place: whether the deployment's placement file chooses when their runs start, as with
        ``CalendarTimetable(place=True)``.
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
    place: bool = False

    def __post_init__(self) -> None:
        for name in ("tags", "owners", "dag_ids", "exempt_tags"):
            value = getattr(self, name)
            # Not an iterator: what is told once is gone when the next DAG is asked about.
            if not isinstance(value, (list, tuple, set, frozenset)) or not all(
                isinstance(item, str) for item in value
            ):
                raise InvalidArgument(name, value, "give a list of texts")
        if self.apply_to not in get_args(ApplyTo):
            raise InvalidArgument("apply_to", self.apply_to, "give 'scheduled' or 'all'")
        if not isinstance(self.place, bool):
            raise InvalidArgument("place", self.place, "give True or False")
        zones.whole_seconds("max_delay", self.max_delay)
        for timeset in (self.blackout_set, self.window_set):
            if timeset is not None:
                timeset.validate()

    @property
    def blackout_set(self) -> TimeSet | None:
        """The blackouts as one set."""
        return as_timeset("blackouts", self.blackouts, _calendar_at)

    @property
    def calendars(self) -> list[Calendar]:
        """The calendars among the blackouts whose events close time."""
        from calendar_timetable.calendars.calendar import Calendar

        blackouts = self.blackout_set
        every = () if blackouts is None else leaves(blackouts.in_role(deny=True))
        return [leaf for leaf in every if isinstance(leaf, Calendar) and leaf.deny]

    @property
    def window_set(self) -> TimeSet | None:
        """The windows as one set."""
        return as_timeset("windows", self.windows, _calendar_at)

    def holds_for(self, dag: Any) -> bool:
        """Tell whether *dag* is one of those that this rule is for."""
        owners = {owner.strip() for owner in str(getattr(dag, "owner", "")).split(",")}
        return self.names(dag.dag_id, dag.tags, owners)

    def names(self, dag_id: str, tags: Collection[str], owners: Collection[str]) -> bool:
        """Tell whether the DAG with this id, *tags* and *owners* is one that this rule is for."""
        if _any_matches(tags, self.exempt_tags):
            return False
        if not (self.tags or self.owners or self.dag_ids):
            return True
        return (
            _any_matches(tags, self.tags)
            or _any_matches(owners, self.owners)
            or _any_matches((dag_id,), self.dag_ids)
        )


def rules() -> list[DeploymentRule]:
    """Return the rules of this deployment: those of the configuration, then those in Python.

    Where one cannot be used nothing is scheduled, by a rule that says why: to go on without it
    could start work in a freeze, and an error would end work that is under way.
    """
    try:
        return list(_rules())
    except InvalidArgument as error:
        unread = Unread(str(error))
        blackout = CalendarSpans("the rules of this deployment", Spans(), unread=unread)
        return [DeploymentRule(blackout, apply_to="all")]


def rules_of_blackouts(calendar: str | None = None) -> list[DeploymentRule]:
    """Return the rules by which a blackout that is entered holds.

    With *calendar* only those that name it, by its address or Connection id. Where the deployment
    has no blackouts at all, one rule for every DAG without an exempt tag: as it would be.
    """
    blackout_rules = [rule for rule in rules() if rule.blackouts is not None]
    if calendar is not None:
        return [rule for rule in blackout_rules if calendar in map(_address_of, rule.calendars)]
    return blackout_rules or [
        DeploymentRule(exempt_tags=listed("exempt_tags"), apply_to=_apply_to())
    ]


def _rules() -> Iterator[DeploymentRule]:
    blackouts = listed("blackouts")
    if blackouts:
        yield DeploymentRule(blackouts, exempt_tags=listed("exempt_tags"), apply_to=_apply_to())
    local_rules = _local_rules()
    if not isinstance(local_rules, Sequence) or not all(
        isinstance(rule, DeploymentRule) for rule in local_rules
    ):
        remedy = "give a list of DeploymentRule"
        raise InvalidArgument(f"{RULES} in airflow_local_settings.py", local_rules, remedy)
    yield from local_rules


def _apply_to() -> ApplyTo:
    value: Any = option("apply_to") or "scheduled"
    if value not in get_args(ApplyTo):
        raise InvalidArgument(f"[{SECTION}] apply_to", value, "write scheduled or all")
    return value  # type: ignore[no-any-return]


def _local_rules() -> Any:
    return getattr(sys.modules.get("airflow_local_settings"), RULES, ())


def has_due_times(schedule: Any) -> bool:
    """Tell whether *schedule* says by itself when runs are due."""
    try:
        check_base(make_base(schedule, "UTC"), schedule, "UTC")
    except Exception:  # noqa: BLE001
        # Whatever cannot be a base is left as it is; the gate holds its tasks.
        return False
    return True


def _any_matches(values: Collection[str], patterns: Collection[str]) -> bool:
    return any(fnmatchcase(value, pattern) for value in values for pattern in patterns)


def _address_of(calendar: Calendar) -> str:
    return str(calendar.address)


def _calendar_at(address: Any) -> TimeSet:
    from calendar_timetable.calendars.calendar import Calendar

    return Calendar(address)

"""What a user says, checked and turned into a schedule."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, get_args

from airflow.timetables.base import Timetable

from calendar_timetable.exceptions import CalendarUnavailable, InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.late_start import GRACE_SECONDS
from calendar_timetable.planning.open_time import DAY, OpenTime
from calendar_timetable.planning.plan import Placement, Policy, WhenBlocked, share_of
from calendar_timetable.planning.time_sets import (
    TimeRange,
    TimeSet,
    Unread,
    as_timeset,
    horizon_around,
    leaves,
    resolve_or_hold,
)
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.assets import encode_assets
from calendar_timetable.schedule.base import (
    CalendarEvents,
    DueTimes,
    check_base,
    encode_base,
    make_base,
)
from calendar_timetable.schedule.compiled import CompiledSchedule
from calendar_timetable.schedule.due_rule import DueRule
from calendar_timetable.schedule.ticks import TOO_FREQUENT, Ticks

if TYPE_CHECKING:
    from calendar_timetable.calendars.calendar import Calendar

_ZERO = timedelta(0)
_UNSAID = ("dag_file", "dag_id", "placement", "catchup")
_ONE_RUN = ("OnceTimetable", "ContinuousTimetable")
_USUAL = {
    "when_blocked": "postpone",
    "max_delay": timedelta(days=7),
    "coalesce": True,
    "keep_hour": False,
    "place": False,
}
_log = logging.getLogger(__name__)


@dataclass
class Arguments:
    """The arguments of ``CalendarTimetable``, as given.

    They may be anything at all until :meth:`check` has passed.
    """

    schedule: Any
    timezone: Any
    windows: Any
    blackouts: Any
    duration: Any
    when_blocked: Any
    max_delay: Any
    stagger: Any
    stagger_key: Any
    coalesce: Any
    offset: Any
    keep_hour: Any
    max_lateness: Any
    assets: Any
    place: Any
    dag_file: str
    # As the cluster policy in policy.py tells it.
    dag_id: str | None = None
    placement: Placement | None = None
    catchup: bool = True

    def __str__(self) -> str:
        """Return the arguments that differ from the usual ones.

        Addresses may be secrets: of those only what may be shown.
        """
        values = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("schedule", *_UNSAID)
        }
        texts = (
            f"{name}={_printable(value)}"
            for name, value in values.items()
            if value != _USUAL.get(name)
        )
        return ", ".join((_printable(self.schedule), *texts))

    def check(self) -> None:
        """Refuse what cannot be used, without I/O.

        Raises :class:`InvalidArgument`, which names field, value and remedy.
        """
        _ = self._checked

    @cached_property
    def _checked(self) -> bool:
        zones.load_zone(self.zone_name)
        if self.calendar is not None:
            self.calendar.validate()
            offset = _ZERO if self.offset is None else self.offset
            zones.whole_seconds("offset", abs(offset) if isinstance(offset, timedelta) else offset)
        else:
            if isinstance(self.schedule, DueRule):
                self.schedule.validate()
            check_base(self.base, self.schedule, self.zone_name)
            if self.offset is not None:
                raise InvalidArgument(
                    "offset", self.offset, "goes with a Calendar as schedule; leave it out"
                )
        for timeset in (self.window_set, self.blackout_set):
            if timeset is not None:
                timeset.validate()
        _ = self.policy, self.asset_data
        if self.keep_hour and Ticks(encode_base(self.base)).is_frequent:
            remedy = TOO_FREQUENT
            raise InvalidArgument("keep_hour", self.keep_hour, remedy)
        return True

    def warn(self) -> None:
        """Warn of what :meth:`check` lets pass, but makes no sense."""
        policy, windows = self.policy, self.window_set
        if isinstance(self.schedule, DueRule) and (doubt := self.schedule.doubt(self.zone_name)):
            _doubt(doubt)
        if not policy.max_delay and policy.waits and (windows or self.blackout_set):
            _doubt(
                "max_delay is 0: a blocked run is always skipped; "
                "write when_blocked='skip' if that is meant"
            )
        stagger = 0 if self.stagger is None else int(self.stagger.total_seconds())
        if stagger > policy.max_delay:
            _doubt("stagger is longer than max_delay: no start is moved further than that")
        sets = [timeset for timeset in (windows, self.blackout_set) if timeset is not None]
        if (
            windows is None
            or policy.when_blocked == "run"
            or not all(isinstance(leaf, Weekly) for timeset in sets for leaf in leaves(timeset))
        ):
            # Only rules tell what is open without anything being read.
            return
        weeks = TimeRange(0, 8 * 7 * DAY)
        open_windows, closed = (
            s and s.resolve(weeks, self.zone_name) for s in (windows, self.blackout_set)
        )
        if OpenTime(open_windows, closed, None).next_fit(0, policy.duration, weeks.end) is None:
            run = (
                f"for {self.duration}, the duration of a run" if policy.duration else "at any time"
            )
            _doubt(f"no window is open {run}: nothing will run")

    def read(
        self, moment: float, end: float | None = None, *, hold: bool = False
    ) -> CompiledSchedule:
        """Return the schedule with its calendars read around *moment*, or as far as *end*.

        Around *moment* means the months around it; both are in epoch seconds. Where a calendar
        cannot be read: raises :class:`CalendarUnavailable`, or (*hold*) returns a schedule that
        says so and makes no runs.
        """
        policy, horizon = self.policy, self.horizon(moment, end)
        sets = {"windows": self.window_set, "blackouts": self.blackout_set}
        held_labels: list[str] = []
        if hold:
            resolved = {
                name: s and resolve_or_hold(s, horizon, self.zone_name, held_labels)
                for name, s in sets.items()
            }
        else:
            resolved = {name: s and s.resolve(horizon, self.zone_name) for name, s in sets.items()}
        base = self._read_base(horizon, hold=hold)
        compiled = CompiledSchedule(
            encode_base(base),
            self.zone_name,
            policy,
            horizon=horizon,
            assets=self.asset_data,
            catchup=self.catchup,
            **resolved,
        )
        for why in compiled.held:
            _log.warning("No runs are scheduled: %s", why)
        return compiled

    def decided(self, moment: float) -> dict[str, Any]:
        """Return what :meth:`read` comes to at *moment*, in serialized form.

        It is kept from an earlier parse, if nothing has changed since. Never raises for a calendar:
        an import error would stop every DAG of the file, and the runs under way.
        """
        parts = list(self.questions(moment)) if self._is_settled else []
        copies = [calendar.current_version(stretch, self.zone_name) for calendar, stretch in parts]
        # Without calendars there is little to keep, but for days that a library has to count.
        if not all(copies) or not (
            copies or (self._is_settled and isinstance(self.schedule, DueRule))
        ):
            return self.read(moment, hold=True).to_json()
        from calendar_timetable._version import __version__
        from calendar_timetable.schedule.compile_cache import cached_or_made

        made_by = __version__, *self.libraries
        arguments = repr((made_by, self.horizon(moment), self.fingerprint))
        return cached_or_made(arguments, copies, lambda: self.read(moment, hold=True).to_json())

    @property
    def fingerprint(self) -> str:
        """All that is said here and counts for the schedule, as text that no address is in.

        It stays the same while calendars and libraries change; ``""`` where a set does not tell
        what it depends on.
        """
        if not self._is_settled:
            return ""
        own = isinstance(self.schedule, (str, DueRule))
        base = self.schedule if own else encode_base(self.base)
        settings = type(self.base).__name__, base, self.zone_name, self.policy, self.offset
        gate = self.asset_data, self.catchup
        return repr((*settings, self.calendar, self.window_set, self.blackout_set, *gate))

    @property
    def _is_settled(self) -> bool:
        """Whether what the sets come to follows from arguments and copies of calendars alone.

        That is so where each set tells all that it depends on: see :meth:`TimeSet.fingerprint`.
        """
        return all(leaf.fingerprint() is not None for leaf in self._leaves)

    @property
    def libraries(self) -> tuple[str, ...]:
        """The libraries that tell its days, with their versions: "holidays 0.84"."""
        return tuple(sorted({leaf.library() for leaf in self._leaves} - {""}))

    @property
    def _leaves(self) -> list[TimeSet]:
        days = self.schedule.days if isinstance(self.schedule, DueRule) else None
        sets = (self.calendar, days, self.window_set, self.blackout_set)
        return [leaf for timeset in sets if timeset is not None for leaf in leaves(timeset)]

    def horizon(self, moment: float, end: float | None = None) -> TimeRange:
        """Return how far calendars are read around *moment*, or as far as *end* (epoch seconds)."""
        reach = self.policy.reach
        return horizon_around(moment, reach, None if end is None else end + reach)

    def questions(self, moment: float) -> Iterator[tuple[Calendar, TimeRange]]:
        """Yield the calendars that :meth:`read` reads, each with the time it is asked about."""
        from calendar_timetable.calendars.calendar import Calendar

        horizon = self.horizon(moment)
        if self.calendar is not None:
            yield self.calendar.in_role(deny=False), self._due(horizon)
        if isinstance(self.schedule, DueRule) and self.schedule.days is not None:
            reach = self.schedule.reach(horizon, self.zone_name)
            for leaf in leaves(self.schedule.days.in_role(deny=False)):
                if isinstance(leaf, Calendar):
                    yield leaf, reach
        for timeset in (self.window_set, self.blackout_set):
            sets = () if timeset is None else leaves(timeset)
            yield from ((leaf, horizon) for leaf in sets if isinstance(leaf, Calendar))

    @cached_property
    def zone_name(self) -> str:
        """The IANA zone that this schedule is read in."""
        return zones.default_zone() if self.timezone is None else zones.zone_name(self.timezone)

    @cached_property
    def calendar(self) -> Calendar | None:
        """The schedule, where it is a calendar."""
        if isinstance(self.schedule, PurePath) or (
            isinstance(self.schedule, str) and _is_address(self.schedule)
        ):
            return _calendar_at(self.schedule)
        if not isinstance(self.schedule, TimeSet):
            return None
        from calendar_timetable.calendars.calendar import Calendar

        if not isinstance(self.schedule, Calendar):
            raise InvalidArgument(
                "schedule", self.schedule, "only a Calendar can be a schedule; put this in windows"
            )
        return self.schedule

    @cached_property
    def base(self) -> Timetable:
        """The schedule as an Airflow timetable.

        That of a calendar has no events before the calendar is read.
        """
        if self.calendar is not None:
            return CalendarEvents(str(self.calendar), ())
        if isinstance(self.schedule, DueRule):
            return DueTimes(str(self.schedule), (), python=self.schedule.python())
        return make_base(self.schedule, self.zone_name)

    @cached_property
    def window_set(self) -> TimeSet | None:
        """The windows as one set, its calendars in the role of allowing."""
        timeset = as_timeset("windows", self.windows, _calendar_at)
        return timeset and timeset.in_role(deny=False)

    @cached_property
    def blackout_set(self) -> TimeSet | None:
        """The blackouts as one set, its calendars in the role of blocking."""
        timeset = as_timeset("blackouts", self.blackouts, _calendar_at)
        return timeset and timeset.in_role(deny=True)

    @cached_property
    def asset_data(self) -> dict[str, Any] | None:
        """The assets that runs wait for, as JSON; ``None`` where they wait for none."""
        return encode_assets(self.assets)

    @cached_property
    def policy(self) -> Policy:
        """How ticks are placed in open time."""
        if self.when_blocked not in get_args(WhenBlocked):
            allowed = ", ".join(map(repr, get_args(WhenBlocked)))
            raise InvalidArgument("when_blocked", self.when_blocked, f"give one of {allowed}")
        if not isinstance(self.coalesce, bool):
            raise InvalidArgument("coalesce", self.coalesce, "give True or False")
        stagger = zones.whole_seconds("stagger", _ZERO if self.stagger is None else self.stagger)
        max_delay = zones.whole_seconds("max_delay", self.max_delay)
        for name in ("keep_hour", "place"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidArgument(name, getattr(self, name), "give True or False")
        if self.keep_hour and self.place:
            remedy = "does not go with keep_hour, as the placement chooses the hour: leave one out"
            raise InvalidArgument("place", self.place, remedy)
        if self.place and not self.coalesce:
            raise InvalidArgument("place", self.place, "goes with coalesce=True; leave one out")
        policy = Policy(
            self.when_blocked,
            zones.whole_seconds("duration", _ZERO if self.duration is None else self.duration),
            max_delay,
            self.coalesce,
            self._share_of(stagger),
            self.zone_name if self.keep_hour else "",
            self._checked_lateness,
            (self.placement or Placement())._replace(within=stagger) if self.place else None,
        )
        policy.check()
        return policy

    @property
    def _checked_lateness(self) -> int | None:
        if self.max_lateness is None:
            return None
        lateness = zones.whole_seconds("max_lateness", self.max_lateness)
        if lateness < GRACE_SECONDS:
            remedy = f"give {GRACE_SECONDS // 60} minutes or more: schedulers take time"
            raise InvalidArgument("max_lateness", self.max_lateness, remedy)
        if type(self.base).__name__ in _ONE_RUN:
            remedy = "goes with a schedule that is due again and again; leave it out"
            raise InvalidArgument("max_lateness", self.max_lateness, remedy)
        return lateness

    def _share_of(self, stagger: int) -> int:
        """Return this schedule's own share of *stagger*, in seconds.

        It is stable, and spread evenly over schedules.
        """
        if self.stagger_key is not None and not isinstance(self.stagger_key, str):
            raise InvalidArgument(
                "stagger_key", self.stagger_key, "give a text, such as the DAG's id"
            )
        # Without a stagger the base need not be put into words, which takes Airflow long.
        if not stagger:
            return 0
        return share_of(
            stagger,
            self.stagger_key
            or self.dag_id
            or f"{self.dag_file} {self.base.summary} {self.zone_name}",
        )

    def _read_base(self, horizon: TimeRange, *, hold: bool) -> Timetable:
        """Return the schedule with the due times that it comes to around *horizon*."""
        base, calendar = self.base, self.calendar
        try:
            if isinstance(self.schedule, DueRule):
                due = self.schedule.due(horizon, self.zone_name)
                return DueTimes(str(self.schedule), due, python=self.schedule.python())
            if calendar is None:
                return base
            starts, feed = calendar.in_role(deny=False).starts(self._due(horizon), self.zone_name)
        except CalendarUnavailable as error:
            if not hold:
                raise
            assert isinstance(base, DueTimes), "nothing else is read"
            # The base itself stays what is said in the DAG file.
            unread = copy(base)
            unread.unread = Unread(error.why, error.since)
            return unread
        shift = int((self.offset or _ZERO).total_seconds())
        events = CalendarEvents(str(calendar), [start + shift for start in starts])
        events.feed = feed
        return events

    def _due(self, horizon: TimeRange) -> TimeRange:
        """Return when the events of a schedule are that make runs due in *horizon*."""
        shift = int((self.offset or _ZERO).total_seconds())
        return TimeRange(horizon.start - shift, horizon.end - shift)


def _doubt(text: str) -> None:
    warnings.warn(f"CalendarTimetable: {text}", stacklevel=2)


def _printable(value: object) -> str:
    from calendar_timetable.calendars.addresses import printable

    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_printable, value))}]"
    return repr(
        printable(value)
        if isinstance(value, (str, PurePath)) and _is_address(str(value))
        else value
    )


def _is_address(text: str) -> bool:
    from calendar_timetable.calendars.addresses import is_address

    return is_address(text)


def _calendar_at(address: Any) -> Calendar:
    from calendar_timetable.calendars.calendar import Calendar

    return Calendar(address)

"""``CalendarTimetable``: what DAG files name as their schedule, and what Airflow calls."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from airflow.exceptions import AirflowTimetableInvalid
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from airflow.utils.types import DagRunType

from calendar_timetable import clock
from calendar_timetable.exceptions import InvalidArgument, NoOpening
from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.plan import PlannedRun, WhenBlocked
from calendar_timetable.planning.time_sets import TimeRange, TimeSet
from calendar_timetable.schedule.arguments import Arguments
from calendar_timetable.schedule.assets import decode_assets
from calendar_timetable.schedule.base import to_pendulum
from calendar_timetable.schedule.compiled import CompiledSchedule, UsedCalendar
from calendar_timetable.schedule.next_run import due_times, next_run

if TYPE_CHECKING:
    from types import FrameType

    from airflow.models.dag import DagModel
    from airflow.serialization.definitions.assets import SerializedAssetBase
    from pendulum import DateTime

    from calendar_timetable.calendars.calendar import Calendar

    Times = TimeSet | str | PathLike[str] | Sequence[TimeSet | str | PathLike[str]] | None

# What was decoded last: Airflow's DAG processor decodes each schedule some twenty times over.
_decoded: tuple[dict[str, Any], CompiledSchedule] | tuple[None, None] = None, None
# Characters: Airflow's database has room for 1,000, and AssetOrTimeSchedule puts some before ours.
_MOST_SAID = 950
# Airflow's method that asks for the runs of a backfill, and how many calls below it one of ours is.
_ASKS_IN_BACKFILLS = "iter_dagrun_infos_between"
_MOST_BETWEEN = 3
_DEFAULT_LIMIT = 10  # ticks that plan() gives when asked for neither an end nor a number


class CalendarTimetable(Timetable):
    """Runs that are due by *schedule* and start when calendars and weekly rules leave time open.

    :param schedule: when runs are due: a cron expression, a preset, a ``timedelta``, any Airflow
        timetable, or a :class:`Calendar` whose matching events' starts are the due times.
    :param timezone: IANA zone of the cron expression, of rules and of texts for people. Default:
        Airflow's.
    :param windows: a run may start only in here: a time set, a calendar's address or Connection id,
        or a list of these (their union). Default: always.
    :param blackouts: no run may start, or still be running, in here; wins over *windows*.
    :param duration: how long the run takes; all of it must lie in open time. Default: only the
        start must.
    :param when_blocked: ``"postpone"`` to the earliest start that fits, ``"advance"`` to the latest
        one before, ``"skip"`` the run, or ``"run"`` it anyway.
    :param max_delay: how far a start may move from its due time, either way; past this the run is
        skipped.
    :param stagger: spread starts, also those on time, over this long: each DAG's starts come later
        by its own stable share.
    :param stagger_key: what that share is derived from. Default: the DAG's id (outside of a DAG:
        the file's name and the schedule).
    :param coalesce: of consecutive due times that would start together, run only the last.
    :param offset: with a :class:`Calendar` as *schedule*, due this long after (or, negative,
        before) its events.
    :param keep_hour: postpone a blocked run to the same local time of the next day on which it
        fits, instead of to the opening.
    :param max_lateness: make no run that could not be made for this long after its start, because
        the DAG was paused, earlier runs were not over, or Airflow was down. Default: such a run is
        made as soon as possible.
    :param assets: a run also waits until these are updated, as ``DAG(schedule=...)`` takes them: it
        is made once it is due and all are there, and starts in open time however late they come.
        Needs Airflow 3.4.
    :param place: let the deployment's placement file choose when runs start, in open time and up to
        *stagger* later than they could, or *max_delay* without one; see ``calendar-timetable
        place``. A DAG that is not in that file starts as it would without *place*.

    Nothing is read or checked here; see :meth:`validate` and :meth:`serialize`.
    """

    def __init__(
        self,
        schedule: Any,
        *,
        timezone: Any = None,
        windows: Times = None,
        blackouts: Times = None,
        duration: timedelta | None = None,
        when_blocked: WhenBlocked = "postpone",
        max_delay: timedelta = timedelta(days=7),
        stagger: timedelta | None = None,
        stagger_key: str | None = None,
        coalesce: bool = True,
        offset: timedelta | None = None,
        keep_hour: bool = False,
        max_lateness: timedelta | None = None,
        assets: Any = None,
        place: bool = False,
    ) -> None:
        # This is ten times as fast as pathlib.
        dag_file = os.path.basename(sys._getframe(1).f_code.co_filename)  # noqa: PTH119, SLF001
        self._arguments = Arguments(
            schedule=schedule,
            timezone=timezone,
            windows=windows,
            blackouts=blackouts,
            duration=duration,
            when_blocked=when_blocked,
            max_delay=max_delay,
            stagger=stagger,
            stagger_key=stagger_key,
            coalesce=coalesce,
            offset=offset,
            keep_hour=keep_hour,
            max_lateness=max_lateness,
            assets=assets,
            place=place,
            dag_file=dag_file,
        )
        self._data: dict[str, Any] | None = None
        self._take_traits(schedule, once=schedule in ("@once", "@continuous"))
        if schedule == "@continuous":
            self.active_runs_limit = 1

    def _take_traits(self, base: object, *, once: bool = False) -> None:
        """Take the attributes that Airflow looks up on a timetable from the base schedule."""
        self.periodic = getattr(base, "periodic", not once)
        self.active_runs_limit = getattr(base, "active_runs_limit", None)
        self.run_ordering = getattr(base, "run_ordering", Timetable.run_ordering)

    # What Airflow calls while it reads a DAG file.

    def validate(self) -> None:
        """Check every argument, without I/O.

        Raises ``AirflowTimetableInvalid``, which names field, value and remedy. What is possible,
        but makes no sense, is warned of: that goes into the DAG processor's log.
        """
        if self._data is not None:
            return
        try:
            self._arguments.check()
        except InvalidArgument as error:
            raise AirflowTimetableInvalid(str(error)) from None
        self._arguments.warn()

    def serialize(self) -> dict[str, Any]:
        """Return the schedule with its calendars read: the only place where Airflow lets us do I/O.

        Never raises for a calendar: where one that counts can be had neither fresh nor from a
        recent copy, no runs are scheduled until it can be read again.
        """
        if self._data is None:
            # AssetOrTimeSchedule does not call validate().
            self._arguments.check()
            return self._arguments.decided(clock.now())
        return self._data

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> CalendarTimetable:
        """Return a timetable that decides from *data* alone, without network, disk or database.

        The ``dict`` that was decoded last, when given again, is taken for unchanged.
        """
        global _decoded  # noqa: PLW0603
        last, compiled = _decoded
        if last is not data or compiled is None:
            compiled = CompiledSchedule.from_json(data)
            _decoded = data, compiled
        # What __init__ of a subclass sets counts here too. Ours has nothing to add, and Airflow
        # decodes schedules all the time.
        timetable = cls.__new__(cls) if cls is CalendarTimetable else cls(None)
        timetable._restore(data, compiled)  # noqa: SLF001
        return timetable

    def _restore(self, data: dict[str, Any], compiled: CompiledSchedule) -> None:
        self._data, self._compiled = data, compiled
        if not compiled.ticks.is_cron:
            self._take_traits(compiled.ticks.base)

    # What Airflow 3.4 looks up to let due runs wait for assets.

    @property
    def asset_gated(self) -> bool:
        """Whether runs that are due wait for assets, too."""
        return self._asset_data is not None

    @property
    def asset_condition(self) -> SerializedAssetBase:  # type: ignore[override]
        """The assets that runs wait for."""
        return decode_assets(self._asset_data)

    @property
    def _asset_data(self) -> dict[str, Any] | None:
        return self._arguments.asset_data if self._data is None else self._compiled.assets

    # What Airflow calls to schedule.

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Return the next run: ``run_after`` is its start, its data interval that of its tick.

        A backfill gets the next due time of the base schedule.
        """
        if _is_backfill(restriction):
            return next(due_times(self._compiled, last_automated_data_interval, restriction), None)
        return next_run(self._compiled, last_automated_data_interval, restriction)

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Return the same as :meth:`next_dagrun_info`.

        Of runs that start together each starts a microsecond after the one before: Airflow's
        Calendar view ends where two start at one time.
        """
        info = self.next_dagrun_info(
            last_automated_data_interval=last_dagrun_info and last_dagrun_info.data_interval,
            restriction=restriction,
        )
        if info is None or last_dagrun_info is None or info.run_after > last_dagrun_info.run_after:
            return info
        later = info._replace(run_after=last_dagrun_info.run_after + timedelta(microseconds=1))
        # A run that is made up for is late by its own start: by this one it may be skipped.
        return info if self._late_start(later, catchup=restriction.catchup) is None else later

    def next_run_info_from_dag_model(self, *, dag_model: DagModel) -> DagRunInfo | None:
        """Return the stored next run, at the moment of its creation.

        A run that is late, and blocked by now, waits for an opening. Raises :class:`NoOpening`, and
        clears the stored run, where it is skipped.
        """
        info = super().next_run_info_from_dag_model(dag_model=dag_model)
        if info is None:
            return None
        start = self._late_start(info, catchup=self._compiled.catchup)
        if start is None:
            dag_model.next_dagrun = dag_model.next_dagrun_create_after = (
                dag_model.next_dagrun_data_interval
            ) = None
            lateness = self._compiled.policy.max_lateness
            why = "time is closed for too long"
            if lateness is not None and not self._compiled.open_time.fits(clock.now(), 0):
                why += ", or it would start later than max_lateness allows"
            elif lateness is not None:
                why = f"it is later than max_lateness allows ({timedelta(seconds=lateness)})"
            assert info.data_interval is not None
            raise NoOpening(f"the run due {info.data_interval.end} is skipped: {why}")
        if start == info.run_after.timestamp():
            return info
        return info._replace(run_after=to_pendulum(start))

    def _late_start(self, info: DagRunInfo, *, catchup: bool) -> float | None:
        assert info.data_interval is not None, "every run of ours has a data interval"
        planned, due = info.run_after.timestamp(), info.data_interval.end.timestamp()
        return self._compiled.late_start(planned, due, clock.now(), catchup=catchup)

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """Return what the base schedule infers: a manual run ignores windows."""
        return self._base.infer_manual_data_interval(run_after=run_after)

    def generate_run_id(
        self,
        *,
        run_type: DagRunType,
        run_after: DateTime,
        data_interval: DataInterval | None,
        **extra: Any,
    ) -> str:
        """Name scheduled runs and backfills' after their due time, as Airflow names its own.

        So the ids of two runs with the same start never collide.
        """
        if (
            run_type in (DagRunType.SCHEDULED, DagRunType.BACKFILL_JOB)
            and data_interval is not None
        ):
            return run_type.generate_run_id(suffix=data_interval.end.isoformat())
        return super().generate_run_id(
            run_type=run_type, run_after=run_after, data_interval=data_interval, **extra
        )

    # What people see.

    @property
    def summary(self) -> str:
        """The base schedule, its rules, and where the next run is moved to.

        Rules and the next run are told once calendars are read, as in "0 5 * * * + daily
        19:00-07:00, not team_calendar (next Wed 25 Nov 2026 19:00 CET, due 05:00)".
        """
        coming = "" if self._data is None else self._compiled.coming_in_short(clock.now())
        return (
            f"{self._summary_of_rules} ({coming})"[:_MOST_SAID]
            if coming
            else self._summary_of_rules[:_MOST_SAID]
        )

    @property
    def _summary_of_rules(self) -> str:
        rules = "" if self._data is None else self._compiled.rules
        due = f"Asset and {self._base.summary}" if self.asset_gated else self._base.summary
        return f"{due} + {rules}" if rules else due

    def __repr__(self) -> str:
        return (
            f"CalendarTimetable({self._arguments})"
            if self._data is None
            else f"<CalendarTimetable {self._summary_of_rules}>"
        )

    @property
    def description(self) -> str:  # type: ignore[override]
        """The base schedule's description and the next run, in a sentence."""
        text = self._base.description or self._base.summary
        if self.asset_gated:
            text += ", once its assets are there"
        if self._data is not None and self._compiled.held:
            return f"{text}. Held: {'; '.join(self._compiled.held)}"[:_MOST_SAID]
        now = clock.now()
        coming = None if self._data is None else self._compiled.coming(now)
        if coming is not None:
            text += f". Next: {self._compiled.sentence(coming)}"
            if (first := self._compiled.skipped_first(now)) is not None:
                text += f". Before it: {self._compiled.sentence(first)}"
        return text[:_MOST_SAID]

    def plan(
        self, start: datetime, end: datetime | None = None, limit: int | None = None
    ) -> list[PlannedRun]:
        """Return what becomes of every due time in ``[start, end)``, at most *limit* of them.

        With neither *end* nor *limit* that is 10 due times. Reads the calendars unless this
        timetable came out of a serialized DAG. Past the horizon, the end of the third month after
        *start* or *end* itself if that is later, calendars are unknown. The due times of a
        ``timedelta`` are counted from *start*: in a DAG they follow the last run.
        """
        low = zones.to_instant(start, "start")
        high = None if end is None else zones.to_instant(end, "end")
        if limit is not None and not isinstance(limit, int):
            raise InvalidArgument("limit", limit, "give a whole number")
        if end is None and limit is None:
            limit = _DEFAULT_LIMIT
        return self.planner(low, high).plan(low, high, limit)

    def explain(self, at: datetime) -> str:
        """Say in words whether *at* is open, and what becomes of the first due time from it on."""
        instant = zones.to_instant(at, "at")
        compiled = self.planner(instant, None)
        placed = next(compiled.placed(instant), None)
        return explain.at_instant(
            instant, placed, compiled.policy, compiled.open_time, compiled.zone
        )

    @property
    def calendars(self) -> tuple[UsedCalendar, ...]:
        """The calendars of this schedule, each in its role.

        Reads them unless this timetable came out of a serialized DAG.
        """
        return self._compiled.calendars

    def questions(self, moment: float) -> Iterator[tuple[Calendar, TimeRange]]:
        """Return what :meth:`serialize` would ask at *moment*: calendars, each with a time range.

        *moment* is in epoch seconds. Only for a timetable straight from its DAG file.
        """
        self._arguments.check()
        return self._arguments.questions(moment)

    @property
    def arguments(self) -> Arguments | None:
        """The arguments in its DAG file; ``None`` of a timetable out of a serialized DAG."""
        return self._arguments if self._data is None else None

    def with_arguments(self, arguments: Arguments) -> Self:
        """Return a copy of this timetable, straight from its DAG file, with other *arguments*."""
        timetable = copy(self)
        # What it may have read already was read for the arguments that it had.
        vars(timetable).pop("_compiled", None)
        timetable._arguments = arguments  # noqa: SLF001
        return timetable

    def waiting_for(self, assets: Any) -> Self:
        """Return a copy of this timetable, straight from its DAG file, that waits for *assets*."""
        return self.with_arguments(replace(self._arguments, assets=assets))

    @property
    def compiled(self) -> CompiledSchedule:
        """The schedule with its calendars.

        They are as the serialized DAG has them, else as they were when first asked for.
        """
        return self._compiled

    @property
    def zone_name(self) -> str:
        """The IANA zone that this schedule is read in."""
        return self._arguments.zone_name if self._data is None else self._compiled.timezone

    @property
    def _base(self) -> Timetable:
        return self._arguments.base if self._data is None else self._compiled.ticks.base

    @cached_property
    def _compiled(self) -> CompiledSchedule:
        """The schedule as the DAG file gives it, with the calendars as they are now.

        :meth:`deserialize` sets this for a timetable out of a serialized DAG.
        """
        self._arguments.check()
        return self._arguments.read(clock.now(), hold=True)

    def planner(self, start: float, end: float | None) -> CompiledSchedule:
        """Return the schedule with its calendars read around *start*, or as far as *end*.

        Around *start* means the months around it; both are in epoch seconds. A timetable out of a
        serialized DAG reads nothing and returns what it has.
        """
        if self._data is not None:
            return self._compiled
        self._arguments.check()
        return self._arguments.read(start, end)


def _is_backfill(restriction: TimeRestriction) -> bool:
    """Tell whether ``SerializedDAG.iter_dagrun_infos_between`` asks.

    The caller is looked at, as a backfill's first question says the same as the scheduler's for a
    DAG with a start and an end date, catchup and no run. Airflow asks through
    ``Timetable.next_dagrun_info_v2``, and a timetable around this one in between.
    """
    if not restriction.catchup or restriction.latest is None:
        return False
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001
    for _ in range(_MOST_BETWEEN):
        if frame is None:
            return False
        if frame.f_code.co_name == _ASKS_IN_BACKFILLS:
            return True
        frame = frame.f_back
    return False

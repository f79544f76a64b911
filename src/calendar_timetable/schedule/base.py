"""Base schedules: anything that says when a run is due, as an Airflow timetable and as ticks."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Any

from airflow.exceptions import AirflowTimetableInvalid
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from dateutil.relativedelta import relativedelta
from pendulum import UTC as PENDULUM_UTC
from pendulum import DateTime

from calendar_timetable import clock
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.codec import decode_feed, decode_unread, encode_feed, encode_unread
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.time_sets import Feed, Unread
from calendar_timetable.schedule.cron import cron_ticks, is_plain, names_years

_REMEDY = (
    "give a cron expression, a preset such as '@weekly', a timedelta, an Airflow timetable, "
    "On(...) or a Calendar"
)


@lru_cache(maxsize=8192)
def to_pendulum(instant: float) -> DateTime:
    """Return *instant*, in epoch seconds, as Airflow wants it: a UTC-aware ``pendulum.DateTime``.

    Results are remembered, as DAGs share due times.
    """
    # pendulum's own way takes six times as long.
    at = datetime.fromtimestamp(instant, UTC)
    return DateTime(
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        at.microsecond,
        tzinfo=PENDULUM_UTC,
    )


def make_base(schedule: object, timezone: str) -> Timetable:
    """Return the Airflow timetable that Airflow itself would make of *schedule* in *timezone*.

    Honours ``[scheduler] create_cron_data_intervals`` for cron expressions and timedeltas, as
    Airflow does. Raises :class:`InvalidArgument` where there is none.
    """
    # Asked only where needed: it takes coerce_to_core_timetable long to tell text from a timetable.
    if not isinstance(schedule, str):
        schedule = _as_core(schedule)
    if isinstance(schedule, Timetable):
        return schedule
    from airflow.configuration import conf
    from airflow.timetables import interval, simple, trigger
    from airflow.utils.dates import cron_presets

    with_intervals = conf.getboolean("scheduler", "create_cron_data_intervals")
    if isinstance(schedule, (timedelta, relativedelta)):
        return (
            interval.DeltaDataIntervalTimetable if with_intervals else trigger.DeltaTriggerTimetable
        )(schedule)
    if schedule == "@once":
        return simple.OnceTimetable()
    if schedule == "@continuous":
        return simple.ContinuousTimetable()
    if isinstance(schedule, str) and schedule.strip():
        return cron_base(
            cron_presets.get(schedule, schedule), timezone, with_intervals=with_intervals
        )
    raise InvalidArgument("schedule", schedule, _REMEDY)


def _as_core(schedule: object) -> object:
    """Return the timetable that the scheduler has for one of a DAG file; else *schedule* itself."""
    from airflow.serialization.encoders import coerce_to_core_timetable, encode_timetable

    if type(schedule).__name__ in _CRON and not isinstance(schedule, Timetable):
        encoded: Any = encode_timetable(schedule)  # type: ignore[arg-type]
        return _decoded(json.dumps(encoded, sort_keys=True))
    return coerce_to_core_timetable(schedule)


@lru_cache(maxsize=512)
def _decoded(encoded: str) -> Timetable:
    """Return the timetable that was serialized; remembered for the reason of :func:`cron_base`."""
    from airflow.serialization.decoders import decode_timetable

    return decode_timetable(json.loads(encoded))


@lru_cache(maxsize=512)
def cron_base(expression: str, timezone: str, *, with_intervals: bool) -> Timetable:
    """Return Airflow's timetable for a cron expression.

    Remembered, because Airflow puts cron into words each time; processes forked to parse inherit
    it.
    """
    from airflow.timetables import interval, trigger

    if with_intervals:
        return interval.CronDataIntervalTimetable(expression, timezone)
    return trigger.CronTriggerTimetable(expression, timezone=timezone)


def is_plain_cron(encoded: dict[str, Any]) -> bool:
    """Tell whether a serialized timetable is what :func:`make_base` makes of a cron expression."""
    return _is_made(encoded, "CronDataIntervalTimetable", "CronTriggerTimetable")


def is_plain_delta(encoded: dict[str, Any]) -> bool:
    """Tell whether a serialized timetable is what :func:`make_base` makes of a timedelta."""
    plain = _is_made(encoded, "DeltaDataIntervalTimetable", "DeltaTriggerTimetable")
    return plain and isinstance(encoded["__var"].get("delta"), (int, float))


def _is_made(encoded: dict[str, Any], with_interval: str, without: str) -> bool:
    from airflow.configuration import conf

    with_intervals = conf.getboolean("scheduler", "create_cron_data_intervals")
    kind = encoded["__type"].rpartition(".")[2]
    same_kind = kind == (with_interval if with_intervals else without)
    return same_kind and not encoded["__var"].get("interval")


# Runs are known by their data interval, which those of partitions have not; and each partition has
# a run of its own, where we combine or skip what waits.
_PARTITIONED = (
    "partitions cannot wait for calendars: each needs a run of its own, and one that waits may be "
    "combined with a later one or skipped; give CronTriggerTimetable, or let tasks wait at a "
    "CalendarGate"
)
# At which schedules are tried: always the same, as what is valid today must be so tomorrow, and on
# a day on which no zone changes its clocks.
_SOME_TIME = datetime(2026, 1, 14, 12, tzinfo=UTC).timestamp()
# Airflow's timetables whose summary is their cron expression.
_CRON = ("CronTriggerTimetable", "CronDataIntervalTimetable")


def check_base(base: Timetable, schedule: object, timezone: str) -> None:
    """Refuse a *base*, made of *schedule* in *timezone*, that cannot give ticks.

    Raises :class:`InvalidArgument`.
    """
    if base.partitioned and base.can_be_scheduled:
        raise InvalidArgument("schedule", schedule, _PARTITIONED)
    if not base.can_be_scheduled or base.asset_condition or base.partitioned:
        remedy = (
            "it has no due times of its own; to run when assets OR the time says so put "
            "CalendarTimetable inside AssetOrTimeSchedule, for both give assets=[...]"
        )
        raise InvalidArgument("schedule", schedule, remedy)
    # When its years are over it would be an import error, which stops every DAG of the file.
    several = type(base).__name__ == "MultipleCronTriggerTimetable"
    if (several or type(base).__name__ in _CRON) and any(
        map(names_years, base.summary.split(", "))
    ):
        remedy = "give cron without years; start_date and end_date of the DAG say when it runs"
        raise InvalidArgument("schedule", schedule, remedy)
    is_airflows = type(base).__module__.startswith("airflow.timetables.")
    try:
        if is_airflows and type(base).__name__ in _CRON and is_plain(base.summary):
            daily = cron_ticks((base.summary, timezone)).daily
            if daily is not None and any(True for _ in daily.dates(int(_SOME_TIME // DAY))):
                return
        base.validate()
        # A cron expression may name a day that never comes.
        if is_airflows:
            restriction = TimeRestriction(to_pendulum(_SOME_TIME), None, catchup=True)
            base.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    except AirflowTimetableInvalid as error:
        raise InvalidArgument("schedule", schedule, f"{error}; {_REMEDY}") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument("schedule", schedule, f"{error}; {_REMEDY}") from None


class DueTimes(Timetable):
    """A table of due times, stepped as ``CronTriggerTimetable`` steps: what *label* comes to.

    *python* is what it comes from, where that can be told. Where it cannot be read, *unread* says
    why. Lives only inside :class:`~calendar_timetable.CalendarTimetable`; never registered with
    Airflow.
    """

    key = "rule"  # what the label is called where it is stored

    def __init__(
        self,
        label: str,
        starts: Sequence[int],
        unread: Unread | None = None,
        python: str = "",
    ) -> None:
        self.label, self.starts, self.unread = label, tuple(starts), unread
        self.python = python

    @property
    def summary(self) -> str:
        return self.label

    def serialize(self) -> dict[str, Any]:
        deltas = [b - a for a, b in zip((0, *self.starts), self.starts, strict=False)]
        unread = {} if self.unread is None else {"held": encode_unread(self.unread)}
        python = {"python": self.python} if self.python else {}
        return {self.key: self.label, "events": deltas, **python, **unread}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> DueTimes:
        unread = decode_unread(data["held"]) if "held" in data else None
        starts = tuple(accumulate(data["events"]))
        return cls(data[cls.key], starts, unread, data.get("python", ""))

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        candidates = []
        if last_automated_data_interval is not None:
            candidates.append(
                bisect_right(self.starts, last_automated_data_interval.end.timestamp())
            )
        elif restriction.earliest is None:
            candidates.append(self._first_run())
        if restriction.earliest is not None and not (
            restriction.catchup and last_automated_data_interval
        ):
            candidates.append(bisect_left(self.starts, restriction.earliest.timestamp()))
        if not restriction.catchup:
            candidates.append(max(0, bisect_right(self.starts, clock.now()) - 1))
        index = max(candidates)
        if index >= len(self.starts):
            return None
        due = to_pendulum(self.starts[index])
        if restriction.latest is not None and due > restriction.latest:
            return None
        return DagRunInfo.exact(due)

    def _first_run(self) -> int:
        """Return the index of the first event to run without a start date, as cron chooses it.

        That is the last event if it is only just past, else the next one.
        """
        now = clock.now()
        following = bisect_right(self.starts, now)
        if following == 0:
            return 0
        gap = (
            self.starts[following] - self.starts[following - 1]
            if following < len(self.starts)
            else 0
        )
        return (
            following - 1 if now - self.starts[following - 1] <= max(gap / 10, 300) else following
        )


class CalendarEvents(DueTimes):
    """The starts of a calendar's events as due times."""

    key = "calendar"
    feed: Feed | None = None

    @property
    def summary(self) -> str:
        return f"events of {self.label}"

    def serialize(self) -> dict[str, Any]:
        return super().serialize() | encode_feed(self.feed)

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> CalendarEvents:
        own = super().deserialize(data)
        assert isinstance(own, CalendarEvents)
        own.feed = decode_feed(data)
        return own


def encode_base(base: Timetable) -> dict[str, Any]:
    """Return *base* as JSON: in Airflow's own form where it is Airflow's to read."""
    if isinstance(base, DueTimes):
        return base.serialize()
    from airflow.serialization.encoders import encode_timetable
    from airflow.serialization.enums import Encoding

    encoded = encode_timetable(base)
    return {name.value: encoded[name] for name in (Encoding.TYPE, Encoding.VAR)}


def decode_base(data: dict[str, Any]) -> Timetable:
    """Return the timetable that :func:`encode_base` wrote."""
    if "events" in data:
        return (CalendarEvents if "calendar" in data else DueTimes).deserialize(data)
    from airflow.serialization.decoders import decode_timetable

    return decode_timetable(data)

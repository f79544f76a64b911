"""A schedule as Python to copy into a DAG file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.configuration import conf

from calendar_timetable.planning.plan import Policy
from calendar_timetable.planning.time_sets import (
    Complement,
    Days,
    Difference,
    Intersection,
    Known,
    TimeSet,
    Union,
    leaves,
)
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.compiled import Carried

_ALMOST = "  # its other arguments as in the DAG file"


def python_of(carried: Carried, stagger: int | None = None, key: str = "") -> str:
    """``CalendarTimetable(...)`` for *carried*; *stagger* in seconds, by *key*, where it is not the DAG file's.

    What does not travel in a DAG (a calendar's options, the length of its stagger) is left to a comment.
    """
    policy, usual = carried.policy, Policy()
    lines = [f"{_base(carried)},", f"timezone={carried.timezone!r},"]
    for name, timeset in (("windows", carried.windows), ("blackouts", carried.blackouts)):
        if timeset is not None:
            comment = _ALMOST if any(isinstance(leaf, Known) for leaf in leaves(timeset)) else ""
            lines.append(f"{name}={_sets(timeset, carried.timezone)},{comment}")
    if policy.duration:
        lines.append(f"duration={delta(policy.duration)},")
    if policy.when_blocked != usual.when_blocked:
        lines.append(f"when_blocked={policy.when_blocked!r},")
    if policy.max_delay != usual.max_delay:
        lines.append(f"max_delay={delta(policy.max_delay)},")
    if stagger:
        lines += [f"stagger={delta(stagger)},", f"stagger_key={key!r},"]
    elif stagger is None and policy.stagger:
        lines.append("# stagger= as in the DAG file")
    if not policy.coalesce:
        lines.append("coalesce=False,")
    return "\n".join(("CalendarTimetable(", *(f"    {line}" for line in lines), ")"))


def delta(seconds: float) -> str:
    """A ``timedelta`` of *seconds* as Python."""
    length = timedelta(seconds=seconds)
    hours, rest = divmod(length.seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = {"days": length.days, "hours": hours, "minutes": minutes, "seconds": left + length.microseconds / 1e6}
    said = ", ".join(f"{name}={value:g}" for name, value in parts.items() if value)
    return f"timedelta({said})"


def rules(timeset: TimeSet | None) -> list[str]:
    """The members of *timeset* as lines that a person can edit: weekly rules one by one, the rest by name."""
    if timeset is None:
        return []
    parts = timeset.parts() if isinstance(timeset, Union) else (timeset,)
    return [line for part in parts for line in (part.texts if isinstance(part, Weekly) else (str(part),))]


def _base(carried: Carried) -> str:
    data = carried.base
    if "events" in data:
        return f"Calendar({data['calendar']!r}),{_ALMOST}".removesuffix(",")
    kind, given = data["__type"].rpartition(".")[2], data["__var"]
    with_intervals = conf.getboolean("scheduler", "create_cron_data_intervals")
    plain_cron = kind == ("CronDataIntervalTimetable" if with_intervals else "CronTriggerTimetable")
    plain_delta = kind == ("DeltaDataIntervalTimetable" if with_intervals else "DeltaTriggerTimetable")
    if plain_cron and given["timezone"] == carried.timezone and not given.get("interval"):
        return repr(given["expression"])
    if plain_delta and isinstance(given.get("delta"), (int, float)) and not given.get("interval"):
        return delta(given["delta"])
    if kind in ("OnceTimetable", "ContinuousTimetable"):
        return repr({"OnceTimetable": "@once"}.get(kind, "@continuous"))
    if kind in ("CronTriggerTimetable", "CronDataIntervalTimetable", "MultipleCronTriggerTimetable"):
        return _timetable(kind, given)
    return "..."  # any other timetable: as in the DAG file


def _timetable(kind: str, given: dict[str, Any]) -> str:
    expressions = given.get("expressions") or [given["expression"]]
    said = [repr(expression) for expression in expressions] + [f"timezone={given['timezone']!r}"]
    if isinstance(given.get("interval"), (int, float)) and given["interval"]:
        said.append(f"interval={delta(given['interval'])}")
    return f"{kind}({', '.join(said)})"


def _sets(timeset: TimeSet, timezone: str) -> str:
    if isinstance(timeset, Union):
        return f"[{', '.join(_set(part, timezone) for part in timeset.parts())}]"
    return _set(timeset, timezone)


def _set(timeset: TimeSet, timezone: str) -> str:
    match timeset:
        case Weekly():
            zone = f", timezone={timeset.timezone!r}" if timeset.timezone not in (None, timezone) else ""
            return f"Weekly({', '.join(map(repr, timeset.texts))}{zone})"
        case Days():
            zone = f", timezone={timeset.timezone!r}" if timeset.timezone != timezone else ""
            return f"Holidays({timeset.label.removeprefix('holidays ')!r}{zone})"
        case Known():
            return f"Calendar({timeset.label!r})"
        case Complement():
            return f"~{_inner(timeset.members[0], timezone)}"
        case Union() | Intersection() | Difference():
            sign = {Union: " | ", Intersection: " & ", Difference: " - "}[type(timeset)]
            return sign.join(_inner(part, timezone) for part in timeset.parts())
    raise TypeError(f"{type(timeset).__name__} is not resolved")


def _inner(timeset: TimeSet, timezone: str) -> str:
    said = _set(timeset, timezone)
    return f"({said})" if timeset.parts() else said

"""A schedule as Python that people can copy into a DAG file, as far as it travels in the DAG."""

from __future__ import annotations

from typing import Any

from calendar_timetable.calendars.working_days import OFF, WORKED, trading_code
from calendar_timetable.planning.plan import Policy
from calendar_timetable.planning.python import delta
from calendar_timetable.planning.time_sets import (
    CalendarSpans,
    Complement,
    Difference,
    Intersection,
    LocalDays,
    TimeSet,
    Union,
    leaves,
    unexempted,
)
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.base import is_plain_cron, is_plain_delta
from calendar_timetable.schedule.compiled import CompiledSchedule

_ALMOST = "  # its other arguments as in the DAG file"


def python_of(compiled: CompiledSchedule, stagger: int | None = None, key: str = "") -> str:
    """Return *compiled* as Python: ``CalendarTimetable(...)``.

    *stagger*, in seconds, and its *key* are given where they are not the DAG file's. What does not
    travel in a DAG (a calendar's options, the length of its stagger) is left to a comment.
    """
    policy, usual = compiled.policy, Policy()
    base = _base(compiled)
    lines = [base if "  # " in base else f"{base},", f"timezone={compiled.timezone!r},"]
    for name, timeset in (("windows", compiled.windows), ("blackouts", compiled.blackouts)):
        if timeset is not None:
            comment = _ALMOST if any(map(_has_more, leaves(timeset))) else ""
            lines.append(f"{name}={_sets(timeset, compiled.timezone)},{comment}")
    if policy.duration:
        lines.append(f"duration={delta(policy.duration)},")
    if policy.when_blocked != usual.when_blocked:
        lines.append(f"when_blocked={policy.when_blocked!r},")
    if policy.max_delay != usual.max_delay:
        lines.append(f"max_delay={delta(policy.max_delay)},")
    if policy.placement is not None:
        whole = policy.placement.within
        lines += [f"stagger={delta(whole)},"] if whole else []
        lines.append("place=True,")
    elif stagger:
        lines += [f"stagger={delta(stagger)},", f"stagger_key={key!r},"]
    elif stagger is None and policy.stagger:
        lines.append("# stagger= as in the DAG file")
    if not policy.coalesce:
        lines.append("coalesce=False,")
    if compiled.assets is not None:
        lines.append("# assets= as in the DAG file")
    if policy.keep_hour:
        lines.append("keep_hour=True,")
    if policy.max_lateness is not None:
        lines.append(f"max_lateness={delta(policy.max_lateness)},")
    return "\n".join(("CalendarTimetable(", *(f"    {line}" for line in lines), ")"))


def _base(compiled: CompiledSchedule) -> str:
    data = compiled.base
    if "rule" in data:
        text = data.get("python") or f"...,  # as in the DAG file: {data['rule']}"
        return f"{text},{_ALMOST}" if "Calendar(" in text and "  # " not in text else text
    if "events" in data:
        return f"Calendar({data['calendar']!r}),{_ALMOST}"
    kind, values = data["__type"].rpartition(".")[2], data["__var"]
    if is_plain_cron(data) and values["timezone"] == compiled.timezone:
        return repr(values["expression"])
    if is_plain_delta(data):
        return delta(values["delta"])
    if kind in ("OnceTimetable", "ContinuousTimetable"):
        return repr({"OnceTimetable": "@once"}.get(kind, "@continuous"))
    if kind in (
        "CronTriggerTimetable",
        "CronDataIntervalTimetable",
        "MultipleCronTriggerTimetable",
    ):
        return _timetable(kind, values)
    # Any other timetable: as in the DAG file.
    return "..."


def _timetable(kind: str, values: dict[str, Any]) -> str:
    expressions = values.get("expressions") or [values["expression"]]
    arguments = [*map(repr, expressions), f"timezone={values['timezone']!r}"]
    if isinstance(values.get("interval"), (int, float)) and values["interval"]:
        arguments.append(f"interval={delta(values['interval'])}")
    return f"{kind}({', '.join(arguments)})"


def _has_more(leaf: TimeSet) -> bool:
    """Tell whether a set may have had arguments that do not travel in the DAG."""
    calendar = isinstance(leaf, CalendarSpans) and trading_code(leaf) is None
    return calendar or (isinstance(leaf, LocalDays) and leaf.label.startswith(OFF))


def _sets(timeset: TimeSet, timezone: str) -> str:
    if isinstance(timeset, Union):
        texts = [_set(part, timezone) for part in _parts(timeset)]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return _set(timeset, timezone)


def _parts(timeset: TimeSet) -> list[TimeSet]:
    """Return the parts of *timeset*, but for days that are worked besides other working days."""
    parts = timeset.parts()
    return [part for part in parts if not (isinstance(part, LocalDays) and part.label == WORKED)]


def _set(timeset: TimeSet, timezone: str) -> str:
    match timeset:
        case Weekly():
            texts = map(repr, timeset.texts)
            return f"Weekly({', '.join((*texts, *_zone(timeset.timezone, timezone)))})"
        case LocalDays():
            arguments = [repr(timeset.label.removeprefix("holidays "))]
            return f"Holidays({', '.join((*arguments, *_zone(timeset.timezone, timezone)))})"
        case CalendarSpans():
            code = trading_code(timeset)
            return f"Calendar({timeset.label!r})" if code is None else f"TradingHours({code!r})"
        case Difference(members=(Weekly(timezone=own), LocalDays(label=label))) if label.startswith(
            OFF
        ):
            code = label.removeprefix(OFF).strip()
            arguments = [*([repr(code)] if code else ()), *_zone(own, timezone)]
            return f"WorkingDays({', '.join(arguments)})"
        case Union() if len(_parts(timeset)) == 1:
            return _set(_parts(timeset)[0], timezone)
        case Difference() if unexempted(timeset) is not timeset:
            return _set(unexempted(timeset), timezone)
        case Complement():
            return f"~{_inner(timeset.members[0], timezone)}"
        case Union() | Intersection() | Difference():
            sign = {Union: " | ", Intersection: " & ", Difference: " - "}[type(timeset)]
            return sign.join(_inner(part, timezone) for part in _parts(timeset))
    raise TypeError(f"{type(timeset).__name__} is not resolved")


def _zone(own: str | None, timezone: str) -> list[str]:
    return [] if own in (None, timezone) else [f"timezone={own!r}"]


def _inner(timeset: TimeSet, timezone: str) -> str:
    text = _set(timeset, timezone)
    return f"({text})" if timeset.parts() and not text.startswith("WorkingDays(") else text

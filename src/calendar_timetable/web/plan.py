"""The plan of one DAG, what it would be under other arguments, and its schedule as Python."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy.orm import Session

from calendar_timetable.calendars.working_days import OFF, WORKED, trading_code
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.open_time import members
from calendar_timetable.planning.plan import SEARCH_SECONDS, PlacedTick, Policy, share_of
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
from calendar_timetable.planning.weekly import Weekly, parse_weekly_rule
from calendar_timetable.runs import database, time_budget
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.forecast import replanned
from calendar_timetable.runs.listing import next_rows, run_lengths
from calendar_timetable.runs.rows import RunRow, planned_row
from calendar_timetable.runs.stored_schedules import Schedule, read_schedules
from calendar_timetable.schedule.base import is_plain_cron, is_plain_delta
from calendar_timetable.schedule.compiled import CompiledSchedule
from calendar_timetable.schedule.ticks import TOO_FREQUENT
from calendar_timetable.web import models
from calendar_timetable.web.models import wrong
from calendar_timetable.web.run_list import as_run

_ALMOST = "  # its other arguments as in the DAG file"

MOST_RANGES = 100  # of times, in all rules of a what-if together
TOO_MUCH = "this is too much to work out: give fewer rules, or a shorter delay"
_NONE = ("", "None")  # what Airflow says of a DAG without a schedule
UNTOLD = (
    "of its calendars the DAG carries only what its own schedule needs: "
    "there may be more in the way"
)


@dataclass(frozen=True, slots=True)
class May:
    """What the viewer of a plan may read besides the DAG.

    That is how long its *runs* took, and its *code*.
    """

    runs: bool = True
    code: bool = True


def plan_of(
    session: Session, dag_id: str, limit: int, now: float, may: May = May()
) -> models.Plan | None:
    """Return what becomes of the next *limit* due times of *dag_id* after *now*, in epoch seconds.

    ``None`` where there is no such DAG or its schedule cannot be read.
    """
    dag, schedule = _find(session, dag_id)
    if dag is None or schedule is None:
        return None
    compiled = schedule.compiled
    length = _length(session, schedule, may)
    found = _told(next_rows(dag, schedule, now, now + SEARCH_SECONDS, limit, length), now)
    return models.Plan(
        dag_id=dag_id,
        dag_display_name=dag.name,
        timezone=schedule.timezone,
        summary="No schedule" if dag.summary in _NONE else dag.summary,
        python=python_of(compiled) if compiled is not None and may.code else None,
        arguments=None if compiled is None else _arguments(compiled),
        plan=found,
        no_run_reason=_why_none(schedule, dag, now),
    )


def what_if(
    session: Session,
    dag_id: str,
    asked: models.WhatIf,
    limit: int,
    now: float,
    may: May = May(),
) -> models.WhatIfPlan | None:
    """Return the plan of *dag_id* under other arguments; ``None`` where its schedule is not ours.

    That plan is not remembered: nothing of it stays in this process. Answer 422
    where an argument is wrong or no run is found in time.
    """
    dag, schedule = _find(session, dag_id)
    if dag is None or schedule is None or schedule.compiled is None:
        return None
    compiled = schedule.compiled
    changed = _changed(compiled, asked, dag_id)
    other = replace(schedule, changed_to=changed)
    current = next_rows(
        dag, schedule, now, now + SEARCH_SECONDS, limit, _length(session, schedule, may)
    )
    told = _told(current, now)
    length = _length(session, other, may)
    waiting = {row.placed.tick.interval_end for row in current}
    found: list[models.Run] = []
    truncated = False
    try:
        for placed in time_budget.metered(
            islice(replanned(other, dag.stored, waiting, now, now + SEARCH_SECONDS), limit)
        ):
            run = as_run(planned_row(dag, other, placed, length), now)
            if _uses_calendars(changed) and not compiled.travels(*_reach(placed, changed.policy)):
                run.reasons.append(models.Reason(kind="note", detail=UNTOLD, text=UNTOLD))
            found.append(run)
    except time_budget.Spent:
        truncated = True
    if truncated and not found:
        raise wrong("windows", TOO_MUCH, "body")
    return models.WhatIfPlan(
        plan=found,
        current=told,
        python=python_of(changed, asked.stagger_seconds, dag_id) if may.code else None,
        no_run_reason=None
        if any(run.start for run in found)
        else "none of these due times would run",
        truncated=truncated,
    )


def _told(rows: list[RunRow], now: float) -> list[models.Run]:
    """Return as many of *rows*, in words, as there is time for."""
    found: list[models.Run] = []
    for row in rows:
        if time_budget.spent():
            break
        found.append(as_run(row, now))
    return found


def _length(session: Session, schedule: Schedule, may: May) -> float | None:
    """Return how many seconds the DAG's runs take, if that is known and may be shown."""
    dag_id = schedule.dag_id
    return run_lengths(session, {dag_id: schedule}, [dag_id] if may.runs else []).get(dag_id)


def _find(session: Session, dag_id: str) -> tuple[Dag | None, Schedule | None]:
    dags = database.read_dags(session, [dag_id])
    return (dags[0] if dags else None), read_schedules(session, [dag_id]).get(dag_id)


def _arguments(compiled: CompiledSchedule) -> models.Arguments:
    policy = compiled.policy
    return models.Arguments(
        windows=rules(compiled.windows) or None,
        blackouts=rules(compiled.blackouts) or None,
        window_calendars=_labels(compiled.windows),
        blackout_calendars=_labels(compiled.blackouts),
        duration_seconds=policy.duration,
        when_blocked=policy.when_blocked,
        max_delay_seconds=policy.max_delay,
        coalesce=policy.coalesce,
        keep_hour=bool(policy.keep_hour),
        staggered_by_seconds=policy.stagger,
        place=policy.placement is not None,
    )


def _labels(timeset: TimeSet | None) -> list[str]:
    return [
        str(leaf)
        for leaf in (leaves(timeset) if timeset else ())
        if isinstance(leaf, CalendarSpans)
    ]


def _uses_calendars(compiled: CompiledSchedule) -> bool:
    return bool(_labels(compiled.windows) or _labels(compiled.blackouts))


def _reach(placed: PlacedTick, policy: Policy) -> tuple[float, float]:
    """Return the time that decided where *placed* starts, from and to in epoch seconds."""
    due = placed.tick.due
    if placed.start is not None:
        return min(due, placed.start), max(due, placed.start) + policy.duration
    side = policy.max_delay if policy.when_blocked == "postpone" else 0
    return due, due + side + policy.duration


def _changed(compiled: CompiledSchedule, asked: models.WhatIf, dag_id: str) -> CompiledSchedule:
    policy = compiled.policy
    changes: dict[str, Any] = {
        "duration": asked.duration_seconds,
        "when_blocked": asked.when_blocked,
        "max_delay": asked.max_delay_seconds,
        "coalesce": asked.coalesce,
    }
    if asked.stagger_seconds is not None:
        changes["stagger"] = share_of(asked.stagger_seconds, dag_id)  # as with stagger_key=dag_id
        if policy.placement is not None:
            changes["placement"] = policy.placement._replace(within=asked.stagger_seconds)
    policy = replace(
        policy, **{name: value for name, value in changes.items() if value is not None}
    )
    if asked.keep_hour or not policy.coalesce:
        policy = replace(policy, placement=None)  # neither goes with it
    _check_ranges(asked)
    keep_hour = bool(policy.keep_hour) if asked.keep_hour is None else asked.keep_hour
    if keep_hour and asked.keep_hour is None and not policy.may_keep_hour:
        # That the DAG has it does not stand in the way of another question.
        keep_hour = False
    policy = replace(policy, keep_hour=compiled.timezone if keep_hour else "")
    try:
        policy.check()
    except InvalidArgument as error:
        field = "max_delay_seconds" if error.field == "max_delay" else error.field
        raise wrong(field, str(error), "body") from None
    if policy.keep_hour and compiled.ticks.is_frequent:
        raise wrong("keep_hour", TOO_FREQUENT, "body")
    sets: dict[str, Any] = {
        name: getattr(compiled, name)
        if texts is None
        else _time_set(name, texts, getattr(compiled, name), compiled)
        for name, texts in (("windows", asked.windows), ("blackouts", asked.blackouts))
    }
    return replace(compiled, policy=policy, **sets)


def _check_ranges(asked: models.WhatIf) -> None:
    """Refuse rules that together have more ranges of times than a what-if may cost.

    A text that is no rule does not count here.
    """
    count = 0
    for field, texts in (("windows", asked.windows), ("blackouts", asked.blackouts)):
        for text in filter(None, map(str.strip, texts or ())):
            with suppress(InvalidArgument):
                count += len(parse_weekly_rule(text))
        if count > MOST_RANGES:
            told = (
                f"{count} ranges of times are too many: "
                f"a what-if takes at most {MOST_RANGES} in all its rules"
            )
            raise wrong(field, told, "body")


def _time_set(
    field: str, texts: list[str], present: TimeSet | None, compiled: CompiledSchedule
) -> TimeSet | None:
    """Return the union of what *texts* name: a member that is *present* already, or a weekly rule.

    Answer 422, for *field*, where a text is neither.
    """
    named: dict[str, list[TimeSet]] = {}
    for member in members(present):
        named.setdefault(str(member), []).append(member)
    zones = {
        text: member.timezone
        for member in members(present)
        if isinstance(member, Weekly)
        for text in member.texts
    }
    found: list[TimeSet] = []
    by_zone: dict[str | None, list[str]] = {}
    for text in filter(None, (text.strip() for text in texts)):
        if text in named and not isinstance(named[text][0], Weekly):
            found += named[text]
            continue
        try:
            Weekly(text).validate()
        except InvalidArgument as error:
            raise wrong(field, str(error), "body") from None
        by_zone.setdefault(zones.get(text, compiled.timezone), []).append(text)
    found += [Weekly(*rules, timezone=zone) for zone, rules in by_zone.items()]
    return Union(tuple(found)) if len(found) > 1 else next(iter(found), None)


def _why_none(schedule: Schedule, dag: Dag, now: float) -> str | None:
    """Return why Airflow has no next run of *dag*; ``None`` where it has one."""
    if dag.stored is not None:
        return None
    latest = schedule.restriction.latest
    if latest is not None and latest.timestamp() < now:
        return f"its end date, {latest:%Y-%m-%d %H:%M} UTC, has passed"
    if dag.summary in _NONE:
        return "it has no schedule: it runs when it is triggered"
    if schedule.compiled is None:
        return f"its schedule gives no next run: {dag.summary}"
    return ", ".join(schedule.compiled.coming_reasons(now)) or "its schedule gives no next run"


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


def rules(timeset: TimeSet | None) -> list[str]:
    """Return the members of *timeset* as lines that a person can edit.

    Weekly rules stand one by one, all other members by name.
    """
    if timeset is None:
        return []
    parts = timeset.parts() if isinstance(timeset, Union) else (timeset,)
    return [
        line
        for part in parts
        for line in (part.texts if isinstance(part, Weekly) else (str(part),))
    ]


def _base(compiled: CompiledSchedule) -> str:
    data = compiled.base
    if "rule" in data:
        said = data.get("python") or f"...,  # as in the DAG file: {data['rule']}"
        return f"{said},{_ALMOST}" if "Calendar(" in said and "  # " not in said else said
    if "events" in data:
        return f"Calendar({data['calendar']!r}),{_ALMOST}"
    kind, given = data["__type"].rpartition(".")[2], data["__var"]
    if is_plain_cron(data) and given["timezone"] == compiled.timezone:
        return repr(given["expression"])
    if is_plain_delta(data):
        return delta(given["delta"])
    if kind in ("OnceTimetable", "ContinuousTimetable"):
        return repr({"OnceTimetable": "@once"}.get(kind, "@continuous"))
    if kind in (
        "CronTriggerTimetable",
        "CronDataIntervalTimetable",
        "MultipleCronTriggerTimetable",
    ):
        return _timetable(kind, given)
    # Any other timetable: as in the DAG file.
    return "..."


def _timetable(kind: str, given: dict[str, Any]) -> str:
    expressions = given.get("expressions") or [given["expression"]]
    said = [repr(expression) for expression in expressions] + [f"timezone={given['timezone']!r}"]
    if isinstance(given.get("interval"), (int, float)) and given["interval"]:
        said.append(f"interval={delta(given['interval'])}")
    return f"{kind}({', '.join(said)})"


def _has_more(leaf: TimeSet) -> bool:
    """Tell whether a set may have had arguments that do not travel in the DAG."""
    calendar = isinstance(leaf, CalendarSpans) and trading_code(leaf) is None
    return calendar or (isinstance(leaf, LocalDays) and leaf.label.startswith(OFF))


def _sets(timeset: TimeSet, timezone: str) -> str:
    if isinstance(timeset, Union):
        said = [_set(part, timezone) for part in _parts(timeset)]
        return said[0] if len(said) == 1 else f"[{', '.join(said)}]"
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
            given = [repr(timeset.label.removeprefix("holidays "))]
            return f"Holidays({', '.join((*given, *_zone(timeset.timezone, timezone)))})"
        case CalendarSpans():
            code = trading_code(timeset)
            return f"Calendar({timeset.label!r})" if code is None else f"TradingHours({code!r})"
        case Difference(members=(Weekly(timezone=own), LocalDays(label=label))) if label.startswith(
            OFF
        ):
            code = label.removeprefix(OFF).strip()
            given = [*([repr(code)] if code else ()), *_zone(own, timezone)]
            return f"WorkingDays({', '.join(given)})"
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
    said = _set(timeset, timezone)
    return f"({said})" if timeset.parts() and not said.startswith("WorkingDays(") else said

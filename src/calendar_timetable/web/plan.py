"""The plan of one DAG, and what it would be under other arguments."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy.orm import Session

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.open_time import members
from calendar_timetable.planning.plan import SEARCH_SECONDS, PlacedTick, Policy, share_of
from calendar_timetable.planning.time_sets import (
    CalendarSpans,
    TimeSet,
    Union,
    leaves,
)
from calendar_timetable.planning.weekly import Weekly, parse_weekly_rule
from calendar_timetable.runs import database, time_budget
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.forecast import replanned
from calendar_timetable.runs.listing import next_rows, run_lengths
from calendar_timetable.runs.rows import RunRow, planned_row
from calendar_timetable.runs.stored_schedules import Schedule, read_schedules
from calendar_timetable.schedule.as_python import python_of
from calendar_timetable.schedule.compiled import CompiledSchedule
from calendar_timetable.schedule.ticks import TOO_FREQUENT
from calendar_timetable.web import models
from calendar_timetable.web.answers import wrong
from calendar_timetable.web.run_list import as_run

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
    runs = _as_runs(next_rows(dag, schedule, now, now + SEARCH_SECONDS, limit, length), now)
    return models.Plan(
        dag_id=dag_id,
        dag_display_name=dag.name,
        timezone=schedule.timezone,
        summary="No schedule" if dag.summary in _NONE else dag.summary,
        python=python_of(compiled) if compiled is not None and may.code else None,
        arguments=None if compiled is None else _arguments(compiled),
        plan=runs,
        no_run_reason=_why_none(schedule, dag, now),
    )


def what_if(
    session: Session,
    dag_id: str,
    arguments: models.WhatIf,
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
    changed = _changed(compiled, arguments, dag_id)
    other = replace(schedule, changed_to=changed)
    current = next_rows(
        dag, schedule, now, now + SEARCH_SECONDS, limit, _length(session, schedule, may)
    )
    current_runs = _as_runs(current, now)
    length = _length(session, other, may)
    waiting = {row.placed.tick.interval_end for row in current}
    runs: list[models.Run] = []
    truncated = False
    try:
        for placed in time_budget.metered(
            islice(replanned(other, dag.stored, waiting, now, now + SEARCH_SECONDS), limit)
        ):
            run = as_run(planned_row(dag, other, placed, length), now)
            if changed.uses_calendars and not compiled.travels(*_reach(placed, changed.policy)):
                run.reasons.append(models.Reason(kind="note", detail=UNTOLD, text=UNTOLD))
            runs.append(run)
    except time_budget.Spent:
        truncated = True
    if truncated and not runs:
        raise wrong("windows", TOO_MUCH, "body")
    return models.WhatIfPlan(
        plan=runs,
        current=current_runs,
        python=python_of(changed, arguments.stagger_seconds, dag_id) if may.code else None,
        no_run_reason=None
        if any(run.start for run in runs)
        else "none of these due times would run",
        truncated=truncated,
    )


def _as_runs(rows: list[RunRow], now: float) -> list[models.Run]:
    """Return as many of *rows*, in words, as there is time for."""
    runs: list[models.Run] = []
    for row in rows:
        if time_budget.spent():
            break
        runs.append(as_run(row, now))
    return runs


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


def rules(timeset: TimeSet | None) -> list[str]:
    """Return the members of *timeset* as lines that a person can edit.

    Weekly rules stand one by one, all other members by name.
    """
    return [
        line
        for member in members(timeset)
        for line in (member.texts if isinstance(member, Weekly) else (str(member),))
    ]


def _labels(timeset: TimeSet | None) -> list[str]:
    return [
        str(leaf)
        for leaf in (leaves(timeset) if timeset else ())
        if isinstance(leaf, CalendarSpans)
    ]


def _reach(placed: PlacedTick, policy: Policy) -> tuple[float, float]:
    """Return the time that decided where *placed* starts, from and to in epoch seconds."""
    low, high = policy.searched(placed.tick.due, placed.start)
    return low, high + policy.duration


def _changed(compiled: CompiledSchedule, arguments: models.WhatIf, dag_id: str) -> CompiledSchedule:
    policy = compiled.policy
    changes: dict[str, Any] = {
        "duration": arguments.duration_seconds,
        "when_blocked": arguments.when_blocked,
        "max_delay": arguments.max_delay_seconds,
        "coalesce": arguments.coalesce,
    }
    if arguments.stagger_seconds is not None:
        # As with stagger_key=dag_id.
        changes["stagger"] = share_of(arguments.stagger_seconds, dag_id)
        if policy.placement is not None:
            changes["placement"] = policy.placement._replace(within=arguments.stagger_seconds)
    policy = replace(
        policy, **{name: value for name, value in changes.items() if value is not None}
    )
    if arguments.keep_hour or not policy.coalesce:
        policy = replace(policy, placement=None)  # neither goes with it
    _check_ranges(arguments)
    keep_hour = bool(policy.keep_hour) if arguments.keep_hour is None else arguments.keep_hour
    if keep_hour and arguments.keep_hour is None and not policy.may_keep_hour:
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
        for name, texts in (("windows", arguments.windows), ("blackouts", arguments.blackouts))
    }
    return replace(compiled, policy=policy, **sets)


def _check_ranges(arguments: models.WhatIf) -> None:
    """Refuse rules that together have more ranges of times than a what-if may cost.

    A text that is no rule does not count here.
    """
    count = 0
    for field, texts in (("windows", arguments.windows), ("blackouts", arguments.blackouts)):
        for text in filter(None, map(str.strip, texts or ())):
            with suppress(InvalidArgument):
                count += len(parse_weekly_rule(text))
        if count > MOST_RANGES:
            message = (
                f"{count} ranges of times are too many: "
                f"a what-if takes at most {MOST_RANGES} in all its rules"
            )
            raise wrong(field, message, "body")


def _time_set(
    field: str, texts: list[str], present: TimeSet | None, compiled: CompiledSchedule
) -> TimeSet | None:
    """Return the union of what *texts* name: a member that is *present* already, or a weekly rule.

    Answer 422, for *field*, where a text is neither.
    """
    by_name: dict[str, list[TimeSet]] = {}
    for member in members(present):
        by_name.setdefault(str(member), []).append(member)
    zones = {
        text: member.timezone
        for member in members(present)
        if isinstance(member, Weekly)
        for text in member.texts
    }
    timesets: list[TimeSet] = []
    by_zone: dict[str | None, list[str]] = {}
    for text in filter(None, (text.strip() for text in texts)):
        if text in by_name and not isinstance(by_name[text][0], Weekly):
            timesets += by_name[text]
            continue
        try:
            Weekly(text).validate()
        except InvalidArgument as error:
            raise wrong(field, str(error), "body") from None
        by_zone.setdefault(zones.get(text, compiled.timezone), []).append(text)
    timesets += [Weekly(*rules, timezone=zone) for zone, rules in by_zone.items()]
    return Union(tuple(timesets)) if len(timesets) > 1 else next(iter(timesets), None)


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

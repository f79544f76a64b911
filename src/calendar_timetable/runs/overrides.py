"""What passed, or may pass, in closed time, as Airflow's own records tell it.

These are runs that somebody triggered by hand while time was closed, tasks that ``airflow tasks
test`` ran then, runs whose conf ignores calendars, and exemptions of DAGs from the rules of the
deployment. Nothing of our own is kept: runs stand in ``dag_run``, what gates saw in ``xcom``,
exemptions and commands in the audit log.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from airflow.models.dagrun import DagRun, DagRunNote
from airflow.models.log import Log
from airflow.models.xcom import XComModel
from sqlalchemy import String, and_, cast, or_, select
from sqlalchemy.orm import Session

from calendar_timetable.config import FLAG
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY, members
from calendar_timetable.planning.time_sets import TimeSet, unexempted
from calendar_timetable.runs import exemption_store, exemptions, time_budget
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.exemptions import Exemption
from calendar_timetable.runs.override_reasons import (
    PASSED,
    REFUSED,
    How,
    bounded,
    flag_of,
    reason_given,
)
from calendar_timetable.runs.stored_schedules import Schedule, read_schedules, read_versions
from calendar_timetable.schedule.deployment_rules import rules

MOST = 20_000  # runs by hand, and exemptions, that are looked at for one answer
# Of the commands that run a task this alone leaves no run behind.
_TASKS_TEST = "cli_task_test"
_UNKNOWN = "not in Airflow's audit log"


@dataclass(frozen=True, slots=True)
class Override:
    """A run that passed closed time, or an exemption; times are in epoch seconds.

    *at* is when it began, or was granted; *until* when the exemption ended or will. *who* and *why*
    are ``None`` where Airflow does not know.
    """

    dag_id: str
    how: How
    at: float
    who: str | None
    why: str | None
    until: float | None = None
    run_id: str | None = None
    state: str | None = None
    refused: bool = False  # by a gate, as it gave no reason

    @property
    def key(self) -> tuple[Any, ...]:
        """What a list is ordered by."""
        return -self.at, self.dag_id, self.run_id or ""


def overrides(
    session: Session, dag_ids: Collection[str], since: float, until: float
) -> tuple[list[Override], bool]:
    """Return what passed in ``[since, until)`` of these DAGs, newest first, and whether all of it.

    Times are in epoch seconds. Whoever is told must be allowed to read the runs of *dag_ids*.
    """
    runs, all_runs = _runs(session, dag_ids, since, until)
    granted, all_granted = _exemptions(session, dag_ids, since, until)
    commands, all_commands = _commands(session, dag_ids, since, until)
    entries = sorted((*runs, *granted, *commands), key=lambda entry: entry.key)
    return entries, all_runs and all_granted and all_commands


def _runs(
    session: Session, dag_ids: Collection[str], since: float, until: float
) -> tuple[list[Override], bool]:
    low, high = zones.to_datetime(since), zones.to_datetime(until)
    # Whoever triggers a run may say any time after which it is to run.
    between = (
        DagRun.dag_id.in_(dag_ids),
        or_(
            and_(DagRun.run_after >= low, DagRun.run_after < high),
            and_(DagRun.start_date >= low, DagRun.start_date < high),
        ),
    )
    flagged = cast(DagRun.conf, String).contains(f'"{FLAG}"')
    newest_first = DagRun.run_after.desc(), DagRun.id.desc()
    query = (
        select(
            DagRun.id,
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.run_type,
            DagRun._state.label("state"),  # noqa: SLF001  (the column behind state)
            DagRun.run_after,
            DagRun.start_date,
            DagRun.triggering_user_name,
            DagRun.created_dag_version_id,
            DagRunNote.content.label("note"),
        )
        .outerjoin(DagRunNote, DagRunNote.dag_run_id == DagRun.id)
        .where(*between, or_(DagRun.run_type == "manual", flagged))
        .order_by(*newest_first)
        .limit(MOST + 1)
    )
    rows = session.execute(query).all()
    complete, rows = len(rows) <= MOST, rows[:MOST]
    # Others may be large, and nobody asks for them.
    flagged_ids = (
        select(DagRun.id).where(*between, flagged).order_by(*newest_first).limit(MOST).subquery()
    )
    confs = {
        key: conf
        for key, conf in session.execute(
            # Joined, for what is sorted not to hold them.
            select(DagRun.id, DagRun.conf).join(flagged_ids, flagged_ids.c.id == DagRun.id)
        )
        if flag_of(conf)
    }
    noted: dict[int, set[str]] = defaultdict(set)
    for key, name in session.execute(
        select(XComModel.dag_run_id, XComModel.key)
        .join(DagRun, DagRun.id == XComModel.dag_run_id)
        .where(*between, XComModel.key.in_((PASSED, REFUSED)))
        .distinct()
    ):
        noted[key].add(name)
    doubtful = [row for row in rows if row.id not in confs and row.id not in noted]
    closed, judged = _in_closed_time(session, dag_ids, doubtful)
    entries = [
        Override(
            dag_id=row.dag_id,
            how="conf" if row.id in confs else "by_hand",
            at=_start_of(row),
            who=row.triggering_user_name,
            why=reason_given(confs.get(row.id), row.note),
            run_id=row.run_id,
            state=row.state or "queued",
            refused=noted.get(row.id) == {REFUSED},
        )
        for row in rows
        if row.id in confs or row.id in noted or row.id in closed
    ]
    return [entry for entry in entries if since <= entry.at < until], complete and judged


def _start_of(row: Any) -> float:
    """Return when a run began, or is to; `airflow dags test` says that of its logical date."""
    return zones.to_instant(max(row.start_date or row.run_after, row.run_after))


def _in_closed_time(
    session: Session, dag_ids: Collection[str], rows: list[Any]
) -> tuple[set[int], bool]:
    """Return the keys of those runs that passed in closed time, and whether all were judged.

    Each is judged by the version of its DAG that it was made with.
    """
    if not rows:
        return set(), True
    versions = read_versions(session, {row.created_dag_version_id for row in rows} - {None})
    judge = _Judge(session, dag_ids, {row.dag_id for row in rows})
    keys: set[int] = set()
    for row in rows:
        if time_budget.spent():
            return keys, False
        if judge.passed(row.dag_id, _start_of(row), versions.get(row.created_dag_version_id)):
            keys.add(row.id)
    return keys, True


def _commands(
    session: Session, dag_ids: Collection[str], since: float, until: float
) -> tuple[list[Override], bool]:
    query = (
        select(Log.dag_id, Log.dttm, Log.owner, Log.owner_display_name)
        .where(
            Log.event == _TASKS_TEST,
            Log.dag_id.in_(dag_ids),
            Log.dttm >= zones.to_datetime(since),
            Log.dttm < zones.to_datetime(until),
        )
        .order_by(Log.dttm.desc(), Log.id.desc())
        .limit(MOST + 1)
    )
    rows = session.execute(query).all()
    if not rows:
        return [], True
    # Which version of its DAG a command read is not told: it is judged by the one of now.
    judge = _Judge(session, dag_ids, {row.dag_id for row in rows})
    entries: list[Override] = []
    for dag_id, dttm, owner, name in rows[:MOST]:
        assert dag_id is not None, "it is one of those asked for"
        if time_budget.spent():
            return entries, False
        at = zones.to_instant(dttm)
        if judge.passed(dag_id, at):
            entries.append(
                Override(dag_id, "command", at, bounded(name or owner or "") or None, None)
            )
    return entries, len(rows) <= MOST


class _Judge:
    """Tells what passed in closed time of the DAGs *judged*, by what is known now of all *dag_ids*.

    A stored schedule has of a calendar only what matters to its own due times, and those of other
    bases than ours have none of the rules of the deployment. So these count as well, and what other
    DAGs have of the same calendar.
    """

    def __init__(self, session: Session, dag_ids: Collection[str], judged: Collection[str]) -> None:
        self._schedules = read_schedules(session, dag_ids)
        self._known: dict[str, list[TimeSet]] = defaultdict(list)
        for schedule in self._schedules.values():
            if schedule.compiled is not None:
                for member in map(unexempted, members(schedule.compiled.blackouts)):
                    self._known[str(member)].append(member)
        self._blackouts: dict[str, set[str]] = defaultdict(set)
        self._held: set[str] = set()  # DAGs whose runs by hand wait as all others do
        all_rules = rules()
        for dag in read_dags(session, judged) if all_rules else ():
            mine = [rule for rule in all_rules if rule.names(dag.dag_id, dag.tags, dag.owners)]
            for rule in mine:
                self._blackouts[dag.dag_id].update(map(str, members(rule.blackout_set)))
            if any(rule.apply_to == "all" for rule in mine):
                self._held.add(dag.dag_id)

    def passed(self, dag_id: str, at: float, made_with: Schedule | None = None) -> bool:
        """Tell whether time was closed at *at* for what somebody began by hand, and let it pass.

        *made_with* is the schedule that the DAG had then.
        """
        if dag_id in self._held:
            return False
        schedule = made_with or self._schedules.get(dag_id)
        compiled = None if schedule is None else schedule.compiled
        names = set(self._blackouts[dag_id])
        if compiled is not None:
            if not compiled.open_time.fits(at, 0):
                return True
            if compiled.travels(at, at + 1):
                return False
            names.update(map(str, members(compiled.blackouts)))
        return any(
            at in timeset.cover(int(at), int(at) + 1)
            for name in names
            for timeset in self._known[name]
        )


def _exemptions(
    session: Session, dag_ids: Collection[str], since: float, until: float
) -> tuple[list[Override], bool]:
    earliest = zones.to_datetime(since - exemptions.MOST_EXEMPT_DAYS * DAY)
    query = (
        select(Log.dag_id, Log.event, Log.owner, Log.owner_display_name, Log.extra)
        .where(
            Log.event.in_((exemptions.GRANTED, exemptions.ENDED)),
            Log.dag_id.in_(dag_ids),
            Log.dttm >= earliest,
        )
        .order_by(Log.dttm.desc(), Log.id.desc())
        .limit(MOST + 1)
    )
    rows = session.execute(query).all()
    grants: list[Exemption] = []
    logged: set[tuple[str, int]] = set()
    ended: dict[str, float] = {}  # by DAG: when what was granted before that ended
    for dag_id, event, owner, name, extra in rows[:MOST]:
        details = _details_of(event, extra)
        if details is None or dag_id is None:
            continue
        if event == exemptions.GRANTED:
            grant = Exemption(
                dag_id,
                details["since"],
                details["until"],
                bounded(name or owner or ""),
                bounded(str(details.get("why", ""))),
            )
            logged.add((dag_id, grant.until))
            grants.append(
                replace(grant, until=min(grant.until, int(ended.get(dag_id, grant.until))))
            )
        ended[dag_id] = details["since"] if event == exemptions.GRANTED else details["ended"]
    # Somebody may have written the Variable by other ways; then nobody is known to have done so.
    grants += [
        replace(exemption, by="", why=f"{exemption.why} ({_UNKNOWN})".strip())
        for exemption in exemption_store.in_force(session).values()
        if exemption.dag_id in dag_ids and (exemption.dag_id, exemption.until) not in logged
    ]
    entries = [
        Override(
            grant.dag_id, "exemption", grant.since, grant.by or None, grant.why or None, grant.until
        )
        for grant in grants
        if grant.since < until and grant.until >= since
    ]
    return entries, len(rows) <= MOST


def _details_of(event: str, extra: str | None) -> dict[str, Any] | None:
    """Return what the audit log says of an exemption; ``None`` where that is not understood."""
    needed = ("since", "until") if event == exemptions.GRANTED else ("ended",)
    try:
        details = json.loads(extra or "")
    except (ValueError, RecursionError):
        return None
    is_valid = isinstance(details, dict) and all(
        type(details.get(name)) is int and 0 <= details[name] <= zones.LAST_INSTANT
        for name in needed
    )
    return details if is_valid else None

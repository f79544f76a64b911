"""Exemptions in Airflow's database: granted, ended, and what is in force.

Each change is noted in Airflow's audit log, and its DAG file asked to be parsed again at once.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagbag import DagPriorityParsingRequest
from airflow.models.log import Log
from airflow.models.variable import Variable
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from calendar_timetable import clock
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs import exemptions
from calendar_timetable.runs.exemptions import DAYS_KEPT, MOST, VARIABLE, Exemption

_ABOUT = "DAGs that the rules of the deployment leave alone for a time; written by Upcoming runs."


class TooManyExemptions(Exception):
    """As many DAGs are exempt as may be."""


def in_force(session: Session) -> dict[str, Exemption]:
    """Return the exemptions that are in force, by DAG id."""
    now = clock.now()
    return {
        dag_id: exemption
        for dag_id, exemption in _read_all(session).items()
        if exemption.in_force(now)
    }


def _read_all(session: Session) -> dict[str, Exemption]:
    variable = session.scalar(select(Variable).where(Variable.key == VARIABLE))
    return exemptions.decode(None if variable is None else variable.get_val())


def grant(session: Session, dag_id: str, until: datetime, user: Any, why: str) -> Exemption:
    """Exempt the DAG from now on, or longer or shorter if it is exempt, and return that.

    Raises :class:`TooManyExemptions`.
    """
    others = _locked(session)
    now = int(clock.now())
    before = others.pop(dag_id, None)
    if sum(other.in_force(now) for other in others.values()) >= MOST:
        raise TooManyExemptions
    # What began in it goes on, also where it is only made longer.
    since = before.since if before is not None and before.in_force(now) else now
    exemption = Exemption(dag_id, since, int(until.timestamp()), user.get_name(), why)
    _store(session, [*others.values(), exemption], now)
    _note(session, dag_id, exemptions.GRANTED, user, since=now, until=exemption.until, why=why)
    return exemption


def end(session: Session, dag_id: str, user: Any) -> None:
    """End the exemption of the DAG, if one is in force."""
    others = _locked(session)
    now = int(clock.now())
    exemption = others.pop(dag_id, None)
    if exemption is None or not exemption.in_force(now):
        return
    _store(session, [*others.values(), replace(exemption, until=now)], now)
    _note(session, dag_id, exemptions.ENDED, user, ended=now)


def _locked(session: Session) -> dict[str, Exemption]:
    """Return what the Variable says, and let nobody else change it until this is committed."""
    # What is locked must be there. Another process may be faster: then it has made it.
    if session.scalar(select(Variable.id).where(Variable.key == VARIABLE)) is None:
        with suppress(IntegrityError), session.begin_nested():
            session.add(Variable(VARIABLE, "{}", _ABOUT))  # type: ignore[no-untyped-call]
            session.flush()
    session.scalar(select(Variable.id).where(Variable.key == VARIABLE).with_for_update())
    return _read_all(session)


def _store(session: Session, entries: list[Exemption], now: int) -> None:
    """Write *entries* into the Variable, without what ended long ago."""
    recent = (entry for entry in entries if entry.until >= now - DAYS_KEPT * DAY)
    newest = sorted(recent, key=lambda entry: entry.until)[-2 * MOST :]
    value = exemptions.encode(newest)
    Variable.set(VARIABLE, value, description=_ABOUT, session=session)
    # It was written behind the back of what the session has read.
    session.expire_all()


def _note(session: Session, dag_id: str, event: str, user: Any, **details: Any) -> None:
    session.add(Log(event=event, dag_id=dag_id, owner=user.get_name(), extra=json.dumps(details)))
    _ask_for_parse(session, dag_id)


def _ask_for_parse(session: Session, dag_id: str) -> None:
    """Ask the DAG processor for the DAG's file, as Airflow's own API does."""
    query = select(DagModel.bundle_name, DagModel.relative_fileloc)
    for bundle, file in session.execute(query.where(DagModel.dag_id == dag_id)):
        # It may have been asked for already.
        if bundle and file:
            with suppress(IntegrityError), session.begin_nested():
                session.add(DagPriorityParsingRequest(bundle, file))
                session.flush()

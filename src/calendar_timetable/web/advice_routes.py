"""The route that tells what could be better in DAG files."""

from __future__ import annotations

from collections.abc import Collection

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Request, Response
from pydantic import Field

from calendar_timetable import clock
from calendar_timetable.load import advice
from calendar_timetable.load.advice import Kind, Level
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.advising import Advised, advise
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.listing import Filters, cached_answer
from calendar_timetable.runs.room import PLACED_AHEAD
from calendar_timetable.runs.stored_schedules import Schedule
from calendar_timetable.web.access import Readable, allowed, api_router
from calendar_timetable.web.answers import answer
from calendar_timetable.web.models import Answer, DagChoice

_WORKING = 4.0  # seconds of processor time for finding it all; the rest is for writing it

router = api_router()


class AdviceGain(Answer):
    """What a change is worth: how much there is of something before it, and after it."""

    what: str
    before: float
    after: float


class Certainty(Answer):
    """How sure advice is: how many runs of each DAG say so at least, and weeks of what else runs."""

    level: Level
    runs: int
    weeks: int | None = Field(description="Null where nothing else matters")
    text: str


class LineToCopy(Answer):
    """What to write into a DAG's file."""

    dag_id: str
    code: str


class Advice(Answer):
    """What could be changed in the files of some DAGs, and why."""

    kind: Kind
    dags: list[DagChoice]
    text: str
    gain: AdviceGain
    certainty: Certainty
    evidence: list[str]
    python: list[LineToCopy] = Field(
        description="Of the DAGs whose code the viewer may read; for some there is no such line"
    )
    command: str | None = Field(description="To run once the files are changed")


class AllAdvice(Answer):
    """What could be better, of the DAGs that the viewer may read, the greatest gain first."""

    advice: list[Advice] = Field(description="At most 50")
    known_dags: int = Field(description="DAGs of which some runs are recorded that succeeded")
    unknown_dags: int = Field(description="DAGs with runs to come of which none is")
    partial: bool = Field(description="Whether there was no time to look at all")
    left_out: int = Field(description="How many pieces of advice there are besides")


@router.get("/advice", response_model=AllAdvice)
def all_advice(
    request: Request, session: SessionDep, user: GetUserDep, readable: Readable
) -> Response:
    """What durations, starts and staggers would be better, and which DAGs wait for each other: with the gain, how sure it is, and the Python to copy.

    Only DAGs that the user may read count; what their runs took only where they may read these, and
    Python is for DAGs whose code they may read. Nothing is changed.
    """
    runs_of = allowed(user, session, readable, DagAccessEntity.RUN)
    code_of = allowed(user, session, readable, DagAccessEntity.CODE)

    now = clock.now()

    def write(dags: list[Dag], schedules: dict[str, Schedule]) -> bytes:
        with time_budget.share(_WORKING):
            findings = advise(session, dags, schedules, now, runs_of)
        names = {dag.dag_id: dag.name for dag in dags}
        return as_all_advice(findings, names, code_of).model_dump_json().encode()

    filters = Filters(now // 60 * 60, now // 60 * 60 + PLACED_AHEAD, paused=False)
    untold = sorted(readable - code_of)
    body = cached_answer(session, readable, filters, now, runs_of, write, "advice", untold)
    return answer(request, body)


def as_all_advice(findings: Advised, names: dict[str, str], code_of: Collection[str]) -> AllAdvice:
    """Return the *findings*, with the names of DAGs, and the Python of those *code_of*."""
    return AllAdvice(
        advice=[_as_advice(piece, names, code_of) for piece in findings.advice],
        known_dags=findings.known,
        unknown_dags=findings.unknown,
        partial=findings.partial,
        left_out=findings.left_out,
    )


def _as_advice(piece: advice.Advice, names: dict[str, str], code_of: Collection[str]) -> Advice:
    return Advice(
        kind=piece.kind,
        dags=[DagChoice(dag_id=i, dag_display_name=names[i]) for i in piece.dag_ids],
        text=piece.text,
        gain=AdviceGain(**piece.gain._asdict()),
        certainty=Certainty(
            level=piece.basis.level, text=str(piece.basis), **piece.basis._asdict()
        ),
        evidence=list(piece.evidence),
        python=[LineToCopy(dag_id=i, code=code) for i, code in piece.python if i in code_of],
        command=piece.command or None,
    )

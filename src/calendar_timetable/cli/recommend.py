"""``calendar-timetable recommend``: what could be better in DAG files, and what to write there."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING

from rich.console import Console

from calendar_timetable import clock
from calendar_timetable.cli import values
from calendar_timetable.cli.output import print_json

if TYPE_CHECKING:
    from calendar_timetable.load.advice import Advice
    from calendar_timetable.runs.advising import Advised

_WIDTH = 80  # of what is told of one piece of advice
_PATIENCE = 40  # times what the page may cost: some minutes of processor time


def add_recommend(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`recommend`."""
    command.add_argument(
        "--dag-id", action="append", default=[], help="only for this DAG; may be repeated"
    )
    command.add_argument(
        "--tag", action="append", default=[], help="only for DAGs with this tag; may be repeated"
    )


def recommend(options: argparse.Namespace, out: Console) -> int:
    """Advise durations, starts, staggers, and who should not wait for whom: with the gain, how sure it is, and the Python to copy. Nothing is changed."""  # noqa: E501
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from calendar_timetable.runs import time_budget
    from calendar_timetable.runs.advising import advise
    from calendar_timetable.runs.database import read_dags
    from calendar_timetable.runs.stored_schedules import read_schedules

    with create_session() as session:
        every = set(session.scalars(select(DagModel.dag_id)))
        dag_ids = {dag.dag_id for dag in values.chosen_dags(session, options)}
        dags = read_dags(session, every)
        now = clock.now()
        with time_budget.answer(_PATIENCE):
            report = advise(session, dags, read_schedules(session, every), now, about=dag_ids)
    if options.json:
        print_json(out, _as_json(report))
    else:
        _show(report, out)
    return 0


def _as_json(report: Advised) -> object:
    return {
        "advice": [
            {
                "kind": advice.kind,
                "dag_ids": list(advice.dag_ids),
                "text": advice.text,
                "gain": advice.gain._asdict(),
                "certainty": {"level": advice.basis.level, **advice.basis._asdict()},
                "evidence": list(advice.evidence),
                "python": [{"dag_id": dag_id, "code": code} for dag_id, code in advice.python],
                "command": advice.command or None,
            }
            for advice in report.advice
        ],
        "known_dags": report.known,
        "unknown_dags": report.unknown,
        "partial": report.partial,
        "left_out": report.left_out,
    }


def _show(report: Advised, out: Console) -> None:
    for advice in report.advice:
        for line in _lines(advice):
            out.print(line, soft_wrap=True)
        out.print()
    if not report.advice:
        out.print("There is nothing to advise.")
    if report.left_out:
        out.print(
            f"{report.left_out} more are left out: --dag-id and --tag tell what is for some DAGs."
        )
    if report.partial:
        out.print("There is so much that not all of it was looked at: there may be more to advise.")
    unknown = f"; of {report.unknown} more no run has succeeded yet" if report.unknown else ""
    out.print(f"Runs of {report.known} DAGs are known{unknown}. Nothing was changed.")


def _lines(advice: Advice) -> list[str]:
    """Return one piece of advice in lines; Python stands as it is to be copied."""
    lines = [f"{advice.text}."]
    lines += [f"  Gain: {advice.gain}", f"  Rests on {advice.basis}"]
    lines += [f"  - {text}" for text in advice.evidence]
    wrapped = [
        part
        for line in lines
        for part in textwrap.wrap(
            line,
            _WIDTH,
            subsequent_indent="    " if line.startswith(" ") else "",
            break_on_hyphens=False,
        )
    ]
    for code in sorted({code for _, code in advice.python}):
        ids = [dag_id for dag_id, own in advice.python if own == code]
        wrapped += textwrap.wrap(
            f"  In {', '.join(ids)} write:",
            _WIDTH,
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
        wrapped.append(f"      {code}")
    if advice.command:
        wrapped += ["  Then:", f"      {advice.command}"]
    return wrapped

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

    from calendar_timetable.runs.advising import advise
    from calendar_timetable.runs.database import read_dags
    from calendar_timetable.runs.stored_schedules import read_schedules

    with create_session() as session:
        every = set(session.scalars(select(DagModel.dag_id)))
        wanted = {dag.dag_id for dag in values.chosen_dags(session, options)}
        dags = read_dags(session, every)
        now = clock.now()
        found = advise(session, dags, read_schedules(session, every), now, about=wanted)
    if options.json:
        print_json(out, _as_json(found))
    else:
        _show(found, out)
    return 0


def _as_json(found: Advised) -> object:
    return {
        "advice": [
            {
                "kind": one.kind,
                "dag_ids": list(one.dag_ids),
                "text": one.text,
                "gain": one.gain._asdict(),
                "certainty": {"level": one.basis.level, **one.basis._asdict()},
                "evidence": list(one.evidence),
                "python": [{"dag_id": dag_id, "code": code} for dag_id, code in one.python],
                "command": one.command or None,
            }
            for one in found.advice
        ],
        "known_dags": found.known,
        "unknown_dags": found.unknown,
        "partial": found.partial,
        "left_out": found.left_out,
    }


def _show(found: Advised, out: Console) -> None:
    for one in found.advice:
        for line in _told(one):
            out.print(line, soft_wrap=True)
        out.print()
    if not found.advice:
        out.print("There is nothing to advise.")
    if found.left_out:
        out.print(
            f"{found.left_out} more are left out: --dag-id and --tag tell what is for some DAGs."
        )
    unknown = f"; of {found.unknown} more no run has succeeded yet" if found.unknown else ""
    out.print(f"Runs of {found.known} DAGs are known{unknown}. Nothing was changed.")


def _told(one: Advice) -> list[str]:
    """Return one piece of advice in lines; Python stands as it is to be copied."""
    lines = [f"{one.text}."]
    lines += [f"  Gain: {one.gain}", f"  Rests on {one.basis}"]
    lines += [f"  - {text}" for text in one.evidence]
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
    for code in sorted({code for _, code in one.python}):
        ids = [dag_id for dag_id, own in one.python if own == code]
        wrapped += textwrap.wrap(
            f"  In {', '.join(ids)} write:",
            _WIDTH,
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
        wrapped.append(f"      {code}")
    if one.command:
        wrapped += ["  Then:", f"      {one.command}"]
    return wrapped

"""``calendar-timetable place``: choose when DAGs with ``place=True`` start, as a file."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from calendar_timetable import clock
from calendar_timetable.cli import values
from calendar_timetable.cli.output import print_json, show_rows
from calendar_timetable.config import option
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.plan import Placement, put_in
from calendar_timetable.schedule import placement_file

if TYPE_CHECKING:
    from calendar_timetable.load.placement import Load, Work
    from calendar_timetable.runs.room import Room

_COLUMNS = ("DAG", "Delay", "Next start", "Why")


class _Peak(NamedTuple):
    """The most slots of a pool that are expected to be in use at once, by two placements."""

    pool: str
    slots: int
    before: float
    after: float


def add_place(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`place`."""
    command.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the file, and keep what it says (default: [calendar_timetable] placement, "
        "which is read and not written)",
    )
    command.add_argument(
        "--anew", action="store_true", help="place every DAG anew, also those that have a place"
    )


def place(options: argparse.Namespace, out: Console) -> int:
    """Choose when DAGs with place=True start, so that little runs at once, and write that as a file that people review."""  # noqa: E501
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from calendar_timetable.load.placement import place as chosen
    from calendar_timetable.runs.database import read_dags
    from calendar_timetable.runs.room import read_room
    from calendar_timetable.runs.stored_schedules import read_schedules

    old_placements = _earlier_placements(options.out)
    with create_session() as session:
        every = set(session.scalars(select(DagModel.dag_id)))
        schedules = read_schedules(session, every)
        dags = read_dags(session, every)
        room = read_room(session, dags, schedules, clock.now())
    if not room.schedules:
        remedy = "give DAGs CalendarTimetable(..., place=True), or a DeploymentRule(place=True)"
        raise values.Misused(f"no DAG may be placed: {remedy}")
    stay = (
        {} if options.anew else {i: placement.delay or 0 for i, placement in old_placements.items()}
    )
    idle = {pool: load.copy() for pool, load in room.load.items()}
    delays = chosen(room.work, room.load, stay)
    placements = {
        work.dag_id: old_placements[work.dag_id]
        if stay.get(work.dag_id) == delays[work.dag_id]
        else Placement(delays[work.dag_id], _why(work, delays[work.dag_id], room))
        for work in room.work
    }
    # DAGs that cannot be placed today, or are paused, keep the placement that they have.
    dag_ids = {dag.dag_id for dag in dags}
    placements |= {
        i: placement
        for i, placement in old_placements.items()
        if i in dag_ids and i not in placements
    }
    removed_ids = sorted(old_placements.keys() - dag_ids)
    peaks = _peaks(room, idle)
    if options.out is not None:
        _write(options.out, placement_file.as_toml(placements))
    if options.json:
        print_json(out, _as_json(room, placements, peaks) | {"removed": removed_ids})
    else:
        _show(room, placements, peaks, old_placements, options.out, out)
        if removed_ids:
            out.print(f"Removed, as there is no such DAG: {', '.join(removed_ids)}", soft_wrap=True)
    return int(bool(room.unknown))


def _earlier_placements(file: Path | None) -> dict[str, Placement]:
    """Return the placements in *file*, which is to be written, or else in the deployment's."""
    if file is not None:
        return placement_file.read(file) if file.exists() else {}
    name = option("placement")
    with suppress(InvalidArgument):
        return placement_file.read(Path(name).expanduser()) if name else {}
    return {}


def _why(work: Work, delay: int, room: Room) -> str:
    from calendar_timetable.load.placement import why

    busier = why(work, delay, room.load)
    if busier is None:
        return ""
    zone = room.schedules[work.dag_id].zone
    until = zones.to_datetime(busier.until).astimezone(zone)
    return f"pool {busier.pool} is busier until {until:%H:%M}"


def _peaks(room: Room, idle: dict[str, Load]) -> list[_Peak]:
    """Return the peak of each pool with the new starts and with those the DAGs have now.

    *idle* is the load by all other DAGs.
    """
    for work in room.work:
        policy = room.schedules[work.dag_id].policy
        work.add_to(idle, policy.stagger if policy.delay is None else policy.delay)
    used = {need.pool for work in room.work for need in work.needs}
    return [
        _Peak(pool, room.pools[pool].slots, max(idle[pool].steps), max(room.load[pool].steps))
        for pool in sorted(used & room.load.keys())
    ]


def _write(file: Path, text: str) -> None:
    """Write *file* in one step: a DAG processor may read it at any time."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        reason = error.strerror or type(error).__name__
        raise InvalidArgument("--out", str(file), f"{reason}: give a file") from None


def _next_start(work: Work, placement: Placement) -> float:
    due, room = work.room[0]
    return put_in(room, due, placement.delay or 0)


def _as_json(room: Room, placements: dict[str, Placement], peaks: list[_Peak]) -> dict[str, Any]:
    return {
        "dags": [
            {
                "dag_id": work.dag_id,
                "delay_seconds": placements[work.dag_id].delay,
                "why": placements[work.dag_id].why,
                "next_start": zones.to_datetime(
                    _next_start(work, placements[work.dag_id])
                ).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for work in sorted(room.work, key=lambda work: work.dag_id)
        ],
        "not_placed": [{"dag_id": i, "why": text} for i, text in sorted(room.unknown.items())],
        "pools": [
            {
                "pool": peak.pool,
                "slots": peak.slots,
                "peak_before": round(peak.before, 2),
                "peak": round(peak.after, 2),
            }
            for peak in peaks
        ],
        "weeks_known": room.weeks,
    }


def _show(
    room: Room,
    placements: dict[str, Placement],
    peaks: list[_Peak],
    old_placements: dict[str, Placement],
    file: Path | None,
    out: Console,
) -> None:
    rows = []
    for work in sorted(room.work, key=lambda work: work.dag_id):
        placement, schedule = placements[work.dag_id], room.schedules[work.dag_id]
        start = explain.format_clock(_next_start(work, placement), schedule.zone)
        state = "" if old_placements.get(work.dag_id) == placement else "new: "
        reason = placement.why or ("starts when due" if not placement.delay else "")
        rows.append(
            (work.dag_id, explain.format_length(placement.delay or 0), start, f"{state}{reason}")
        )
    if rows:
        show_rows(out, _COLUMNS, rows)
    for dag_id, text in sorted(room.unknown.items()):
        out.print(f"Not placed: {dag_id}: {text}", soft_wrap=True)
    for peak in peaks:
        slots = "" if peak.slots < 0 else f" of {peak.slots}"
        peak_text = f"at most {peak.after:.3g}{slots} slots in use; {peak.before:.3g} before"
        out.print(f"Pool {peak.pool}: {peak_text}")
    weeks = "no whole week" if not room.weeks else f"{room.weeks} weeks"
    out.print(f"Of other DAGs {weeks} of records are known.")
    if file is not None:
        out.print(f"Written: {file}. Name it in [calendar_timetable] placement.", soft_wrap=True)

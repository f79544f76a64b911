"""``calendar-timetable backtest``: the runs of past weeks again, under other rules."""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from calendar_timetable import clock
from calendar_timetable.cli import values
from calendar_timetable.cli.load_picture import Panel, picture
from calendar_timetable.cli.output import format_clock, print_json, progress, utc
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.open_time import DAY, members
from calendar_timetable.planning.time_sets import TimeSet

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from calendar_timetable.runs.backtest import Backtest, OtherRules, PoolOutcome, Side, What

_MOST_PANELS = 30  # of a picture
_HOUR = 3600
_SOME = 5  # DAGs that are named
# Runs of which something is told, in the words of the table.
_WORDS: dict[What, str] = {
    "late": "runs that end late",
    "in_events": "starts in blackouts",
    "skipped": "runs skipped",
    "combined": "runs combined with another",
    "after_end": "starts that are still to come",
}


def add_backtest(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`backtest`."""
    command.add_argument(
        "--days",
        type=values.days_of_plan,
        default=28,
        help="look at so many days up to now (default: %(default)s)",
    )
    values.add_times(command)
    command.add_argument(
        "--stagger",
        type=values.length,
        metavar="LENGTH",
        help="spread starts over this long; each DAG has a share of its own",
    )
    late = (
        "how far a start may move from its due time, past which a run is skipped (default: as each "
        "DAG has it). A run is late that ends after its due time, this and its usual length"
    )
    command.add_argument("--max-delay", type=values.length, metavar="LENGTH", help=late)
    command.add_argument(
        "--placement",
        type=Path,
        metavar="FILE",
        help="put runs where this placement file says, also of DAGs without place=True",
    )
    command.add_argument(
        "--cron", action="store_true", help="no rules at all: runs start when they are due"
    )
    command.add_argument(
        "--dag-id",
        action="append",
        default=[],
        help="these rules are for this DAG alone, and others stay as they were; may repeat",
    )
    command.add_argument(
        "--tag", action="append", default=[], help="only for DAGs with this tag; may repeat"
    )
    command.add_argument(
        "--picture", type=Path, metavar="FILE.svg", help="draw the slots in use into this file"
    )
    values.add_calendar(command)


def backtest(options: argparse.Namespace, out: Console) -> int:
    """Replay the runs of past weeks under other rules: slots in use, waits, late runs, starts in blackouts, as they were and as they would have been."""  # noqa: E501
    from airflow.utils.session import create_session

    from calendar_timetable.runs import backtest as runs

    _check_picture(options.picture)
    rules = _rules(options)
    zone = zones.load_zone(zones.default_zone())
    until = math.floor(clock.now())
    since = until - options.days * DAY
    with create_session() as session:
        only = _only(options, session)
        with progress("Reading runs and calendars"):
            result = runs.backtest(session, rules, only, since, until)
    if not result.runs:
        days = f"the last {options.days} days" if options.days > 1 else "the last day"
        print(
            f"calendar-timetable: Airflow has no records of scheduled runs of {days}; "
            "look further back with --days",
            file=sys.stderr,
        )
        return 1
    if options.json:
        print_json(out, _as_json(result, rules, options))
    else:
        _show(result, zone, out, rules_given=rules != runs.OtherRules())
    if options.picture is not None:
        _draw(result, zone, options.picture)
        if not options.json:
            out.print(f"Picture: {options.picture}", soft_wrap=True)
    _tell_what_is_left_out(result)
    return int(bool(result.left or result.truncated))


def _rules(options: argparse.Namespace) -> OtherRules:
    from calendar_timetable.runs.backtest import OtherRules
    from calendar_timetable.schedule import placement_file

    flags = [
        f"--{name.replace('_', '-')}"
        for name in ("window", "blackout", "stagger", "max_delay", "placement")
        if getattr(options, name) not in (None, [])
    ]
    if options.cron and flags:
        raise InvalidArgument("--cron", True, f"is for no rules at all: leave out {flags[0]}")
    placements = None
    if options.placement is not None:
        try:
            placements = placement_file.read(options.placement)
        except InvalidArgument as error:
            field = "--placement" if error.field.startswith("[") else error.field
            raise InvalidArgument(field, error.value, error.remedy) from None
    windows, blackouts = (values.all_times(name, options) for name in ("window", "blackout"))
    return OtherRules(
        windows,
        blackouts,
        _seconds(options.stagger),
        _seconds(options.max_delay),
        placements,
        options.cron,
    )


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else int(length.total_seconds())


def _only(options: argparse.Namespace, session: Session) -> set[str] | None:
    """Return the ids of the DAGs that get the rules; ``None`` for all DAGs."""
    if not options.dag_id and not options.tag:
        return None
    return {dag.dag_id for dag in values.chosen_dags(session, options)}


def _check_picture(file: Path | None) -> None:
    """Refuse a picture that cannot be written, before all the work is done."""
    if file is None:
        return
    if file.suffix.lower() != ".svg":
        raise InvalidArgument("--picture", str(file), "give a file whose name ends in .svg")
    if not file.parent.is_dir():
        raise InvalidArgument("--picture", str(file), "there is no such folder: make it first")


def _draw(result: Backtest, zone: ZoneInfo, file: Path) -> None:
    before, after = result.before.pools, result.after.pools
    panels = [
        Panel(name, result.slots[name], before[name].taken.minutes, after[name].taken.minutes)
        for name in result.pools[:_MOST_PANELS]
    ]
    more = len(result.pools) - len(panels)
    subtitle = _period(result, zone) + (f"; {more} more pools are not shown" if more else "")
    try:
        file.write_text(
            picture(panels, result.since, result.until, zone, subtitle), encoding="utf-8"
        )
    except OSError as error:
        raise InvalidArgument(
            "--picture", str(file), f"{error.strerror}: name a file that can be written"
        ) from None


def _period(result: Backtest, zone: ZoneInfo) -> str:
    since, until = (
        format_clock(zones.to_datetime(at), zone) for at in (result.since, result.until)
    )
    return f"{since} to {until} {zone.key}"


def _show(result: Backtest, zone: ZoneInfo, out: Console, *, rules_given: bool) -> None:
    runs, dags = sum(result.runs.values()), len(result.runs)
    line = f"{_count(runs, 'scheduled run')} of {_count(dags, 'DAG')}, {_period(result, zone)}."
    out.print(line, soft_wrap=True)
    if rules_given:
        moved = f"{sum(result.moved.values()):,} of their runs would not have started when they did"
        line = f"The other rules are for {_count(len(result.changed), 'DAG')}: {moved}."
    else:
        line = "No other rules: both columns tell it as it was."
    out.print(line, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold", max_width=40)
    table.add_column("As it was", justify="right", no_wrap=True)
    table.add_column("Other rules", justify="right", no_wrap=True)
    table.add_row("All runs", "", "", style="bold")
    _add_counts(table, result.before.counts, result.after.counts, always=True)
    for name in result.pools:
        before, after = result.before.pools[name], result.after.pools[name]
        slots = result.slots[name]
        has = _count(int(slots), "slot") if math.isfinite(slots) else "slots without end"
        table.add_row()
        table.add_row(f"Pool {explain.on_one_line(name)}, {has}", "", "", style="bold")
        for row in zip(*(_taken(pool) for pool in (before, after)), strict=True):
            (words, was), (_, would) = row
            table.add_row(f"  {words}", was, would)
        _add_counts(table, before.counts, after.counts)
    out.print()
    out.print(table)


def _taken(pool: PoolOutcome) -> Iterator[tuple[str, str]]:
    """Yield what is taken of a pool, each in words and as text."""
    usage = pool.taken
    yield "slots in use at the peak", f"{usage.peak:g}"
    yield "in 99.9 % of minutes at most", f"{usage.nearly_all:g}"
    yield "runs that waited for slots", str(usage.runs)
    yield "waited, all together", _about(usage.waited)
    yield "waited at most", _about(usage.longest)


def _about(seconds: float) -> str:
    """Return a length of time as text, in minutes where it has an hour."""
    return explain.format_length(seconds if seconds < _HOUR else seconds // 60 * 60)


def _add_counts(
    table: Table, before: Counter[What], after: Counter[What], *, always: bool = False
) -> None:
    """Add the counts of what is wrong with runs; zeros are left out unless *always*."""
    for what, words in _WORDS.items():
        if before[what] or after[what] or (always and what != "after_end"):
            table.add_row(f"  {words}", str(before[what]), str(after[what]))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number:,} {what}s"


def _tell_what_is_left_out(result: Backtest) -> None:
    notes = []
    if result.truncated:
        notes.append("there are too many runs: the oldest are left out; give fewer --days")
    if result.left:
        some = ", ".join(result.left[:_SOME]) + (" …" if len(result.left) > _SOME else "")
        notes.append(f"the rules cannot be applied to {some}: as they were")
    if result.uncertain:
        runs = _count(result.uncertain, "run")
        notes.append(f"{runs} by what DAGs carry of their own calendars, which is not all of it")
    if result.unknown:
        notes.append(f"of {_count(result.unknown, 'run')} nothing is known that they take of pools")
    for note in notes:
        print(f"calendar-timetable: {note}", file=sys.stderr)


def _as_json(result: Backtest, rules: OtherRules, options: argparse.Namespace) -> dict[str, Any]:
    since, until = (utc(zones.to_datetime(at)) for at in (result.since, result.until))
    return {
        "from": since,
        "to": until,
        "rules": {
            "windows": _names(rules.windows),
            "blackouts": _names(rules.blackouts),
            "stagger_seconds": rules.stagger,
            "max_delay_seconds": rules.max_delay,
            "placement": None if options.placement is None else str(options.placement),
            "cron": rules.none,
        },
        "runs": sum(result.runs.values()),
        "other_runs": result.beside,
        "changed_dags": list(result.changed),
        "unchanged_dags": list(result.left),
        "moved": sum(result.moved.values()),
        "uncertain": result.uncertain,
        "unknown": result.unknown,
        "truncated": result.truncated,
        **{
            name: _counts(side.counts)
            for name, side in (("before", result.before), ("after", result.after))
        },
        "pools": [
            {
                "name": name,
                "slots": int(result.slots[name]) if math.isfinite(result.slots[name]) else None,
                "before": _pool(result.before.pools[name]),
                "after": _pool(result.after.pools[name]),
            }
            for name in result.pools
        ],
        "dags": [
            {
                "dag_id": dag_id,
                "runs": count,
                "moved": result.moved[dag_id],
                "before": _counts(_of(result.before, dag_id)),
                "after": _counts(_of(result.after, dag_id)),
            }
            for dag_id, count in sorted(result.runs.items())
        ],
    }


def _names(timeset: TimeSet | None) -> list[str] | None:
    return None if timeset is None else [str(member) for member in members(timeset)]


def _of(side: Side, dag_id: str) -> Counter[What]:
    return side.by_dag.get(dag_id, Counter())


def _counts(counts: Counter[What]) -> dict[str, int]:
    return {what: counts[what] for what in _WORDS}


def _pool(pool: PoolOutcome) -> dict[str, Any]:
    usage = pool.taken
    return {
        "peak": usage.peak,
        "nearly_all_minutes": usage.nearly_all,
        "waited_seconds": usage.waited,
        "longest_wait_seconds": usage.longest,
        "runs_that_waited": usage.runs,
        **_counts(pool.counts),
    }

"""``calendar-timetable diff``: which planned runs differ between two states of the DAG files."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from rich.console import Console

from calendar_timetable import clock
from calendar_timetable.calendars.feed.cache import check_folder
from calendar_timetable.calendars.feed.cache import folder as cache_folder
from calendar_timetable.cli import values
from calendar_timetable.cli.output import print_json, progress, show_rows, utc
from calendar_timetable.cli.revisions import dag_source, terminated_cleanly
from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.plan_diff import KINDS, RunChange, changes, in_numbers, place, why

if TYPE_CHECKING:
    from calendar_timetable.cli.dag_plans import DagFolder, DagPlan, Explanation, FolderPlans

State = Literal["same", "changed", "new", "gone", "broken", "mended", "unread"]
_FOLDED = 5  # runs of one DAG; a table of more is folded
# Of a comment on GitHub, which takes 65,536.
_MOST_CHARACTERS = 60_000
_MOST_FILES = 20  # that cannot be read, named in Markdown
_NAME = 200  # characters of a name, or an error, in Markdown
_MARKUP = re.compile(r"([\\`*_\[\]|~])")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Row(NamedTuple):
    """One run that differs, with what the schedules before and after say of it."""

    change: RunChange
    before: Explanation | None
    after: Explanation | None


@dataclass(frozen=True)
class DagDiff:
    """What differs for one DAG: all *changes*, and *rows* for the first of them.

    *note* says why it could not be compared, or what has to be known of its times.
    """

    dag_id: str
    file: str
    state: State
    changes: list[RunChange] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class PlanDiff:
    """What differs between the DAG files of *names*, from *start* to *end* in epoch seconds."""

    names: tuple[str, str]
    start: float
    end: float
    zone: ZoneInfo
    dags: list[DagDiff]
    broken: tuple[dict[str, str], dict[str, str]]  # why files cannot be read, before and after

    @property
    def shown(self) -> list[DagDiff]:
        """The DAGs that something is told of."""
        return [dag for dag in self.dags if dag.state != "same"]

    @property
    def counts(self) -> Counter[str]:
        """How many runs differ, by kind."""
        return Counter(change.kind for dag in self.dags for change in dag.changes)

    @property
    def incomplete(self) -> bool:
        """Whether something could not be read."""
        return any(self.broken) or any(dag.state == "unread" for dag in self.dags)


def add_diff(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`diff`."""
    source_help = (
        "a folder of DAG files, or a revision of the git repository in the working directory "
        "(main, HEAD~1, main:dags); a folder goes before a revision of its name"
    )
    command.add_argument("old", metavar="OLD", help=source_help)
    command.add_argument("new", metavar="NEW", help="likewise")
    command.add_argument(
        "--path", metavar="FOLDER", help="the folder of DAG files in a revision (default: all)"
    )
    command.add_argument(
        "--start",
        type=values.moment,
        metavar="TIME",
        help="compare what is due from here on, as 2026-11-28T02:00 (default: now)",
    )
    command.add_argument(
        "--days",
        type=values.days_of_plan,
        default=14,
        help="how many days of it (default: %(default)s)",
    )
    command.add_argument(
        "--timezone", metavar="ZONE", help="IANA zone of the answer (default: Airflow's)"
    )
    command.add_argument(
        "--limit",
        type=values.count,
        default=20,
        help="how many runs of each DAG to show (default: %(default)s)",
    )
    command.add_argument(
        "--markdown", action="store_true", help="print Markdown, for a pull request"
    )
    command.add_argument(
        "--exit-code", action="store_true", help="end with 1 where runs differ, as git diff does"
    )


def diff(options: argparse.Namespace, out: Console) -> int:
    """Compare the planned runs of two folders of DAG files, or of two git revisions: which move, appear or vanish, and why."""  # noqa: E501
    from calendar_timetable.cli.dag_plans import DagFolder

    if options.json and options.markdown:
        raise values.Misused("give --json or --markdown, not both")
    zone = zones.load_zone(options.timezone or zones.default_zone())
    moment = values.moment_in(options.start, zone) or clock.utc()
    start = float(int(moment.timestamp()))
    end = start + options.days * DAY
    with ExitStack() as stack:
        stack.enter_context(terminated_cleanly())
        scratch = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="calendar-timetable-"))
        )
        cache = _own_cache(scratch)
        texts = {"OLD": options.old, "NEW": options.new}
        sources = [
            stack.enter_context(dag_source(name, text, options.path, scratch))
            for name, text in texts.items()
        ]
        sides = [stack.enter_context(closing(DagFolder(source, cache))) for source in sources]
        # It has a thread, and so begins after the processes.
        stack.enter_context(progress("Reading DAG files"))
        plans = _plans(sides, start, end)
        plan_diff = PlanDiff(
            (options.old, options.new),
            start,
            end,
            zone,
            list(_compared(sides, plans, options.limit, zone.key)),
            (plans[0].broken, plans[1].broken),
        )
    if options.json:
        print_json(out, _as_json(plan_diff))
    elif options.markdown:
        print(markdown(plan_diff), file=out.file)
    else:
        _show(plan_diff, out)
    for name, broken in zip(texts, plan_diff.broken, strict=True):
        for file, error in broken.items():
            print(f"calendar-timetable: {name}: {file} cannot be read: {error}", file=sys.stderr)
    return int(plan_diff.incomplete or (options.exit_code and bool(plan_diff.shown)))


def _own_cache(scratch: Path) -> Path:
    """Return a copy below *scratch* of the cache folder: both sides read it, no one changes it."""
    own = scratch / "cache"
    check_folder()
    try:
        # What schedules came to is made anew where it is needed.
        shutil.copytree(cache_folder(), own, ignore=shutil.ignore_patterns("schedules"))
    except (OSError, shutil.Error):
        # There is none, or it is being changed: what is missing is fetched.
        own.mkdir(exist_ok=True)
    own.chmod(0o700)
    return own


def _plans(sides: Sequence[DagFolder], start: float, end: float) -> list[FolderPlans]:
    """Return the plans of both sides, which look at the same copies of their calendars."""
    for side in sides:
        side.begin_to_read()
    asked_keys: frozenset[str] = frozenset()
    for side in sides:
        asked_keys = side.calendars_read(asked_keys)
    return [side.plans(start, end) for side in sides]


def _compared(
    sides: Sequence[DagFolder], plans: Sequence[FolderPlans], limit: int, zone: str
) -> Iterator[DagDiff]:
    old, new = plans
    for dag_id in sorted(old.dags.keys() | new.dags.keys()):
        before, after = old.dags.get(dag_id), new.dags.get(dag_id)
        dag_plan = after or before
        assert dag_plan is not None
        unread = next((plan.unread for plan in (after, before) if plan and plan.unread), "")
        if before is not None and after is None and before.file in new.broken:
            yield DagDiff(dag_id, dag_plan.file, "broken", note=new.broken[before.file])
        elif after is not None and before is None and after.file in old.broken:
            yield DagDiff(dag_id, dag_plan.file, "mended", note="its file could not be read before")
        elif unread:
            yield DagDiff(dag_id, dag_plan.file, "unread", note=unread)
        else:
            run_changes, note = _changes(before, after)
            rows = list(_rows(dag_id, run_changes[:limit], sides, zone))
            state: State = "new" if before is None else "gone" if after is None else "changed"
            state = "same" if state == "changed" and not run_changes else state
            yield DagDiff(dag_id, dag_plan.file, state, run_changes, rows, note)


def _changes(before: DagPlan | None, after: DagPlan | None) -> tuple[list[RunChange], str]:
    """Return what differs, and what has to be known of it."""
    plans = [plan for plan in (before, after) if plan is not None]
    until = min(plan.until for plan in plans)
    places = [() if plan is None else plan.places for plan in (before, after)]
    run_changes = changes(*((p for p in some if p.tick.due < until) for some in places))
    notes = []
    if until < float("inf"):
        notes.append(f"compared until {utc(zones.to_datetime(until))}: it has too many due times")
    if any(plan.relative for plan in plans):
        notes.append("due times are counted from the start, as they follow the runs there are")
    return run_changes, "; ".join(notes)


def _rows(
    dag_id: str, some: Sequence[RunChange], sides: Sequence[DagFolder], zone: str
) -> Iterator[Row]:
    """Yield *some* changes with what each side says of them."""
    answers: list[dict[float, Explanation]] = []
    for side, places in zip(sides, zip(*(c[2:] for c in some), strict=True), strict=False):
        due = [placed.tick.due for placed in places if placed is not None]
        answers.append(
            dict(zip(due, side.explanations(dag_id, due, zone) if due else (), strict=True))
        )
    for change in some:
        yield Row(change, *(side.get(change.due) for side in answers))


# --- in words -------------------------------------------------------------------------------------


def _summary(plan_diff: PlanDiff) -> str:
    """Say how many runs differ: "3 runs move, 1 appears in 2 of 14 DAGs"."""
    changed = sum(bool(dag.changes) for dag in plan_diff.dags)
    dags = f"{len(plan_diff.dags)} DAG{'s'[: len(plan_diff.dags) != 1]}"
    numbers = in_numbers(change for dag in plan_diff.dags for change in dag.changes)
    sentence = f"{numbers} in {changed} of {dags}" if numbers else f"No run differs in {dags}"
    states = Counter[str](dag.state for dag in plan_diff.dags)
    state_words = {
        "new": "new",
        "gone": "gone",
        "broken": "broken",
        "mended": "mended",
        "unread": "not compared, as a calendar cannot be read",
    }
    more = [f"{states[state]} {word}" for state, word in state_words.items() if states[state]]
    return f"{sentence} ({'; '.join(more)})" if more else sentence


def _period(plan_diff: PlanDiff) -> str:
    first, last = (
        explain.format_clock(at, plan_diff.zone) for at in (plan_diff.start, plan_diff.end)
    )
    return f"{first} to {last}"


def _of_dag(dag: DagDiff) -> str:
    """Say what became of a DAG, as "3 runs move" or "new: 14 runs appear"."""
    head = "" if dag.state == "changed" else dag.state
    numbers = in_numbers(dag.changes) or ("" if dag.note else "no run is due")
    return ": ".join(filter(None, (head, numbers))) + (f" ({dag.note})" if dag.note else "")


def _cells(row: Row, zone: ZoneInfo) -> tuple[str, str, str, str]:
    """Return when the run is due, what became of it before and after, and why."""
    change = row.change
    before, after = (place(placed, zone) for placed in change[2:])
    return explain.format_clock(change.due, zone), before, after, _why(row)


def _why(row: Row) -> str:
    return why(row.change, *("" if side is None else side.why for side in row[1:]))


def _show(plan_diff: PlanDiff, out: Console) -> None:
    """Print the differences for people."""
    out.print(f"{_summary(plan_diff)}, {_period(plan_diff)}.", soft_wrap=True)
    for dag in plan_diff.shown:
        out.print()
        out.print(f"{dag.dag_id}: {_of_dag(dag)}", soft_wrap=True)
        if dag.rows:
            cells = (_cells(row, plan_diff.zone) for row in dag.rows)
            show_rows(out, ("Due", "Before", "After", "Why"), cells)
        if remainder := len(dag.changes) - len(dag.rows):
            out.print(f"… and {remainder} more")


def _as_json(plan_diff: PlanDiff) -> dict[str, Any]:
    """Return the differences for programs; times are in ISO 8601, UTC."""
    counts = plan_diff.counts
    return {
        "old": plan_diff.names[0],
        "new": plan_diff.names[1],
        "start": utc(zones.to_datetime(plan_diff.start)),
        "end": utc(zones.to_datetime(plan_diff.end)),
        "counts": {kind: counts[kind] for kind in KINDS},
        "dag_count": len(plan_diff.dags),
        "dags": [
            {
                "dag_id": dag.dag_id,
                "file": dag.file,
                "state": dag.state,
                "note": dag.note,
                "run_count": len(dag.changes),
                "runs": [
                    {
                        "change": row.change.kind,
                        "due": utc(zones.to_datetime(row.change.due)),
                        "before": row.before and row.before.as_json,
                        "after": row.after and row.after.as_json,
                        "why": _why(row),
                    }
                    for row in dag.rows
                ],
            }
            for dag in plan_diff.shown
        ],
        "broken": dict(zip(("old", "new"), plan_diff.broken, strict=True)),
    }


# --- for a pull request ---------------------------------------------------------------------------


def markdown(plan_diff: PlanDiff) -> str:
    """Return the differences as Markdown: a sentence, and a table for each DAG that changed.

    Long tables are folded, and it is never longer than a comment on GitHub may be.
    """
    names = " to ".join(_plain(name) for name in plan_diff.names)
    parts = [
        f"**{_summary(plan_diff)}** (planned runs, {names}, {_period(plan_diff)})",
        *_broken(plan_diff),
    ]
    length = sum(map(len, parts))
    for number, dag in zip(count(), plan_diff.shown, strict=False):
        part = _section(dag, plan_diff.zone)
        length += len(part) + 2
        if length > _MOST_CHARACTERS:
            remainder = len(plan_diff.shown) - number
            parts.append(f"… and {remainder} more DAG{'s'[: remainder != 1]}.")
            break
        parts.append(part)
    return "\n\n".join(parts)


def _broken(plan_diff: PlanDiff) -> Iterator[str]:
    files = [
        f"- {_plain(file)} cannot be read in {_plain(name)}: {_plain(error)}"
        for name, broken in zip(plan_diff.names, plan_diff.broken, strict=True)
        for file, error in broken.items()
    ]
    if files:
        more = [f"- … and {len(files) - _MOST_FILES} more"] if len(files) > _MOST_FILES else []
        yield "\n".join([*files[:_MOST_FILES], *more])


def _section(dag: DagDiff, zone: ZoneInfo) -> str:
    head = f"{_plain(dag.dag_id)}: {_plain(_of_dag(dag))}"
    if not dag.rows:
        return head
    rows = [[_plain(cell) for cell in _cells(row, zone)] for row in dag.rows]
    if remainder := len(dag.changes) - len(dag.rows):
        rows.append([f"… and {remainder} more", "", "", ""])
    table = _table(("Due", "Before", "After", "Why"), rows)
    if len(dag.rows) > _FOLDED:
        # In HTML, where Markdown's signs mean nothing.
        head = f"{_apart(dag.dag_id)}: {_apart(_of_dag(dag))}"
        return f"<details><summary>{head}</summary>\n\n{table}\n\n</details>"
    return f"{head}\n\n{table}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Return *text*, which others may have written, so that Markdown shows it as it is.

    It mentions nobody, and links nowhere.
    """
    return _MARKUP.sub(r"\\\1", _apart(text))


def _apart(text: str) -> str:
    """Return *text* so that HTML shows it as it is, and nothing in it is a mention or a link."""
    text = explain.on_one_line(text)
    text = text if len(text) <= _NAME else f"{text[:_NAME]} …"
    return text.replace("@", "@\u2060").replace("://", ":\u2060//").translate(_HTML)

"""What the DAG files of one folder plan, told by a process of its own.

So nothing that the files of one folder import or set is seen by those of another.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from calendar_timetable import clock
from calendar_timetable.cli.dag_files import (
    bags,
    calendar_timetable,
    calendars_from_cache_alone,
    timetable_of,
)
from calendar_timetable.cli.output import MOST_TEXT, last_line
from calendar_timetable.cli.preview import placed_json
from calendar_timetable.cli.revisions import DagSource
from calendar_timetable.cli.values import Misused
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.plan import PlacedTick

if TYPE_CHECKING:
    from calendar_timetable.schedule.compiled import CompiledSchedule

MOST_TICKS = 25_000  # of one DAG: seventeen days of minutes
_ENDED = "the process that reads the DAG files has ended; see above"


class DagPlan(NamedTuple):
    """What becomes of the due times of one DAG until *until*, in epoch seconds.

    Nothing is known where *unread* says why: a calendar cannot be read. *relative*: its due times
    are counted from the start of the plan, as they follow from runs.
    """

    file: str
    places: tuple[PlacedTick, ...] = ()
    until: float = float("inf")
    unread: str = ""
    relative: bool = False


class FolderPlans(NamedTuple):
    """The plans of a folder's DAGs, by id, and why files are *broken*, by their names."""

    dags: dict[str, DagPlan]
    broken: dict[str, str]


class Explanation(NamedTuple):
    """What becomes of one due time: *why*, in words, and all of it *as_json*."""

    why: str
    as_json: dict[str, Any]


class DagFolder:
    """The process that reads the DAG files of *source*, with the cache folder *cache*."""

    def __init__(self, source: DagSource, cache: Path) -> None:
        # Imported here, for both sides. As in Airflow's DAG processor, nothing that is imported
        # after the fork is shared.
        import airflow.dag_processing.dagbag  # noqa: F401

        context = multiprocessing.get_context("fork")
        self._mine, theirs = context.Pipe()
        ends = self._mine, theirs
        self._process = context.Process(target=_serve, args=(*ends, source, cache), daemon=True)
        self._process.start()
        theirs.close()

    def begin_to_read(self) -> None:
        """Begin to read the DAG files, which :meth:`calendars_read` waits for."""
        self._send("parse")

    def calendars_read(self, asked_keys: frozenset[str]) -> frozenset[str]:
        """Ask the calendars of the DAG files, but for *asked_keys*; return all keys asked."""
        self._answer()
        self._send("ask_calendars", asked_keys)
        new_keys: frozenset[str] = self._answer()
        return asked_keys | new_keys

    def plans(self, start: float, end: float) -> FolderPlans:
        """Return what is due in ``[start, end)``, in epoch seconds."""
        self._send("plans", start, end)
        plans: FolderPlans = self._answer()
        return plans

    def explanations(self, dag_id: str, due: Sequence[float], zone: str) -> list[Explanation]:
        """Say in *zone* what becomes of these *due* times, in epoch seconds, of a DAG."""
        self._send("explanations", dag_id, due, zone)
        answers: list[Explanation] = self._answer()
        return answers

    def close(self) -> None:
        """End the process."""
        self._mine.close()
        self._process.terminate()
        self._process.join()

    def _send(self, *question: Any) -> None:
        try:
            self._mine.send(question)
        except ConnectionError:
            raise Misused(_ENDED) from None

    def _answer(self) -> Any:
        try:
            return self._mine.recv()
        except (EOFError, ConnectionError):
            raise Misused(_ENDED) from None


def _serve(theirs: Connection, connection: Connection, source: DagSource, cache: Path) -> None:
    """Answer the questions of :class:`DagFolder` until it closes, or its process is gone."""
    # Of the other end this process has a copy, with which it would wait for itself.
    theirs.close()
    # The other process ends this one, and takes care of Ctrl-C.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What DAG files print is no part of the command's output.
    os.dup2(2, 1)
    os.environ["CALENDAR_TIMETABLE_CACHE"] = str(cache)
    # Relative paths count from the working directory, which changes below; Python has them without
    # "..". An empty one is the working directory, whichever that is.
    moved = {os.path.abspath(old): new for old, new in source.python_path.items()}  # noqa: PTH100

    def in_revision(entry: str) -> str:
        path = entry and os.path.abspath(entry)  # noqa: PTH100
        return moved.get(path, path)

    sys.path[:] = map(in_revision, sys.path)
    if entries := os.environ.get("PYTHONPATH"):
        os.environ["PYTHONPATH"] = os.pathsep.join(map(in_revision, entries.split(os.pathsep)))
    os.chdir(source.cwd)
    folder = _Folder(source)
    try:
        while True:
            name, *arguments = connection.recv()
            connection.send(getattr(folder, name)(*arguments))
    except (EOFError, ConnectionError):
        return


@dataclass
class _Folder:
    """The DAG files of *source*, read in this process."""

    source: DagSource
    planned: dict[str, dict[float, PlacedTick]] = field(default_factory=dict)
    compiled: dict[str, CompiledSchedule] = field(default_factory=dict)

    def parse(self) -> None:
        """Read the DAG files."""
        _ = self._bag

    def ask_calendars(self, asked_keys: frozenset[str]) -> frozenset[str]:
        """Ask each calendar that is due, but for *asked_keys*, and return which were asked."""
        now = clock.now()
        new_keys: set[str] = set()
        for dag in self._bag.dags.values():
            ours = calendar_timetable(dag.timetable)
            for calendar, horizon in () if ours is None else ours.questions(now):
                key = hashlib.sha256(str(calendar.address).encode()).hexdigest()
                if key not in asked_keys:
                    calendar.refreshed(horizon, ours.zone_name if ours else "UTC")
                    new_keys.add(key)
        return frozenset(new_keys)

    def plans(self, start: float, end: float) -> FolderPlans:
        """Return the plans of all DAGs, with calendars as the cache folder has them."""
        with calendars_from_cache_alone():
            dags = {i: self._plan(dag, start, end) for i, dag in sorted(self._bag.dags.items())}
        errors = self._bag.import_errors.items()
        broken = {
            self._without_folder(file): self._without_folder(last_line(text))
            for file, text in errors
        }
        return FolderPlans(dags, dict(sorted(broken.items())))

    def explanations(self, dag_id: str, due: Sequence[float], zone_name: str) -> list[Explanation]:
        """Say what becomes of these *due* times."""
        compiled, places = self.compiled[dag_id], self.planned[dag_id]
        zone = zones.load_zone(zone_name)
        answers = []
        for placed in map(places.__getitem__, due):
            why = explain.in_words(compiled.reasons(placed), zone, placed.tick.due)
            answers.append(Explanation("; ".join(why), placed_json(placed, compiled)))
        return answers

    @cached_property
    def _bag(self) -> Any:
        (bag,) = bags(str(self.source.place))
        return bag

    def _plan(self, dag: Any, start: float, end: float) -> DagPlan:
        from airflow.timetables.base import TimeRestriction

        file = self._without_folder(dag.fileloc)
        try:
            compiled = timetable_of(dag).planner(start, end)
        except Misused:
            # It has no due times of its own: assets, or people, make its runs.
            return DagPlan(file)
        except CalendarUnavailable as error:
            return DagPlan(file, unread=str(error))
        except Exception as error:  # noqa: BLE001
            # One broken timetable must not take away what can be said of all others.
            return DagPlan(file, unread=f"{type(error).__name__}: {error}"[:MOST_TEXT])
        within = TimeRestriction(dag.start_date, dag.end_date, catchup=True)
        due = takewhile(lambda p: p.tick.due < end, compiled.placed_within(within, start))
        places = list(zip(due, range(MOST_TICKS + 1), strict=False))
        until = places[-1][0].tick.due if len(places) > MOST_TICKS else float("inf")
        placed_ticks = tuple(placed for placed, _ in places[:MOST_TICKS])
        self.compiled[dag.dag_id] = compiled
        self.planned[dag.dag_id] = {placed.tick.due: placed for placed in placed_ticks}
        grid = compiled.ticks.on_grid or not placed_ticks
        return DagPlan(file, placed_ticks, until, relative=not grid)

    def _without_folder(self, text: str) -> str:
        """Return *text* without the folder, which may be one of the moment."""
        for place in (self.source.place, self.source.root):
            text = text.replace(f"{place}/", "")
        return text

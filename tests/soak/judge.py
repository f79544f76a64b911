"""What must hold after a soak, told from Airflow's records and a log of what calendars served.

Calendars are edited while DAGs run, so which version a decision went by is not known, only which it
may have gone by: those from the last look at the calendar before the DAG's last parse began until
the decision. (Files are parsed one by one: a parse begins after the one before has been stored.)
Time *may be open* where one of these has it open, and *may be closed* where one has it closed. What is judged, of each DAG:

* due times of its runs strictly increase in the order in which they are made, lie on the grid of its
  base schedule, and none comes twice; no run begins before its start;
* a due time without a run of its own was skipped or combined, so there time may have been closed
  from when it was due until its run could be made; without catchup, runs may instead have been late
  by a whole period. A DAG whose rules give each due time a run (``Dag.never_loses``) has them all;
* where runs have data intervals, each begins where the one before ended, so that what was skipped or
  combined is covered once; an advanced run may begin earlier, none later;
* when a run is made, or at its start if that is later (one that is late and blocked is made at once,
  for the next opening), time may be open, and its duration may fit or just fitted (rule 7);
* "postpone" starts nothing before it is due, "skip" and "run" start nothing later than their stagger;
* at the end, when all is open, no due time is left over, every run has succeeded, and every
  component that was killed runs again.

Memory, open files and threads of each component, and the cache folder, are level: a robust line
(Theil and Sen) through the part after the last kill rises by no more than ``LEVEL`` allows.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from tests.soak.calendars import Look, Spans, Version
from tests.soak.drawn import Dag

GRACE = 300  # for runs that just fitted (design.md, rule 7)
SOON = 5  # seconds from deciding on a run to its row
# By how much each measure may rise in the quiet part: a share of its median, and this much more.
LEVEL = {"memory": (0.15, 24.0), "files": (0.1, 8.0), "threads": (0.1, 4.0)}


@dataclass(frozen=True)
class Run:
    """A scheduled run; times in epoch seconds."""

    dag_id: str
    due: float
    start: float
    created: float
    begins: float  # where its data interval begins
    state: str = "success"
    begun: float | None = None  # when Airflow let it run


@dataclass(frozen=True)
class Parse:
    """What a DAG file said of a DAG was stored."""

    at: float
    dag_id: str
    file: str


@dataclass(frozen=True)
class Sample:
    """What a component takes at a moment: MB, open files, threads."""

    at: float
    component: str
    memory: float
    files: float = 0
    threads: float = 0


@dataclass(frozen=True)
class Event:
    """A component was killed, or started again; ``ended`` where it ended on its own."""

    at: float
    component: str
    what: str


@dataclass
class Record:
    """All that a soak has noted; *quiet* is when kills ended, *opened* when all was opened."""

    began: float
    quiet: float
    opened: float
    ended: float
    dags: list[Dag]
    runs: list[Run]
    versions: list[Version]
    looks: list[Look]
    parses: list[Parse]
    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    what: str
    faults: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.faults


def judge(record: Record) -> list[Verdict]:
    """Return what holds and what does not, with each fault."""
    known = _Known(record)
    by_dag: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(record.runs, key=lambda run: (run.created, run.start, run.due)):
        by_dag[run.dag_id].append(run)
    judged = [(dag, by_dag[dag.dag_id]) for dag in record.dags]
    due = sum(
        int((runs[-1].due - runs[0].due) // dag.every) + 1 if runs else 0 for dag, runs in judged
    )
    return [
        Verdict(
            f"each of {due:,} due times has one outcome, {len(record.runs):,} of them a run",
            _all(known, judged, (_order, _gaps, _intervals)),
        ),
        Verdict(
            "no run was made in closed time, or against its rules",
            _all(known, judged, (_closed, _rules)),
        ),
        Verdict(
            "in the end none was left over, and each run has succeeded",
            _all(known, judged, (_rest,)),
        ),
        Verdict("each component came back from its kills", tuple(_lost(record))),
        Verdict("memory, open files and threads are level", tuple(_rising(record))),
    ]


class _Known:
    """What may have been known of calendars, and how late runs were, at any moment."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._versions: dict[str, list[Version]] = defaultdict(list)
        self._looks: dict[str, list[float]] = defaultdict(list)
        self._begun: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for version in sorted(record.versions, key=lambda version: version.at):
            self._versions[version.calendar].append(version)
        for look in sorted(record.looks, key=lambda look: look.at):
            self._looks[look.calendar].append(look.at)
        last, before = Parse(-math.inf, "", ""), -math.inf
        for parse in sorted(record.parses, key=lambda parse: parse.at):
            if parse.file != last.file:
                before = last.at
            self._begun[parse.dag_id].append((parse.at, before))
            last = parse

    def served(self, dag: Dag, calendar: str, since: float, until: float) -> list[Spans]:
        """Return the versions by which decisions on *dag* from *since* to *until* may have gone."""
        parses = self._begun[dag.dag_id]
        index = bisect_right(parses, since, key=lambda parse: parse[0])
        looks, versions = self._looks[calendar], self._versions[calendar]
        looked = bisect_right(looks, parses[index - 1][1]) if index else 0
        first = bisect_right(versions, looks[looked - 1], key=_at) - 1 if looked else 0
        last = bisect_right(versions, until + SOON, key=_at)
        return [version.spans for version in versions[max(first, 0) : max(last, first + 1)]]

    def may_fit(self, dag: Dag, begin: float, end: float, since: float, until: float) -> bool:
        """Tell whether all of ``[begin, end]`` may be open to *dag*."""
        is_open = not dag.windows or any(
            _covers(spans, begin, end) for spans in self.served(dag, dag.windows, since, until)
        )
        return is_open and all(
            any(not _meets(spans, begin, end) for spans in self.served(dag, name, since, until))
            for name in dag.blackouts
        )

    def may_block(self, dag: Dag, begin: float, end: float, since: float, until: float) -> bool:
        """Tell whether some of ``[begin, end]`` may be closed to *dag*."""
        return any(
            _meets(spans, begin, end)
            for name in dag.blackouts
            for spans in self.served(dag, name, since, until)
        ) or (
            bool(dag.windows)
            and any(
                not _covers(spans, begin, end)
                for spans in self.served(dag, dag.windows, since, until)
            )
        )

    def edges(self, dag: Dag, begin: float, end: float, since: float, until: float) -> set[float]:
        """Return when something that *dag* goes by may end or begin in ``[begin, end]``."""
        names = (*dag.blackouts, dag.windows) if dag.windows else dag.blackouts
        return {
            edge
            for name in names
            for spans in self.served(dag, name, since, until)
            for span in spans
            for edge in span
            if begin <= edge <= end
        }

    def late_until(self, due: float) -> float:
        """Return until when runs that should have been made by *due* or soon after were late."""
        return max((made for made in self._late[int(due // 60)] if made > due), default=due)

    @cached_property
    def _late(self) -> dict[int, list[float]]:
        late: dict[int, list[float]] = defaultdict(list)
        for run in self.record.runs:
            if run.created - run.start > SOON:
                for minute in range(int(run.start // 60) - 1, int(run.created // 60) + 1):
                    late[minute].append(run.created)
        return late


# Yields due times that are wrong, each with what was expected.
Rule = Callable[[_Known, Dag, list[Run]], Iterator[tuple[float, str]]]


def _all(
    known: _Known, judged: Iterable[tuple[Dag, list[Run]]], rules: Sequence[Rule]
) -> tuple[str, ...]:
    return tuple(
        f"{dag.dag_id} ({dag.when_blocked}), due {_clock(due)}: {why}"
        for dag, runs in judged
        for rule in rules
        for due, why in rule(known, dag, runs)
    )


def _order(known: _Known, dag: Dag, runs: list[Run]) -> Iterator[tuple[float, str]]:
    for run in runs:
        if run.due % dag.every:
            yield run.due, f"it is not due then, but every {dag.every} s"
    for before, run in pairwise(runs):
        if run.due <= before.due:
            yield run.due, f"expected after the run due {_clock(before.due)}, which was made before"


def _gaps(known: _Known, dag: Dag, runs: list[Run]) -> Iterator[tuple[float, str]]:
    for before, after in pairwise(runs):
        for number in range(1, int((after.due - before.due) // dag.every)):
            due = before.due + number * dag.every
            late = known.late_until(due)
            if dag.never_loses:
                yield due, "expected a run of its own, by its rules"
                continue
            if not dag.catchup and late >= due + dag.every:
                continue
            end = max(due + dag.stagger + dag.duration, late)
            if not known.may_block(dag, due, end, before.created, after.created):
                yield due, "expected a run: no calendar closed that time"


def _intervals(known: _Known, dag: Dag, runs: list[Run]) -> Iterator[tuple[float, str]]:
    if dag.base != "interval" or not dag.catchup:
        return
    for before, run in pairwise(runs):
        early_is_right = dag.when_blocked == "advance"
        if run.begins > before.due or (run.begins < before.due and not early_is_right):
            yield (
                run.due,
                (
                    f"its data interval begins {_clock(run.begins)}, "
                    f"expected {_clock(before.due)}, where the last one ended"
                ),
            )


def _closed(known: _Known, dag: Dag, runs: list[Run]) -> Iterator[tuple[float, str]]:
    if dag.when_blocked == "run":
        return
    for run in runs:
        made = max(run.created, run.start)
        # An advanced run is put at the last second that fits.
        reach = GRACE if dag.when_blocked == "advance" else SOON
        edges = known.edges(dag, made - GRACE, made, run.created, made)
        moments = {made, made - SOON, run.start, run.start // 1, *edges}
        recent = {at for at in moments if made - reach <= at <= made}
        if not any(known.may_fit(dag, at, at, run.created, made) for at in recent):
            yield run.due, f"to start at {_clock(made)}, when time was closed"
        elif dag.duration and not any(
            known.may_fit(dag, at, at + dag.duration, run.created, made)
            for at in moments
            if made - GRACE - SOON <= at <= made
        ):
            yield run.due, f"to start at {_clock(made)}, when {dag.duration} s did not fit"


def _rules(known: _Known, dag: Dag, runs: list[Run]) -> Iterator[tuple[float, str]]:
    for run in runs:
        if run.begun is not None and run.begun < run.start - 1:
            yield run.due, f"begun at {_clock(run.begun)}, before its start {_clock(run.start)}"
        moved = run.start - run.due
        if moved < 0 and dag.when_blocked != "advance":
            yield run.due, f"starts {-moved:.0f} s before it is due"
        if moved > dag.stagger and dag.when_blocked in ("skip", "run"):
            yield run.due, f"starts {moved:.0f} s after it is due, expected {dag.stagger} s at most"
        if -moved > dag.max_delay:
            yield run.due, f"starts {-moved:.0f} s early, expected {dag.max_delay} s at most"


def _rest(known: _Known, dag: Dag, runs: list[Run]) -> Iterator[tuple[float, str]]:
    opened = known.record.opened
    first = opened - opened % dag.every + dag.every
    if first < known.record.ended - dag.every - dag.stagger and (not runs or runs[-1].due < first):
        yield (
            first,
            "expected a run, as all was open; the last one was due "
            + (_clock(runs[-1].due) if runs else "never"),
        )
    for run in runs:
        if run.state != "success" and run.created < opened:
            yield run.due, f"its run is {run.state}"


def _lost(record: Record) -> Iterator[str]:
    states: dict[str, str] = {}
    for event in record.events:
        states[event.component] = event.what
        if event.what == "ended":
            yield f"{event.component} ended on its own at {_clock(event.at)}"
    for component, what in states.items():
        if what != "started":
            yield f"{component} was not started again"


def _rising(record: Record) -> Iterator[str]:
    by_component: dict[str, list[Sample]] = defaultdict(list)
    for sample in record.samples:
        if sample.at >= record.quiet:
            by_component[sample.component].append(sample)
    for component, samples in by_component.items():
        for measure, (share, more) in LEVEL.items():
            values = [(sample.at, float(getattr(sample, measure))) for sample in samples]
            rise, usual = rise_of(values), statistics.median(value for _, value in values)
            if rise > share * usual + more:
                yield f"{component}: {measure} rises by {rise:.0f} from about {usual:.0f}"


def rise_of(values: Sequence[tuple[float, float]]) -> float:
    """Return by how much the median of all slopes between two values rises from first to last."""
    slopes = [
        (after - before) / (later - at)
        for number, (at, before) in enumerate(values)
        for later, after in values[number + 1 :]
        if later > at
    ]
    return statistics.median(slopes) * (values[-1][0] - values[0][0]) if slopes else 0.0


def _at(version: Version) -> float:
    return version.at


def _meets(spans: Spans, begin: float, end: float) -> bool:
    """Tell whether a span has some of ``[begin, end)``, or *begin* itself."""
    return any(first < max(end, begin + 1e-6) and last > begin for first, last in spans)


def _covers(spans: Spans, begin: float, end: float) -> bool:
    """Tell whether *spans*, in order, have all of ``[begin, end)``, and *begin* itself."""
    for first, last in spans:
        if first <= begin < last:
            begin = last
            if begin >= end:
                return True
    return False


def _clock(at: float) -> str:
    return f"{int(at // 3600 % 24):02}:{int(at // 60 % 60):02}:{at % 60:02.0f}"

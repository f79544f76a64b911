"""Windows and blackouts as spans, each once, however many DAGs use it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import accumulate
from typing import Literal, NamedTuple

from sqlalchemy.orm import Session

from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY, members
from calendar_timetable.planning.time_sets import CalendarSpans, TimeSet, leaves
from calendar_timetable.runs import database, time_budget
from calendar_timetable.runs.stored_schedules import read_schedules
from calendar_timetable.web import models

_AROUND = 7 * DAY  # seconds, so that spans which reach past the range are shown whole
_Kind = Literal["window", "blackout"]


class _Span(NamedTuple):
    start: int
    end: int
    kind: _Kind
    label: str
    title: str | None
    zone: str | None


def spans(
    session: Session,
    readable: Collection[str],
    since: float,
    until: float,
    *,
    limit: int,
    offset: int,
) -> models.TimeSpans:
    """Return what closes and opens time for the *readable* DAGs in ``[since, until)``.

    Both are in epoch seconds. Of a calendar there are only the parts that matter to some due time
    of a DAG: nothing more travels in the DAG.
    """
    dag_ids = [dag.dag_id for dag in database.read_dags(session, readable)]
    shared: dict[tuple[_Kind, TimeSet], set[str]] = defaultdict(set)
    for dag_id, schedule in read_schedules(session, dag_ids).items():
        if schedule.compiled is not None:
            sets: tuple[tuple[_Kind, TimeSet | None], ...]
            sets = ("window", schedule.compiled.windows), ("blackout", schedule.compiled.blackouts)
            for kind, timeset in sets:
                for member in members(timeset):
                    shared[kind, member].add(dag_id)
    users: dict[_Span, set[str]] = defaultdict(set)
    cut = False
    for (kind, member), ids in shared.items():
        if cut := time_budget.spent():
            break
        for span in _spans(kind, member, int(since) - _AROUND, -int(-until // 1) + _AROUND):
            if span.start < until and span.end > since:
                users[span] |= ids
    # Neither a title nor a zone can be compared with none.
    ordered = sorted(users, key=lambda span: (*span[:4], span.title or "", span.zone or ""))
    page = ordered[offset : offset + limit]
    return models.TimeSpans(
        spans=[
            models.TimeSpan(
                kind=span.kind,
                label=span.label,
                start=zones.to_datetime(span.start),
                end=zones.to_datetime(span.end),
                title=span.title,
                zone=span.zone,
                dag_ids=sorted(users[span]),
            )
            for span in page
        ],
        total_entries=len(ordered),
        truncated=cut or offset + len(page) < len(ordered),
    )


def _spans(kind: _Kind, member: TimeSet, since: int, until: int) -> Iterator[_Span]:
    titles = member.titles if isinstance(member, CalendarSpans) else ()
    zone = next(
        (zone for leaf in leaves(member) if (zone := getattr(leaf, "timezone", None))), None
    )
    titled = sorted(t for t in titles if t[0] < until and t[1] > since)
    for start, end, title in titled:
        yield _Span(start, end, kind, str(member), title, zone)
    lows, highs = (
        [low for low, _, _ in titled],
        list(accumulate((high for _, high, _ in titled), max)),
    )
    for start, end in member.cover(since, until):
        before = bisect_right(lows, start)
        # No event with a title covers all of this span.
        if not before or highs[before - 1] < end:
            yield _Span(start, end, kind, str(member), None, zone)

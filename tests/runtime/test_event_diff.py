"""What a watcher tells, look by look.

A table of edits, and a random calendar against a plain model.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calendar_timetable.calendars.occurrences import Occurrence
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.time_sets import TimeRange
from calendar_timetable.runtime import event_diff
from calendar_timetable.runtime.event_diff import CalendarSnapshot, WatchState
from tests.support.effort import tries

NOW = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp())
HOUR = 3600
STRETCH = TimeRange(NOW - 30 * DAY, NOW + 366 * DAY)


def occurrence(
    uid: str,
    hours: float,
    *,
    length: float = 1,
    status: str = "confirmed",
    summary: str = "Retrain",
) -> Occurrence:
    start = datetime.fromtimestamp(NOW + hours * HOUR, UTC)
    return Occurrence(
        uid,
        summary,
        start,
        start + timedelta(hours=length),
        False,
        status != "cancelled",
        status,
        ("Ops",),
    )


def invited(uid: str, hours: float) -> Occurrence:
    """Return the same event as in the collection of somebody who was invited."""
    return replace(occurrence(uid, hours), attendees=frozenset(("bob@example.com",)))


def looked(
    *events: Occurrence,
    at: float = NOW,
    puzzling: frozenset[str] = frozenset(),
    partial: frozenset[str] = frozenset(),
) -> CalendarSnapshot:
    in_order = tuple(sorted(events, key=lambda event: event.start))
    return CalendarSnapshot(at, STRETCH, in_order, puzzling, partial)


def told(before: CalendarSnapshot, after: CalendarSnapshot) -> list[str]:
    memory = event_diff.begin(before, before.events, edits=True)
    memory = WatchState.unpack(memory.pack())
    happenings, memory = event_diff.edits(memory, after, after.events)
    again, _ = event_diff.edits(WatchState.unpack(memory.pack()), after, after.events)
    assert not again, "told once"
    return [f"{happening.kind} {happening.uid}" for happening in happenings]


WEEKLY = [occurrence("weekly", day * 24) for day in (-7, 0, 7, 14, 21)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (looked(), looked(), []),
        (looked(), looked(occurrence("a", 5)), ["created a"]),
        (looked(), looked(*WEEKLY), ["created weekly"]),
        (looked(occurrence("a", 5)), looked(occurrence("a", 6)), ["changed a"]),
        (
            looked(occurrence("a", 5)),
            looked(occurrence("a", 5, summary="Retrain GPT")),
            ["changed a"],
        ),
        (looked(occurrence("a", 5)), looked(), ["cancelled a"]),
        (
            looked(occurrence("a", 5)),
            looked(occurrence("a", 5, status="cancelled")),
            ["cancelled a"],
        ),
        (looked(occurrence("a", 5, status="cancelled")), looked(), []),
        (looked(occurrence("a", 5, status="cancelled")), looked(occurrence("a", 5)), ["changed a"]),
        (looked(), looked(occurrence("a", 5, status="cancelled")), []),
        (looked(*WEEKLY), looked(*WEEKLY[:-1]), ["changed weekly"]),
        (looked(*WEEKLY), looked(), ["cancelled weekly"]),
        (looked(occurrence("a", -5)), looked(), []),  # the past may be tidied up
        (looked(occurrence("a", -0.5)), looked(), ["cancelled a"]),  # it is on
        (looked(occurrence("a", 5)), looked(puzzling=frozenset("a")), []),
        # Only a part of it is not understood, such as one of its dates
        (
            looked(occurrence("a", 5)),
            looked(occurrence("a", 6), partial=frozenset("a")),
            ["changed a"],
        ),
        (
            looked(*WEEKLY),
            looked(*WEEKLY[:-1], partial=frozenset(("weekly",))),
            ["changed weekly"],
        ),
        # In two collections, which may say different things of it
        (looked(occurrence("a", 5)), looked(occurrence("a", 5), invited("a", 5)), []),
        (looked(occurrence("a", 5), invited("a", 5)), looked(invited("a", 5)), []),
        (looked(occurrence("a", 5), invited("a", 5)), looked(), ["cancelled a"]),
        (
            looked(occurrence("a", 5)),
            looked(occurrence("a", 5), occurrence("a", 5, status="cancelled")),
            ["changed a"],
        ),
        (
            looked(occurrence("a", 5), occurrence("a", 5, status="cancelled")),
            looked(occurrence("a", 5, status="cancelled")),
            ["cancelled a"],
        ),
        (
            looked(occurrence("b", 9)),
            looked(occurrence("c", 1), occurrence("a", 5)),
            ["created c", "created a", "cancelled b"],
        ),
        # Time goes by
        (looked(occurrence("a", 5)), looked(occurrence("a", 5), at=NOW + 400 * HOUR), []),
        (looked(*WEEKLY), looked(*WEEKLY, at=NOW + 400 * HOUR), []),
    ],
)
def test_edits(before: CalendarSnapshot, after: CalendarSnapshot, expected: list[str]) -> None:
    assert told(before, after) == expected


def test_a_stretch_that_moves_on_is_no_edit() -> None:
    """A series has more occurrences in sight every week.

    What comes into sight by itself was never told of.
    """
    before = looked(*WEEKLY)
    later = replace(looked(*WEEKLY, occurrence("weekly", 400 * 24), at=NOW + 14 * DAY))
    moved = replace(later, stretch=TimeRange(STRETCH.start + 14 * DAY, STRETCH.end + 60 * DAY))
    far = replace(moved, events=(*moved.events, occurrence("far", 410 * 24)))

    assert told(before, moved) == []
    assert told(before, far) == ["created far"]


def test_payloads() -> None:
    before, after = looked(occurrence("a", 5)), looked(occurrence("a", 7, length=2))
    (changed,), memory = event_diff.edits(
        event_diff.begin(before, before.events, edits=True), after, after.events
    )
    assert changed.payload() == {
        "event": "changed",
        "uid": "a",
        "start": "2026-03-02T19:00:00Z",
        "end": "2026-03-02T21:00:00Z",
        "all_day": False,
        "status": "confirmed",
        "categories": ["Ops"],
        "title": "Retrain",
        "was_start": "2026-03-02T17:00:00Z",
        "was_end": "2026-03-02T18:00:00Z",
    }
    (gone,), _ = event_diff.edits(memory, looked(), ())
    assert gone.payload() == {
        "event": "cancelled",
        "uid": "a",
        "start": "2026-03-02T19:00:00Z",
        "end": "2026-03-02T21:00:00Z",
        "all_day": False,
        "status": "cancelled",
        "categories": ["Ops"],
    }


class Looker:
    """Looks at times of day, forgetting everything but the memory in between."""

    def __init__(self, *kinds: event_diff.Kind, before: int = 0) -> None:
        self.kinds, self.before = frozenset(kinds), before
        self.memory = event_diff.begin(looked(), (), edits=False)
        self.coming: float | None = None

    def look(self, hours: float, *events: Occurrence) -> list[str]:
        at = NOW + hours * HOUR
        found, self.memory, self.coming = event_diff.moments(
            self.memory, events, at, self.kinds, self.before
        )
        self.memory = WatchState.unpack(self.memory.pack())
        return [f"{happening.kind} {happening.uid}" for happening in found]


def test_starts_and_ends() -> None:
    looker = Looker("starts", "ends")
    events = [
        occurrence("a", 1),
        occurrence("b", 1.5, length=3),
        occurrence("c", 2, status="cancelled"),
        occurrence("old", -3),
    ]

    assert looker.look(0, *events) == []
    assert looker.coming == NOW + HOUR
    assert looker.look(1, *events) == ["starts a"]
    assert looker.look(1.2, *events) == []
    assert looker.look(2, *events) == ["starts b", "ends a"]
    assert looker.look(2.1, *events, occurrence("late", 0.5)) == ["starts late", "ends late"], (
        "entered after its start"
    )
    assert looker.look(100, *events) == ["ends b"], "no triggerer ran for days"
    assert looker.coming is None


def test_an_event_of_two_collections_starts_once_and_until_both_have_cancelled_it() -> None:
    looker = Looker("starts")
    alive, gone = occurrence("a", 1), occurrence("a", 1, status="cancelled")
    assert looker.look(0, alive, gone) == []
    assert looker.coming == NOW + HOUR
    assert looker.look(0.5, gone, gone) == []
    assert looker.coming is None
    assert looker.look(1, gone, invited("a", 1), alive) == ["starts a"]
    assert looker.look(1.1, alive, invited("a", 1)) == []


def test_soon() -> None:
    looker = Looker("soon", before=HOUR // 2)
    assert looker.look(0.4, occurrence("a", 1)) == []
    assert looker.coming == NOW + HOUR / 2
    assert looker.look(0.5, occurrence("a", 1)) == ["soon a"]
    assert looker.look(0.6, occurrence("a", 2)) == [], "moved"
    assert looker.look(1.5, occurrence("a", 2)) == ["soon a"]


def test_what_is_settled_is_forgotten_and_stays_told() -> None:
    looker = Looker("starts")
    assert looker.look(1, occurrence("a", 1), occurrence("b", 0.5)) == ["starts b", "starts a"]
    looker.memory = event_diff.settle(looker.memory, NOW + 0.7 * HOUR)
    assert len(looker.memory.told) == 1
    assert looker.look(1.1, occurrence("a", 1), occurrence("b", 0.5)) == []
    assert event_diff.settle(looker.memory, NOW) == looker.memory


uids = st.sampled_from("abcd")
calendars = st.dictionaries(
    uids, st.tuples(st.integers(1, 50), st.sampled_from(["confirmed", "cancelled"])), max_size=4
)


@settings(max_examples=tries(200), deadline=None)
@given(st.lists(calendars, min_size=2, max_size=6))
def test_against_a_plain_model(looks: list[dict[str, tuple[int, str]]]) -> None:
    """Whatever is edited and however often, the told edits lead from one calendar to the next.

    After each look they lead from the last calendar to this one.
    """
    readings = [
        looked(*(occurrence(uid, h, status=s) for uid, (h, s) in look.items())) for look in looks
    ]
    memory = event_diff.begin(readings[0], readings[0].events, edits=True)
    for last, new, reading in zip(looks, looks[1:], readings[1:], strict=False):
        found, memory = event_diff.edits(WatchState.unpack(memory.pack()), reading, reading.events)
        expected = set()
        for uid in last.keys() | new.keys():
            was, now = last.get(uid), new.get(uid)
            alive, lives = (
                was is not None and was[1] == "confirmed",
                now is not None and now[1] == "confirmed",
            )
            if was == now or not (alive or lives or (was and now)):
                continue
            expected.add(
                (
                    uid,
                    "created" if was is None else "cancelled" if alive and not lives else "changed",
                )
            )
        assert {(happening.uid, happening.kind) for happening in found} == expected


def test_a_memory_of_a_newer_version_is_refused() -> None:
    packed = event_diff.begin(looked(), (), edits=False).pack()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_diff, "VERSION", 2)
        with pytest.raises(ValueError, match="newer airflow-calendar-timetable"):
            WatchState.unpack(packed)


def test_a_thousand_events_fit_the_state_store() -> None:
    """Airflow warns of values over 64 KiB (``[state_store] max_value_storage_bytes``)."""
    reading = looked(
        *(
            occurrence(f"{n:08x}-4a5b-6c7d-8e9f-0123456789ab@google.com", n / 10 + 1)
            for n in range(1000)
        )
    )

    assert len(event_diff.begin(reading, reading.events, edits=True).pack()) < 65_536

"""Publishing removes no more than half of what is there unless told to.

A look changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from calendar_timetable.publishing.target import (
    DesiredEvent,
    ExistingEvent,
    Mode,
    Planned,
    PublishResult,
    Shown,
    publish,
)


class Board:
    """A calendar in memory, with an event for each of *starts*."""

    def __init__(self, starts: Iterable[int]) -> None:
        self.events = {f"run-{start}": start for start in starts}

    def existing_events(self) -> Iterable[ExistingEvent]:
        return [
            ExistingEvent(uid, "same", start, uid, "etag") for uid, start in self.events.items()
        ]

    def shown_of(self, event: DesiredEvent) -> Shown | None:
        return None

    def write(self, event: DesiredEvent, kept: ExistingEvent | None) -> bool:
        self.events[event.uid] = 1_000
        return True

    def remove(self, kept: ExistingEvent) -> bool:
        del self.events[kept.uid]
        return True


def wanted(starts: Iterable[int]) -> list[DesiredEvent]:
    return [DesiredEvent(f"run-{start}", "same", "") for start in starts]


@pytest.mark.parametrize(
    ("there", "wanted_now", "mode", "done"),
    [
        (range(40), range(20), "write", PublishResult(removed=20, unchanged=20)),
        (range(40), range(19), "write", PublishResult(refused=21, unchanged=19)),
        (range(40), range(19), "force", PublishResult(removed=21, unchanged=19)),
        (range(10), (), "write", PublishResult(removed=10)),
        (range(11), (), "write", PublishResult(refused=11)),
        (range(-100, 12), (), "write", PublishResult(refused=12)),
        (
            range(3),
            (1, 7),
            "look",
            PublishResult(unchanged=1, to_write=["run-7"], to_remove=[0, 2]),
        ),
    ],
)
def test_what_is_removed(
    there: Iterable[int], wanted_now: Iterable[int], mode: Mode, done: PublishResult
) -> None:
    board = Board(there)
    before = dict(board.events)
    assert publish(board, wanted(wanted_now), Planned(0), mode) == done
    if done.refused or mode == "look":
        assert board.events == before


def test_nothing_is_removed_past_what_is_planned_whole() -> None:
    board = Board(range(-5, 9))
    assert publish(board, wanted([1]), Planned(0, 4)) == PublishResult(removed=3, unchanged=1)
    assert sorted(board.events.values()) == [-5, -4, -3, -2, -1, 1, 4, 5, 6, 7, 8]
    assert publish(board, (), Planned(0, 0)) == PublishResult()
    assert publish(Board(range(40)), (), Planned(0, 11)) == PublishResult(refused=11)

"""Two plans compared, run by run."""

from __future__ import annotations

from calendar_timetable.planning.plan import Outcome, PlacedTick, Tick
from calendar_timetable.planning.plan_diff import changes, changes_ahead


def placed(
    due: float, start: float | None, outcome: Outcome = "on_time", survivor: float | None = None
) -> PlacedTick:
    return PlacedTick(Tick(due, due, due), start, outcome, survivor=survivor)


def kinds(before: list[PlacedTick], after: list[PlacedTick]) -> dict[float, str]:
    return {change.due: change.kind for change in changes(before, after)}


def test_a_run_is_known_by_its_due_time() -> None:
    before = [placed(1, 1), placed(2, 2), placed(3, None, "skipped"), placed(4, 4), placed(5, 5)]
    after = [placed(1, 1), placed(2, 6, "postponed"), placed(3, 3), placed(5, 5), placed(7, 7)]
    assert kinds(before, after) == {2: "moves", 3: "appears", 4: "vanishes", 7: "appears"}
    assert kinds(after, before) == {2: "moves", 3: "vanishes", 4: "appears", 7: "vanishes"}
    assert not kinds(before, before)


def test_a_run_that_another_covers_is_combined_not_lost() -> None:
    before = [placed(1, 1), placed(2, 2)]
    after = [placed(1, None, "coalesced", survivor=2), placed(2, 9, "postponed")]
    assert kinds(before, after) == {1: "combined", 2: "moves"}
    assert kinds(after, before) == {1: "appears", 2: "moves"}


def test_what_does_not_run_either_way_is_no_change() -> None:
    skipped, covered = placed(1, None, "skipped"), placed(1, None, "coalesced", survivor=2)
    assert not kinds([skipped], [covered])
    assert not kinds([skipped], [])
    assert kinds([placed(1, 1)], [placed(1, 1, "forced")]) == {}


def test_only_what_had_not_begun_can_still_move() -> None:
    begun, waiting, ahead = placed(1, 1), placed(2, 20, "postponed"), placed(15, 15)
    after = [placed(1, 30, "postponed"), placed(2, 30, "postponed"), placed(15, 30, "postponed")]
    found = changes_ahead([begun, waiting, ahead], after, 10)
    assert [change.due for change in found] == [2, 15]


def test_what_waits_combined_may_still_run_by_itself() -> None:
    covered, survivor = placed(2, None, "coalesced", survivor=12), placed(12, 20, "postponed")
    after = [placed(2, 11, "postponed"), placed(12, 12)]
    found = changes_ahead([covered, survivor], after, 10)
    assert [(change.kind, change.due) for change in found] == [("appears", 2), ("moves", 12)]
    assert not changes_ahead([covered, survivor], after, 20)


def test_a_due_time_that_has_passed_does_not_come_back() -> None:
    assert not changes_ahead([placed(2, None, "skipped")], [placed(2, 30, "postponed")], 10)
    assert not changes_ahead([], [placed(2, 30, "postponed")], 10)
    (change,) = changes_ahead([], [placed(12, 30, "postponed")], 10)
    assert change.kind == "appears"

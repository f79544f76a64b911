"""The algebra of spans against plain sets of seconds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calendar_timetable.planning.spans import FEW, Packed, Span, Spans

LOW, HIGH = -5, 65  # every drawn span lies well inside; the model knows only these seconds

pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6)
instants = st.integers(LOW, HIGH)
durations = st.integers(0, 12)


def model(drawn: list[tuple[int, int]]) -> set[int]:
    seconds: set[int] = set()
    for start, end in drawn:
        seconds |= set(range(start, end))
    return seconds


def held(spans: Spans) -> set[int]:
    return {second for second in range(LOW - 20, HIGH + 20) if second in spans}


def model_fits(seconds: set[int], start: int, duration: int) -> bool:
    return all(second in seconds for second in range(start, start + max(duration, 1)))


@given(pairs)
def test_spans_are_disjoint_sorted_and_hold_what_was_given(drawn: list[tuple[int, int]]) -> None:
    spans = Spans(drawn)

    assert held(spans) == model(drawn)
    assert all(start < end for start, end in spans)
    assert all(first[1] < second[0] for first, second in pairwise(spans)), "touching spans are one"
    assert bool(spans) == (len(spans) > 0) == bool(model(drawn))


@given(pairs, pairs)
def test_union_intersection_and_difference(
    a: list[tuple[int, int]], b: list[tuple[int, int]]
) -> None:
    assert held(Spans(a) | Spans(b)) == model(a) | model(b)
    assert held(Spans(a) & Spans(b)) == model(a) & model(b)
    assert held(Spans(a) - Spans(b)) == model(a) - model(b)


@given(pairs, pairs)
def test_results_are_in_the_one_form_that_a_set_of_seconds_has(
    a: list[tuple[int, int]], b: list[tuple[int, int]]
) -> None:
    for spans in (
        Spans(a) | Spans(b),
        Spans(a) & Spans(b),
        Spans(a) - Spans(b),
        Spans(a).complement(LOW, HIGH),
    ):
        seconds = [(second, second + 1) for second in held(spans)]
        assert spans == Spans(seconds)
        assert hash(spans) == hash(Spans(seconds))


@given(pairs, instants, instants)
def test_complement_and_clip(drawn: list[tuple[int, int]], start: int, end: int) -> None:
    inside = set(range(start, end))

    assert held(Spans(drawn).clip(start, end)) == model(drawn) & inside
    if start <= end:
        assert held(Spans(drawn).complement(start, end)) == inside - model(drawn)


@given(pairs, instants)
def test_lookups(drawn: list[tuple[int, int]], instant: int) -> None:
    spans, seconds = Spans(drawn), model(drawn)
    outside_after = [s for s in range(instant, HIGH + 1) if s not in seconds]
    starts_after = [
        s for s in range(instant + 1, HIGH + 1) if s in seconds and s - 1 not in seconds
    ]

    assert spans.end_of_span(instant) == (outside_after[0] if instant in seconds else None)
    assert spans.next_start(instant) == (starts_after[0] if starts_after else None)


@given(pairs, instants, durations)
def test_where_a_run_fits(drawn: list[tuple[int, int]], instant: int, duration: int) -> None:
    spans, seconds = Spans(drawn), model(drawn)
    later = [s for s in range(instant, HIGH + 1) if model_fits(seconds, s, duration)]
    earlier = [s for s in range(LOW, instant) if model_fits(seconds, s, duration)]

    assert spans.fits(instant, duration) == model_fits(seconds, instant, duration)
    assert spans.next_fit(instant, duration) == (later[0] if later else None)
    assert spans.previous_fit(instant, duration) == (earlier[-1] if earlier else None)
    if model_fits(seconds, instant, duration):
        unbroken = instant
        while model_fits(seconds, unbroken + 1, duration):
            unbroken += 1
        assert spans.last_fit(instant, duration) == unbroken


@given(pairs)
def test_deltas_go_through_json_and_back(drawn: list[tuple[int, int]]) -> None:
    spans = Spans(drawn)

    assert Spans.from_deltas(json.loads(json.dumps(spans.deltas()))) == spans


@given(pairs, pairs)
def test_later_spans_are_joined_on(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    later = Spans((start + 60, end + 60) for start, end in b)

    assert Spans.joined((Spans(a), later)) == Spans(a) | later


@st.composite
def many_bounds(draw: st.DrawFn) -> list[int]:
    unit, dice = draw(st.sampled_from((1, 7, 60, 900))), draw(st.randoms(use_true_random=False))
    steps = [dice.randint(1, 400) for _ in range(2 * dice.randint(65, 90))]
    first = draw(st.integers(0, 2_000_000_000))
    return [first + unit * total for total in accumulate(steps)]


@given(st.data(), many_bounds())
def test_packed_bounds_are_those_packed(data: st.DataObject, bounds: list[int]) -> None:
    plain, packed = Spans.of(bounds), Spans.of(bounds).packed()
    assert packed is not None
    spans = Spans.from_packed(Packed(*json.loads(json.dumps(packed.to_json()))))
    instants = st.sampled_from(bounds).flatmap(lambda bound: st.integers(bound - 5, bound + 5))
    start, end = data.draw(instants), data.draw(instants)
    stretch = slice(*sorted((data.draw(st.integers(-200, 200)), data.draw(st.integers(-200, 200)))))

    assert (spans, hash(spans), len(spans), list(spans)) == (
        plain,
        hash(plain),
        len(plain),
        list(plain),
    )
    assert spans.clip(start, end) == plain.clip(start, end)
    assert (start in spans, spans.next_start(start)) == (start in plain, plain.next_start(start))
    assert spans.bounds[stretch] == plain.bounds[stretch]
    assert spans.bounds[::-3] == plain.bounds[::-3]
    assert (spans.bounds[0], spans.bounds[-1]) == (bounds[0], bounds[-1])
    for outside in (len(bounds), -len(bounds) - 1):
        with pytest.raises(IndexError):
            spans.bounds[outside]


def test_bounds_that_are_few_or_too_far_apart_are_not_packed() -> None:
    reach = 2**24
    near = [*range(128), reach - 1]

    assert Packed.of(range(FEW)) is None
    assert Packed.of(near) is not None
    assert list(Packed.of(near) or ()) == near
    assert Packed.of([*range(128), reach]) is None
    assert Packed.of([60 * bound for bound in near]) is not None, "whole minutes reach further"


def test_public_spans_are_aware_half_open_and_named() -> None:
    day = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
    (span,) = Spans([(day, day + 60), (day + 60, day + 3600)]).public()

    assert span == Span(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, 1, tzinfo=UTC))
    assert (span.start, span.end) == tuple(span)
    assert span.start.tzinfo is UTC


@pytest.mark.parametrize(
    ("instant", "inside"), [(9, False), (10, True), (19, True), (19.999, True), (20, False)]
)
def test_spans_are_half_open(instant: float, inside: bool) -> None:
    assert (instant in Spans([(10, 20)])) is inside


@pytest.mark.parametrize(
    ("start", "duration", "fits"),
    [
        (10, 10, True),
        (10, 11, False),
        (10.5, 10, False),
        (10.5, 9, True),
        (20, 0, False),
        (19.5, 0, True),
    ],
)
def test_a_run_must_end_by_the_end_of_its_span(start: float, duration: int, fits: bool) -> None:
    assert Spans([(10, 20)]).fits(start, duration) is fits


def test_the_empty_set_has_no_answers() -> None:
    empty = Spans()

    assert not empty
    assert list(empty) == []
    assert empty.next_fit(0, 0) is None
    assert empty.previous_fit(0, 0) is None
    assert empty.next_start(0) is None
    assert empty.public() == []
    assert empty.complement(3, 5) == Spans([(3, 5)])
    assert empty != "spans"

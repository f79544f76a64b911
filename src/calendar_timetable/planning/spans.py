"""The algebra of half-open spans, on sorted integer seconds, which may be packed as text."""

from __future__ import annotations

import struct
from binascii import a2b_base64, b2a_base64
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from math import gcd
from operator import sub
from typing import Any, NamedTuple, overload

from calendar_timetable.planning.zones import to_datetime

_DIGITS = 4  # base64 characters of one bound, which are three bytes
_BOUND_LIMIT = 1 << 24  # what three bytes hold
FEW = 128  # bounds that stay a list: it is short, and can be read by people


class Span(NamedTuple):
    """One half-open interval ``[start, end)``; both are UTC-aware datetimes."""

    start: datetime
    end: datetime


class Spans:
    """An immutable set of instants: disjoint, sorted spans in epoch seconds.

    ``bounds`` holds start, end, start, end …, strictly increasing: a lookup is one bisection, and
    an instant lies inside exactly when an odd number of bounds is at or before it.
    """

    __slots__ = ("_deltas", "_long", "bounds")

    bounds: Sequence[int]
    _deltas: Sequence[int]
    _long: tuple[int, Sequence[int]]

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        merged: list[int] = []
        for start, end in sorted(pairs):
            if start >= end:
                continue
            if merged and start <= merged[-1]:
                merged[-1] = max(merged[-1], end)
            else:
                merged += (start, end)
        self.bounds = tuple(merged)

    @classmethod
    def of(cls, bounds: Sequence[int]) -> Spans:
        """Return the spans with these *bounds*, which must already be strictly increasing."""
        spans = cls.__new__(cls)
        spans.bounds = tuple(bounds)
        return spans

    @classmethod
    def joined(cls, parts: Iterable[Spans]) -> Spans:
        """Return the union of *parts*.

        Each must begin where the one before it ends, or after.
        """
        bounds: list[int] = []
        for part in parts:
            if bounds and part and bounds[-1] == part.bounds[0]:
                bounds.pop()
                bounds += part.bounds[1:]
            else:
                bounds += part.bounds
        return cls.of(bounds)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.bounds[::2], self.bounds[1::2], strict=True)

    def __len__(self) -> int:
        return len(self.bounds) // 2

    def __bool__(self) -> bool:
        return bool(self.bounds)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spans) and tuple(self.bounds) == tuple(other.bounds)

    def __hash__(self) -> int:
        return hash(tuple(self.bounds))

    def __repr__(self) -> str:
        return f"Spans({list(self)})"

    def __contains__(self, instant: float) -> bool:
        return bisect_right(self.bounds, instant) % 2 == 1

    def __or__(self, other: Spans) -> Spans:
        return Spans((*self, *other))

    def __and__(self, other: Spans) -> Spans:
        few, many = sorted((self, other), key=len)
        return Spans.of(few._where(many, inside=True))

    def __sub__(self, other: Spans) -> Spans:
        if not self or not other:
            return self
        if len(self) > len(other):
            return self & other.complement(self.bounds[0], self.bounds[-1])
        return Spans.of(self._where(other, inside=False))

    def _where(self, other: Spans, *, inside: bool) -> list[int]:
        """Return the bounds of the part of this set that is inside of *other*, or outside.

        Fastest where *other* has more spans than this set.
        """
        many = tuple(other.bounds)
        bounds: list[int] = []
        high = 0
        for start, end in self:
            low = bisect_right(many, start, high)
            high = bisect_left(many, end, low)
            if low % 2 == inside:
                bounds.append(start)
            bounds += many[low:high]
            if high % 2 == inside:
                bounds.append(end)
        return bounds

    def complement(self, start: int, end: int) -> Spans:
        """Return all of ``[start, end)`` that is not in this set."""
        inner = self.clip(start, end).bounds
        if start >= end or inner == (start, end):
            return Spans()
        low, high = bool(inner) and inner[0] == start, bool(inner) and inner[-1] == end
        return Spans.of(
            (*(() if low else (start,)), *inner[low : len(inner) - high], *(() if high else (end,)))
        )

    def clip(self, start: int, end: int) -> Spans:
        """Return the part of this set inside ``[start, end)``."""
        if start >= end:
            return Spans()
        low, high = bisect_right(self.bounds, start), bisect_left(self.bounds, end)
        return Spans.of(
            (*((start,) if low % 2 else ()), *self.bounds[low:high], *((end,) if high % 2 else ()))
        )

    def end_of_span(self, instant: float) -> int | None:
        """Return the end of the span that holds *instant*; ``None`` outside of every span."""
        index = bisect_right(self.bounds, instant)
        return self.bounds[index] if index % 2 else None

    def start_of_span(self, instant: float) -> int | None:
        """Return the start of the span that holds *instant*; ``None`` outside of every span."""
        index = bisect_right(self.bounds, instant)
        return self.bounds[index - 1] if index % 2 else None

    def next_start(self, instant: float) -> int | None:
        """Return the start of the first span that begins after *instant*, or ``None``."""
        index = bisect_right(self.bounds, instant)
        index += index % 2
        return self.bounds[index] if index < len(self.bounds) else None

    def fits(self, instant: float, duration: int) -> bool:
        """Tell whether ``[instant, instant + duration)`` lies inside.

        With a *duration* of zero, whether *instant* itself does.
        """
        index = bisect_right(self.bounds, instant)
        return index % 2 == 1 and instant + duration <= self.bounds[index]

    def next_fit(self, instant: float, duration: int) -> float | None:
        """Return the earliest time at or after *instant* at which *duration* fits, or ``None``."""
        bounds = self.bounds
        index = bisect_right(bounds, instant)
        if index % 2:
            if instant + duration <= bounds[index]:
                return instant
            index += 1
        if index == len(bounds):
            return None
        if bounds[index] + duration <= bounds[index + 1]:
            return bounds[index]
        long = self._bounds_of_long(duration)
        index = bisect_left(long, bounds[index])
        return long[index] if index < len(long) else None

    def previous_fit(self, instant: float, duration: int) -> int | None:
        """Return the latest whole second before *instant* at which *duration* fits, or ``None``."""
        bounds, duration = self.bounds, max(duration, 1)
        index = (bisect_left(bounds, instant) - 1) // 2 * 2
        if index < 0:
            return None
        # The last whole second before it.
        last_start = -(-instant // 1) - 1
        candidate = min(int(last_start), bounds[index + 1] - duration)
        if candidate >= bounds[index]:
            return candidate
        long = self._bounds_of_long(duration)
        index = bisect_left(long, bounds[index])
        return long[index - 1] - duration if index else None

    def _bounds_of_long(self, duration: int) -> Sequence[int]:
        """Return the bounds of the spans that hold *duration*.

        Remembered: there may be many that do not, and a search must not look at each for each tick.
        """
        try:
            known, bounds = self._long
        except AttributeError:
            known, bounds = -1, ()
        if known != duration:
            long = ((start, end) for start, end in self if end - start >= duration)
            bounds = tuple(bound for span in long for bound in span)
            self._long = duration, bounds
        return bounds

    def last_fit(self, instant: float, duration: int) -> int:
        """Return the last whole second at which *duration* fits in the span that holds *instant*.

        *instant* must be in a span.
        """
        end = self.end_of_span(instant)
        assert end is not None, "only asked where a run fits"
        return end - max(duration, 1)

    def deltas(self) -> list[int]:
        """Return the bounds as a first instant and then differences, which is short in JSON."""
        return [*self.bounds[:1], *map(sub, self.bounds[1:], self.bounds)]

    @classmethod
    def from_deltas(cls, deltas: Sequence[int]) -> Spans:
        """Return the spans whose :meth:`deltas` are given.

        They are added up when first looked at, as most decoded schedules never are.
        """
        spans = cls.__new__(cls)
        spans._deltas = deltas  # noqa: SLF001
        return spans

    def __getattr__(self, name: str) -> Sequence[int]:
        if name != "bounds":
            raise AttributeError(name)
        self.bounds = tuple(accumulate(self._deltas))
        return self.bounds

    def packed(self) -> Packed | None:
        """Return the bounds as text; ``None`` where that is not worth it."""
        return Packed.of(self.bounds)

    @classmethod
    def from_packed(cls, packed: Packed) -> Spans:
        """Return the spans whose :meth:`packed` form is given.

        Bounds are unpacked one by one, where they are looked at.
        """
        spans = cls.__new__(cls)
        spans.bounds = packed
        return spans

    def public(self) -> list[Span]:
        """Return these spans with UTC-aware datetimes."""
        return [Span(to_datetime(start), to_datetime(end)) for start, end in self]


class Packed(Sequence[int]):
    """Strictly increasing instants, packed as text.

    *text* says in base64 how many *units* of seconds each one is after *first*.
    """

    __slots__ = ("first", "text", "unit")

    def __init__(self, first: int, unit: int, text: str) -> None:
        self.first, self.unit, self.text = first, unit, text

    @classmethod
    def of(cls, bounds: Sequence[int]) -> Packed | None:
        """Return *bounds*, packed.

        ``None`` where they are few, or where their greatest distance is too large in units of the
        greatest common divisor of all distances.
        """
        if len(bounds) <= FEW:
            return None
        first = bounds[0]
        unit = gcd(*map(sub, bounds[1:], bounds))
        if (bounds[-1] - first) // unit >= _BOUND_LIMIT:
            return None
        numbers = struct.pack(f">{len(bounds)}I", *((bound - first) // unit for bound in bounds))
        raw = bytearray(3 * len(bounds))
        for place in range(3):
            raw[place::3] = numbers[place + 1 :: 4]
        return cls(first, unit, b2a_base64(raw, newline=False).decode())

    def to_json(self) -> list[Any]:
        """Return what its constructor takes, as a list."""
        return [self.first, self.unit, self.text]

    def __len__(self) -> int:
        return len(self.text) // _DIGITS

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...
    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        if isinstance(index, slice):
            low, high, step = index.indices(len(self))
            return (
                self._between(low, high)[::step] if step > 0 else self._between(0, len(self))[index]
            )
        at = _DIGITS * index if index >= 0 else len(self.text) + _DIGITS * index
        if not 0 <= at < len(self.text):
            raise IndexError(index)
        return self.first + self.unit * int.from_bytes(a2b_base64(self.text[at : at + _DIGITS]))

    def _between(self, low: int, high: int) -> tuple[int, ...]:
        raw = a2b_base64(self.text[_DIGITS * low : _DIGITS * high])
        count = len(raw) // 3
        numbers = bytearray(4 * count)
        for place in range(3):
            numbers[place + 1 :: 4] = raw[place::3]
        first, unit = self.first, self.unit
        return tuple([first + unit * number for number in struct.unpack(f">{count}I", numbers)])

"""Many bounds as text that is looked up as it stands: a decoded schedule reads only what it is asked about."""

from __future__ import annotations

import struct
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from math import gcd
from operator import sub
from typing import Any, overload

_DIGITS = 4  # base64 characters of one bound, which are three bytes
_MOST = 1 << 24
FEW = 128  # bounds that stay a list: it is short, and can be read by people


class Packed(Sequence[int]):
    """Strictly increasing instants: the *first*, and how many *units* of seconds after it each one is, in base64."""

    __slots__ = ("first", "text", "unit")

    def __init__(self, first: int, unit: int, text: str) -> None:
        self.first, self.unit, self.text = first, unit, text

    @classmethod
    def of(cls, bounds: Sequence[int]) -> Packed | None:
        """*bounds*, packed; ``None`` where they are few, or too far apart for what divides all their distances."""
        if len(bounds) <= FEW:
            return None
        first = bounds[0]
        unit = gcd(*map(sub, bounds[1:], bounds))
        if (bounds[-1] - first) // unit >= _MOST:
            return None
        numbers = struct.pack(f">{len(bounds)}I", *((bound - first) // unit for bound in bounds))
        raw = bytearray(3 * len(bounds))
        for place in range(3):
            raw[place::3] = numbers[place + 1 :: 4]
        return cls(first, unit, b2a_base64(raw, newline=False).decode())

    def to_json(self) -> list[Any]:
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
            return self._between(low, high)[::step] if step > 0 else self._between(0, len(self))[index]
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

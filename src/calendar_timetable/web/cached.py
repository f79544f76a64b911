"""What web servers remember between requests, each process for itself."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

V = TypeVar("V")


class Memory(Generic[V]):
    """The newest *size* values by key, for the threads of one process."""

    def __init__(self, size: int) -> None:
        self._size, self._values, self._lock = size, OrderedDict[Hashable, V](), threading.Lock()
        _memories.add(self)

    def get(self, key: Hashable) -> V | None:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: V) -> None:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


_memories: WeakSet[Any] = WeakSet()


def forget() -> None:
    """Start as after a restart: for tests and measurements."""
    for memory in list(_memories):
        memory.clear()

"""What web servers remember between requests, each process for itself, and never more than so much."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from cachetools import LRUCache

V = TypeVar("V")


class LruCache(Generic[V]):
    """The values that were used last, by key, for the threads of one process.

    All together weigh *most* at the most, each by *weigh*; one that weighs more than *largest* is not kept.
    """

    def __init__(self, most: int, weigh: Callable[[V], int], largest: int | None = None) -> None:
        self._largest, self._weigh = largest or most, weigh
        self._values: LRUCache[Hashable, V] = LRUCache(most, getsizeof=weigh)
        self._lock = threading.Lock()
        _memories.add(self)

    def get(self, key: Hashable) -> V | None:
        with self._lock:
            return self._values.get(key)

    def put(self, key: Hashable, value: V) -> None:
        with self._lock:
            self._values.pop(key, None)
            if self._weigh(value) <= self._largest:
                self._values[key] = value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()

    @property
    def weight(self) -> int:
        """What all of them weigh now."""
        return int(self._values.currsize)


class Single:
    """Lets only one of the threads of this process make the value for a key."""

    def __init__(self) -> None:
        self._made: set[Hashable] = set()
        self._lock = threading.Lock()

    def begin(self, key: Hashable) -> bool:
        """Whether nobody else is at it; then :meth:`end` must follow."""
        with self._lock:
            free = key not in self._made
            self._made.add(key)
            return free

    def end(self, key: Hashable) -> None:
        with self._lock, suppress(KeyError):
            self._made.remove(key)


_memories: WeakSet[Any] = WeakSet()


def forget() -> None:
    """Start as after a restart: for tests and measurements."""
    for memory in list(_memories):
        memory.clear()

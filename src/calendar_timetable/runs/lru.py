"""What a process of a web server remembers between requests, within a fixed total weight."""

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

    Together they weigh at most *most*, each as much as *weigh* says. A value that weighs more than
    *largest* is not kept.
    """

    def __init__(self, most: int, weigh: Callable[[V], int], largest: int | None = None) -> None:
        self._largest, self._weigh = largest or most, weigh
        self._values: LRUCache[Hashable, V] = LRUCache(most, getsizeof=weigh)
        self._lock = threading.Lock()
        _memories.add(self)

    def get(self, key: Hashable) -> V | None:
        """Return the value for *key*, or ``None`` if none is kept."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: Hashable, value: V) -> None:
        """Keep *value* for *key*, instead of an earlier one, unless it is too large."""
        with self._lock:
            self._values.pop(key, None)
            if self._weigh(value) <= self._largest:
                self._values[key] = value

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._values.clear()

    @property
    def weight(self) -> int:
        """What all values weigh now."""
        return int(self._values.currsize)


class Single:
    """Lets only one of the threads of this process make the value for a key."""

    def __init__(self) -> None:
        self._made: set[Hashable] = set()
        self._lock = threading.Lock()

    def begin(self, key: Hashable) -> bool:
        """Tell whether no other thread is making the value; if so, :meth:`end` must follow."""
        with self._lock:
            free = key not in self._made
            self._made.add(key)
            return free

    def end(self, key: Hashable) -> None:
        """Let other threads make the value for *key* again."""
        with self._lock, suppress(KeyError):
            self._made.remove(key)


_memories: WeakSet[Any] = WeakSet()


def forget() -> None:
    """Empty all caches of this process, as a restart does: for tests and measurements."""
    for memory in list(_memories):
        memory.clear()

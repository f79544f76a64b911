"""The objects of the cluster, with versions, selectors and a way to wait for a change."""

from __future__ import annotations

import copy
import re
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str, str]  # kind, namespace, name


class Conflict(LookupError):
    """An object of that name exists."""


class Store:
    """What etcd is to a real cluster.

    Objects go in and come out as copies; every change wakes who waits.
    """

    def __init__(self) -> None:
        self._objects: dict[Key, Json] = {}
        # Version, "ADDED"/"MODIFIED"/"DELETED", the object
        self._changes: list[tuple[int, str, Json]] = []
        self._changed = threading.Condition()

    @property
    def version(self) -> int:
        return len(self._changes)

    def create(self, kind: str, namespace: str, given: Json) -> Json:
        made = copy.deepcopy(given)
        metadata = made.setdefault("metadata", {})
        if not metadata.get("name"):
            metadata["name"] = f"{metadata['generateName']}{secrets.token_hex(3)[:5]}"
        metadata |= {
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": timestamp(),
        }
        key = (kind, namespace, metadata["name"])
        with self._changed:
            if key in self._objects:
                raise Conflict(metadata["name"])
            return self._put(key, made, "ADDED")

    def get(self, kind: str, namespace: str, name: str) -> Json:
        """Return a copy, or raise KeyError where there is none."""
        with self._changed:
            return copy.deepcopy(self._objects[kind, namespace, name])

    def find(
        self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> list[Json]:
        with self._changed:
            found = [
                o
                for (of, place, _), o in self._objects.items()
                if of == kind and namespace in (None, place)
            ]
            return copy.deepcopy([o for o in found if selected(o, labels, fields)])

    def update(
        self, kind: str, namespace: str, name: str, change: Callable[[Json], object]
    ) -> Json:
        """Let ``change`` edit the object in place, undisturbed by others.

        Raises KeyError where there is none.
        """
        with self._changed:
            edited = copy.deepcopy(self._objects[kind, namespace, name])
            change(edited)
            return self._put((kind, namespace, name), edited, "MODIFIED")

    def delete(self, kind: str, namespace: str, name: str) -> None:
        with self._changed:
            gone = self._objects.pop((kind, namespace, name), None)
            if gone is not None:
                self._note("DELETED", gone)

    def changes(self, kind: str, since: int, wait: float) -> list[tuple[int, str, Json]]:
        """Return changes to objects of this kind after version ``since``.

        Waits up to ``wait`` seconds for the first.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._changes) > since, wait)
            return [change for change in self._changes[since:] if change[2]["kind"] == kind]

    def _put(self, key: Key, edited: Json, how: str) -> Json:
        self._objects[key] = edited
        edited["metadata"]["resourceVersion"] = str(self.version + 1)
        self._note(how, edited)
        return copy.deepcopy(edited)

    def _note(self, how: str, changed: Json) -> None:
        self._changes.append((self.version + 1, how, copy.deepcopy(changed)))
        self._changed.notify_all()


def timestamp() -> str:
    """Return the time now as Kubernetes writes it, in UTC."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def selected(thing: Json, labels: str, fields: str) -> bool:
    """Whether label and field selectors, as in a request's query, choose this object."""
    own = thing["metadata"].get("labels") or {}
    return all(_label_fits(own, term) for term in _terms(labels)) and all(
        _field(thing, path) == value
        for path, _, value in (term.partition("=") for term in _terms(fields))
    )


def _terms(selector: str) -> Iterator[str]:
    """Split a selector at its commas, except for those within parentheses."""
    return (term.strip() for term in re.split(r",(?![^(]*\))", selector) if term.strip())


def _label_fits(own: Json, term: str) -> bool:
    if term.startswith("!"):
        return term[1:] not in own
    if among := re.fullmatch(r"(\S+) (in|notin) \((.*)\)", term):
        key, how, values = among.groups()
        return (own.get(key) in [value.strip() for value in values.split(",")]) == (how == "in")
    if "!=" in term:
        key, _, value = term.partition("!=")
        return bool(own.get(key) != value)
    if "=" in term:
        key, _, value = term.replace("==", "=").partition("=")
        return bool(own.get(key) == value)
    return term in own


def _field(thing: Json, path: str) -> str:
    value: Any = thing
    for name in path.rstrip("=").split("."):
        value = (value or {}).get(name)
    return str(value)

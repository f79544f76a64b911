"""What schedules came to, kept in the cache folder from one parse of their DAG files to the next.

A schedule is serialized again at every parse, and nearly always nothing has changed. It is the same as long as its
arguments and the copies of its calendars in force are; anew all the same once a day, for what else it may depend on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calendar_timetable.calendars.cachefolder import folder, replace_file
from calendar_timetable.calendars.expand import FORMAT


def kept(arguments: str, copies: Sequence[str], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What *make* gives, as JSON reads it: kept, where it was made before of *arguments* and *copies*.

    What is damaged is made anew; what cannot be kept is only slower.
    """
    day = folder() / "schedules" / f"{datetime.now(UTC):%Y%m%d}"
    path = day / hashlib.sha256(arguments.encode()).hexdigest()[:40]
    made_of = repr((FORMAT, arguments, copies)).encode()
    with suppress(OSError, ValueError):
        seal, content = path.read_bytes().split(b"\n", 1)
        if seal == _seal(made_of, content):
            return _plain(content)
    content = json.dumps(make()).encode()
    with suppress(OSError):
        if not day.exists():
            _forget(day.parent)
            day.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, _seal(made_of, content) + b"\n" + content)
    return _plain(content)


def _plain(content: bytes) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(content)
    return data


def _seal(made_of: bytes, content: bytes) -> bytes:
    return hashlib.sha256(made_of + b"\n" + content).hexdigest().encode()


def _forget(place: Path) -> None:
    """Remove what is of earlier days."""
    with suppress(OSError):
        for day in place.iterdir():
            shutil.rmtree(day, ignore_errors=True)

"""What schedules came to, kept in the cache folder from one parse of their DAG files to the next.

A schedule is serialized again at every parse, and nearly always nothing has changed. It is the same
as long as its arguments, the copies of its calendars in force, and what reads them are. Once a day
it is made anew all the same, for what else it may depend on.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from calendar_timetable import clock
from calendar_timetable.calendars.feed.cache import (
    check_folder,
    folder,
    read_by,
    replace_file,
)

_DAY_FORMAT = "%Y%m%d"


def cached_or_made(
    arguments: str, copies: Sequence[str], make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Return what *make* gives, from the cache where it was made before.

    That is where it was made of the same *arguments* and *copies*; either way the result is as JSON
    reads it. A copy is known by its feed and a digest. What is damaged is made anew; what cannot be
    kept is only slower.
    """
    check_folder()
    now = clock.utc()
    made_of = repr((read_by(), arguments, copies)).encode()
    # The feeds are part of the name, as what calendars say of themselves is without addresses.
    feeds = [copy.partition(" ")[0] for copy in copies]
    name = hashlib.sha256(repr((read_by(), arguments, feeds)).encode()).hexdigest()[:40]
    day = folder() / "schedules" / now.strftime(_DAY_FORMAT)
    path = day / name
    with suppress(OSError, ValueError):
        seal, content = path.read_bytes().split(b"\n", 1)
        if seal == _seal(made_of, content):
            return _plain(content)
    content = json.dumps(make()).encode()
    with suppress(OSError):
        if not day.exists():
            _forget(day.parent, before=(now - timedelta(days=1)).strftime(_DAY_FORMAT))
            for place in (day.parent, day):
                place.mkdir(mode=0o700, exist_ok=True)
        replace_file(path, _seal(made_of, content) + b"\n" + content)
    return _plain(content)


def _plain(content: bytes) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(content)
    return data


def _seal(made_of: bytes, content: bytes) -> bytes:
    return hashlib.sha256(made_of + b"\n" + content).hexdigest().encode()


def _forget(place: Path, before: str) -> None:
    """Remove what was kept on days *before* this one.

    Yesterday's folder is left, as there may be a host whose clock is behind.
    """
    with suppress(OSError):
        for day in place.iterdir():
            if re.fullmatch(r"\d{8}", day.name) and day.name < before:
                shutil.rmtree(day, ignore_errors=True)

"""Where the cache is, and whether it can be trusted."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from calendar_timetable.calendars.options import option
from calendar_timetable.planning.errors import InvalidArgument


def folder() -> Path:
    """``CALENDAR_TIMETABLE_CACHE``, else ``[calendar_timetable] cache_dir``, else in the user's cache folder."""
    chosen = os.environ.get("CALENDAR_TIMETABLE_CACHE") or option("cache_dir")
    if chosen:
        return Path(chosen).expanduser()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path("~/.cache").expanduser()) / "calendar_timetable"


def check_folder() -> None:
    """Refuse a folder in which others could put what is then believed; :class:`InvalidArgument`."""
    place = folder()
    try:
        found = place.stat()
    except OSError:
        return
    if not stat.S_ISDIR(found.st_mode):
        return
    remedy = "name a folder in [calendar_timetable] cache_dir that does not exist yet: it is made, for its owner only"
    if found.st_uid != os.geteuid():
        raise InvalidArgument("The calendar cache folder", str(place), f"it belongs to another user; {remedy}")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InvalidArgument(
            "The calendar cache folder", str(place), f"others may write there; chmod 700 it, or {remedy}"
        )


def replace_file(path: Path, content: bytes) -> None:
    """Write *path*, in a folder that is there, whole or not at all; ``OSError``."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise

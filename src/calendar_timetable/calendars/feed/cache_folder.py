"""Where the cache is, and whether it can be trusted."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from calendar_timetable.config import option
from calendar_timetable.exceptions import InvalidArgument

_KEY = 64  # hexadecimal digits
_OWN = secrets.token_hex(_KEY // 2).encode()


def folder() -> Path:
    """``CALENDAR_TIMETABLE_CACHE``, else ``[calendar_timetable] cache_dir``, else in the folder of this Airflow."""
    chosen = os.environ.get("CALENDAR_TIMETABLE_CACHE") or option("cache_dir")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser() / "calendar-timetable-cache"


def check_folder() -> None:
    """Refuse a folder in which others could put what is then believed; :class:`InvalidArgument`."""
    place = folder()
    remedy = "name a folder in [calendar_timetable] cache_dir that does not exist yet: it is made, for its owner only"
    try:
        found = place.lstat()
        if stat.S_ISLNK(found.st_mode):
            if found.st_uid not in (0, os.geteuid()):  # who may point it at any folder of ours
                raise InvalidArgument("The calendar cache folder", str(place), f"it is another user's link; {remedy}")
            found = place.stat()
    except OSError:
        return
    if not stat.S_ISDIR(found.st_mode):
        return
    if found.st_uid != os.geteuid():
        raise InvalidArgument("The calendar cache folder", str(place), f"it belongs to another user; {remedy}")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InvalidArgument(
            "The calendar cache folder", str(place), f"others may write there; chmod 700 it, or {remedy}"
        )


def make_folder() -> Path:
    """The folder, made where it is not there, with what it lies in, for its owner only; ``OSError``.

    It is looked at once more: since the last look somebody else may have made it.
    """
    place = folder()
    for each in reversed([each for each in (place, *place.parents) if not each.exists()]):
        each.mkdir(mode=0o700, exist_ok=True)
    check_folder()
    return place


def keyed(text: str) -> str:
    """A digest of *text* that tells nothing to who does not have the folder's own key."""
    return hmac.digest(_key(), text.encode(), "sha256").hex()


def _key() -> bytes:
    """The random key of the folder, made by who comes first; where it cannot be kept, one of this process only."""
    path = folder() / "key"
    with suppress(OSError):
        if not path.exists():
            _put_once(make_folder(), path, secrets.token_hex(_KEY // 2).encode())
        found = path.read_bytes()
        if len(found) == _KEY:
            return found
    return _OWN


def _put_once(place: Path, path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=place)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        with suppress(FileExistsError):  # another process was faster
            os.link(name, path)
    finally:
        Path(name).unlink()


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

"""The cache folder, which all DAG files of a host, or of several, share.

It holds last good copies, what was tried, and expansions. File names are digests, files are for
their owner only, and neither addresses nor credentials are stored. Each file is replaced as a
whole. What cannot be read counts as absent; what cannot be written is kept in memory for this one
reading, with a warning.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import stat
import tempfile
import time
import zoneinfo
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path

from calendar_timetable import clock
from calendar_timetable.calendars import limits
from calendar_timetable.calendars.holidays import with_version
from calendar_timetable.calendars.ical.expand import FORMAT
from calendar_timetable.calendars.ical.parser import EVENTS
from calendar_timetable.calendars.ical.series_cache import dump_reading, load_reading
from calendar_timetable.calendars.occurrences import ParsedCalendar, Problem
from calendar_timetable.config import option
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones

_KEY_DIGITS = 64  # hexadecimal digits
# Used where the folder's key cannot be kept.
_PROCESS_KEY = secrets.token_hex(_KEY_DIGITS // 2).encode()

log = logging.getLogger(__name__)
_VERSION = 1
# It takes in the line end before the property, not the property's own.
_DTSTAMP = re.compile(rb"\nDTSTAMP:[^\r\n]*\r?(?=\n(?![ \t]))")
_POLL_SECONDS = 0.05  # between two attempts at a lock
_NAME = re.compile(r"[0-9a-f]{40}")
# Libraries that give bodies their meaning: rules, names of zones, zones where the system has none.
_LIBRARIES = ("icalendar", "recurring-ical-events", "tzdata")
# Files that tell which release of the time zone database a folder holds, where it has one of them.
_RELEASES = ("tzdata.zi", "+VERSION")
_IN_NO_TEXT = re.compile("[\0\ud800-\udfff]")
# Many DAGs of one file may use one calendar.
_reading_of = lru_cache(maxsize=4)(load_reading)


@dataclass(frozen=True)
class FeedState:
    """What is known of a feed; times are in epoch seconds, 0 for never."""

    digest: str = ""  # of the last good body
    etag: str = ""
    last_modified: str = ""
    components: int = 0  # events in that body
    fetched_at: float = 0  # when that body was fetched
    good_at: float = 0  # when the source last confirmed it
    checked_at: float = 0  # when the source was last asked
    retry_at: float = 0  # not to be asked again before then
    error: str = ""  # why the last check failed
    asked_as: str = ""  # a digest of the credentials: others are tried at once
    label: str = ""  # what people may see of the feed
    failures: int = 0  # in a row
    interval: float = 0  # seconds between two requests that the feed asks for


_NOTHING = asdict(FeedState())


def _is_like(default: object, value: object) -> bool:
    """Tell whether *value* may have been kept in place of *default*, a text or a number."""
    if isinstance(default, str):
        return isinstance(value, str) and not _IN_NO_TEXT.search(value)
    # Not NaN, for one: a feed that was asked then would never be asked again.
    return isinstance(value, (int, float)) and 0 <= value <= zones.LAST_INSTANT


class CacheEntry:
    """One feed in the cache; with another *kind* than ``json``, what is known of something else.

    Raises :class:`InvalidArgument` for a cache folder that cannot be trusted.
    """

    def __init__(self, identity: str, kind: str = "json") -> None:
        check_folder()
        self.name = hashlib.sha256(identity.encode()).hexdigest()[:40]
        self._folder = folder()
        self._kind = kind
        self._unwritten: dict[Path, bytes] = {}  # what could not be written to the folder

    @classmethod
    def called(cls, name: str, kind: str = "json") -> CacheEntry:
        """Return the feed of this *name*, which may come from a serialized DAG.

        For what is no name it is an entry that holds nothing.
        """
        entry = cls("", kind)
        entry.name = name if _NAME.fullmatch(name) else "none"
        return entry

    def state(self) -> FeedState:
        """Return what is known of the feed.

        If its file is damaged or from another version, that is what the last good body tells.
        """
        try:
            data = json.loads(self._read(self._path(self._kind)))
        except OSError:
            return FeedState()
        except (ValueError, RecursionError):
            return self._salvaged()
        try:
            values = {name: data.get(name, default) for name, default in _NOTHING.items()}
            valid = all(_is_like(default, values[name]) for name, default in _NOTHING.items())
            return FeedState(**values) if valid and data["v"] == _VERSION else self._salvaged()
        except (AttributeError, KeyError):
            return self._salvaged()

    def _salvaged(self) -> FeedState:
        """Return what the newest undamaged body tells.

        It counts as last confirmed when it was written; its source is to be asked at once.
        """
        for path in sorted(self._list(f"{self.name}."), key=_changed_at, reverse=True):
            if path.suffix == ".ics":
                with suppress(OSError):
                    body = self._read(path)
                    if path == self._body(body_digest(body)):
                        count, written_at = len(EVENTS.findall(body)), _changed_at(path)
                        return FeedState(
                            body_digest(body),
                            components=count,
                            fetched_at=written_at,
                            good_at=written_at,
                        )
        return FeedState()

    def body(self, state: FeedState) -> bytes | None:
        """Return the last good body, or ``None`` if it is lost or damaged."""
        try:
            body = self._read(self._body(state.digest))
        except OSError:
            return None
        return body if body_digest(body) == state.digest else None

    def holds(self, state: FeedState, body: bytes) -> bool:
        """Tell whether *body* is the last good one to the byte: cheaper to tell than its digest."""
        try:
            return self._read(self._body(state.digest)) == body
        except OSError:
            return False

    def save(self, state: FeedState, body: bytes | None = None) -> None:
        """Keep *state*, with *body* if that is new.

        Both are kept; where there is no room, what was there before stays instead.
        """
        last = self.state().digest if body is not None else ""
        path, content = (
            self._path(self._kind),
            json.dumps({"v": _VERSION, **asdict(state)}).encode(),
        )
        if body is not None and not self._write(self._body(state.digest), body):
            self._unwritten[path] = content
        elif self._write(path, content) and body is not None:
            self._forget(f"{self.name}.{state.digest[:20]}.", f"{self.name}.{last[:20]}.x")

    def expansion(self, state: FeedState, start: int, end: int, zone: str) -> ParsedCalendar | None:
        """Return a kept reading of the last good body that covers ``[start, end)``, or ``None``."""
        stem = self._stem(state, zone)
        for path in [*self._unwritten, *self._list(stem)]:
            bounds = path.name.removeprefix(stem).removesuffix(".json").split("_")
            try:
                if path.name.startswith(stem) and int(bounds[0]) <= start and end <= int(bounds[1]):
                    return _reading_of(self._read(path))
            except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError):
                continue
        return None

    def save_expansion(
        self, state: FeedState, start: int, end: int, zone: str, reading: ParsedCalendar
    ) -> None:
        """Keep *reading*, which is of the body of *state*."""
        stem, stretch = self._stem(state, zone), f"{start}_{end}.json"
        if self._write(self._folder / f"{stem}{stretch}", dump_reading(reading)):
            _remove(self._folder / f"{self._was(stem)}{stretch}")
        for path in sorted(self._list(f"{self.name}.{state.digest[:20]}.x"), key=_changed_at)[
            : -limits.KEPT_EXPANSIONS
        ]:
            _remove(path)

    def earlier(self, state: FeedState, start: int, end: int, zone: str) -> bytes:
        """Return the kept reading, for just this stretch, of the body of *state* or the one before.

        It is as :func:`dump_reading` wrote it, or ``b""`` if there is none.
        """
        stem = self._stem(state, zone)
        for name in (stem, self._was(stem)):
            with suppress(OSError):
                return self._read(self._folder / f"{name}{start}_{end}.json")
        return b""

    def last_reading(
        self, state: FeedState, files: Sequence[Path] | None = None
    ) -> tuple[str, tuple[Problem, ...]]:
        """Return the zone and the problems of the newest expansion of the last good body.

        *files* are those of this feed, if they are known already. Without an expansion, both are
        empty.
        """
        prefix = f"{self.name}.{state.digest[:20]}.x"
        paths = self._list(prefix) if files is None else files
        expansions = [path for path in paths if state.digest and path.name.startswith(prefix)]
        try:
            with max(expansions, key=_changed_at).open("rb") as file:
                head = json.loads(file.readline())
            reading = ParsedCalendar.from_wire({**head, "details": (), "rows": ()})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return "", ()
        return reading.zone, reading.problems

    @contextmanager
    def lock(self, *, wait: bool) -> Iterator[bool]:
        """Lock this feed against all others that share the folder; yield whether that succeeded.

        It is ``False`` if another process holds the lock and *wait* is not set, or holds it for too
        long. On NFS the lock holds between hosts if the server's lock daemon runs. Where there are
        no locks at all, everybody gets it, and a feed is asked a few times too often.
        """
        try:
            make_folder()
            file = os.open(self._path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            # Without a folder there is nothing to share.
            yield True
            return
        try:
            yield _locked(file, limits.LOCK_SECONDS if wait else 0)
        finally:
            os.close(file)

    def _path(self, suffix: str) -> Path:
        return self._folder / f"{self.name}.{suffix}"

    def _body(self, digest: str) -> Path:
        return self._path(f"{digest[:20]}.ics")

    def _stem(self, state: FeedState, zone: str) -> str:
        key = hashlib.sha256(f"{read_by()} {zone}".encode()).hexdigest()[:10]
        return f"{self.name}.{state.digest[:20]}.x{key}."

    def _was(self, name: str) -> str:
        """Return the name that the expansion *name* gets when the body is replaced.

        Such an expansion only helps to make the next one.
        """
        return f"{self.name}.was{name[name.index('.x') :]}"

    def _read(self, path: Path) -> bytes:
        if path in self._unwritten:
            return self._unwritten[path]
        try:
            return path.read_bytes()
        except OSError as error:
            # On NFS, ESTALE says that another host has just replaced the file, so it is read again.
            if error.errno != errno.ESTALE:
                raise
            return path.read_bytes()

    def _list(self, prefix: str) -> list[Path]:
        try:
            return [path for path in self._folder.iterdir() if path.name.startswith(prefix)]
        except OSError:
            return []

    def _forget(self, keep: str, last: str) -> None:
        """Remove this feed's bodies and expansions, except those whose names begin with *keep*.

        Expansions whose names begin with *last* are renamed instead (see :meth:`_was`). A ``.new``
        file goes only after an hour, as another process may be writing it.
        """
        moved = []
        for path in self._list(f"{self.name}."):
            current = path.name.startswith(keep) or path.name in (
                f"{self.name}.{self._kind}",
                f"{self.name}.lock",
            )
            if path.name.startswith(last) and path.suffix == ".json" and not current:
                moved.append(path)
            elif not current and (path.suffix != ".new" or _changed_at(path) < clock.now() - 3600):
                _remove(path)
        for path in moved:
            with suppress(OSError):
                path.replace(self._folder / self._was(path.name))

    def _write(self, path: Path, content: bytes) -> bool:
        try:
            make_folder()
            replace_file(path, content)
            self._unwritten.pop(path, None)
        except OSError as error:
            log.warning(
                "The calendar cache in %s cannot be written: %s", self._folder, error.strerror
            )
            self._unwritten[path] = content
            return False
        return True


def files() -> dict[str, list[Path]]:
    """Return the files of each feed in the folder, by its name, from a single listing."""
    check_folder()
    paths: dict[str, list[Path]] = {}
    with suppress(OSError):
        for path in folder().iterdir():
            name = path.name.partition(".")[0]
            if _NAME.fullmatch(name):
                paths.setdefault(name, []).append(path)
    return paths


def forget(name: str) -> None:
    """Remove all that the folder holds of the feed called *name*."""
    for path in files().get(name, ()):
        _remove(path)


def _locked(file: int, seconds: float) -> bool:
    for _ in range(int(seconds / _POLL_SECONDS) + 1):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if seconds:
                time.sleep(_POLL_SECONDS)
        except OSError:
            # This file system has no locks.
            return True
        else:
            return True
    return False


def body_digest(body: bytes) -> str:
    """Return the digest by which a body is known; it leaves out every DTSTAMP.

    Big providers write the time of the request into the DTSTAMP of every event.
    """
    return hashlib.sha256(_DTSTAMP.sub(b"", body)).hexdigest()


@cache
def read_by() -> str:
    """Return a name of all that a reading depends on besides the body, the stretch and the zone.

    That is this package, the libraries that it reads with, and the time zone database, where
    ``zoneinfo`` looks for it: in folders of the system first. It is worked out once per process.
    """
    folders = (f"{place} {_release_in(place)}" for place in zoneinfo.TZPATH)
    return "\n".join((str(FORMAT), *map(with_version, _LIBRARIES), *folders))


def _release_in(place: str) -> str:
    """Return what tells the time zone database in the folder *place* from another release of it.

    It is ``""`` where there is none.
    """
    for name in _RELEASES:
        with suppress(OSError):
            return hashlib.sha256(Path(place, name).read_bytes()).hexdigest()
    files = [Path(where, name) for where, _, names in os.walk(place) for name in names]
    stamps = sorted(f"{path} {_changed_at(path)}" for path in files)
    return hashlib.sha256("\n".join(stamps).encode()).hexdigest() if stamps else ""


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def moment(seconds: float) -> datetime | None:
    """Return epoch *seconds* as a UTC-aware datetime; ``None`` for 0, which means never."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def folder() -> Path:
    """Return the cache folder.

    It is ``CALENDAR_TIMETABLE_CACHE``, else ``[calendar_timetable] cache_dir``, else in this
    Airflow's home. Raises :class:`InvalidArgument`.
    """
    chosen = os.environ.get("CALENDAR_TIMETABLE_CACHE") or option("cache_dir")
    home = os.environ.get("AIRFLOW_HOME") or "~/airflow"
    place = Path(chosen or f"{home}/calendar-timetable-cache")
    try:
        return place.expanduser()
    except RuntimeError:
        remedy = "its user is not known here: give a path from the root on"
        raise InvalidArgument("The calendar cache folder", str(place), remedy) from None


def check_folder() -> None:
    """Refuse a folder in which others could put files that are then believed.

    Raises :class:`InvalidArgument`.
    """
    place = folder()
    if reason := _distrust(place):
        remedy = (
            "name a folder in [calendar_timetable] cache_dir that does not exist yet: "
            "it is made, for its owner only"
        )
        raise InvalidArgument("The calendar cache folder", str(place), f"{reason} {remedy}")


def _distrust(place: Path) -> str:
    """Return why the files in *place* may not be believed; ``""`` where there is no reason."""
    try:
        status = place.lstat()
        if stat.S_ISLNK(status.st_mode):
            # The owner of a link may point it at any folder of ours.
            if status.st_uid not in (0, os.geteuid()):
                return "it is another user's link;"
            status = place.stat()
    except OSError:
        return ""
    if not stat.S_ISDIR(status.st_mode):
        return ""
    if status.st_uid != os.geteuid():
        return "it belongs to another user;"
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return "others may write there; chmod 700 it, or" if writable else ""


def make_folder() -> None:
    """Make the folder and its parents where they are missing, for their owner only.

    It is checked once more, as somebody else may have made it since the last check. Raises
    ``OSError``, or :class:`InvalidArgument` as :func:`check_folder`.
    """
    place = folder()
    for parent in reversed([parent for parent in (place, *place.parents) if not parent.exists()]):
        parent.mkdir(mode=0o700, exist_ok=True)
    check_folder()


def keyed_digest(text: str) -> str:
    """Return a digest of *text* that says nothing to anyone without the folder's own key."""
    return hmac.digest(_key(), text.encode(), "sha256").hex()


def _key() -> bytes:
    """Return the folder's random key, which the first process that needs it makes.

    Where it cannot be kept, it is a key of this process only.
    """
    path = folder() / "key"
    with suppress(OSError):
        if not path.exists():
            make_folder()
            _put_once(path, secrets.token_hex(_KEY_DIGITS // 2).encode())
        key = path.read_bytes()
        if len(key) == _KEY_DIGITS:
            return key
    return _PROCESS_KEY


def _put_once(path: Path, content: bytes) -> None:
    with _new_file(path, content) as name, suppress(FileExistsError):
        # Another process may have been faster.
        os.link(name, path)


def replace_file(path: Path, content: bytes) -> None:
    """Write *path*, in a folder that exists, whole or not at all; raise ``OSError``."""
    with _new_file(path, content) as name:
        Path(name).replace(path)


@contextmanager
def _new_file(path: Path, content: bytes) -> Iterator[str]:
    """Yield the name of a file beside *path* with this *content*; remove it, where it is left."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        yield name
    finally:
        _remove(Path(name))

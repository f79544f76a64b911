"""One feed over time: when it is asked, what is believed, and which copy is in force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.cache import Entry, State, digest_of
from calendar_timetable.calendars.expand import ExpansionFailed, expand
from calendar_timetable.calendars.health import moment
from calendar_timetable.calendars.lines import EVENTS
from calendar_timetable.calendars.occurrences import Reading
from calendar_timetable.calendars.sources import Fetched, FetchFailed, Last, Source

_MINUTE = 60
_GRID = 7 * 86400  # expansions begin and end on whole weeks, so that similar questions share one


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of a feed in force; ``reading`` is ``None`` when there is none."""

    reading: Reading | None
    state: State
    feed: str = ""  # its name in the cache

    @property
    def error(self) -> str:
        return self.state.error

    @property
    def good_at(self) -> datetime | None:
        """When the source last confirmed it."""
        return moment(self.state.good_at)


def read_feed(source: Source, start: int, end: int, zone: str, refresh: float, max_stale: float) -> Copy:
    """The copy of *source* in force, read for at least ``[start, end)`` in epoch seconds.

    The source is asked when *refresh* seconds have passed since anyone on this host asked. A copy that
    could not be confirmed for *max_stale* seconds is not in force any more.
    """
    start, end = start // _GRID * _GRID, -(-end // _GRID) * _GRID
    feed = _Feed(source, start, end, zone)
    state = feed.entry.state()
    if _is_due(state, source, refresh):
        usable = bool(state.digest) and 0 <= _now() - state.good_at <= max_stale
        with feed.entry.lock(wait=not usable) as alone:
            state = feed.entry.state()  # another process may just have asked
            if alone and _is_due(state, source, refresh):
                state = feed.ask(state)
    reading = None
    if state.digest:
        try:
            reading = feed.read(state)
            if reading is None:  # the copy is lost or damaged, or another process has just replaced it
                with feed.entry.lock(wait=True):
                    newest = feed.entry.state()
                    state = newest if newest.digest not in ("", state.digest) else feed.ask(State())
                    reading = feed.read(state) if state.digest else None
        except ExpansionFailed as error:
            state = replace(state, error=str(error))
    if state.error and _now() - state.good_at > max_stale:
        reading = None
    return Copy(reading, state, feed.entry.name)


class _Feed:
    def __init__(self, source: Source, start: int, end: int, zone: str) -> None:
        self.source, self.start, self.end, self.zone = source, start, end, zone
        self.entry = Entry(source.identity)

    def ask(self, state: State) -> State:
        """Ask the source, and keep what comes of it: a new copy only when it can be read."""
        now = _now()
        state = replace(state, label=self.source.label)
        try:
            fetched = self.source.fetch(Last(state.etag, state.last_modified, partial(self.entry.body, state)))
            if fetched is None:
                new = replace(state, good_at=now, checked_at=now, retry_at=0, error="", asked_as=_asked_as(self.source))
            else:
                return self._adopt(fetched, state, now)
        except (FetchFailed, ExpansionFailed) as error:
            wait = getattr(error, "retry_after", 0)
            retry_at = now + wait if wait else 0
            asked_as = _asked_as(self.source)
            new = replace(state, checked_at=now, retry_at=retry_at, error=str(error), asked_as=asked_as)
        if not (self.source.local and new.error == state.error and now - state.checked_at < _MINUTE):
            self.entry.save(new)  # of a file, asked at every parse, only now and then
        return new

    def _adopt(self, fetched: Fetched, old: State, now: float) -> State:
        check_body(fetched.body)
        digest = digest_of(fetched.body)
        components = len(EVENTS.findall(fetched.body))
        if not components and old.components >= limits.SUDDENLY_EMPTY:
            raise FetchFailed(f"suddenly empty: it had {old.components} events")
        validators = fetched.etag, fetched.last_modified
        came = old.fetched_at if digest == old.digest else now
        new = State(digest, *validators, components, came, now, now, asked_as=_asked_as(self.source), label=old.label)
        if digest == old.digest:
            self.entry.save(new)
            return new
        reading = expand(fetched.body, self.start, self.end, self.zone)
        self.entry.save(new, fetched.body)
        self.entry.save_expansion(new, self.start, self.end, self.zone, reading)
        return new

    def read(self, state: State) -> Reading | None:
        """The reading of the last good body, from the cache if possible; ``None`` if the body is lost."""
        reading = self.entry.expansion(state, self.start, self.end, self.zone)
        if reading is None:
            body = self.entry.body(state)
            if body is not None:
                reading = expand(body, self.start, self.end, self.zone)
                self.entry.save_expansion(state, self.start, self.end, self.zone, reading)
        return reading


def check_body(body: bytes) -> None:
    """Refuse a body that cannot be a whole calendar; :class:`FetchFailed`."""
    content = body.removeprefix(b"\xef\xbb\xbf").strip(b"\0 \t\r\n")
    start = content[:200].lower()
    if not content:
        raise FetchFailed("the answer is empty")
    if not start.startswith(b"begin:vcalendar"):
        if start.startswith(b"<") or b"<html" in start:
            raise FetchFailed("the answer is a web page, not a calendar: is a login needed?")
        if start.startswith((b"{", b"[")):
            raise FetchFailed("the answer is JSON, not a calendar")
        raise FetchFailed("the answer is not a calendar")
    if not content[-200:].lower().endswith(b"end:vcalendar"):
        raise FetchFailed("the answer is cut off: it has no END:VCALENDAR")


def _is_due(state: State, source: Source, refresh: float) -> bool:
    now = _now()
    if source.local or state.checked_at > now:  # the clock was set back
        return True
    if state.checked_at and state.asked_as != _asked_as(source):
        return True
    return now >= max(state.checked_at + refresh, min(state.retry_at, state.checked_at + limits.MAX_RETRY_AFTER))


def _asked_as(source: Source) -> str:
    return digest_of(source.secret.encode())[:16]


def _now() -> float:
    return datetime.now(UTC).timestamp()

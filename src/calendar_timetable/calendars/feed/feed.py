"""One feed over time: when it is asked, what is believed, and which copy is in force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial

from calendar_timetable import clock, metrics
from calendar_timetable.calendars import limits
from calendar_timetable.calendars.feed.body import check_body, published_interval
from calendar_timetable.calendars.feed.cache import (
    CacheEntry,
    FeedState,
    body_digest,
    files,
    keyed_digest,
    moment,
)
from calendar_timetable.calendars.feed.refresh import BackedOff, RefreshPolicy, ServerBackoff
from calendar_timetable.calendars.ical.expand import ExpansionFailed, expand
from calendar_timetable.calendars.ical.parser import EVENTS
from calendar_timetable.calendars.net.networks import allowed_networks
from calendar_timetable.calendars.occurrences import ParsedCalendar
from calendar_timetable.calendars.sources.base import (
    NO_VALIDATORS,
    FetchFailed,
    FetchResult,
    Source,
    UnseenSource,
    Validators,
    fetch_from,
)
from calendar_timetable.config import fetches_while_parsing

_MINUTE = 60
_CREDENTIAL_DIGITS = 16  # that tell credentials apart
_BUSY = "another process has been reading it for too long"
_NEVER_SYNCED = (
    "no copy of it is in the cache folder: run calendar-timetable sync, which alone asks it here"
)
_NOT_SYNCED = (
    "it was not read again in time: is calendar-timetable sync running, which alone asks it here?"
)
# Expansions begin and end on whole weeks, so that similar questions share one.
_GRID = 7 * 86400
_YEAR = 366 * 86400  # seconds; what sources are asked for reaches farther ahead


@dataclass(frozen=True, slots=True)
class FeedSnapshot:
    """The copy of a feed in force; ``reading`` is ``None`` if there is none."""

    reading: ParsedCalendar | None
    state: FeedState
    feed: str = ""  # its name in the cache

    @property
    def error(self) -> str:
        """Why the last check failed; ``""`` if it did not."""
        return self.state.error

    @property
    def good_at(self) -> datetime | None:
        """When the source last confirmed the copy, UTC-aware; ``None`` if it never did."""
        return moment(self.state.good_at)


def remember_feed(connection: str, feed: str) -> None:
    """Keep which *feed* an Airflow Connection names.

    This is for processes that do not see Connections of the database; see :func:`unseen_source`.
    """
    entry = CacheEntry(f"connection\n{connection}", "connection")
    state = FeedState(label=feed, asked_as=connection)
    if entry.state() != state:
        entry.save(state)


def connections() -> dict[str, str]:
    """Return the ids of Airflow Connections, by the feed that each named when it was last seen."""
    states = (CacheEntry.called(name, "connection").state() for name in files())
    return {state.label: state.asked_as for state in states if state.asked_as}


def unseen_source(connection: str, error: str) -> UnseenSource | None:
    """Return the source that an Airflow Connection named when it was last seen, or ``None``.

    :func:`remember_feed` has kept it.
    """
    feed = CacheEntry(f"connection\n{connection}", "connection").state().label
    return UnseenSource(feed, connection, error) if feed else None


class FeedReader:
    """One feed, for a stretch of time and in a zone.

    *start* and *end*, in epoch seconds, are rounded to whole weeks. For *refresh* and *max_stale*
    see :class:`RefreshPolicy`. A copy that could not be confirmed for *max_stale* seconds is no
    longer in force.
    """

    def __init__(
        self,
        source: Source,
        start: int,
        end: int,
        zone: str,
        refresh: float | None,
        max_stale: float,
    ) -> None:
        self.source, self.zone, self.max_stale = source, zone, max_stale
        self.start, self.end = _weeks(start, end)
        self.policy = RefreshPolicy(refresh, max_stale)
        self.entry = (
            CacheEntry.called(source.entry)
            if isinstance(source, UnseenSource)
            else CacheEntry(source.identity)
        )
        self.credentials = keyed_digest(source.secret)[:_CREDENTIAL_DIGITS]
        # The digest of the body that was adopted just now, and its reading.
        self._adopted: tuple[str, ParsedCalendar] | None = None

    def read(self) -> FeedSnapshot:
        """Return the copy in force.

        The source is asked if it is due, counted from when anyone who shares the cache folder last
        asked, unless ``[calendar_timetable] fetch`` leaves that to :meth:`refresh`.
        """
        source = self.source
        ask = source.local or (fetches_while_parsing() and not isinstance(source, UnseenSource))
        return self._snapshot(ask=ask)

    def refresh(self, *, force: bool = False) -> FeedSnapshot:
        """Do as :meth:`read` outside of DAG parsing, whatever ``[calendar_timetable] fetch`` says.

        The source is asked if it is due by its refresh, by what its server asked for and by what
        failed before; with *force* at once. What is read here for a stretch and zone is what the
        DAG files then find in the cache for the same stretch and zone.
        """
        return self._snapshot(ask=not isinstance(self.source, UnseenSource), force=force)

    def current_version(self) -> str:
        """Return a name of the copy that :meth:`read` would read: its feed, and its body's digest.

        It is ``""`` where only :meth:`read` can tell: no server is asked here, and no process is
        waited for.
        """
        state = self.entry.state()
        if not state.digest or self.lapsed(state):
            return ""
        if self.source.local:
            if not self.is_unchanged(state):
                return ""
            if not 0 <= clock.now() - state.checked_at < _MINUTE:
                # Asking notes in the cache that the file was checked just now.
                state, _ = self._checked(ask=True)
        elif fetches_while_parsing() and self.is_due(state):
            return ""
        self.report_age(state)
        return f"{self.entry.name} {state.digest}"

    @cached_property
    def asked_as(self) -> str:
        """A digest of what may let a request succeed that failed before: credentials, networks."""
        allowed = "" if self.source.local else ",".join(allowed_networks())
        return self.credentials + body_digest(allowed.encode())[:_CREDENTIAL_DIGITS]

    def _snapshot(self, *, ask: bool, force: bool = False) -> FeedSnapshot:
        """Ask the source as :meth:`_checked` does, and return the copy in force."""
        state, busy = self._checked(ask=ask, force=force)
        reading = None
        if state.digest:
            try:
                reading = self.reading(state)
                # The copy is lost or damaged, or another process has just replaced it.
                if reading is None:
                    state = self.recover(state, ask=ask)
                    reading = self.reading(state) if state.digest else None
            except ExpansionFailed as error:
                state = replace(state, error=str(error))
        lapsed = self.lapsed(state)
        if not state.error and (reading is None or (lapsed and (busy or not ask))):
            state = replace(
                state, error=_BUSY if ask else _NOT_SYNCED if state.good_at else _NEVER_SYNCED
            )
        self.report_age(state)
        if reading is not None:
            metrics.gauge("quarantined", self.source.label, len(reading.problems))
        return FeedSnapshot(None if lapsed and state.error else reading, state, self.entry.name)

    def _checked(self, *, ask: bool, force: bool = False) -> tuple[FeedState, bool]:
        """Ask the source if it may be asked and is due, and return what is known then.

        The second value says whether another process is asking it. *force* asks also when it is not
        due.
        """
        state = self.entry.state()
        if not ask or not (force or self.is_due(state)):
            return state, False
        usable = bool(state.digest) and not self.lapsed(state)
        with self.entry.lock(wait=force or not usable) as alone:
            # Another process may just have asked.
            state = self.entry.state()
            if not force and not self.is_due(state):
                return state, False
            return (self.ask(state, force=force), False) if alone else (state, True)

    def is_unchanged(self, state: FeedState) -> bool:
        """Tell whether a file is still what it was."""
        try:
            return not state.error and fetch_from(self.source, Validators(state.etag)) is None
        except FetchFailed:
            return False

    def lapsed(self, state: FeedState) -> bool:
        """Tell whether the copy has not been confirmed for more than *max_stale* seconds."""
        return clock.now() - state.good_at > self.max_stale

    def report_age(self, state: FeedState) -> None:
        """Report the age of the copy, in seconds, to the metrics."""
        if state.good_at:
            metrics.gauge("age", self.source.label, max(clock.now() - state.good_at, 0))

    def is_due(self, state: FeedState) -> bool:
        """Tell whether it is time to ask the source: by its refresh, or with new credentials."""
        if self.source.local or not state.checked_at:
            return True
        # Which networks are allowed matters only after a failure.
        otherwise = (
            state.asked_as != self.asked_as
            if state.error
            else state.asked_as[:_CREDENTIAL_DIGITS] != self.credentials
        )
        return otherwise or self.policy.is_due(state)

    def ask(self, state: FeedState, *, force: bool = False, lost: bool = False) -> FeedState:
        """Ask the source, and keep what comes of it: a new copy only if it can be read.

        With *lost* the body is gone, and the source is not told that there was one.
        """
        present = clock.now()
        state = replace(state, label=self.source.label)
        attempt = replace(
            state, good_at=min(state.good_at, present), checked_at=present, asked_as=self.asked_as
        )
        try:
            last = (
                NO_VALIDATORS
                if lost
                else Validators(state.etag, state.last_modified, partial(self.entry.body, state))
            )
            server = ServerBackoff(self.source.server, self.policy)
            with server.attempt(force=force), metrics.timed("fetch_time", self.source.label):
                fetched = fetch_from(self.source, last)
            if fetched is not None:
                return self._adopt(fetched, replace(attempt, digest="") if lost else attempt)
            outcome = replace(attempt, good_at=present, retry_at=0, error="", failures=0)
        except BackedOff as error:
            outcome = replace(state, error=str(error), retry_at=error.retry_at)
            if outcome.error == state.error:
                return outcome
        except (FetchFailed, ExpansionFailed) as error:
            wait = max(self.policy.backoff(state.failures + 1), getattr(error, "retry_after", 0))
            outcome = replace(
                attempt, retry_at=present + wait, error=str(error), failures=state.failures + 1
            )
            metrics.count("failures", self.source.label)
        if not (
            self.source.local
            and outcome.error == state.error
            and present - state.checked_at < _MINUTE
        ):
            # A file is asked at every parse: the same outcome is written once a minute.
            self.entry.save(outcome)
        return outcome

    def recover(self, state: FeedState, *, ask: bool) -> FeedState:
        """Return what is known when the body of *state* is lost, or was replaced meanwhile.

        Readings of it for other stretches may still be there, so after a failure it stays the one
        in force.
        """
        with self.entry.lock(wait=True):
            newest = self.entry.state()
            if newest.digest not in ("", state.digest):
                return newest
            if not ask:
                return replace(newest, error=newest.error or _NEVER_SYNCED)
            return (
                newest if newest.error and not self.is_due(newest) else self.ask(newest, lost=True)
            )

    def _adopt(self, fetched: FetchResult, attempt: FeedState) -> FeedState:
        """Keep what was fetched, if it can be read, and return the new state."""
        body = fetched.body
        digest = attempt.digest if self.entry.holds(attempt, body) else body_digest(body)
        # A body that was there before was checked when it came.
        if digest != attempt.digest:
            body = check_body(body)
            digest = digest if body is fetched.body else body_digest(body)
        components = attempt.components if digest == attempt.digest else len(EVENTS.findall(body))
        if (
            not components
            and attempt.components >= limits.SUDDENLY_EMPTY
            and self._has_more_to_come(attempt)
        ):
            raise FetchFailed(f"suddenly empty: it had {attempt.components} events")
        state = FeedState(
            digest,
            fetched.etag,
            fetched.last_modified,
            components,
            fetched_at=attempt.fetched_at if digest == attempt.digest else attempt.checked_at,
            good_at=attempt.checked_at,
            checked_at=attempt.checked_at,
            asked_as=self.asked_as,
            label=attempt.label,
            interval=max(fetched.fresh_for, published_interval(body)),
        )
        if digest == attempt.digest:
            self.entry.save(state)
            return state
        reading = self.expand(body, attempt, self.start, self.end)
        self.entry.save(state, body)
        self.entry.save_expansion(state, self.start, self.end, self.zone, reading)
        self._adopted = digest, reading
        return state

    def reading(self, state: FeedState) -> ParsedCalendar | None:
        """Return the reading of the last good body, from the cache if possible.

        It is ``None`` if the body is lost.
        """
        if self._adopted is not None and self._adopted[0] == state.digest:
            return self._adopted[1]
        return self._reading_over(state, self.start, self.end)

    def _reading_over(self, state: FeedState, start: int, end: int) -> ParsedCalendar | None:
        """Do as :meth:`reading` for ``[start, end)``, whole weeks in epoch seconds."""
        reading = self.entry.expansion(state, start, end, self.zone)
        if reading is None:
            body = self.entry.body(state)
            if body is not None:
                reading = self.expand(body, state, start, end)
                self.entry.save_expansion(state, start, end, self.zone, reading)
        return reading

    def _has_more_to_come(self, last: FeedState) -> bool:
        """Tell whether the body of *last* has an event that is not over, in the coming year.

        What is over may be missing in the next answer though nobody took it away: many sources are
        asked for, or publish, only what is not long past. Of a body that cannot be read the answer
        is yes.
        """
        now = clock.now()
        # The stretch of this question is part of it, so that no other expansion is needed for that.
        start, end = _weeks(min(self.start, now), max(self.end, now + _YEAR))
        try:
            reading = self._reading_over(last, start, end)
        except ExpansionFailed:
            return True
        return (
            reading is None
            or any(until > now for _, _, until in reading.rows)
            or any(
                not problem.counted and (problem.end is None or problem.end.timestamp() > now)
                for problem in reading.problems
            )
        )

    def expand(self, body: bytes, last: FeedState, start: int, end: int) -> ParsedCalendar:
        """Expand *body* over ``[start, end)``, with the help of an earlier reading."""
        with metrics.timed("read_time", self.source.label):
            earlier = self.entry.earlier(last, start, end, self.zone)
            return expand(body, start, end, self.zone, earlier)


def _weeks(start: float, end: float) -> tuple[int, int]:
    """Return *start* and *end*, in epoch seconds, moved apart to whole weeks."""
    return int(start // _GRID * _GRID), int(-(-end // _GRID) * _GRID)

"""Why a run starts when it does: as data, and in words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from calendar_timetable.planning.open_time import SHOWN, Blocker, OpenTime
from calendar_timetable.planning.plan import PlacedTick, Policy, same_hour
from calendar_timetable.planning.time_sets import CalendarSpans, TimeSet, leaves

Kind = Literal[
    "blackout",
    "outside_windows",
    "too_short",
    "combined",
    "skipped",
    "run_anyway",
    "advanced",
    "staggered",
    "placed",
    "same_hour",
    "unknown",
    "note",
]
_MAX_OBSTACLES = 6  # more would not be read
_NAME = 160  # characters of what a person wrote: windows may be of any length


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why a run does not simply start when due; *start* and *end* in epoch seconds.

    ========================= ==================================================================
    kind                      what its fields say
    ========================= ==================================================================
    blackout, outside_windows time is closed from *start* to *end*, if that is known: by
                              *calendar* and its *event*, where titles are shown, or by the rule
                              *detail*, which is in the zone *zone*
    too_short                 *needed_seconds* do not fit between *start* and *end*, where a
                              blackout begins, which is named as above; without a name the
                              windows end
    combined                  the run that is due at *start* covers this one
    skipped                   nothing fits from *start*, the due time, to *end*; without these it
                              was not to move
    run_anyway                it starts when due, though blocked: ``when_blocked="run"``
    advanced                  it starts at *start*, before its due time *end*
    staggered                 *needed_seconds* later than it could
    placed                    put at *start* by the deployment's placement, because of *detail*
    same_hour                 it waits for its time of day: ``keep_hour=True``
    unknown                   calendars are read until *start*, or far from its due time
    note                      *detail* is to be known of *calendar*
    ========================= ==================================================================
    """

    kind: Kind
    calendar: str | None = None
    event: str | None = None
    start: float | None = None
    end: float | None = None
    needed_seconds: int | None = None
    detail: str | None = None
    zone: str | None = None

    def text(self, zone: ZoneInfo, near: float, *, alone: bool = False) -> str:
        """Return the reason in words, with times in *zone*, shortened beside the time *near*.

        *near* is in epoch seconds; see :func:`format_clock`. With *alone* the zone is named in any
        case.
        """

        def at(instant: float) -> str:
            return format_clock(instant, zone, near, alone=alone)

        until = "" if self.end is None else f" until {at(self.end)}"
        match self.kind:
            case "blackout":
                return f"blocked by {self._name(zone)}{until}"
            case "outside_windows":
                return f"outside {self._name(zone)}{until}"
            case "too_short":
                assert self.start is not None
                assert self.end is not None
                then = (
                    f"blocked by {self._name(zone)}"
                    if self.calendar or self.detail
                    else "outside windows"
                )
                short = (
                    f"only {format_length(self.end - self.start)} are open from {at(self.start)}"
                )
                return f"needs {format_length(self.needed_seconds or 0)}, but {short} (then {then})"
            case "combined":
                assert self.start is not None
                return f"combined with the {at(self.start)} run"
            case "skipped":
                return self._why_skipped()
            case "run_anyway":
                return "runs anyway (when_blocked='run')"
            case "advanced":
                return "starts before its due time (when_blocked='advance')"
            case "staggered":
                return f"staggered by {format_length(self.needed_seconds or 0)}"
            case "placed":
                assert self.start is not None
                return f"placed at {at(self.start)}" + (f" ({self.detail})" if self.detail else "")
            case "same_hour":
                return "waits for its time of day (keep_hour=True)"
            case "unknown":
                if self.start is None:
                    return "calendars are not read this far from today"
                return f"no available slot is known: calendars are read until {at(self.start)}"
            case "note":
                return " ".join(filter(None, (self.calendar, self.detail)))

    def _name(self, zone: ZoneInfo) -> str:
        if self.event is not None:
            return f'"{self.event}" ({self.calendar or self.detail})'
        elsewhere = f" ({self.zone})" if self.zone not in (None, zone.key) else ""
        return f"{self.calendar or self.detail}{elsewhere}"

    def _why_skipped(self) -> str:
        if self.start is None or self.end is None:
            return "skipped (when_blocked='skip')"
        if self.start == self.end:
            return "skipped: no available slot when due (max_delay is 0)"
        run = f" of {format_length(self.needed_seconds)}" if self.needed_seconds else ""
        side = "after" if self.end >= self.start else "before"
        return (
            f"skipped: no available slot{run} within "
            f"{format_length(abs(self.end - self.start))} {side} (max_delay)"
        )


def reasons(placed: PlacedTick, policy: Policy, open_time: OpenTime) -> tuple[Reason, ...]:
    """Return why *placed* does not simply run when due; empty where nothing needs saying."""
    due, why = placed.tick.due, list[Reason]()
    if placed.outcome in ("postponed", "forced", "skipped", "coalesced"):
        until = placed.opening if placed.opening is not None else due + policy.max_delay
        unmoved = policy.when_blocked in ("skip", "run")
        if policy.keep_hour:
            why += _obstacles_by_hour(due, until, policy, open_time)
            if placed.outcome == "postponed":
                why.append(Reason("same_hour"))
        else:
            why += obstacles(due, due if unmoved else until, policy, open_time)
    elif placed.outcome == "advanced":
        why += obstacles(due, due, policy, open_time)
        why.append(Reason("advanced", start=placed.start, end=due))
    if placed.outcome == "coalesced" and placed.survivor is not None:
        why.append(Reason("combined", start=placed.survivor))
    elif placed.outcome == "skipped":
        why.append(_skipped(due, policy))
    elif placed.outcome == "forced":
        why.append(Reason("run_anyway"))
    if placed.opening is not None and placed.start is not None and placed.start > placed.opening:
        if policy.placement is None or policy.delay is None:
            why.append(Reason("staggered", needed_seconds=int(placed.start - placed.opening)))
        else:
            why.append(Reason("placed", start=placed.start, detail=policy.placement.why or None))
    why += (Reason("note", calendar=label, detail=note) for label, note in open_time.notes)
    if not open_time.is_known(due):
        why.append(Reason("unknown"))
    elif (
        placed.start is not None
        and open_time.horizon is not None
        and open_time.is_beyond(placed.start)
    ):
        why.append(Reason("unknown", start=open_time.horizon.end))
    return tuple(why)


def obstacles(start: float, until: float, policy: Policy, open_time: OpenTime) -> list[Reason]:
    """Return what stands in the way from *start* to *until*, in order.

    Both are in epoch seconds. No more than :data:`_MAX_OBSTACLES` reasons are returned.
    """
    reasons: list[Reason] = []
    duration = policy.duration
    ahead = max(until, start + policy.max_delay) + duration
    cursor: float | None = start
    while cursor is not None and cursor <= until and len(reasons) < _MAX_OBSTACLES:
        blocker = open_time.blocker(cursor, ahead)
        if blocker is not None:
            reasons.append(blocked(blocker, cursor))
            cursor = blocker.until
        elif open_time.fits(cursor, duration):
            break
        else:
            over = open_time.over(cursor, cursor + duration + 1).end_of_span(cursor)
            assert over is not None
            cause = open_time.blocker(over, ahead)
            short = Reason("too_short", start=cursor, end=over, needed_seconds=duration)
            if cause is not None and cause.kind == "blackout":
                short = _naming(short, cause.member, over)
            reasons.append(short)
            cursor = over
    return reasons


def _obstacles_by_hour(
    due: float, until: float, policy: Policy, open_time: OpenTime
) -> Iterator[Reason]:
    """Yield what stands in the way at *due*, and at the same time of the days before *until*."""
    start, closed_until, count = due, 0.0, 0
    while start < until and count < _MAX_OBSTACLES:
        # What is closed for several days is told once.
        for reason in obstacles(start, start, policy, open_time) if start >= closed_until else ():
            closed_until, count = reason.end or until, count + 1
            yield reason
        start = same_hour(due, start + 1, policy.keep_hour)


def blocked(blocker: Blocker, instant: float) -> Reason:
    """Return the reason that *blocker* closes *instant*."""
    return _naming(Reason(blocker.kind, start=instant, end=blocker.until), blocker.member, instant)


def _naming(reason: Reason, member: TimeSet, instant: float) -> Reason:
    """Return *reason* with what closes *instant*.

    That is a calendar and, where titles are shown, its event; or a rule and its zone.
    """
    if isinstance(member, CalendarSpans):
        title = member.title_at(instant)
        return replace(
            reason, calendar=shortened(member.label), event=title[:SHOWN] if title else None
        )
    zones = dict.fromkeys(
        zone for leaf in leaves(member) if (zone := getattr(leaf, "timezone", None))
    )
    return replace(reason, detail=shortened(str(member)), zone=", ".join(zones) or None)


def shortened(name: str) -> str:
    """Return *name*, which may be of any length, without its middle where it is long."""
    return name if len(name) <= _NAME else f"{name[: _NAME * 2 // 3]} … {name[-_NAME // 3 :]}"


def _skipped(due: float, policy: Policy) -> Reason:
    if policy.when_blocked == "skip":
        return Reason("skipped")
    end = due + (policy.max_delay if policy.when_blocked == "postpone" else -policy.max_delay)
    return Reason("skipped", start=due, end=end, needed_seconds=policy.duration or None)


def in_words(
    why: Iterable[Reason], zone: ZoneInfo, near: float, *, alone: bool = False
) -> list[str]:
    """Return reasons in words, each once; see :meth:`Reason.text`."""
    return list(dict.fromkeys(reason.text(zone, near, alone=alone) for reason in why))


def sentence(placed: PlacedTick, policy: Policy, open_time: OpenTime, zone: ZoneInfo) -> str:
    """Return *placed* in one sentence.

    As "due Sat 28 Nov 2026 02:00 CET, blocked by team_calendar until 05:00; starts 05:00".
    """
    due, start = placed.tick.due, placed.start
    why = in_words(reasons(placed, policy, open_time), zone, due)
    if start is None:
        return joined("due", due, zone, why)
    if open_time.is_beyond(start) and not open_time.is_beyond(due):
        return joined("due", due, zone, why, "waits")
    return joined("due", due, zone, why, f"starts {on_time_or_at(start, due, zone)}")


def at_instant(
    instant: float, placed: PlacedTick | None, policy: Policy, open_time: OpenTime, zone: ZoneInfo
) -> str:
    """Say whether *instant* is open, and what becomes of the due time that follows.

    That is *placed*; ``None`` where no due time follows.
    """
    why = closed_by(instant, policy, open_time)
    state = "open" if why is None else f"closed, {why.text(zone, instant)}"
    following = (
        "no due time follows" if placed is None else sentence(placed, policy, open_time, zone)
    )
    return f"{format_clock(instant, zone)} is {state}. Next: {following}."


def closed_by(instant: float, policy: Policy, open_time: OpenTime) -> Reason | None:
    """Return what closes *instant*; ``None`` where nothing does."""
    blocker = open_time.blocker(instant, instant + policy.max_delay)
    return None if blocker is None else blocked(blocker, instant)


def joined(cause: str, due: float, zone: ZoneInfo, why: Iterable[str], outcome: str = "") -> str:
    """Return a sentence about the run that is due at *due*: it names the zone once."""
    head = ", ".join((f"{cause} {format_clock(due, zone)}", *why))
    return f"{head}; {outcome}" if outcome else head


def on_time_or_at(start: float, due: float, zone: ZoneInfo) -> str:
    """Say when a run starts that is due at *due*."""
    return "on time" if int(start) == int(due) else format_clock(int(start), zone, due)


def format_clock(
    instant: float, zone: ZoneInfo, near: float | None = None, *, alone: bool = False
) -> str:
    """Return *instant* as text on the clock of *zone*, which is named.

    Beside the time *near*, which the text names too, what they have in common is left out: the
    date, and, unless the text may be read *alone*, the zone.
    """
    moment = datetime.fromtimestamp(instant, zone)
    time = "%H:%M:%S" if moment.second else "%H:%M"
    name = abbreviation(moment)
    if near is None:
        return f"{moment:%a {moment.day} %b %Y {time}} {name}"
    beside = datetime.fromtimestamp(near, zone)
    # The name is told also where the clocks change in between.
    suffix = "" if abbreviation(beside) == name and not alone else f" {name}"
    if beside.date() == moment.date():
        return f"{moment:{time}}{suffix}"
    return f"{moment:%a {moment.day} %b {time}}{suffix}"


def abbreviation(moment: datetime) -> str:
    """Return what the zone of *moment* is called then, such as CET.

    A zone that has no name but a number is called UTC+03.
    """
    name = moment.tzname() or "UTC"
    return f"UTC{name}" if name[0] in "+-" else name


def format_length(seconds: float) -> str:
    """Return a length of time as text: "2 d 4 h 30 min"."""
    rest = timedelta(seconds=int(seconds))
    parts = (
        (rest.days, "d"),
        (rest.seconds // 3600, "h"),
        (rest.seconds // 60 % 60, "min"),
        (rest.seconds % 60, "s"),
    )
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s"


def on_one_line(text: str) -> str:
    """Return *text* on one line, without control characters.

    Those that turn the direction of writing, lone surrogates and private characters are left out
    too.
    """
    chars = (" " if unicodedata.category(char) == "Cc" else char for char in text)
    return " ".join(
        "".join(
            char for char in chars if unicodedata.category(char) not in ("Cf", "Cs", "Co")
        ).split()
    )

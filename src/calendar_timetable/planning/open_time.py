"""Open time: in a window (or none is given) and in no blackout; blackouts win."""

from __future__ import annotations

from typing import Literal, NamedTuple

from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import CalendarSpans, TimeRange, TimeSet, Union, leaves

DAY = 86400
SHOWN = 80  # characters of a title
# How much more than asked is laid out at once: at least this; as much again as is laid out already,
# but no more than _LEAP and an eighth of what is laid out.
_MARGIN = DAY // 4
_LONGEST_LOOK = 2 * 366 * DAY  # for where a stretch of open time begins or ends
_LEAP = 28 * DAY
# Further than this from what is laid out, another stretch is begun: what lies between matters to
# nobody. There are two, as a late run asks about its planned start and about now; where both are
# there, the nearer one grows, unless it is very far away.
_APART = DAY
_FAR = 366 * DAY

# From, to (epoch seconds), and what is open in between.
_Stretch = tuple[int, int, Spans]


class Blocker(NamedTuple):
    """What closes an instant: a *member* of the blackouts, or all windows.

    *until* is when that ends, in epoch seconds; ``None`` where that is not known.
    """

    kind: Literal["blackout", "outside_windows"]
    member: TimeSet
    until: float | None


class OpenTime:
    """Where runs may start, laid out on demand from resolved *windows* and *blackouts*.

    Inside *horizon* everything counts; outside of it calendars are unknown and only rules do
    (``None`` means that no calendar is involved). Instants are in epoch seconds, durations in
    seconds.
    """

    def __init__(
        self, windows: TimeSet | None, blackouts: TimeSet | None, horizon: TimeRange | None
    ) -> None:
        self.windows, self.blackouts, self.horizon = windows, blackouts, horizon
        self.always = windows is None and blackouts is None
        sets = (leaf for timeset in (windows, blackouts) if timeset for leaf in leaves(timeset))
        calendars = [leaf for leaf in sets if isinstance(leaf, CalendarSpans)]
        self.notes = [(leaf.label, leaf.note) for leaf in calendars if leaf.note]
        # Where what is known of calendars ends.
        self._ends = horizon.end if horizon is not None and calendars else None
        # What is laid out, the last one first: one value, so that threads may share this object.
        self._laid: tuple[_Stretch, ...] = ()
        # Of a time of day (zone, duration, seconds): no day of it fits from one instant to before
        # another, and whether it fits there. As Policy.next_start found.
        self.hours: dict[tuple[str, int, float], tuple[float, float, bool]] = {}

    def fits(self, instant: float, duration: int) -> bool:
        """Tell whether a run of *duration* may start at *instant*."""
        return self.always or self.over(instant, instant + duration + 1).fits(instant, duration)

    def next_fit(self, instant: float, duration: int, until: float) -> float | None:
        """Return the earliest start in ``[instant, until]``, or ``None``."""
        if self.always:
            return instant
        end = instant + duration + 1
        while True:
            start = self.over(instant, end).next_fit(instant, duration)
            if start is not None:
                return start if start <= until else None
            if end > until + duration:
                return None
            end += max(_MARGIN, end - instant)  # mostly time opens soon

    def previous_fit(self, instant: float, duration: int, since: float) -> float | None:
        """Return the latest start, in whole seconds, in ``[since, instant)``, or ``None``."""
        if self.always:
            start: float | None = -(-instant // 1) - 1
        else:
            start = self.over(since, instant + 1).previous_fit(instant, duration)
        return start if start is not None and start >= since else None

    def last_fit(self, instant: float, duration: int, until: float) -> float:
        """Return the last start in ``[instant, until]`` before time closes; *instant* must fit."""
        if self.always:
            return until
        return min(until, self.over(instant, until + duration + 1).last_fit(instant, duration))

    def starts(self, first: float, latest: float, duration: int) -> Spans:
        """Return when in ``[first, latest]`` a run of *duration* fits, in whole seconds."""
        first, end = -int(-first // 1), int(latest) + 1
        if self.always:
            return Spans(((first, end),)) if first < end else Spans()
        spans = self.over(first, end + duration).clip(first, end + duration)
        fitting = ((low, min(high - duration + 1, end)) for low, high in spans)
        return Spans((low, high) for low, high in fitting if low < high)

    def opening_before(self, instant: float, within: int) -> float | None:
        """Return when the open time that holds *instant* began.

        ``None`` where that is more than *within* seconds ago, or *instant* is closed.
        """
        opening = self.over(instant - within - 1, instant + 1).start_of_span(instant)
        return opening if opening is not None and instant - opening <= within else None

    def opening_of(self, instant: float, since: float) -> float:
        """Return when the open time that holds *instant* began.

        Where it began before *since*, or *instant* is closed, that is *since* or some time before
        it. No search goes back further than :data:`_LONGEST_LOOK`.
        """
        back = float(DAY)
        while not self.always and instant - back > since and back < _LONGEST_LOOK:
            opening = self.over(instant - back, instant + 1).start_of_span(instant)
            if opening is not None and opening > instant - back:
                return opening
            back *= 4
        since = max(since, instant - _LONGEST_LOOK)
        opening = None if self.always else self.over(since, instant + 1).start_of_span(instant)
        return since if opening is None else opening

    def end_of(self, instant: float) -> float | None:
        """Return when the open time that holds *instant* ends.

        ``None`` where *instant* is closed, or no end is in sight.
        """
        ahead = float(_MARGIN)
        while not self.always and ahead < _LONGEST_LOOK:
            ends = self.over(instant, instant + ahead).end_of_span(instant)
            if ends is None or ends < instant + ahead:
                return ends
            ahead *= 4
        return None

    def over(self, start: float, end: float) -> Spans:
        """Return open spans, right at least for ``[start, end)``; they may reach further.

        What is laid out is kept, and grows by more than is asked for.
        """
        for low, high, spans in self._laid:
            if low <= start and end <= high:
                return spans
        return self._grown_over(start, end)

    def _grown_over(self, start: float, end: float) -> Spans:
        """Lay out ``[start, end)`` too, and return the open spans of the stretch that holds it."""

        def gap(stretch: _Stretch) -> float:
            return max(start - stretch[1], stretch[0] - end)

        stretches = sorted(self._laid, key=gap)
        if not stretches or gap(stretches[0]) > (_APART if len(stretches) == 1 else _FAR):
            stretches = [(int(start), int(start), Spans()), *self._laid[:1]]
        low, high, spans = stretches[0]
        margin = max(_MARGIN, min(high - low, _LEAP + (high - low) // 8))
        if start < low:
            earlier = int(start) - margin
            low, spans = earlier, Spans.joined((self._lay_out(earlier, low), spans))
        if end > high:
            later = -int(-end // 1) + margin
            high, spans = later, Spans.joined((spans, self._lay_out(high, later)))
        self._laid = ((low, high, spans), *stretches[1:])
        return spans

    def _lay_out(self, start: int, end: int) -> Spans:
        if self.horizon is None:
            return self._open(self.windows, self.blackouts, start, end)
        overlap = TimeRange(max(start, self.horizon.start), min(end, self.horizon.end))
        windows = self.windows and self.windows.rules(deny=False)
        blackouts = self.blackouts and self.blackouts.rules(deny=True)
        if overlap.start >= overlap.end:
            return self._open(windows, blackouts, start, end)
        before = self._open(windows, blackouts, start, overlap.start)
        inside = self._open(self.windows, self.blackouts, overlap.start, overlap.end)
        after = self._open(windows, blackouts, overlap.end, end)
        return Spans.joined((before, inside, after))

    @staticmethod
    def _open(windows: TimeSet | None, blackouts: TimeSet | None, start: int, end: int) -> Spans:
        spans = windows.cover(start, end) if windows else Spans(((start, end),))
        return spans - blackouts.cover(start, end) if blackouts else spans

    def blocker(self, instant: float, until: float) -> Blocker | None:
        """Return what closes *instant*, and until when; ``None`` where nothing does.

        An end later than *until* is not looked for.
        """
        start, end = int(instant), int(until) + 1
        inside = self.is_known(instant)
        blackouts = (
            self.blackouts if inside or self.blackouts is None else self.blackouts.rules(deny=True)
        )
        for member in members(blackouts):
            over = member.cover(start, end).end_of_span(instant)
            if over is not None:
                # A closure that lasts to the end of what is known may last longer: nobody knows.
                beyond = inside and self._ends is not None and over >= self._ends
                return Blocker("blackout", member, over if over < end and not beyond else None)
        windows = self.windows if inside or self.windows is None else self.windows.rules(deny=False)
        if windows is not None:
            spans = windows.cover(start, end)
            if instant not in spans:
                return Blocker("outside_windows", windows, spans.next_start(instant))
        return None

    def is_beyond(self, instant: float) -> bool:
        """Tell whether *instant* lies past what is known of calendars."""
        return self._ends is not None and instant >= self._ends

    def is_known(self, instant: float) -> bool:
        """Tell whether calendars are known at *instant*."""
        return self.horizon is None or self.horizon.start <= instant < self.horizon.end


def members(timeset: TimeSet | None) -> tuple[TimeSet, ...]:
    """Return the members of a union, or the set itself; nothing for ``None``."""
    if timeset is None:
        return ()
    return tuple(timeset.parts()) if isinstance(timeset, Union) else (timeset,)

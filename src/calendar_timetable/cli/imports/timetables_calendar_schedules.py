"""Timetables of ``airflow-timetables-calendar`` as schedules of this package.

The days of its rules are worked out for twenty years, and the ``On`` is looked for that has just
these days: so what is printed does the same, and where nothing does, that is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property, lru_cache
from itertools import chain
from typing import Any

from calendar_timetable.calendars.working_days import WorkingDays, known_days
from calendar_timetable.cli.imports.result import Schedule, Unsaid
from calendar_timetable.cli.imports.run_cycle_rules import EVERY_DAY
from calendar_timetable.cli.imports.timetables_calendar_rules import Days, Rule
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.days import Periods, Roll, nth, rolled
from calendar_timetable.planning.time_sets import Complement, TimeRange, TimeSet
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.on import On

# Days are known from a year before those that are compared to a year after them.
_FIRST, _LAST = date(2014, 1, 1), date(2036, 12, 31)
_FROM, _TO = date(2015, 3, 1), date(2035, 10, 31)
_EVERY = [_FIRST + timedelta(days=n) for n in range((_LAST - _FIRST).days + 1)]
_PREFIXES = ("country:", "holidays:", "financial:", "exchange:", "market:")
_SAT_SUN = frozenset((5, 6))
_ROLLS: dict[str, Roll] = {"next": "following", "previous": "preceding", "skip": "skip"}
_BY_HAND = "write On(...) by hand; docs/business-days.md has examples"


@dataclass(frozen=True)
class _Form:
    """A way to write a rule: the argument ``days``, how it rolls, and when months begin."""

    days: TimeSet | None
    roll: Roll | None = None
    period_start: int = 1
    confined: bool = False  # whether its runs are confined to the days the timetable runs on


def schedule_of(line: int, parameters: Mapping[str, Any]) -> Schedule:
    """Return the schedule of a timetable with these arguments; raises :class:`Unsaid`."""
    zone = parameters["timezone"] or "UTC"
    try:
        zones.load_zone(zone)
    except InvalidArgument as error:
        raise Unsaid(line, zone, error.remedy) from None
    timetable = _Timetable(line, parameters)
    on, confined = timetable.rule()
    arguments: dict[str, Any] = {"schedule": on, "timezone": zone}
    if confined:
        if parameters["hour"] > 23:
            remedy = f"days are left out by the time of a run, which is another day; {_BY_HAND}"
            raise Unsaid(line, parameters["hour"], remedy)
        arguments |= {"windows": timetable.timeset, "when_blocked": "skip"}
    return Schedule(line, "airflow_timetables_calendar", arguments, notes=timetable.notes)


@dataclass(frozen=True)
class _Timetable:
    """One timetable, and what its rules come to."""

    line: int
    given: Mapping[str, Any]

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the schedule."""
        if "-" in self.code or len(self.code) < 3:
            return ()
        return (f"days of {self.code} are those of exchange_calendars",)

    @cached_property
    def code(self) -> str:
        """The code of the calendar; ``""`` of none."""
        text = (self.given["calendar_id"] or "").strip()
        prefix = next((p for p in _PREFIXES if text.lower().startswith(p)), "")
        code: str = text[len(prefix) :].upper().replace("_", "-")
        return "" if code == "NONE" and not prefix else code

    @cached_property
    def timeset(self) -> TimeSet:
        """The days on which it runs."""
        code, add, remove = (self.code, self.given["include_dates"], self.given["exclude_dates"])
        # There a date in both is one that counts.
        remove = [day for day in remove if day not in add]
        days: TimeSet = WorkingDays(code or None, add=add, remove=remove)
        try:
            days.validate()
            code_days = _known(code)
        except InvalidArgument as error:
            remedy = f"{error.remedy}; exchanges by their ISO 10383 code, as exchange:XTKS"
            raise Unsaid(self.line, code, remedy) from None
        if code_days.weekend != _SAT_SUN:
            why = "there Saturdays and Sundays are off wherever it is, here as the code says"
            raise Unsaid(self.line, code, f"{why}; {_BY_HAND}")
        if code_days.worked:
            # It knows no weekend that is worked in place of another day.
            if any(day.weekday() > 4 for day in add):
                raise Unsaid(self.line, "include_dates", f"on a weekend of {code}; {_BY_HAND}")
            days = days & Weekly("mon-fri")
        return ~days if self.given["run_on"] == "closed" else days

    @cached_property
    def off(self) -> TimeSet:
        """All other days."""
        days = self.timeset
        return days.members[0] if isinstance(days, Complement) else ~days

    @cached_property
    def days(self) -> Days:
        """The same, as dates."""
        return Days(_EVERY, _covered(self.timeset))

    def rule(self) -> tuple[On, bool]:
        """Return what it is due by, and whether its runs are confined to the days it runs on."""
        hour, minute = self.given["hour"], self.given["minute"]
        if hour < 0:
            remedy = f"nothing is due the day before the day that a rule names; {_BY_HAND}"
            raise Unsaid(self.line, hour, remedy)
        at = f"{hour:02}:{minute:02}"
        rules: Sequence[Rule] = self.given["rules"]
        if not rules or any(rule.frequency == "daily" for rule in rules):
            # What else is named is a day on which it runs, or this cannot be said.
            others = [rule for rule in rules if rule.frequency != "daily"]
            if all(self._dates(rule) <= {*self.days.open} for rule in others):
                return On(EVERY_DAY, self.timeset, of="week", at=at), False
            raise Unsaid(self.line, "every_business_day", f"and days off besides; {_BY_HAND}")
        choices = [self._form_of(rule) for rule in rules]
        forms = {form: None for form, _ in choices}
        if len(forms) > 1:
            remedy = "a DAG has one schedule: make one for each rule"
            raise Unsaid(self.line, f"{len(rules)} rules", remedy)
        (form,) = forms
        which: Any = sorted({number for _, number in choices}, key=lambda n: (n < 0, n))
        options: dict[str, Any] = {"period_start": form.period_start, "roll": form.roll}
        which = which[0] if len(which) == 1 else which
        return On(which, form.days, at=at, **options), form.confined

    def _dates(self, rule: Rule) -> frozenset[date]:
        """Return the days of *rule* that are compared."""
        months = ((y, m) for y in range(_FIRST.year, _LAST.year + 1) for m in range(1, 13))
        base = self.given["base_day"]
        days = (rule.day_of(year, month, base, self.days) for year, month in months)
        return frozenset(day for day in days if day is not None and _FROM <= day <= _TO)

    def _form_of(self, rule: Rule) -> tuple[_Form, int]:
        """Return how *rule* is written, and which day of the month it then is."""
        dates = self._dates(rule)
        if not dates:
            raise Unsaid(self.line, _rule_in_words(rule), "it never runs; take the rule out")
        for form in self._forms(rule):
            counted_days = self._counted_days(form)
            for number in _numbers(rule):
                if self._days_of(form, number, counted_days) == dates:
                    return form, number
        remedy = f"no On has just these days in {_FROM.year}-{_TO.year}; {_BY_HAND}"
        raise Unsaid(self.line, _rule_in_words(rule), remedy)

    def _forms(self, rule: Rule) -> Iterator[_Form]:
        """Yield the ways to write *rule*, the plainest first."""
        base = self.given["base_day"]
        for start in dict.fromkeys((1, base)):
            if rule.start_day == "weekday":
                weekly = Weekly(rule.weekday or "mon")
                yield _Form(weekly, None, start)
                yield _Form(weekly, None, start, confined=True)
            if rule.kind == "closed":
                yield _Form(self.off, None, start)
            if rule.kind in ("absolute", "relative"):
                yield _Form(None, None, start)
                if rule.substitution in _ROLLS and not rule.offset:
                    yield _Form(self.timeset, _ROLLS[rule.substitution], start)
            yield _Form(self.timeset, None, start)

    def _days_of(self, form: _Form, number: int, counted_days: Sequence[date]) -> frozenset[date]:
        """Return the days of ``On(number, …)`` that are compared, of *counted_days*."""
        days = set()
        for begin, end in _months(form.period_start):
            day = nth(counted_days, begin, end, number)
            if day is not None and form.roll is not None:
                day = rolled(day, self.days.open, begin, end, form.roll)
            if day is not None and _FROM <= day <= _TO and (not form.confined or day in self.days):
                days.add(day)
        return frozenset(days)

    def _counted_days(self, form: _Form) -> Sequence[date]:
        """Return the days that *form* counts in each month."""
        if form.days is None or form.roll is not None:
            return _EVERY
        if form.days is self.timeset:
            return self.days.open
        return self.days.closed if form.days is self.off else sorted(_covered(form.days))


_known = cache(lambda code: known_days(code or None, range(_FIRST.year, _LAST.year + 1)))


@cache
def _months(period_start: int) -> list[tuple[date, date]]:
    """Return the months that begin on that day, well within the days that are known."""
    edge = timedelta(days=62)
    return [*Periods("month", 1, period_start).between(_FIRST + edge, _LAST - edge)]


def _numbers(rule: Rule) -> Iterator[int]:
    """Yield which day of a month *rule* may be, the likeliest first."""
    near = rule.day + rule.offset if rule.start_day != "month_end" else -rule.day - 1 + rule.offset
    every = chain((near, rule.day), chain.from_iterable((n, -n) for n in range(1, 32)))
    return (number for number in dict.fromkeys(every) if 0 < abs(number) < 32)


@lru_cache(maxsize=64)
def _covered(timeset: TimeSet) -> frozenset[date]:
    """Return the days that *timeset* covers."""
    begin = (_FIRST - date(1970, 1, 1)).days
    within = TimeRange(begin * 86400, (begin + len(_EVERY)) * 86400)
    covered = timeset.resolve(within, "UTC").cover(within.start, within.end)
    return frozenset(day for n, day in enumerate(_EVERY, begin) if n * 86400 in covered)


def _rule_in_words(rule: Rule) -> str:
    """Say in short which rule it is."""
    word = f" {rule.weekday}" if rule.start_day == "weekday" else ""
    moved = f" offset {rule.offset}" if rule.offset else ""
    return f"{rule.kind} {rule.start_day}{word} {rule.day} {rule.substitution}{moved}"

"""The scheduling language of HCL Workload Automation and IBM Workload Scheduler, as it is parsed.

The grammar is that of "Job stream definition" and "Calendar definition" in the User's Guide and
Reference of HCL Workload Automation; what follows the colon is about jobs, and is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from calendar_timetable.cli.imports.result import Unsaid

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_TOKEN = re.compile(r'#.*|"([^"\n]*)"|[(),:]|[+-]\s*(?=\d)|[^\s(),:"]+|(")')
_ALONE = re.compile(r"\s*(:|END)\s*(#.*)?", re.IGNORECASE)
_NEXT_STREAM = re.compile(r"\s*SCHEDULE\s", re.IGNORECASE)
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})")
_COMPACT = re.compile(r"\d{8}")
_NAME = re.compile(r"[A-Za-z/][\w/#.-]*")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)")
_MOST_DATES = 2000  # of a calendar
_MOST_OFFSET = 366
_MOST_CYCLES = 1000  # of a file
_MOST_EXCEPT = 50  # of a job stream
_MOST_WRONG = 50  # job streams of a file
_ENDS = ("END", "SCHEDULE", "$CALENDAR")  # where the next definition is found
_YEARS = range(1971, 2100)
_UNITS = {f"{unit}{s}": unit for unit in ("DAY", "WEEKDAY", "WORKDAY") for s in ("", "S")}

# Keywords of a job stream that say nothing of when it is due ...
_SILENT = {
    "DESCRIPTION", "VARTABLE", "CARRYFORWARD", "KEYSCHED", "PRIORITY", "LIMIT", "ISUSERJOB",
}  # fmt: skip
_WAITS = "this is no due time; say it with a task or an asset of the DAG"
_LATE = "how late a run may be is no due time; see max_delay of CalendarTimetable"
# ... those that are told beside its schedule ...
_BESIDE = {
    **dict.fromkeys(("FOLLOWS", "JOIN", "ENDJOIN", "MATCHING", "OPENS", "PROMPT"), _WAITS),
    **dict.fromkeys(("UNTIL", "JSUNTIL", "ONUNTIL"), _LATE),
    "CONFIRMED": _WAITS,
    "DEADLINE": "a deadline is no due time; see the deadlines of Airflow",
    "NEEDS": "a resource is no due time; give the task a pool",
}
# ... and those that leave no schedule to be told.
_REFUSED = {
    "EVERY": "write an AT for the first time, and list all in at=[...] of On by hand",
    "EVERYENDTIME": "write an AT for the first time, and list all in at=[...] of On by hand",
    "SCHEDTIME": "a run starts at its AT; write AT",
    "DRAFT": "a draft has no runs; take DRAFT out",
    "SUBSET": "a DAG has one schedule; import each subset alone",
    "STARTCOND": "events start it; see CalendarEventTrigger, or a trigger of Airflow",
}
_READ = {"SCHEDULE", "ON", "EXCEPT", "AT", "FREEDAYS", "TIMEZONE", "TZ", "VALIDFROM", "VALIDTO"}
KEYWORDS = _READ | _SILENT | _BESIDE.keys() | _REFUSED.keys() | {"END", "$CALENDAR", ":", "(", ")"}


class Token(NamedTuple):
    """A word, or the text between quotes, at its line."""

    line: int
    text: str
    quoted: bool = False
    alone: bool = False  # whether its line has nothing else
    broken: bool = False  # whether it is a quote that does not end

    @property
    def word(self) -> str:
        """The word in upper case; ``""`` of quoted text."""
        return "" if self.quoted else self.text.upper()


@dataclass(frozen=True)
class At:
    """A time of day, so many *days* later, in *zone* if that is named."""

    line: int
    hours: int
    minutes: int
    days: int = 0
    zone: str = ""


@dataclass(frozen=True)
class Item:
    """What a run cycle names: ``"dates"``, ``"day"``, ``"calendar"``, ``"rule"``, ``"request"``."""

    line: int
    kind: str
    text: str
    offset: int = 0
    unit: str = ""


@dataclass
class Cycle:
    """A run cycle: of ON, or of EXCEPT where it is *excluded*."""

    line: int
    excluded: bool
    name: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    items: list[Item] = field(default_factory=list)
    free_days: str = ""
    at: At | None = None
    refused: list[Unsaid] = field(default_factory=list)
    beside: list[Unsaid] = field(default_factory=list)  # what its schedule is told without


@dataclass
class Stream:
    """A job stream: what its header says."""

    line: int
    name: str = "run cycle"
    zone: str = ""
    calendar: str = "HOLIDAYS"  # the one of non-working days
    saturdays: bool = False  # whether people work on them
    sundays: bool = False
    cycles: list[Cycle] = field(default_factory=list)
    at: At | None = None
    valid_from: date | None = None
    refused: list[Unsaid] = field(default_factory=list)
    beside: list[Unsaid] = field(default_factory=list)  # what its schedule is told without


@dataclass
class Definitions:
    """What a file defines: calendars by upper-case name, and job streams."""

    calendars: dict[str, list[date]] = field(default_factory=dict)
    streams: list[Stream] = field(default_factory=list)
    unsaid: list[Unsaid] = field(default_factory=list)  # why other job streams are not read


def parse(text: str) -> Definitions:
    """Return what *text* defines; raises :class:`Unsaid` where it is no such text."""
    return _Parser(list(_tokens(text))).parse()


def _tokens(text: str) -> Iterator[Token]:
    in_jobs = False
    for number, line in enumerate(text.split("\n"), 1):
        if alone := _ALONE.fullmatch(line):
            in_jobs = alone[1] == ":"
            yield Token(number, alone[1], alone=True)
            continue
        # Lines about jobs have quotes of their own. A job stream in them is one after a lost END.
        in_jobs = in_jobs and not _NEXT_STREAM.match(line)
        if in_jobs:
            continue
        for match in _TOKEN.finditer(line):
            if match[0].startswith("#"):
                break
            if match[2]:
                yield Token(number, line[match.start() :], quoted=True, broken=True)
                break
            quoted = match[1] is not None
            yield Token(number, match[1] if quoted else match[0].strip(), quoted)


class _Parser:
    """A reader of tokens, one after the other."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.at = tokens, 0
        self.cycles = 0
        self.last = tokens[-1].line if tokens else 1
        self.found = Definitions()

    def parse(self) -> Definitions:
        """Read all."""
        while self.at < len(self.tokens):
            match self.peek().word:
                case "$CALENDAR":
                    self.next()
                    self.calendars()
                case "SCHEDULE" if len(self.found.unsaid) < _MOST_WRONG:
                    self.schedule_or_error()
                case "SCHEDULE":
                    token = self.peek()
                    remedy = "not read on, after so many errors; correct those first"
                    self.found.unsaid.append(Unsaid(token.line, token.text, remedy))
                    return self.found
                case "$SCHEDULE" | "END":
                    self.next()
                case "ON" | "EXCEPT" | "FREEDAYS" | "AT" | "TIMEZONE" | "TZ":
                    self.header(Stream(self.peek().line))
                case _:
                    token = self.next()
                    remedy = "begin with SCHEDULE, ON, EXCEPT or $CALENDAR, as composer writes them"
                    raise Unsaid(token.line, token.text, remedy)
        if not self.found.streams and not self.found.unsaid:
            raise Unsaid(self.last, "no ON", "give a file with a SCHEDULE or an ON RUNCYCLE")
        return self.found

    def peek(self, ahead: int = 0) -> Token:
        """Return a token that is to come, an empty one at the end."""
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else Token(self.last, "")

    def next(self, what: str = "") -> Token:
        """Return the next token; *what* it has to be, for who left it out."""
        token = self.peek()
        if not token.text and not token.quoted:
            raise Unsaid(self.last, "end of the file", f"{what or 'something'} is expected")
        self.at += 1
        if token.broken:
            raise Unsaid(token.line, token.text, 'a quote does not end; add the "')
        return token

    def next_name(self, what: str) -> str:
        """Return the next token, a name."""
        token = self.next(what)
        if token.word in _REFUSED:
            raise Unsaid(token.line, token.text, _REFUSED[token.word])
        if token.quoted or not _NAME.fullmatch(token.text) or token.word in KEYWORDS:
            raise Unsaid(token.line, token.text, f"{what} is expected")
        return token.text

    def day(self) -> date:
        """Return the next token, a date."""
        token = self.next("a date")
        match = _DATE.fullmatch(token.text)
        try:
            month, day, year = map(int, match.groups() if match else (0, 0, 0))
            # As datecalc reads two digits: above 70 of the 20th century.
            if match and len(match[3]) == 2:
                year += 1900 if year > 70 else 2000
            return _plausible(date(year, month, day))
        except ValueError:
            remedy = "write a date as mm/dd/yyyy, the format of composer"
            raise Unsaid(token.line, token.text, remedy) from None

    def calendars(self) -> None:
        """Read the calendars after ``$calendar``."""
        while (token := self.peek()).text and token.word not in KEYWORDS | {"$SCHEDULE"}:
            name = self.next_name("the name of a calendar").upper()
            if self.peek().quoted:
                self.next()
            dates = self.found.calendars.setdefault(name, [])
            while _DATE.fullmatch(self.peek().text):
                dates.append(self.day())
            if len(dates) > _MOST_DATES:
                raise Unsaid(token.line, name, f"more than {_MOST_DATES} dates; leave old ones out")

    def schedule(self) -> None:
        """Read a job stream, up to its END."""
        stream = Stream(self.next().line)
        stream.name = self.next_name("the name of a job stream")
        self.header(stream)
        if self.peek().word == ":":
            self.next()
        # What is cut off may have lost an EXCEPT.
        end = self.peek()
        if end.text and end.word != "END":
            raise Unsaid(end.line, end.text, "END is expected before it; export it again")
        self.next("END")

    def schedule_or_error(self) -> None:
        """Read a job stream, or note why it cannot be read and pass over it."""
        before = len(self.found.streams)
        try:
            self.schedule()
        except Unsaid as error:
            if self.cycles > _MOST_CYCLES:
                raise
            self.found.unsaid.append(error)
            del self.found.streams[before:]
            while self.at < len(self.tokens) and self.peek().word not in _ENDS:
                self.at += 1

    def header(self, stream: Stream) -> None:
        """Read what comes before the colon."""
        self.found.streams.append(stream)
        while (token := self.peek()).text or token.quoted:
            word = token.word
            if word == ":" and not token.alone:
                remedy = "the colon that ends what is read stands alone on its line; correct it"
                raise Unsaid(token.line, token.text, remedy)
            if word in ("SCHEDULE", "$CALENDAR", "$SCHEDULE", "END", ":"):
                return
            self.next()
            if word in ("ON", "EXCEPT"):
                stream.cycles.append(self.cycle(token.line, excluded=word == "EXCEPT"))
                self.cycles += 1
                if self.cycles > _MOST_CYCLES:
                    remedy = (
                        f"more than {_MOST_CYCLES} run cycles; import fewer job streams at once"
                    )
                    raise Unsaid(token.line, token.text, remedy)
                if sum(cycle.excluded for cycle in stream.cycles) > _MOST_EXCEPT:
                    remedy = f"more than {_MOST_EXCEPT} EXCEPT; name their dates in one $CALENDAR"
                    raise Unsaid(token.line, token.text, remedy)
            elif word == "AT":
                stream.at = self.time(token.line)
            elif word in ("TIMEZONE", "TZ"):
                stream.zone = self.next_name("a time zone")
            elif word == "FREEDAYS":
                stream.calendar = self.next_name("the calendar of non-working days").upper()
                while self.peek().word in ("-SA", "-SU"):
                    saturdays = self.next().word == "-SA"
                    stream.saturdays |= saturdays
                    stream.sundays |= not saturdays
            elif word == "VALIDFROM":
                stream.valid_from = self.day()
            elif word in _SILENT:
                self.skip()
            elif not self.refuses(token, stream):
                raise Unsaid(token.line, token.text, "not a keyword of a job stream; take it out")

    def refuses(self, token: Token, definition: Stream | Cycle) -> bool:
        """Note a keyword that cannot be said, and pass over it; tell whether it is one."""
        if remedy := _REFUSED.get(token.word):
            definition.refused.append(Unsaid(token.line, token.text, remedy))
        elif remedy := _BESIDE.get(token.word):
            definition.beside.append(Unsaid(token.line, token.text, remedy))
        else:
            return False
        self.skip()
        return True

    def skip(self) -> None:
        """Pass over what belongs to a keyword, its parentheses whole."""
        while (token := self.peek()).text or token.quoted:
            if token.word == "(":
                while self.next("a closing parenthesis").word != ")":
                    pass
            elif token.word in KEYWORDS:
                return
            else:
                self.next()

    def time(self, line: int) -> At:
        """Return what follows AT."""
        token = self.next("a time")
        match = _TIME.fullmatch(token.text)
        if match is None:
            raise Unsaid(token.line, token.text, "write a time of day as hhmm, from 0000 to 2359")
        zone, days = "", 0
        if self.peek().word in ("TIMEZONE", "TZ"):
            self.next()
            zone = self.next_name("a time zone")
        if self.peek().word == "+":
            days, unit = self.offset()
            if unit != "DAY" or days < 0:
                raise Unsaid(token.line, unit, "an AT is so many days later: AT 0100 +1 DAY")
        return At(line, int(match[1]), int(match[2]), days, zone)

    def offset(self) -> tuple[int, str]:
        """Return a number with its sign, and what it counts."""
        sign, number, unit = self.next(), self.next("a number"), self.next("days")
        if not re.fullmatch(r"\d{1,3}", number.text) or int(number.text) > _MOST_OFFSET:
            raise Unsaid(number.line, number.text, f"write a number up to {_MOST_OFFSET}")
        if unit.word not in _UNITS:
            raise Unsaid(unit.line, unit.text, "write days, weekdays or workdays")
        return int(sign.text + number.text), _UNITS[unit.word]

    def cycle(self, line: int, *, excluded: bool) -> Cycle:
        """Return what follows ON or EXCEPT."""
        cycle = Cycle(line, excluded)
        if self.peek().word == "RUNCYCLE":
            self.next()
            cycle.name = self.next_name("the name of a run cycle")
            while (word := self.peek().word) in ("VALIDFROM", "VALIDTO", "DESCRIPTION", "VARTABLE"):
                self.next()
                if word == "VALIDFROM":
                    cycle.valid_from = self.day()
                elif word == "VALIDTO":
                    cycle.valid_to = self.day()
                else:
                    self.next("a text")
        cycle.items.append(self.item())
        while self.peek().word == ",":
            self.next()
            cycle.items.append(self.item())
        if self.peek().word in ("FDIGNORE", "FDNEXT", "FDPREV"):
            cycle.free_days = self.next().word
        if self.peek().word == "(":
            self.restrictions(cycle)
        return cycle

    def restrictions(self, cycle: Cycle) -> None:
        """Read the times of a run cycle, in parentheses."""
        self.next()
        while (token := self.next("a closing parenthesis")).word != ")":
            if token.word == "AT":
                cycle.at = self.time(token.line)
            elif not self.refuses(token, cycle):
                raise Unsaid(token.line, token.text, "a run cycle has AT; take this out")

    def item(self) -> Item:
        """Return one of the things that a run cycle names."""
        token = self.next("what the run cycle names")
        if token.quoted:
            return Item(token.line, "rule", token.text.upper().replace(" ", "").strip(";"))
        if token.word == "REQUEST":
            return Item(token.line, "request", "")
        if token.word in WEEKDAYS:
            return Item(token.line, "day", token.word)
        if _COMPACT.fullmatch(token.text) or _DATE.fullmatch(token.text):
            if _DATE.fullmatch(token.text):
                self.at -= 1
                return Item(token.line, "dates", self.day().isoformat())
            try:
                day = _plausible(date.fromisoformat(token.text))
                return Item(token.line, "dates", day.isoformat())
            except ValueError:
                raise Unsaid(token.line, token.text, "write a date as yyyymmdd") from None
        self.at -= 1
        name = self.next_name("a date, a day, a calendar or a rule in quotes")
        offset = self.offset() if self.peek().word in ("+", "-") else (0, "")
        return Item(token.line, "calendar", name.upper(), *offset)


def _plausible(day: date) -> date:
    """Return *day*; raise ``ValueError`` where it is in no year that schedules are written for."""
    if day.year not in _YEARS:
        raise ValueError(day)
    return day

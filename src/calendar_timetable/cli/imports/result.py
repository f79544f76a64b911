"""What an import has found, what cannot be said, and the text it is read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from calendar_timetable.exceptions import CalendarTimetableError, InvalidArgument
from calendar_timetable.planning.explain import on_one_line

MOST_BYTES = 1024 * 1024
_SHOWN = 80  # characters of a value


class Unsaid(CalendarTimetableError):
    """What cannot be read, or cannot be said here: names line, value and remedy."""

    def __init__(self, line: int, value: object, remedy: str) -> None:
        text = on_one_line(str(value))
        self.line, self.remedy = line, remedy
        self.value = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        super().__init__(f"line {line}: {self.value!r}: {remedy}")


@dataclass(frozen=True)
class Schedule:
    """A schedule of *arguments* for :class:`CalendarTimetable`, found at *line*.

    Without ``schedule`` among the arguments they are what one is to be given besides. *start* and
    *end* are those of the DAG; *notes* tell what the reader should know.
    """

    line: int
    name: str
    arguments: Mapping[str, Any]
    start: datetime | None = None
    end: datetime | None = None
    notes: tuple[str, ...] = ()


@dataclass
class ImportResult:
    """The schedules of a file, and what of it could not be said."""

    schedules: list[Schedule] = field(default_factory=list)
    unsaid: list[Unsaid] = field(default_factory=list)


def read_text(path: Path) -> str:
    """Return the text of the file at *path*, at most a MiB of UTF-8.

    Raises :class:`InvalidArgument` where there is no such file, :class:`Unsaid` where it is no
    such text.
    """
    try:
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except OSError as error:
        remedy = f"{error.strerror}; give a file that can be read"
        raise InvalidArgument("file", str(path), remedy) from None
    if len(body) > MOST_BYTES:
        raise Unsaid(1, path.name, f"more than {MOST_BYTES} bytes; export fewer definitions")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        value = body[error.start : error.start + 1].hex()
        raise Unsaid(line, value, "not UTF-8; save the file as UTF-8 text") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Unsaid(line, "00", "not text; save the file as UTF-8 text")
    if not text.strip():
        raise Unsaid(1, path.name, "the file is empty; export it again")
    return text

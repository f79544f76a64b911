"""What each series of a calendar came to when it was last read, so that only those that changed are expanded again.

A series is known by a digest of all that its occurrences are made from: the lines of its components that are
looked at, the zones of its calendar and the stretch of time. Only what was understood is remembered. Any doubt, such as
a damaged file or one UID in two calendars, costs an expansion and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable

from calendar_timetable.calendars.ical.parser import Component
from calendar_timetable.calendars.occurrences import Details, ParsedCalendar

Row = tuple[Details, int, int]


class SeriesCache:
    """The series of an *earlier* reading of the same calendar, as it is kept; and those of this one, as they come."""

    def __init__(self, earlier: bytes) -> None:
        self._made: dict[str, str] = {}  # now, by UID
        self._mixed: set[str] = set()  # UIDs whose rows come from several places
        self._known: dict[str, str] = {}
        self._rows: dict[str, list[Row]] = defaultdict(list)
        if earlier:
            try:
                reading = reading_of(earlier, whole=True)
            except (ValueError, TypeError, KeyError, IndexError, AttributeError):
                return
            self._known = dict(reading.series)
            for row in reading.rows:
                self._rows[row[0].uid].append(row)

    def recall(self, uid: str, digest: str) -> list[Row] | None:
        """The occurrences of the series *uid*, if it was then what it is now."""
        return self._rows.get(uid, []) if uid and self._known.get(uid) == digest else None

    def keep(self, uid: str, digest: str) -> None:
        """The series *uid* was understood; nothing else with this UID may have rows, or none of it is kept."""
        if uid in self._made:
            self._mixed.add(uid)
        self._made[uid] = digest

    def mix(self, uids: Iterable[str]) -> None:
        """Rows with these UIDs come from elsewhere too."""
        self._mixed.update(uids)

    @property
    def series(self) -> dict[str, str]:
        """Digests by UID, to be kept with the rows."""
        return {uid: digest for uid, digest in self._made.items() if uid and uid not in self._mixed}


def digest_of(context: str, blocks: Iterable[Component]) -> str:
    """The digest of *blocks* with all below them, where *context* is what else they mean something by."""
    found = hashlib.blake2b(context.encode(), digest_size=16)
    for block in blocks:
        found.update(repr((block.name, block.broken, [raw for _, raw in block.raw])).encode())
        if block.name == "VTIMEZONE":
            found.update(digest_of("", block.blocks).encode())
    return found.hexdigest()


def kept(reading: ParsedCalendar) -> bytes:
    """*reading* as it is kept: a line about the calendar as a whole, one of occurrences, one of series."""
    wire = reading.to_wire()
    head = {key: wire.pop(key) for key in ("zone", "components", "problems")}  # a line that can be read alone
    series = wire.pop("series")
    return b"\n".join(json.dumps(part, separators=(",", ":")).encode() for part in (head, wire, series))


def reading_of(content: bytes, *, whole: bool = False) -> ParsedCalendar:
    """The inverse of :func:`kept`, the series only of the *whole*; ``ValueError`` and the like for anything else."""
    head, rows, *series = content.split(b"\n")
    wire = json.loads(head) | json.loads(rows)
    return ParsedCalendar.from_wire(wire | {"series": json.loads(series[0])} if whole else wire)

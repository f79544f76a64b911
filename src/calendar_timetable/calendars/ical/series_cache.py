"""What each series of a calendar came to when it was last read: only changed ones are expanded.

A series is known by a digest of all that its occurrences are made from: the lines of its components
that are looked at, the zones of its calendar and the stretch of time. Only what was understood is
remembered. Any doubt, such as a damaged file or one UID in two calendars, costs an expansion and
nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable

from calendar_timetable.calendars.ical.bundle import MARK
from calendar_timetable.calendars.ical.parser import Component
from calendar_timetable.calendars.occurrences import Details, ParsedCalendar

Row = tuple[Details, int, int]


class SeriesCache:
    """The series of an *earlier* reading of the same calendar, and those of this one, as they come.

    *earlier* is as :func:`dump_reading` wrote it.
    """

    def __init__(self, earlier: bytes) -> None:
        self._made: dict[str, str] = {}  # digests of this reading, by UID
        self._mixed: set[str] = set()  # UIDs whose rows come from several places
        self._known: dict[str, str] = {}
        self._rows: dict[str, list[Row]] = defaultdict(list)
        if earlier:
            try:
                reading = load_reading(earlier, whole=True)
            except (ValueError, TypeError, KeyError, IndexError, AttributeError):
                return
            self._known = dict(reading.series)
            for row in reading.rows:
                self._rows[row[0].uid].append(row)

    def recall(self, uid: str, digest: str) -> list[Row] | None:
        """Return the occurrences of the series *uid*; ``None`` unless it is still the same."""
        return self._rows.get(uid, []) if uid and self._known.get(uid) == digest else None

    def keep(self, uid: str, digest: str) -> None:
        """Note that the series *uid* was understood.

        If rows from elsewhere have this UID too, nothing of it is kept.
        """
        if uid in self._made:
            self._mixed.add(uid)
        self._made[uid] = digest

    def exclude(self, uids: Iterable[str]) -> None:
        """Note that rows with these UIDs come from elsewhere too."""
        self._mixed.update(uids)

    @property
    def series(self) -> dict[str, str]:
        """Digests by UID, to be kept with the rows."""
        return {uid: digest for uid, digest in self._made.items() if uid and uid not in self._mixed}


def series_digest(context: str, blocks: Iterable[Component]) -> str:
    """Return the digest of *blocks*, of a VTIMEZONE with all below it.

    *context* is what else their meaning depends on. The version that a bundle's mark names is no
    part of that.
    """
    digest = hashlib.blake2b(context.encode(), digest_size=16)
    for block in blocks:
        lines = [raw for name, raw in block.raw if name != MARK]
        digest.update(repr((block.name, block.broken, lines)).encode())
        if block.name == "VTIMEZONE":
            digest.update(series_digest("", block.blocks).encode())
    return digest.hexdigest()


def dump_reading(reading: ParsedCalendar) -> bytes:
    """Return *reading* as it is kept: a line each on the calendar, its occurrences, its series."""
    wire = reading.to_wire()
    # A line that can be read alone.
    head = {key: wire.pop(key) for key in ("zone", "components", "problems")}
    series = wire.pop("series")
    return b"\n".join(
        json.dumps(part, separators=(",", ":")).encode() for part in (head, wire, series)
    )


def load_reading(content: bytes, *, whole: bool = False) -> ParsedCalendar:
    """Return what :func:`dump_reading` was given, with the series only if *whole*.

    Raises ``ValueError``, ``TypeError``, ``KeyError``, ``IndexError`` or ``AttributeError`` for
    anything else.
    """
    head, rows, *series = content.split(b"\n")
    wire = json.loads(head) | json.loads(rows)
    return ParsedCalendar.from_wire(wire | {"series": json.loads(series[0])} if whole else wire)

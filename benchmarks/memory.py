"""The memory of a cold read, against what takes the same calendar with icalendar and recurring-ical-events.

Each in a process of its own: the most it ever held in memory, above what it held with its modules imported.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.feed import google_like
from benchmarks.figures import Figure, of_pairs
from benchmarks.reading import END, NOW, START

_MEASURE = """
import resource, sys
from datetime import UTC, datetime
import dateutil.rrule, icalendar, recurring_ical_events
from calendar_timetable.calendars.reading import read

def held():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

ours, path, start, end = sys.argv[1] == "ours", sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
before = held()
body = open(path, "rb").read()
if ours:
    found = read(body, start, end, "UTC", 600).rows
else:
    calendar = icalendar.Calendar.from_ical(body)
    moments = (datetime.fromtimestamp(at, UTC) for at in (start, end))
    found = recurring_ical_events.of(calendar).between(*moments)
print((held() - before) / 1024, len(found))
"""


def figures() -> Iterator[Figure]:
    """120 days of calendars of two sizes."""
    for events, rounds in ((10_000, 2), (100_000, 1)):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "team.ics"
            file.write_bytes(google_like(events, NOW))
            pairs = []
            for _ in range(rounds):
                (ours, ours_found), (peer, peer_found) = (measured(side, file) for side in ("ours", "peer"))
                if ours_found != peer_found:
                    raise AssertionError(f"{ours_found} occurrences, and {peer_found} by the peer")
                pairs.append((ours, peer))
        yield of_pairs(f"memory of a cold read, {events:,} events", "icalendar, recurring-ical-events", pairs, "MB")


def measured(side: str, file: Path) -> tuple[float, int]:
    """Megabytes, and occurrences found."""
    command = [sys.executable, "-c", _MEASURE, side, str(file), str(START), str(END)]
    memory, found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(memory), int(found)

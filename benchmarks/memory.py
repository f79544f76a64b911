"""The memory of a cold read, against icalendar and recurring-ical-events.

Both read the same days of the same calendar.

Each in a process of its own, which tells its peak itself (``VmHWM``; ``ru_maxrss`` would begin with
that of the process which started it): all of it, less that of a process which imports the same
modules and reads a calendar of one event.
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

SIZES = 10_000, 100_000
_BOTH = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
import icalendar, recurring_ical_events  # ours leaves odd series to them

start, end = map(int, sys.argv[2:])
body = Path(sys.argv[1]).read_bytes()
READ
peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak) / 1024, len(found))
"""  # noqa: E501
_OURS = """
from calendar_timetable.calendars.ical.expand import _expand

message, _ = _expand({"start": start, "end": end, "zone": "UTC", "seconds": 3600, "earlier": 0}, body)
answer, found = json.dumps(message), message["rows"]
"""  # noqa: E501
_PEER = """
calendar = icalendar.Calendar.from_ical(body)
found = recurring_ical_events.of(calendar).between(*(datetime.fromtimestamp(at, UTC) for at in (start, end)))
"""  # noqa: E501


def figures() -> Iterator[Figure]:
    """120 days of calendars of two sizes."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.ics"
        empty.write_bytes(google_like(1, NOW))
        start = [peak(side, empty)[0] for side in (_OURS, _PEER)]
        for events in SIZES:
            file = Path(folder) / "team.ics"
            file.write_bytes(google_like(events, NOW))
            (ours, found), (peers, peer_found) = (peak(side, file) for side in (_OURS, _PEER))
            if found != peer_found:
                raise AssertionError(f"{found} occurrences, and {peer_found} by the peer")
            pair = ours - start[0], peers - start[1]
            yield of_pairs(
                f"memory of a cold read, {events:,} events",
                "icalendar, recurring-ical-events",
                [pair],
                "MB",
            )


def peak(side: str, file: Path) -> tuple[float, int]:
    """Megabytes, and how many occurrences were found."""
    command = [sys.executable, "-c", _BOTH.replace("READ", side), str(file), str(START), str(END)]
    megabytes, found = subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.split()
    return float(megabytes), int(found)

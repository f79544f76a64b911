"""A CalDAV server with a team's calendars in it, written around the present moment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from demo.services import Service, free_port, wait_until

MEETING = "Release meeting"
MAINTENANCE = "Cluster maintenance"  # holds every DAG, and comes in some hours
# Anybody on this machine may read and write: no other reaches it, and it holds nothing but this
# demo.
_RIGHTS = "[all]\nuser: .*\ncollection: .*\npermissions: RrWwi\n"


class TeamCalendar:
    """Radicale on a free port of *host*.

    Its calendars, the team's at *address* and the freezes of the whole deployment at *freezes*, can
    be read as ICS and edited with any CalDAV client.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.address = f"http://{host}:{port}/team/calendar/"
        self.freezes = f"http://{host}:{port}/team/freezes/"
        rights = folder / "rights"
        rights.write_text(_RIGHTS)
        options = {
            "--server-hosts": f"{host}:{port}",
            "--auth-type": "none",
            "--rights-type": "from_file",
            "--rights-file": str(rights),
            "--storage-filesystem-folder": str(folder / "collections"),
        }
        command = [
            sys.executable,
            "-m",
            "radicale",
            *(part for option in options.items() for part in option),
        ]
        self.service = Service("calendar", command, env=os.environ, log=folder / "radicale.log")

    def wait_until_ready(self) -> None:
        wait_until("the calendar server to answer", self._answers, seconds=30)

    def write(self, *, meeting_ends: datetime) -> None:
        """Replace the team's calendar.

        It then holds a meeting that runs now, until *meeting_ends*, and what else a team plans.
        """
        _put(self.address, _events(meeting_ends))

    def write_freeze(self) -> None:
        """Replace the calendar of freezes: one begins in three hours or a little more."""
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        begin = now + timedelta(hours=4)
        _put(self.freezes, _event("maintenance", MAINTENANCE, begin, begin + timedelta(hours=2)))

    def _answers(self) -> bool:
        if not self.service.running:
            raise RuntimeError(f"the calendar server ended on its own:\n{self.service.tail()}")
        try:
            return requests.options(self.address, timeout=5).ok
        except requests.RequestException:
            return False


def _put(address: str, events: Iterable[str]) -> None:
    body = "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//demo//EN",
            *events,
            "END:VCALENDAR",
            "",
        ]
    )
    answer = requests.put(
        address,
        data=body.encode(),
        headers={"Content-Type": "text/calendar; charset=utf-8"},
        auth=("team", ""),  # any password will do; a user's first visit makes their folder
        timeout=10,
    )
    answer.raise_for_status()


def _events(ends: datetime) -> Iterator[str]:
    today = ends.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today + timedelta(days=7 - today.weekday())
    minutes = timedelta(minutes=1)
    yield from _event("release-meeting", MEETING, ends - 90 * minutes, ends)
    yield from _event("design-review", "Design review", ends + 9 * minutes, ends + 16 * minutes)
    yield from _event("customer-call", "Customer call", ends + 31 * minutes, ends + 52 * minutes)
    yield from _event(
        "lunch",
        "Team lunch",
        today + timedelta(hours=36),
        today + timedelta(hours=37),
        "TRANSP:TRANSPARENT",
    )
    yield from _event("retrain", "Retrain: wine", ends + 4 * minutes, ends + 5 * minutes)
    yield from _event(
        "freeze", "Release freeze", monday + timedelta(days=2), monday + timedelta(days=5)
    )
    # The hours in which heavy work is welcome; marked free, so that they keep nobody's time.
    off_peak = ("TRANSP:TRANSPARENT", "RRULE:FREQ=DAILY")
    evening = today - timedelta(days=1, hours=2)
    yield from _event("off-peak", "Off-peak", evening, evening + timedelta(hours=8), *off_peak)


def _event(uid: str, summary: str, start: datetime, end: datetime, *more: str) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{uid}",
        f"DTSTAMP:{_utc(datetime.now(UTC))}",
        f"DTSTART:{_utc(start)}",
        f"DTEND:{_utc(end)}",
        f"SUMMARY:{summary}",
        *more,
        "END:VEVENT",
    ]


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")

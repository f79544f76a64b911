"""Expansion where it can be killed: ``python -m calendar_timetable.calendars.ical.expand``."""

from __future__ import annotations

import gc

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.child_process import ChildFailed, Message, run_child, serve_child
from calendar_timetable.calendars.occurrences import ParsedCalendar

# Raise it when the same bytes may give another reading: cached ones are then made anew.
FORMAT = 5


class ExpansionFailed(Exception):
    """A body cannot be read as a whole; the text never quotes it."""


def expand(body: bytes, start: int, end: int, zone: str, earlier: bytes = b"") -> ParsedCalendar:
    """Return what *body* holds in ``[start, end)`` (epoch seconds), read in a process of its own.

    *zone* is the IANA name for all-day and floating times of a calendar that names none. *earlier*
    is an earlier reading of that calendar for the same stretch and zone, as the series cache keeps
    it: what has not changed since is taken from there. Raises :class:`ExpansionFailed`.
    """
    request = {
        "start": start,
        "end": end,
        "zone": zone,
        "seconds": limits.EXPAND_SECONDS,
        "earlier": len(earlier),
    }
    try:
        message, _ = run_child(
            __name__,
            request,
            earlier + body,
            limits.EXPAND_SECONDS + limits.START_SECONDS,
        )
    except ChildFailed as error:
        raise ExpansionFailed(f"cannot be expanded: {error}") from None
    if "error" in message:
        raise ExpansionFailed(f"cannot be read: {message['error']}")
    return ParsedCalendar.from_wire(message)


def _expand(request: Message, body: bytes) -> tuple[Message, bytes]:
    from calendar_timetable.calendars.ical.parser import Unreadable
    from calendar_timetable.calendars.ical.reader import read

    body, earlier = body[(size := request["earlier"]) :], body[:size]
    # The rest of the time is for starting and answering.
    seconds = 0.75 * request["seconds"]
    try:
        reading = read(body, request["start"], request["end"], request["zone"], seconds, earlier)
    except Unreadable as error:
        return {"error": str(error)}, b""
    except Exception as error:  # noqa: BLE001  (its text may quote the feed)
        return {"error": type(error).__name__}, b""
    return reading.to_wire(), b""


if __name__ == "__main__":
    # This process ends with its answer, and its memory is limited. To search it for cycles would
    # take a tenth of the time.
    gc.disable()
    serve_child(_expand, limits.EXPAND_MEMORY, limits.EXPAND_SECONDS)

"""Words planted in addresses, credentials and events, for searches of what leaks.

An origin's answers quote them.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler

from tests.support.ics import event, feed
from tests.support.origin import Reply

# What is planted. Each word is found nowhere else.
PASSWORD, OTHER_PASSWORD, TOKEN, PATH, QUERY = (
    "pw-Zq81x",
    "pw-Yk92w",
    "token-Lm73v",
    "private-Qd55u",
    "key-Hs46t",
)
SECRETS = (
    PASSWORD,
    OTHER_PASSWORD,
    TOKEN,
    PATH,
    QUERY,
    *(
        base64.b64encode(f"alice:{password}".encode()).decode()
        for password in (PASSWORD, OTHER_PASSWORD)
    ),
)
TEXTS = (
    "Layoffs-Tz11a",
    "Agenda-Tz22b",
    "Room-Tz33c",
    "Category-Tz44d",
    "boss-tz55e",
    "Organizer-Tz66f",
)
TITLE, DESCRIPTION, LOCATION, CATEGORY, ATTENDEE, ORGANIZER = TEXTS


def _texts() -> list[str]:
    return [
        f"SUMMARY:{TITLE}",
        f"DESCRIPTION:{DESCRIPTION}",
        f"LOCATION:{LOCATION}",
        f"CATEGORIES:{CATEGORY}",
        f"ATTENDEE;CN={ATTENDEE}:mailto:{ATTENDEE}@example.com",
        f"ORGANIZER;CN={ORGANIZER}:mailto:{ORGANIZER}@example.com",
    ]


@cache
def calendar() -> bytes:
    """Return a calendar that is closed until the day after tomorrow, the same one each time.

    It is closed from yesterday on, and has tasks due soon and events that cannot be understood.
    """
    now = datetime.now(UTC)
    times = (
        f"DTSTART:{now - timedelta(days=1):%Y%m%dT%H%M%SZ}",
        f"DTEND:{now + timedelta(days=2):%Y%m%dT%H%M%SZ}",
    )
    bad = [
        "RRULE:FREQ=SECONDLY",
        f"RRULE:FREQ={TITLE};COUNT=2",
        f"DTEND;TZID={LOCATION}:20260101T000000",
    ]
    return feed(
        event("UID:closed", *_texts(), *times),
        *(event(f"UID:bad-{n}", *_texts(), times[0], line) for n, line in enumerate(bad)),
    )


def answer(request: BaseHTTPRequestHandler) -> Reply:
    """By the end of the path: a calendar, or a failure that quotes what must not get out."""
    quoted = f"{TITLE} {QUERY} {request.path} {request.headers.get('Authorization')}".encode()
    name = request.path.partition("?")[0].rpartition("/")[2]
    if name == "good.ics":
        return Reply(200, {"ETag": '"1"'}, calendar())
    if name == "page.ics":
        return Reply(200, {"Content-Type": "text/html"}, b"<html>" + quoted)
    if name == "junk.ics":
        return Reply(200, {}, b"BEGIN:VCALENDAR\r\nCALSCALE:" + quoted + b"\r\nEND:VCALENDAR\r\n")
    if name == "away.ics":
        return Reply(302, {"Location": f"/{PATH}/gone.ics?{QUERY}"}, quoted)
    return Reply({"denied.ics": 401}.get(name, 404), {}, quoted)


def found_in(said: dict[str, str]) -> str:
    """Which of it is in what was *said*, by place: one line for each find."""
    finds = [
        (place, word) for place, text in said.items() for word in (*SECRETS, *TEXTS) if word in text
    ]
    return "\n".join(f"{word} in {place}: …{_around(said[place], word)}…" for place, word in finds)


def _around(text: str, word: str) -> str:
    place = text.index(word)
    return text[max(0, place - 150) : place + 80]

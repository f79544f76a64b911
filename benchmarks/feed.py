"""A calendar such as Google publishes of a busy team.

It has years of past events, some series, attendees and alarms.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

_HEAD = """BEGIN:VCALENDAR
PRODID:-//Google Inc//Google Calendar 70.9054//EN
VERSION:2.0
CALSCALE:GREGORIAN
METHOD:PUBLISH
X-WR-CALNAME:Team
X-WR-TIMEZONE:Europe/Berlin
BEGIN:VTIMEZONE
TZID:Europe/Berlin
X-LIC-LOCATION:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:GMT+2
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:GMT+1
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""
_EVENT = """BEGIN:VEVENT
{times}
DTSTAMP:{stamp}
{people}UID:{uid}@google.com
CREATED:{created}
DESCRIPTION:{text}
LAST-MODIFIED:{created}
LOCATION:Room {room}\\, 3rd floor
SEQUENCE:{sequence}
STATUS:CONFIRMED
SUMMARY:Meeting {number}: planning and review of what is to be trained
TRANSP:{transp}
{alarm}END:VEVENT
"""
_PERSON = """ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT={answer};CN=Person
  {number};X-NUM-GUESTS=0:mailto:person{number}@example.com
"""
_ALARM = """BEGIN:VALARM
ACTION:DISPLAY
DESCRIPTION:This is an event reminder
TRIGGER:-P0DT0H10M0S
END:VALARM
"""
_RULES = (
    "FREQ=WEEKLY;BYDAY={day}",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY={day}",
    "FREQ=DAILY",
    "FREQ=MONTHLY;BYDAY=2{day}",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
)
_SHORT_EVENT = """BEGIN:VEVENT
UID:dense{number:06d}@example.com
DTSTAMP:{stamp}
{times}
SUMMARY:Meeting {number}
END:VEVENT
"""
_DENSE_RULES = (
    "FREQ=WEEKLY;BYDAY={day}",
    "FREQ=WEEKLY;BYDAY={day},{other}",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY={day}",
    "FREQ=MONTHLY;BYDAY=2{day}",
    "FREQ=DAILY",
)
_DENSE_SHARES = (60, 15, 15, 8, 2)
_WALL = "%Y%m%dT%H%M%S"
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def google_like(events: int, now: datetime, seed: int = 1, stamp: datetime | None = None) -> bytes:
    """Return a calendar of *events* components.

    They are spread from eight years before *now* to a quarter after. *stamp* is every DTSTAMP.
    """
    dice = random.Random(seed)
    first = now.replace(tzinfo=None, minute=0, second=0, microsecond=0) - timedelta(days=8 * 365)
    parts = [_HEAD]
    number = 0
    while number < events:
        start = first + timedelta(minutes=15 * dice.randrange(4 * 24 * (8 * 365 + 90)))
        number += 1
        rule = ""
        if dice.random() < 0.08:
            rule = dice.choice(_RULES).format(day=_DAYS[start.weekday()])
            if dice.random() < 0.75:
                until = start + timedelta(days=dice.randrange(30, 500))
                rule += f";UNTIL={until:%Y%m%dT%H%M%SZ}"
        fields = _fields(dice, number, start, stamp or now)
        zone = ";TZID=Europe/Berlin" if rule else ""
        mark = "" if rule else "Z"
        end = start + timedelta(minutes=30)
        times = f"DTSTART{zone}:{start:%Y%m%dT%H%M%S}{mark}\nDTEND{zone}:{end:%Y%m%dT%H%M%S}{mark}"
        if not rule and dice.random() < 0.05:
            times = (
                f"DTSTART;VALUE=DATE:{start:%Y%m%d}\n"
                f"DTEND;VALUE=DATE:{start + timedelta(days=1):%Y%m%d}"
            )
        if rule:
            times += f"\nRRULE:{rule}"
            if dice.random() < 0.3:
                times += f"\nEXDATE{zone}:{start + timedelta(days=7):%Y%m%dT%H%M%S}"
        parts.append(_EVENT.format(times=times, uid=f"series{number:06d}", **fields))
        if rule and dice.random() < 0.4 and number < events:  # one instance was moved
            number += 1
            moved = start + timedelta(days=14)
            times = (
                f"DTSTART{zone}:{moved + timedelta(hours=1):%Y%m%dT%H%M%S}\n"
                f"DTEND{zone}:{moved + timedelta(hours=2):%Y%m%dT%H%M%S}\n"
                f"RECURRENCE-ID{zone}:{moved:%Y%m%dT%H%M%S}"
            )
            parts.append(_EVENT.format(times=times, uid=f"series{number - 1:06d}", **fields))
    parts.append("END:VCALENDAR\n")
    return "".join(parts).replace("\n", "\r\n").encode()


def dense(events: int, now: datetime, seed: int = 1) -> bytes:
    """Return a calendar of *events* components with little text.

    They are spread over three years until *now*; a fifth are series that still go on.

    Half of these have no end, a twentieth a DTSTART that its rule does not name, a third an EXDATE.
    """
    dice = random.Random(seed)
    first = now.replace(tzinfo=None, minute=0, second=0, microsecond=0) - timedelta(days=3 * 365)
    parts = [_HEAD]
    for number in range(events):
        start = first + timedelta(minutes=15 * dice.randrange(4 * 24 * 3 * 365))
        end = start + timedelta(minutes=30)
        lines = [
            f"DTSTART;TZID=Europe/Berlin:{start:{_WALL}}",
            f"DTEND;TZID=Europe/Berlin:{end:{_WALL}}",
        ]
        if number % 5 == 0:
            other = dice.choice(_DAYS)
            day = other if dice.random() < 0.05 else _DAYS[start.weekday()]
            rule = dice.choices(_DENSE_RULES, _DENSE_SHARES)[0].format(day=day, other=other)
            until = now + timedelta(days=dice.randrange(200, 900))
            lines.append(f"RRULE:{rule}" + (f";UNTIL={until:{_WALL}}Z" if number % 10 else ""))
            if dice.random() < 0.3:
                lines.append(f"EXDATE;TZID=Europe/Berlin:{start + timedelta(days=7):{_WALL}}")
        parts.append(
            _SHORT_EVENT.format(times="\n".join(lines), number=number, stamp=f"{now:{_WALL}}Z")
        )
    parts.append("END:VCALENDAR\n")
    return "".join(parts).replace("\n", "\r\n").encode()


def _fields(
    dice: random.Random, number: int, start: datetime, stamp: datetime
) -> dict[str, object]:
    answers = ("ACCEPTED", "DECLINED", "NEEDS-ACTION")
    people = (
        _PERSON.format(number=dice.randrange(200), answer=dice.choice(answers))
        for _ in range(dice.randrange(6))
    )
    words = [
        "weights",
        "loss",
        "curve",
        "batch",
        "tokens",
        "epoch",
        "review",
        "data",
        "quality",
        "rollout",
    ]
    text = " ".join(dice.choice(words) for _ in range(dice.randrange(60)))
    return {
        "stamp": f"{stamp.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        "people": "".join(people),
        "created": f"{start - timedelta(days=9):%Y%m%dT%H%M%SZ}",
        "text": "\n ".join(text[i : i + 70] for i in range(0, len(text), 70)),
        "room": dice.randrange(40),
        "sequence": dice.randrange(3),
        "number": number,
        "transp": "TRANSPARENT" if dice.random() < 0.1 else "OPAQUE",
        "alarm": _ALARM if dice.random() < 0.3 else "",
    }

"""Two hundred cron expressions, made the same on every machine, and the zones they are read in."""

from __future__ import annotations

from random import Random

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # daylight saving of half an hour
    "America/Santiago",  # changes at midnight
    "Pacific/Apia",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Africa/Casablanca",  # changes around Ramadan
    "America/Sao_Paulo",
    "Atlantic/Azores",
]

# Presets, and the hours in which clocks change, before anything drawn.
_CHOSEN = [
    *("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"),
    *("* * * * *", "*/5 * * * *", "*/7 * * * *", "*/30 * * * *", "59 * * * *", "0,29,31 * * * *"),
    *(
        "0 0 * * *",
        "30 0 * * *",
        "0 1 * * *",
        "30 1 * * *",
        "0 2 * * *",
        "15 2 * * *",
        "30 2 * * *",
    ),
    *("45 2 * * *", "0 3 * * *", "30 3 * * *", "0 23 * * *", "59 23 * * *", "*/20 1-3 * * *"),
    *(
        "0 */2 * * *",
        "30 */3 * * *",
        "0 1-23/2 * * *",
        "0 0,12 * * *",
        "*/10 2 * * *",
        "*/15 0 * * *",
    ),
    *(
        "0 2 * * SAT",
        "0 2 * * 0",
        "0 2 * * 7",
        "30 2 * * sun",
        "0 0 1 * *",
        "0 0 L * *",
        "0 12 29 2 *",
    ),
    *(
        "0 9 * * 1-5",
        "0 9 1 * MON",
        "0 0 31 * *",
        "15 14 1 JAN,jul *",
        "0 3 * * MON#1",
        "5 4 * * sun",
    ),
]


def _field(draw: Random, low: int, high: int) -> str:
    kind = draw.randrange(4)
    first, second = sorted(draw.sample(range(low, high + 1), 2))
    if kind == 0:
        return str(first)
    if kind == 1:
        return f"{first},{second}"
    if kind == 2:
        return f"{first}-{second}"
    return f"*/{draw.randint(2, max(2, (high - low) // 2))}"


def _drawn(draw: Random) -> str:
    minute = draw.choice(["0", "30", "15", _field(draw, 0, 59)])
    hour = draw.choice(["*", _field(draw, 0, 23), str(draw.randint(0, 4)), _field(draw, 0, 4)])
    day, month, weekday = draw.choice(
        [
            ("*", "*", "*"),
            ("*", "*", _field(draw, 0, 6)),
            (str(draw.randint(1, 28)), "*", "*"),
            (_field(draw, 1, 28), "*", "*"),
            ("*", _field(draw, 1, 12), "*"),
            ("*", "3,4,9,10,11", _field(draw, 0, 6)),
        ]
    )
    return f"{minute} {hour} {day} {month} {weekday}"


def _all(count: int) -> list[str]:
    draw = Random(20260302)
    found = dict.fromkeys(_CHOSEN)
    while len(found) < count:
        found[_drawn(draw)] = None
    return list(found)


EXPRESSIONS = _all(220)

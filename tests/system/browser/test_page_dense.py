"""The page with 18 DAGs that run often, and in zones that are not the DAGs'.

In Chromium on a real Airflow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.browser import Browser

pytestmark = [pytest.mark.airflow, pytest.mark.browser]
ALONE = "/calendar-timetable/"
TAB = "/dags/visible/plugin/upcoming-runs-of-dag"
HOUR = timedelta(hours=1)
NAMES = [
    f"data_platform_production_ingest_of_customers_{letter}" for letter in "abcdefghijklmnopqr"
]
NOBODY: dict[str, Any] = {
    "tags": [],
    "owners": [],
    "run_id": None,
    "run_type": "scheduled",
    "calendars": [],
    "collapsed": None,
}


def told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def run(number: int, due: datetime) -> dict[str, Any]:
    """One of a DAG whose every third run is moved, and every seventh skipped."""
    kind = {0: "postponed", 5: "skipped"}.get((number + due.hour) % 7, "on_time")
    start = None if kind == "skipped" else due + (2 * HOUR if kind == "postponed" else 0 * HOUR)
    blocked = {
        "kind": "blackout",
        "calendar": "team_calendar",
        "event": "Design review",
        "end": told(due + 2 * HOUR),
    }
    reason = {
        **dict.fromkeys(("start", "needed_seconds", "detail", "zone")),
        **blocked,
        "text": "blocked",
    }
    return {
        **NOBODY,
        "id": f"{NAMES[number]} {told(due)}",
        "dag_id": NAMES[number],
        "dag_display_name": NAMES[number],
        "paused": number == 17,
        "state": "skipped" if start is None else "planned",
        "due": told(due),
        "start": start and told(start),
        "end": start and told(start + 1.5 * HOUR),
        "end_estimated": True,
        "outcome": kind,
        "reasons": [] if kind == "on_time" else [reason],
        "explanation": "",
        "late": number == 3,
        "window_end": told(due + 9 * HOUR),
        "next_blackout": {
            **dict.fromkeys(("calendar", "event", "zone")),
            "start": told(due + 5 * HOUR),
            "detail": "sat",
        },
        "spare_seconds": 7200 if number % 5 else -600,
        "spare_at_least": False,
    }


@pytest.fixture
def dense(browser: Browser) -> Iterator[Browser]:
    """More than a browser shows.

    18 DAGs, hourly, of which the first 500 runs are loaded and all are counted.
    """
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    runs = [
        run(number, hour + n * HOUR + number * timedelta(minutes=3))
        for n in range(28)
        for number in range(18)
    ]
    names = [{"dag_id": name, "dag_display_name": name, "runs": 24} for name in NAMES[:4]]
    numbers = {
        "often": 0,
        "moved": 61,
        "running": 2,
        "failed": 11,
        "skipped": 35,
        "at_least": True,
        "more_dags": 14,
    }
    midnight = hour.astimezone(ZoneInfo("Europe/Berlin")).replace(hour=0)

    def counts(start: datetime, length: timedelta, count: int) -> dict[str, Any]:
        starts = [start + n * length for n in range(count)]
        each = [
            {"start": told(s.astimezone(UTC)), "end": told((s + length).astimezone(UTC))}
            for s in starts
        ]
        days = [{**one, **numbers, "runs": 1432, "dags": names} for one in each]
        return {"counts": days, "dag_ids": NAMES, "paused_dags": 14}

    span = {"title": "Release freeze", "label": "team_calendar", "zone": None, "dag_ids": NAMES}
    spans = [
        {
            **span,
            "kind": kind,
            "start": told(hour + n * 24 * HOUR),
            "end": told(hour + (n * 24 + 9) * HOUR),
        }
        for n, kind in enumerate(["window", "blackout"] * 9, -3)
    ]
    answers = {
        "/api/runs": {
            "runs": runs,
            "total_entries": 3024,
            "truncated": True,
            "paused_dags": 14,
            "parallelism": 4,
            "limits": [{"dag_id": name, "max_active_runs": 1, "pools": ["gpu"]} for name in NAMES],
            "pools": [{"name": "gpu", "slots": 2}],
        },
        "by=day": counts(midnight - timedelta(days=40), timedelta(days=1), 90),
        "by=hour": counts(midnight - timedelta(days=7), HOUR, 24 * 14),
        "/plan?": {
            **dict.fromkeys(("dag_display_name", "timezone", "summary", "python", "arguments")),
            "plan": runs[:9],
        },
        "/api/time-sets": {"spans": spans, "total_entries": len(spans), "truncated": False},
    }
    with ExitStack() as stack:
        for part, answer in answers.items():
            stack.enter_context(browser.answering(part, answer))
        yield browser


# Pairs of elements beside each other that lie over each other, and texts that leave their boxes.
CLASHES = """
const found = [];
const box = e => e.getBoundingClientRect();
const groups = ['.ct-cell', '.ct-all-day', '.ct-agenda ul', '.ct-hours .ct-lane', '.ct-load .ct-lane', '.ct-day',
                '.ct-toolbar', '.ct-filters', '.ct-legend', '.ct-month', '.ct-week-head'];
for (const group of document.querySelectorAll(groups.join())) {
  const parts = [...group.children].filter(e => box(e).width && !e.matches('.ct-now, .ct-sr'));
  for (const [n, one] of parts.entries()) for (const other of parts.slice(n + 1)) {
    const [a, b] = [box(one), box(other)];
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (across > 1.5 && down > 1.5) found.push(group.className + ': ' + one.textContent + ' | ' + other.textContent);
  }
  const around = box(group);
  for (const part of parts)
    if (!group.matches('.ct-cell, .ct-lane') && box(part).right > around.right + 1)
      found.push(group.className + ' is left by ' + part.textContent);
}
return found.slice(0, 5);
"""


@pytest.mark.parametrize("size", [(1500, 900), (390, 800)], ids=["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", ["timeline", "agenda", "week", "month"])
def test_much_is_readable(dense: Browser, view: str, theme: str, size: tuple[int, int]) -> None:
    dense.open(f"{ALONE}?view={view}&paused=1", theme=theme, size=size)
    assert dense.sideways() == 0
    assert dense.run(CLASHES) == []
    assert dense.violations() == []
    shown = (
        "return [...document.querySelectorAll('.ct-calendar .ct-mid')]"
        ".every(e => e.title === e.textContent)"
    )
    assert dense.run(shown), "where a name is shortened, all of it is told on hover"


def test_one_lane_for_a_dag_and_hours_that_stay(dense: Browser) -> None:
    dense.open(f"{ALONE}?view=timeline", size=(1500, 500))
    heights = dense.run(
        "return [...document.querySelectorAll('.ct-lane')].map(e => e.offsetHeight)"
    )
    assert set(heights) == {30}
    where = "return document.querySelector('.ct-scale').getBoundingClientRect().top"
    before = dense.run(where)
    dense.run("document.querySelector('.ct-timeline').scrollTop = 300")
    assert dense.run(where) == before
    load = dense.texts(".ct-load .ct-lane .ct-warn")
    assert load, "more at once than Airflow's parallelism"
    assert dense.texts(".ct-load .ct-row-name")[1:] == ["Concurrent runs of 4", "Pool gpu of 2"]


def test_what_will_not_end_in_time_is_marked(dense: Browser) -> None:
    dense.open(f"{ALONE}?view=agenda", size=(1500, 900))
    late = dense.one(".ct-why.ct-warn")
    assert "expected to end 10 min too late" in late.text
    assert "next blackout" in late.text and "sat" in late.text
    dense.click(".ct-calendar .ct-run", "too late")
    assert "⚠ expected to end 10 min too late" in dense.text("dialog .ct-facts")


ZONES = ["America/New_York", "Asia/Kolkata"]  # the DAG's is Europe/Berlin


def clock(browser: Browser, hour: int, zone: str) -> str:
    """What the clock in *zone* shows when it is this hour in Berlin, tomorrow."""
    tomorrow = datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(days=1)
    return f"{tomorrow.replace(hour=hour, minute=0).astimezone(ZoneInfo(zone)):%H:%M}"


@pytest.mark.parametrize("zone", ZONES)
def test_every_time_is_in_the_chosen_zone(browser: Browser, zone: str) -> None:
    """Due at 12:00 in Berlin, starts at 22:00; the rule, which is Berlin's, says so."""
    due, start = clock(browser, 12, zone), clock(browser, 22, zone)
    rule = "outside daily 22:00-06:00 (Europe/Berlin) until"

    def right(text: str) -> bool:
        rest = text.replace("daily 22:00-06:00", "")
        return (
            "12:00" not in rest
            and "22:00" not in rest
            and due in rest
            and start in rest
            and rule in text
        )

    browser.open(f"{ALONE}?view=agenda&dag=visible", zone=zone)
    browser.click("[aria-label='Later']")
    browser.settled()
    assert right(browser.text(".ct-agenda section:nth-child(3)"))
    browser.click(".ct-calendar .ct-run.ct-moved")
    assert right(browser.text("dialog .ct-lead")) and right(browser.text("dialog .ct-facts"))
    assert f"Times are in {zone}." in browser.text("dialog")
    browser.one("dialog tbody tr")
    assert right(browser.text("dialog tbody tr"))
    browser.open(f"{ALONE}?view=week&dag=visible", zone=zone, size=(1500, 1400))
    browser.click("[aria-label='Later']")
    browser.settled()
    assert f"{start} visible" in browser.texts(".ct-calendar .ct-moved .ct-in")
    assert "daily 22:00-06:00 (Europe/Berlin)" in str(
        browser.one(".ct-span.ct-window").get_attribute("title")
    )
    browser.run("document.querySelector('.ct-calendar .ct-moved').focus()")
    assert right(browser.text("[role=tooltip]"))
    browser.open(TAB, zone=zone)
    assert right(browser.text("tbody tr")) and "in Europe/Berlin" in browser.text(".ct-lead")
    assert f"Times below are in {zone}." in browser.text(".ct-page")
    browser.open(f"{TAB}?panel=what-if", zone=zone)
    assert "in Europe/Berlin" in browser.text(".ct-hint")
    browser.fill("textarea", "daily 14:00-16:00")
    browser.click("button[type=submit]")
    moved = browser.text("tr.ct-moves")
    assert clock(browser, 14, zone) in moved and "daily 14:00-16:00 (Europe/Berlin)" in moved

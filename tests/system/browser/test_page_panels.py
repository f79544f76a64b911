"""What lies beside the runs.

A DAG's tab, what-if, calendars' health, subscriptions; in Chromium on a real Airflow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import requests
from icalendar import Calendar
from selenium.webdriver.common.by import By

from calendar_timetable.calendars.feed.cache import CacheEntry, files
from demo.local_airflow import LocalAirflow
from demo.services import wait_until
from tests.support.browser import Browser

pytestmark = [pytest.mark.airflow, pytest.mark.browser]
PAGE = "/plugin/upcoming-runs"
TAB = "/dags/visible/plugin/upcoming-runs-of-dag"
HOUR = 3600
Login = Callable[[str], requests.Session]


@pytest.fixture
def team(airflow: LocalAirflow, monkeypatch: pytest.MonkeyPatch) -> Iterator[CacheEntry]:
    """What the web server's host knows of team.ics; afterwards as before."""
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", airflow.env["CALENDAR_TIMETABLE_CACHE"])
    entry = next(
        entry for entry in map(CacheEntry.called, files()) if entry.state().label == "team.ics"
    )
    before = entry.state()
    yield entry
    entry.save(before)


def test_a_dags_tab(browser: Browser, login: Login) -> None:
    plan = (
        login("admin")
        .get(f"{browser.airflow.address}/calendar-timetable/api/dags/visible/plan", timeout=60)
        .json()
    )
    browser.open(TAB)
    assert len(browser.all(".ct-page tbody tr")) == 10
    assert plan["summary"] in browser.text(".ct-lead")
    browser.click(".ct-panels button", "Calendar")
    # Once Airflow, which draws its tabs twice, has drawn this one
    browser.one(".ct-name", "visible")
    browser.settled()
    assert set(browser.texts(".ct-name")) == {"visible"}
    assert browser.all(".ct-filters") == []
    browser.click(".ct-panels button", "Calendar health")
    browser.one(".ct-notice", "uses no calendar")
    browser.open("/dags/plain/plugin/upcoming-runs-of-dag?panel=what-if")
    browser.one(".ct-notice", "not a CalendarTimetable")


def test_what_if(browser: Browser) -> None:
    browser.open(f"{TAB}?panel=what-if")
    assert browser.one("textarea").get_property("value") == "daily 22:00-06:00"
    browser.click("button[type=submit]")
    browser.one(".ct-lead", "No run would move, of the next ")
    assert browser.all("tr.ct-moves") == [] and len(browser.all(".ct-whatif tbody tr")) == 10
    browser.fill("textarea", "nightly 22:00-06:00")
    browser.click("button[type=submit]")
    assert "nightly" in browser.text("[role=alert]")
    assert all("what-if" in error and "422" in error for error in browser.errors())
    browser.fill("textarea", "daily 14:00-16:00")
    browser.click("button[type=submit]")
    browser.one(".ct-lead", "10 runs would move")
    moved = browser.all("tr.ct-moves")
    assert moved and browser.all("[role=alert]") == []
    starts = [row.find_elements(By.CSS_SELECTOR, "td:nth-child(3) time")[0].text for row in moved]
    assert {start[-5:] for start in starts} == {"14:00"}
    assert "windows=Weekly('daily 14:00-16:00')" in browser.text(".ct-code")
    assert browser.violations() == []
    browser.click("button", "Reset")
    browser.gone("tr.ct-moves")
    assert browser.one("textarea").get_property("value") == "daily 22:00-06:00"
    browser.fill("input[type=number]", "9")  # hours, of the eight in which it may run
    browser.click("button[type=submit]")
    assert "needs 9 h" in browser.text("tr.ct-moves") and "does not run" in browser.text(
        "tr.ct-moves td:nth-child(3)"
    )
    browser.click("select option", "run anyway")
    browser.click("button[type=submit]")
    assert wait_until(
        "its due time", lambda: "12:00" in browser.text("tr.ct-moves td:nth-child(3)")
    )
    assert "when_blocked='run'" in browser.text(".ct-code")


def test_subscribe_fetch_and_end(browser: Browser, login: Login) -> None:
    plan = (
        login("admin")
        .get(f"{browser.airflow.address}/calendar-timetable/api/dags/visible/plan", timeout=60)
        .json()
    )
    browser.open(f"{TAB}?panel=subscribe")
    browser.settled()
    while others := browser.all("dialog .ct-card"):  # of other tests
        browser.click("dialog .ct-card button", "Revoke")
        browser.click("dialog .ct-card button", "Revoke now")
        wait_until("one less", lambda: len(browser.all("dialog .ct-card")) < len(others))
    browser.click("dialog button[type=submit]")
    address = browser.text("dialog .ct-code")
    fetched = requests.get(address, timeout=60)
    planned = next(run for run in plan["plan"] if run["start"])
    events = Calendar.from_ical(fetched.text).walk("VEVENT")
    assert f"DTSTART:{planned['start'].replace('-', '').replace(':', '')}" in fetched.text
    shown = {str(event["SUMMARY"]) for event in events}
    assert shown <= {"visible", "visible (skipped)", "visible (late)"}, (
        "here no scheduler runs what is due"
    )
    assert browser.violations() == []
    browser.click("dialog .ct-card button", "Revoke")
    assert requests.get(address, timeout=60).status_code == 200, "not before it is confirmed"
    browser.click("dialog .ct-card button", "Revoke now")
    browser.gone("dialog .ct-card")
    assert browser.driver.switch_to.active_element.text == "Your subscriptions"
    assert requests.get(address, timeout=60).status_code == 404


def test_how_the_calendars_are(browser: Browser) -> None:
    browser.open(PAGE)
    [notice] = browser.texts(".ct-notice")
    assert notice.startswith("A calendar has events that could not be parsed")
    browser.click(".ct-head button", "Calendars")
    cards = [
        " ".join(card.text.split())
        for card in wait_until("cards", lambda: browser.all("dialog .ct-card"))
    ]
    assert [card.partition(" Last read")[0] for card in cards] == [
        "team.ics incomplete read, except for the events below",
        "hostile.ics ok",
    ]
    assert (
        "Events 2 Used by titled untitled as blackouts Could not be parsed: broken@tests: "
        in cards[0]
    )
    assert "may cover " in cards[0]
    assert "freeze" not in browser.text("dialog"), "a calendar's health tells no title"
    assert browser.violations() == []
    browser.click("dialog .ct-card a", "untitled")
    wait_until("the DAG", lambda: browser.path() == "/dags/untitled")


@pytest.mark.parametrize(
    ("age", "badge", "says"),
    [
        (HOUR, "stale", "stale: an old copy is used"),
        (9 * HOUR, "unavailable", "cannot be read"),
    ],
    ids=["stale", "unavailable"],
)
def test_a_calendar_that_is_not_read_any_more(
    browser: Browser, team: CacheEntry, age: int, badge: str, says: str
) -> None:
    now = time.time()
    team.save(
        replace(
            team.state(),
            error="the server answered 503",
            good_at=now - age,
            checked_at=now,
            retry_at=now + 60,
        )
    )
    browser.open(f"{PAGE}?view=week", theme="dark")
    browser.click(".ct-notice-warning button", "See them")
    card = browser.text("dialog .ct-card")
    assert card.startswith(f"team.ics {badge} {says} the server answered 503 Last read ")
    assert "Next try" in card and "Meanwhile its DAGs are held, once its copy is 6 h old" in card
    assert browser.violations() == []
    browser.open("/dags/untitled/plugin/upcoming-runs-of-dag?panel=health")
    assert says in browser.text(".ct-card")

"""The page when there is nothing, too much, or trouble; in Chromium on a real Airflow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from demo.services import wait_until
from tests.support.browser import Browser

pytestmark = [pytest.mark.airflow, pytest.mark.browser]
PAGE = "/plugin/upcoming-runs"
ALONE = "/calendar-timetable/"


def test_stale_then_error_then_well_again(browser: Browser) -> None:
    browser.open(PAGE)
    with browser.without("*/calendar-timetable/api/runs*"):
        # As when people come back to it
        browser.run("document.dispatchEvent(new Event('visibilitychange'))")
        warning = browser.one(".ct-notice-warning", "cannot be reached")
        assert "was read at" in warning.text
        assert browser.all(".ct-calendar .ct-run"), "what was read stays in sight"
        browser.click("[aria-label='Later']")
        browser.one(".ct-notice-error", "cannot be reached")
    browser.errors()  # the browser itself complains of the requests that were blocked
    browser.click(".ct-notice-error button", "Try again")
    browser.gone(".ct-notice-error")
    browser.one(".ct-calendar .ct-run")


def test_no_run_and_a_link_to_another_time(browser: Browser) -> None:
    browser.open(f"{PAGE}?view=agenda&dag=unscheduled&run=gone")
    browser.one(".ct-notice", "No run matches these filters")
    browser.click(".ct-notice button", "Close")
    browser.gone(".ct-notice", "The run of this link")
    browser.click(".ct-notice button", "Clear filters")
    browser.settled()
    assert len(set(browser.texts(".ct-name"))) > 10
    assert urlsplit(browser.path()).query == "view=agenda"


def test_while_runs_are_read(browser: Browser) -> None:
    with browser.holding("/api/runs"):
        browser.driver.get(f"{browser.airflow.address}{ALONE}")
        assert browser.text(".ct-loading") == "Reading the runs …"
        assert browser.one("section[aria-busy='true']")
        assert browser.all("section .ct-notice, .ct-calendar, .ct-legend") == [], (
            "nothing yet, and nothing wrong"
        )
        assert browser.violations() == []
    browser.settled()
    browser.one(".ct-calendar .ct-run")


@pytest.mark.parametrize(
    ("path", "part", "reading"),
    [
        (f"{ALONE}?panel=calendars", "/api/calendars", "Reading how the calendars are …"),
        (f"{ALONE}?panel=subscribe", "/api/subscriptions", "Reading your subscriptions …"),
        ("/dags/visible/plugin/upcoming-runs-of-dag", "/dags/visible/plan", "Reading the plan …"),
    ],
    ids=["calendars", "subscriptions", "plan"],
)
def test_a_panel_is_read_or_cannot_be(browser: Browser, path: str, part: str, reading: str) -> None:
    with browser.holding(part):
        browser.driver.get(f"{browser.airflow.address}{path}")
        browser.one(".ct-loading", reading)
    browser.gone(".ct-loading")
    browser.errors()
    with browser.without(f"*{part}*"):
        browser.driver.refresh()
        browser.one(".ct-notice-error", "Airflow's web server cannot be reached.")
        assert browser.violations() == []
    browser.errors()  # the browser itself complains of the requests that were blocked
    browser.click(".ct-notice-error button", "Try again")
    browser.gone(".ct-notice-error")


def test_an_answer_that_cannot_be_shown_takes_nothing_else_away(browser: Browser) -> None:
    odd = {"id": "x", "due": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "start": None}
    runs = {
        "runs": [odd],
        "total_entries": 1,
        "truncated": False,
        "paused_dags": 0,
        "parallelism": 4,
        "limits": [],
        "pools": [],
    }
    with browser.answering("/api/runs", runs):
        browser.driver.get(f"{browser.airflow.address}{PAGE}")
        browser.one(".ct-notice-error", "This page has met something it cannot show")
        assert browser.one("button", "Browse").is_displayed()
        browser.driver.refresh()
    assert browser.errors(), "and tells the console"
    browser.driver.refresh()
    browser.settled()
    browser.one(".ct-calendar .ct-run")


MORE = {  # runs than are told
    "runs": [],
    "total_entries": 700,
    "truncated": True,
    "paused_dags": 0,
    "parallelism": 4,
    "limits": [],
    "pools": [],
}


def test_more_than_is_shown(browser: Browser) -> None:
    """A list says what it leaves out; days and hours tell how many there are, to the last."""
    browser.open(f"{PAGE}?view=month")
    days = browser.texts(".ct-day .ct-day-runs strong")
    # Of yesterday and today only a part is told, by the hour.
    assert len(days) > 28 and min(map(int, days[2:])) > 144
    browser.click(".ct-day", "often")
    browser.settled()
    assert parse_qs(urlsplit(browser.path()).query)["view"] == ["agenda"]
    assert len(browser.all(".ct-calendar .ct-run")) > 20
    with browser.answering("/api/runs", MORE):
        browser.open(f"{PAGE}?view=agenda")
        said = browser.one(".ct-notice-warning", "The first 0 of 700 runs are shown.").text
        assert "Choose a shorter time or filter to see the rest." in said


def test_a_week_with_more_than_is_loaded(browser: Browser) -> None:
    """Hours without a run that is loaded tell how many there are."""
    with browser.answering("/api/runs", MORE):
        browser.open(f"{PAGE}?view=week")
        browser.click("[aria-label='Later']")
        browser.settled()
        assert len(browser.all(".ct-total", "run")) > 20
        assert browser.violations() == []
    browser.click(".ct-total", "run")
    wait_until("the day from this hour on", lambda: "view=agenda" in browser.path())
    assert "T" in parse_qs(urlsplit(browser.path()).query)["date"][0]


def test_more_dags_than_one_reads_through(browser: Browser) -> None:
    dags = [
        {"dag_id": f"dag_{number}", "dag_display_name": f"Job {number:03}"} for number in range(120)
    ]
    choices = {"dags": dags, "tags": [], "owners": [], "calendars": []}
    with browser.answering("/api/choices", choices):
        browser.open(ALONE)
        browser.click(".ct-filters button", "DAG")
        browser.one(".ct-menu", "20 more: search for them")
        assert len(browser.all(".ct-menu label")) == 100
        browser.fill(".ct-menu input[type=search]", "job 11")
        browser.gone(".ct-menu", "more: search")
        assert browser.texts(".ct-menu label") == [f"Job {number}" for number in range(110, 120)]
        browser.click(".ct-menu label", "Job 119")
        browser.one(".ct-notice", "No run matches these filters")
        assert parse_qs(urlsplit(browser.path()).query)["dag"] == ["dag_119"]
        browser.click(".ct-filters button", "Tag")
        assert browser.text(".ct-menu p") == "None"
    with browser.without("*/api/choices*"):
        browser.driver.refresh()
        browser.click(".ct-filters button", "Owner")
        browser.one(".ct-menu p", "cannot be reached")
    browser.errors()  # the browser itself complains of the requests that were blocked


def test_more_windows_than_are_told(browser: Browser) -> None:
    one = {"kind": "window", "label": "nights", "title": None, "zone": None, "dag_ids": ["visible"]}
    spans = [
        {**one, "start": f"2027-03-2{day}T18:00:00Z", "end": f"2027-03-2{day}T20:00:00Z"}
        for day in (2, 3)
    ]
    with browser.answering(
        "/api/time-sets", {"spans": spans, "total_entries": 5, "truncated": True}
    ):
        browser.open(f"{ALONE}?view=week&date=2027-03-24&dag=visible")
        browser.one(".ct-notice-warning", "Windows and blackouts are shown up to Tue 23 Mar")
        assert browser.violations() == []
        browser.click(".ct-views button", "Agenda")  # which shows none
        browser.gone(".ct-notice-warning", "Windows and blackouts")


def test_more_calendars_than_are_told(browser: Browser) -> None:
    unread = {
        "label": "team",
        "status": "unknown",
        "dag_ids": ["visible"],
        "roles": [],
        "problems": [],
    }
    facts = dict.fromkeys(("read_at", "next_retry", "events", "error", "on_unavailable"))
    with browser.answering(
        "/api/calendars", {"calendars": [unread | facts], "total_entries": 9, "truncated": True}
    ):
        browser.open(f"{ALONE}?panel=calendars")
        browser.one(
            "dialog .ct-notice-warning",
            "The first 1 of 9 calendars are shown; a DAG's tab has all of its own.",
        )


def test_logged_out_meanwhile(browser: Browser, login: Callable[[str], requests.Session]) -> None:
    browser.open(ALONE)
    browser.driver.delete_all_cookies()
    try:
        browser.run("document.dispatchEvent(new Event('visibilitychange'))")
        browser.one(".ct-notice-warning", "You are logged out of Airflow. Log in again")
        assert browser.all(".ct-calendar .ct-run")
    finally:
        browser.log_in(login("admin"))
    assert all("401" in error for error in browser.errors())

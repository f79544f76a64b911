"""The page as people use it: in Airflow's navigation, on a DAG's tab, by itself; in Chromium on a real Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from urllib.parse import parse_qs, quote, urlsplit
from zoneinfo import ZoneInfo

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from demo.local_airflow import LocalAirflow
from demo.services import wait_until
from tests.web.browser import Browser, chromium

pytestmark = [pytest.mark.airflow, pytest.mark.browser]
PAGE = "/plugin/upcoming-runs"
TAB = "/dags/visible/plugin/upcoming-runs-of-dag"
ALONE = "/calendar-timetable/"
REASON = "outside daily 22:00-06:00 until 22:00"
Login = Callable[[str], requests.Session]
VIEWS = ["agenda", "week", "month", "timeline"]


@pytest.fixture(scope="module")
def browser(airflow: LocalAirflow, tmp_path_factory: pytest.TempPathFactory, login: Login) -> Iterator[Browser]:
    with chromium(airflow, tmp_path_factory.mktemp("chromium"), login) as found:
        yield found


@pytest.fixture(autouse=True)
def quiet(browser: Browser) -> Iterator[None]:
    """No test leaves an error in the console, or has sent anything to another host."""
    browser.errors(), browser.hosts()
    yield
    assert browser.errors() == []
    assert browser.hosts() <= {urlsplit(browser.airflow.address).netloc}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_airflows_navigation(browser: Browser, theme: str) -> None:
    browser.open(PAGE, theme=theme)
    assert browser.text("h1") == "Upcoming runs"
    assert browser.text(".ct-zone") == "Europe/Berlin"
    assert browser.driver.find_element(By.TAG_NAME, "html").get_attribute("class") == theme
    assert "due 12:00 · " + REASON in browser.text(".ct-calendar")
    button = browser.style(".ct-toolbar button", "backgroundColor")
    assert button == browser.run(
        "const probe = document.body.appendChild(document.createElement('i'));"
        "probe.style.background = 'var(--chakra-colors-bg)';"
        "return getComputedStyle(probe).backgroundColor"
    )
    assert (button == "rgb(255, 255, 255)") == (theme == "light")
    assert browser.style(".ct-page", "fontFamily").startswith("Inter")


def test_found_through_the_menu_and_left_without_a_reload(browser: Browser) -> None:
    browser.driver.get(browser.airflow.address + "/")
    browser.click("button", "Browse")
    browser.click("a", "Upcoming runs")
    browser.settled()
    browser.run("window.stillTheSame = true")
    browser.click(".ct-calendar .ct-run", "visible")
    browser.click("dialog a", "Open the DAG")
    browser.click("a[href$='upcoming-runs-of-dag']")
    browser.settled()
    assert urlsplit(browser.driver.current_url).path == urlsplit(browser.airflow.address).path + TAB
    assert browser.run("return window.stillTheSame") is True


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_the_runs_and_is_a_link(browser: Browser, view: str, theme: str) -> None:
    browser.open(f"{PAGE}?dag=visible&dag=plain", theme=theme)
    browser.click(".ct-views button", view.capitalize())
    browser.settled()
    assert parse_qs(urlsplit(browser.driver.current_url).query)["view"] == [view]
    title = browser.text(".ct-toolbar h2")
    browser.click("[aria-label='Later']")
    wait_until("later days", lambda: browser.text(".ct-toolbar h2") != title, seconds=30)
    browser.settled()
    browser.one(".ct-calendar .ct-run", "plain")
    later = browser.text(".ct-toolbar h2")
    browser.driver.refresh()
    browser.settled()
    assert browser.text(".ct-toolbar h2") == later
    browser.click(".ct-toolbar button", "Today")
    wait_until("today", lambda: browser.text(".ct-toolbar h2") == title, seconds=30)
    assert browser.violations() == []


def test_a_postponed_run_leaves_a_ghost_and_tells_why_on_focus(browser: Browser) -> None:
    browser.open(f"{PAGE}?view=week&dag=visible")
    browser.click("[aria-label='Later']")
    browser.settled()
    assert browser.one(".ct-ghost", "due visible")
    run = browser.one(".ct-run.ct-moved", "visible")
    browser.run("arguments[0].focus()", browser.run("return arguments[0].closest('[tabindex]') ?? arguments[0]", run))
    shown = browser.text("[role=tooltip]")
    assert REASON in shown and "postponed" in shown and "12:00" in shown
    browser.press(Keys.ESCAPE)
    browser.gone("[role=tooltip]")
    browser.press(Keys.ENTER)
    assert REASON in browser.text("dialog")


def test_one_run_its_sentence_and_its_dags_plan(browser: Browser, login: Login) -> None:
    plan = login("admin").get(f"{browser.airflow.address}/calendar-timetable/api/dags/visible/plan", timeout=30).json()
    browser.open(PAGE)
    browser.click(".ct-calendar .ct-run", "visible")
    assert REASON in browser.text("dialog .ct-lead")
    rows = wait_until("the plan", lambda: browser.all("dialog tbody tr"), seconds=30)
    assert len(rows) == 10
    shown = [row.find_elements(By.CSS_SELECTOR, "time") for row in rows]
    assert [[each.get_attribute("datetime") for each in times] for times in shown] == [
        [run["due"], run["start"]] for run in plan["plan"]
    ]
    link = browser.driver.current_url
    browser.press(Keys.ESCAPE)
    browser.gone("dialog")
    assert "run=" not in browser.driver.current_url
    browser.driver.get(link)
    assert REASON in browser.text("dialog .ct-lead")
    assert browser.violations() == []


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_a_week_in_which_the_clocks_change(browser: Browser, zone: str) -> None:
    """ "visible" may start at 22:00 in Berlin, where summer time begins on Sunday, 28 March 2027."""
    browser.open(f"{PAGE}?view=week&date=2027-03-24&dag=visible", zone=zone)
    starts = [datetime(2027, 3, day, 22, tzinfo=ZoneInfo("Europe/Berlin")) for day in range(22, 29)]
    expected = [f"{start.astimezone(ZoneInfo(zone)):%H:%M} visible" for start in starts]
    found = [text for text in browser.texts(".ct-run.ct-moved .ct-in") if "visible" in text]
    assert [text.partition("visible")[0] + "visible" for text in found] == expected
    assert (zone == "Europe/Berlin") == (len(set(expected)) == 1)


def test_the_zone_follows_airflows_selector(browser: Browser) -> None:
    browser.open(f"{PAGE}?dag=visible", zone="UTC")
    before = browser.texts(".ct-time")
    browser.run(
        "localStorage.setItem('timezone', JSON.stringify('Asia/Tokyo'));"
        "dispatchEvent(new StorageEvent('local-storage', {key: 'timezone'}))"
    )
    wait_until("Tokyo", lambda: browser.text(".ct-zone") == "Asia/Tokyo", seconds=10)
    browser.settled()
    assert before and browser.texts(".ct-time") != before


def test_filters(browser: Browser) -> None:
    browser.open(PAGE)

    def names() -> set[str]:
        browser.settled()
        return set(browser.texts(".ct-name"))

    everything = names()
    assert {"visible", "plain", "secret", "skipping"} <= everything
    browser.click(".ct-filters button", "DAG")
    browser.click(".ct-menu label", "plain")
    wait_until("plain only", lambda: names() == {"plain"}, seconds=30)
    browser.press(Keys.ESCAPE)
    browser.gone(".ct-menu")
    assert browser.driver.switch_to.active_element.text.startswith("DAG")
    browser.click(".ct-filters button", "Only moved")
    browser.one(".ct-notice", "No run matches these filters")
    browser.click(".ct-notice button", "Clear filters")
    wait_until("all of them", lambda: names() == everything, seconds=30)
    assert "dag=" not in browser.driver.current_url
    browser.open(f"{PAGE}?tag=ml&state=planned")
    assert names() == {"visible", "secret"}
    browser.open(f"{PAGE}?state=skipped&dag=skipping&dag=plain")
    assert names() == {"skipping"}


def test_hostile_names_are_only_text(browser: Browser) -> None:
    hostile = "<script>document.title='owned'</script>\u202e"
    for view in VIEWS:
        browser.open(f"{PAGE}?view={view}&tag={quote(hostile)}")
        assert browser.one("bdi", "<script>document.title").is_displayed()
    browser.click(".ct-calendar button.ct-run")
    assert "X-Injected" in browser.text("dialog .ct-facts")
    assert browser.all("dialog a[href^='javascript']") == []
    assert "owned" not in browser.driver.title


def test_a_dags_tab(browser: Browser, login: Login) -> None:
    plan = login("admin").get(f"{browser.airflow.address}/calendar-timetable/api/dags/visible/plan", timeout=30).json()
    browser.open(TAB)
    assert len(browser.all(".ct-page tbody tr")) == 10
    assert plan["summary"] in browser.text(".ct-lead")
    browser.click(".ct-panels button", "Calendar")
    browser.settled()
    assert set(browser.texts(".ct-name")) == {"visible"}
    assert browser.all(".ct-filters") == []
    browser.click(".ct-panels button", "Calendars read")
    browser.one(".ct-notice", "uses no calendar")
    browser.open("/dags/plain/plugin/upcoming-runs-of-dag?panel=what-if")
    browser.one(".ct-notice", "not a CalendarTimetable")


def test_what_if(browser: Browser) -> None:
    browser.open(f"{TAB}?panel=what-if")
    assert browser.one("textarea").get_property("value") == "daily 22:00-06:00"
    browser.fill("textarea", "nightly 22:00-06:00")
    browser.click("button[type=submit]")
    assert "nightly" in browser.text("[role=alert]")
    assert all("what-if" in error and "422" in error for error in browser.errors())
    browser.fill("textarea", "daily 14:00-16:00")
    browser.click("button[type=submit]")
    browser.one(".ct-lead", "would move")
    moved = browser.all("tr.ct-moves")
    assert moved and browser.all("[role=alert]") == []
    starts = [row.find_elements(By.CSS_SELECTOR, "td:nth-child(3) time")[0].text for row in moved]
    assert {start[-5:] for start in starts} == {"14:00"}
    assert "windows=Weekly('daily 14:00-16:00')" in browser.text(".ct-code")
    assert browser.violations() == []
    browser.click("button", "As it is")
    browser.gone("tr.ct-moves")
    assert browser.one("textarea").get_property("value") == "daily 22:00-06:00"


def test_subscribe_fetch_and_end(browser: Browser) -> None:
    browser.open(f"{TAB}?panel=subscribe")
    browser.settled()
    while others := browser.all("dialog .ct-card"):  # of other tests
        browser.click("dialog .ct-card button", "End")
        wait_until("one less", lambda: len(browser.all("dialog .ct-card")) < len(others), seconds=30)
    browser.click("dialog button[type=submit]")
    address = browser.text("dialog .ct-code")
    fetched = requests.get(address, timeout=30)
    assert (fetched.status_code, fetched.text.count("BEGIN:VCALENDAR")) == (200, 1)
    assert "SUMMARY" in fetched.text and "secret" not in fetched.text
    assert browser.violations() == []
    browser.click("dialog .ct-card button", "End")
    browser.gone("dialog .ct-card")
    assert requests.get(address, timeout=30).status_code == 404


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_by_itself_and_on_a_phone(browser: Browser, view: str, theme: str) -> None:
    """The strictest place: our own Content-Security-Policy, no Airflow around, 390 pixels."""
    browser.open(f"{ALONE}?view={view}", theme=theme, size=(390, 800))
    assert browser.run("return innerWidth") == 390
    assert browser.sideways() == 0
    assert browser.violations() == []
    browser.click(".ct-calendar .ct-run:not(.ct-ghost)")
    link = browser.one("dialog .ct-links a")
    assert str(link.get_attribute("href")).startswith(f"{browser.airflow.address}/dags/")
    assert browser.sideways() == 0


def test_stale_then_error_then_well_again(browser: Browser) -> None:
    browser.open(PAGE)
    with browser.without("*/calendar-timetable/api/runs*"):
        browser.run("document.dispatchEvent(new Event('visibilitychange'))")  # as when people come back to it
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
    browser.open(f"{PAGE}?dag=unscheduled&run=gone")
    browser.one(".ct-notice", "No run matches these filters")
    browser.click(".ct-notice button", "Close")
    browser.gone(".ct-notice", "The run of this link")
    assert "run=" not in browser.driver.current_url

"""The page as people use it.

In Airflow's navigation and by itself; in Chromium on a real Airflow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import parse_qs, quote, urlsplit
from zoneinfo import ZoneInfo

import pytest
import requests
from airflow import plugins_manager
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from demo.services import wait_until
from tests.support.browser import Browser

pytestmark = [pytest.mark.airflow, pytest.mark.browser]
PAGE = "/plugin/upcoming-runs"
TAB = "/dags/visible/plugin/upcoming-runs-of-dag"
ALONE = "/calendar-timetable/"
REASON = "outside daily 22:00-06:00 until 22:00"
HOSTILE = "<script>document.title='owned'</script>\u202e"
HELD = {"hostile", "titled", "untitled"}  # by the freeze
Login = Callable[[str], requests.Session]
VIEWS = ["timeline", "agenda", "week", "month"]
RUN = ".ct-calendar .ct-run"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_airflows_navigation(browser: Browser, theme: str) -> None:
    browser.open(f"{PAGE}?view=agenda", theme=theme)
    assert browser.text("h1") == "Upcoming runs"
    assert browser.text(".ct-zone") == "Europe/Berlin"
    assert browser.style("html", "colorScheme") == theme
    assert "due 12:00 · " + REASON in browser.text(".ct-calendar")
    assert (
        browser.style(".ct-page", "fontFamily").split(",")[0]
        == browser.style("body", "fontFamily").split(",")[0]
    )
    assert browser.style(".ct-page", "color") == browser.style("body", "color")
    assert browser.style(".ct-toolbar button", "backgroundColor") == browser.style(
        "html", "backgroundColor"
    )
    assert (browser.style("html", "backgroundColor") == "rgb(255, 255, 255)") == (theme == "light")


def test_the_theme_follows_airflows_menu(browser: Browser) -> None:
    browser.open(PAGE)
    light = browser.style(".ct-toolbar button", "backgroundColor")
    browser.click("button", "User")
    browser.click("[role=menuitem]", "Appearance")
    browser.click("[role=menuitemradio]", "Dark Mode")
    wait_until("dark", lambda: browser.style("html", "colorScheme") == "dark")
    assert (
        browser.style(".ct-toolbar button", "backgroundColor")
        == browser.style("html", "backgroundColor")
        != light
    )


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


@pytest.mark.parametrize(
    ("dag_id", "tabs"),
    [
        ("visible", 1),
        ("plain", 1),
        ("either", 1),
        ("on_asset", 1),
        ("once", 1),
        # Before Airflow 3.4, a tab cannot tell of which DAGs it tells.
        ("unscheduled", 0 if hasattr(plugins_manager, "ReactAppDict") else 1),
    ],
)
def test_a_dag_that_only_starts_by_hand_has_no_tab(
    browser: Browser, dag_id: str, tabs: int
) -> None:
    browser.driver.get(f"{browser.airflow.address}/dags/{dag_id}/runs")
    browser.one("a[href$='/code']")
    links = "a[href*='/plugin/upcoming-runs']"
    wait_until(f"{tabs} tabs", lambda: len(browser.all(links)) == tabs)
    if tabs:
        browser.click(links)
        browser.settled()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_the_runs_and_is_a_link(browser: Browser, view: str, theme: str) -> None:
    browser.open(f"{PAGE}?dag=visible&dag=plain", theme=theme)
    browser.click(".ct-views button", view.capitalize())
    browser.settled()
    assert parse_qs(urlsplit(browser.driver.current_url).query)["view"] == [view]
    title = browser.text(".ct-toolbar h2")
    browser.click("[aria-label='Later']")
    wait_until("later days", lambda: browser.text(".ct-toolbar h2") != title)
    browser.settled()
    browser.one(".ct-calendar .ct-run, .ct-calendar .ct-day", "plain")
    later = browser.text(".ct-toolbar h2")
    browser.driver.refresh()
    browser.settled()
    assert browser.text(".ct-toolbar h2") == later
    browser.click(".ct-toolbar button", "Now")
    wait_until("now", lambda: browser.text(".ct-toolbar h2") == title)
    assert browser.violations() == []


def test_the_agenda_is_in_the_order_of_time(browser: Browser, login: Login) -> None:
    """A row that stands for a day's many runs is where the first of them is."""
    browser.open(f"{PAGE}?view=agenda&dag=often&dag=intervals")
    browser.click("[aria-label='Later']")
    browser.settled()
    shown = [row.get_attribute("data-run") for row in browser.all(".ct-calendar [data-run]")]
    first = datetime.now(ZoneInfo("Europe/Berlin")).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    asked = {
        "dag_id": ["often", "intervals"],
        "start": (first + timedelta(days=7)).isoformat(),
        "end": (first + timedelta(days=14)).isoformat(),
    }
    path = f"{browser.airflow.address}/calendar-timetable/api/runs"
    runs = login("admin").get(path, params=asked, timeout=90).json()["runs"]
    assert any(run["collapsed"] for run in runs) and any(
        run["dag_id"] == "intervals" for run in runs
    )
    starts = {run["id"]: run["start"] for run in runs}
    seen = [starts[run_id] for run_id in shown if run_id in starts]
    assert len(seen) > 30
    assert seen == sorted(seen)


def test_a_postponed_run_leaves_a_ghost_and_tells_why_on_hover_and_focus(browser: Browser) -> None:
    browser.open(f"{PAGE}?view=week&dag=visible")
    browser.click("[aria-label='Later']")
    browser.settled()
    ghost = browser.one(".ct-calendar .ct-ghost", "due visible")
    assert browser.style(".ct-calendar .ct-ghost", "backgroundColor") == browser.style(
        "html", "backgroundColor"
    ), "hides what is behind"
    ActionChains(browser.driver).move_to_element(ghost).perform()
    assert REASON in browser.text("[role=tooltip]")
    ActionChains(browser.driver).move_to_element(browser.one("h1")).perform()
    browser.gone("[role=tooltip]")
    run = browser.one(".ct-run.ct-moved", "visible")
    browser.run("arguments[0].focus()", run)
    shown = browser.text("[role=tooltip]")
    assert REASON in shown and "postponed" in shown and "12:00" in shown
    browser.press(Keys.ESCAPE)
    browser.gone("[role=tooltip]")
    browser.press(Keys.ENTER)
    assert REASON in browser.text("dialog")


def test_one_run_its_sentence_and_its_dags_plan(browser: Browser, login: Login) -> None:
    plan = (
        login("admin")
        .get(f"{browser.airflow.address}/calendar-timetable/api/dags/visible/plan", timeout=60)
        .json()
    )
    browser.open(f"{PAGE}?view=agenda")
    browser.click(".ct-calendar .ct-run", "visible")
    assert REASON in browser.text("dialog .ct-lead")
    rows = wait_until("the plan", lambda: browser.all("dialog tbody tr"))
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
    """The DAG "visible" may start at 22:00 in Berlin.

    Summer time begins there on the last Sunday in March.
    """
    later = datetime.now(ZoneInfo("Europe/Berlin")).replace(
        hour=22, minute=0, second=0, microsecond=0
    )
    week = [later + timedelta(days=day) for day in range(7, 14)]  # the first that is all to come …
    # … and ends so
    while not (week[-1].weekday() == 6 and week[-1].month == 3 and week[-1].day > 24):
        week = [start + timedelta(days=1) for start in week]
    browser.open(f"{PAGE}?view=week&date={week[2]:%Y-%m-%d}&dag=visible", zone=zone)
    expected = [f"{start.astimezone(ZoneInfo(zone)):%H:%M} visible" for start in week]
    assert [
        text for text in browser.texts(".ct-run.ct-moved .ct-in") if "visible" in text
    ] == expected
    assert (zone == "Europe/Berlin") == (len(set(expected)) == 1)


def test_the_zone_follows_airflows_selector(browser: Browser) -> None:
    browser.open(f"{PAGE}?view=agenda&dag=visible", zone="UTC")
    before = browser.texts(".ct-time")
    browser.click("button[aria-label='+00:00']")
    browser.one("[role=dialog] input").send_keys("Asia/Tokyo", Keys.ENTER)
    wait_until("Tokyo", lambda: browser.text(".ct-zone") == "Asia/Tokyo")
    browser.settled()
    assert before and set(before) <= {"20:00", "21:00"}  # in summer, and in winter
    assert set(browser.texts(".ct-time")) <= {"05:00", "06:00"}


def test_what_became_of_runs_and_a_link_to_each(browser: Browser) -> None:
    yesterday = f"{datetime.now(ZoneInfo('Europe/Berlin')) - timedelta(days=1):%Y-%m-%d}"
    states = ["success", "failed", "running", "queued"]
    browser.open(
        f"{PAGE}?view=agenda&dag=worked&date={yesterday}"
        f"{''.join(f'&state={state}' for state in states)}"
    )
    rows = browser.all(".ct-calendar .ct-run")
    assert [row.find_element(By.CSS_SELECTOR, ".ct-badge").text for row in rows] == states
    assert [
        browser.run("return getComputedStyle(arguments[0]).getPropertyValue('--ct-solid')", row)
        for row in rows
    ] == [
        browser.run(
            "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])", name
        )
        for name in [f"--chakra-colors-{state}-solid" for state in states]
    ]
    browser.open(
        f"{PAGE}?dag=worked"
        f"&date={datetime.now(ZoneInfo('Europe/Berlin')) - timedelta(hours=8):%Y-%m-%dT%H:00}"
    )
    shown = {state: browser.one(f".ct-timeline .ct-run.ct-{state}") for state in states}
    assert all(
        f"{state}. Due" in str(bar.get_property("textContent")) for state, bar in shown.items()
    )
    assert browser.violations() == []
    browser.click(".ct-timeline .ct-run.ct-failed")
    assert "failed after 29 min" in browser.text("dialog .ct-lead")
    browser.click("dialog .ct-links a", "Open the run")
    wait_until("the run", lambda: "/dags/worked/runs/scheduled__" in browser.driver.current_url)
    browser.one("h2, h1, [data-testid]", "scheduled__")


def names(browser: Browser) -> set[str]:
    browser.settled()
    return set(browser.texts(".ct-name"))


@pytest.mark.parametrize(
    ("menu", "choice", "expected"),
    [
        ("DAG", "plain", {"plain"}),
        ("Tag", "hidden", {"secret"}),
        ("Owner", "X-Injected", {"hostile"}),
        ("State", "skipped", {"skipping", *HELD}),
        ("Calendar", "team.ics", {"titled", "untitled"}),
        ("Affected by calendars", "", {"visible", "secret", "skipping", *HELD}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_filter_by(browser: Browser, menu: str, choice: str, expected: set[str]) -> None:
    shown = {HOSTILE if name == "hostile" else name for name in expected}
    browser.open(f"{PAGE}?view=agenda")
    assert shown < names(browser)
    browser.click(".ct-filters button", menu)
    if choice:
        browser.click(".ct-menu label", choice)
    wait_until(f"only {shown}", lambda: names(browser) == shown)
    browser.driver.refresh()
    assert names(browser) == shown, "its address is a link"


def is_at(browser: Browser, part: str) -> bool:
    return part in browser.path()


def focused(browser: Browser) -> str:
    return str(browser.run("return document.activeElement.textContent"))


def test_with_the_keyboard_alone(browser: Browser) -> None:
    browser.open(f"{ALONE}?view=agenda&dag=visible&dag=plain")
    browser.tab_to("Later")
    title = browser.text(".ct-toolbar h2")
    browser.press(Keys.ENTER)
    wait_until("later days", lambda: browser.text(".ct-toolbar h2") != title)
    browser.settled()
    browser.press("w")
    wait_until("the week", lambda: "view=week" in browser.path())
    browser.settled()
    menu = browser.tab_to("DAG")
    browser.press(Keys.ENTER)
    browser.press("plain")  # its search has the focus
    browser.press(Keys.ARROW_DOWN, Keys.SPACE)  # not this one
    wait_until("visible only", lambda: "dag=plain" not in browser.path())
    browser.press(Keys.ESCAPE)
    browser.gone(".ct-menu")
    assert browser.driver.switch_to.active_element == menu
    browser.settled()
    browser.tab_to("22:00 visible")
    assert REASON in browser.text("[role=tooltip]")
    first = focused(browser)
    browser.press(Keys.ARROW_RIGHT)
    assert "22:00 visible" in focused(browser) and focused(browser) != first, "the next day's"
    browser.press(Keys.HOME)
    assert focused(browser) == first
    browser.press(Keys.ENTER)
    assert REASON in browser.text("dialog")
    assert browser.run("return Boolean(document.activeElement.closest('dialog'))")
    browser.press(Keys.ESCAPE)
    browser.gone("dialog")
    wait_until("the run that opened it", lambda: focused(browser) == first)


def test_keys_lead_to_each_view_and_to_the_filter(browser: Browser) -> None:
    browser.open(f"{ALONE}?date=2027-03-01")
    for key, view in (
        ("a", "agenda"),
        ("w", "week"),
        ("m", "month"),
        ("l", "load"),
        ("d", "timeline"),
    ):
        browser.press(key)
        wait_until(view, partial(is_at, browser, f"view={view}"))
    browser.press("t")
    wait_until("now", lambda: "date=" not in browser.path())
    browser.settled()
    browser.press("/")
    wait_until("the search", lambda: browser.run("return document.activeElement.type") == "search")
    browser.press("w")
    assert "view=timeline" in browser.path(), "what is typed is no command"
    browser.press(Keys.ESCAPE)
    browser.press("?")
    assert "Timeline" in browser.text("dialog dl")
    assert browser.violations() == []
    browser.press(Keys.ESCAPE)
    browser.gone("dialog")


@pytest.mark.parametrize(
    ("opener", "title"), [("Calendars", "Calendar health"), ("Subscribe", "Subscribe")]
)
def test_the_focus_comes_back_from_every_panel(browser: Browser, opener: str, title: str) -> None:
    browser.open(ALONE)
    button = browser.tab_to(opener)
    browser.press(Keys.ENTER)
    browser.one("dialog h2", title)
    for _ in range(30):  # what lies behind is not reached
        browser.press(Keys.TAB)
        outside = (
            "const at = document.activeElement; return !at.closest('dialog') && "
            "at !== document.body"
        )
        assert not browser.run(outside)
    browser.press(Keys.ESCAPE)
    browser.gone("dialog")
    wait_until(opener, lambda: browser.driver.switch_to.active_element == button)


def test_the_details_lie_beside_the_calendar(browser: Browser) -> None:
    browser.open(f"{PAGE}?view=week&dag=visible", size=(1500, 900))
    browser.click("[aria-label='Later']")
    browser.settled()
    browser.click(RUN + ".ct-moved", "visible")
    browser.one("dialog h2", "visible")
    calendar, details = browser.run(
        "return ['.ct-calendar', 'dialog'].map(each => {"
        "  const box = document.querySelector(each).getBoundingClientRect();"
        "  return [box.left, box.right]; })"
    )
    assert calendar[1] <= details[0]
    facts = browser.text("dialog .ct-facts")
    assert "Window ends" in facts and "06:00" in facts
    first = browser.path()
    browser.run("document.querySelectorAll('.ct-calendar .ct-moved')[1].click()")
    wait_until("its neighbour", lambda: browser.path() != first and "run=" in browser.path())
    assert browser.sideways() == 0 and browser.violations() == []


def test_hostile_names_are_only_text(browser: Browser) -> None:
    for view in VIEWS:
        browser.open(f"{PAGE}?view={view}&tag={quote(HOSTILE)}")
        assert browser.one("bdi", HOSTILE).is_displayed()
    browser.open(f"{PAGE}?view=agenda&tag={quote(HOSTILE)}")
    browser.click(".ct-calendar .ct-run", "<img src=x onerror=")
    facts = browser.text("dialog .ct-facts")
    assert (
        "X-Injected" in facts and "javascript:alert(1)" in facts and "<img src=x onerror=" in facts
    )
    assert "\u202e" not in browser.text("dialog .ct-lead"), "what is said does not turn"
    assert browser.all("dialog a[href^='javascript'], .ct-root img, .ct-root script") == []
    assert "owned" not in browser.driver.title


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_by_itself_and_on_a_phone(browser: Browser, view: str, theme: str) -> None:
    """The strictest place: our own Content-Security-Policy, no Airflow around, 390 pixels."""
    browser.open(f"{ALONE}?view={view}", theme=theme, size=(390, 800))
    assert browser.run("return innerWidth") == 390
    assert browser.sideways() == 0
    assert browser.violations() == []
    if view == "month":
        browser.click(".ct-day[aria-current]")
        browser.settled()
    browser.click(".ct-calendar button.ct-run")
    link = browser.one("dialog .ct-links a")
    assert str(link.get_attribute("href")).startswith(f"{browser.airflow.address}/dags/")
    assert browser.sideways() == 0

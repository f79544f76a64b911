"""A freeze of the whole deployment on the page, in Chromium on a real Airflow.

It is told, passed and exempted from; another one is planned, and booked on a real CalDAV server.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from demo.local_airflow import LocalAirflow
from tests.support.browser import Browser, chromium
from tests.support.dav_servers import LOGIN, Server, radicale
from tests.support.ics import feed
from tests.support.origin import SECRET
from tests.support.web_server import served

pytestmark = [pytest.mark.airflow, pytest.mark.browser]
PAGE = "/plugin/upcoming-runs"
TAB = "/dags/plain/plugin/upcoming-runs-of-dag"
BEGIN, END = (f".ct-period label:nth-child({number}) input" for number in (1, 2))
HOUR = timedelta(hours=1)
NAME = "<img src=x onerror=document.title='owned'>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = radicale(tmp_path_factory.mktemp("server") / "radicale", SECRET)
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def frozen(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """An Airflow that is frozen from an hour ago until tomorrow, and says why to pass."""
    home = tmp_path_factory.mktemp("frozen")
    now = datetime.now(UTC)
    (home / "change_freeze.ics").write_bytes(
        feed(
            *("BEGIN:VEVENT", "UID:freeze@tests", "DTSTAMP:20260101T000000Z", "SUMMARY:Freeze"),
            f"DTSTART:{now - HOUR:%Y%m%dT%H%M00Z}",
            f"DTEND:{now + 24 * HOUR:%Y%m%dT%H%M00Z}",
            "END:VEVENT",
        )
    )
    server.make_calendar("freezes/", "Freezes")
    booked = {"conn_type": "caldav", "host": f"{server.address.rstrip('/')}{server.home}freezes/"}
    settings = {
        "AIRFLOW_CONN_BOOKED": json.dumps({**booked, "login": LOGIN, "password": SECRET}),
        "AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS": f"{home / 'change_freeze.ics'}, booked",
        "AIRFLOW__CALENDAR_TIMETABLE__EXEMPT_TAGS": "no-freeze",
        "AIRFLOW__CALENDAR_TIMETABLE__REQUIRE_REASON": "True",
    }
    with served(home, settings, lambda airflow: None) as airflow:
        session = airflow.session()
        for dag_id, conf in (("plain", {}), ("visible", {"ignore_calendar": f"audit {NAME}"})):
            made = session.post(
                f"{airflow.address}/api/v2/dags/{dag_id}/dagRuns",
                json={"logical_date": None, "conf": conf},
                timeout=60,
            )
            assert made.ok, made.text
        yield airflow


@pytest.fixture(scope="module")
def page(frozen: LocalAirflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    profile = tmp_path_factory.mktemp("chromium")
    with chromium(frozen, profile, logged_in=frozen.session()) as found, found.quiet():
        yield found


def test_a_freeze_is_told_everywhere(page: Browser) -> None:
    page.open(PAGE)
    said = page.text(".ct-notice-warning")
    assert "Frozen: change_freeze.ics since" in said and " DAGs." in said
    assert "runs by hand, with a reason" in said and "DAGs tagged no-freeze" in said
    assert page.violations() == []
    page.open(TAB)
    assert "Frozen: change_freeze.ics" in page.text(".ct-notice-warning")
    page.driver.get(f"{page.airflow.address}/")
    page.one(".ct-home .ct-notice-warning", "Frozen: change_freeze.ics")
    page.click(".ct-home a")
    page.one("h1", "Upcoming runs")


def test_who_passed(page: Browser) -> None:
    page.open(PAGE)
    page.click(".ct-head button", "Overrides")
    page.one(".ct-drawer .ct-card", "run by hand")
    page.one(".ct-drawer .ct-card", f"audit {NAME}")
    assert page.driver.title != "owned"
    assert "no reason given" in page.text(".ct-drawer .ct-cards")
    assert page.violations() == []
    address = page.one(".ct-drawer a", "Download as CSV").get_attribute("href")
    told = page.airflow.session().get(str(address), timeout=60)
    assert len(list(csv.reader(io.StringIO(told.text)))) == 3


def test_a_dag_is_exempted_and_is_not_any_more(page: Browser) -> None:
    page.open(TAB)
    page.click(".ct-exemption button", "Exempt")
    page.click(".ct-drawer button[type=submit]")
    assert page.all(".ct-drawer input:invalid"), "a reason is needed"
    page.fill(".ct-drawer input:not([type])", "quarter's end")
    assert page.violations() == []
    page.click(".ct-drawer button[type=submit]")
    page.gone(".ct-drawer")
    page.one(".ct-exemption", "exempt from the rules of the deployment until")
    page.one(".ct-exemption", "by admin: quarter's end")
    page.open(PAGE)
    page.one(".ct-notice-warning", "1 is exempt for a time.")
    page.open(TAB)
    page.click(".ct-exemption button", "End now")
    page.click(".ct-exemption button", "End now: the rules hold again")
    page.one(".ct-exemption", "Rules of the deployment hold for this DAG: not change_freeze.ics")
    page.click(".ct-head button", "Overrides")
    page.one(".ct-drawer .ct-card", "quarter's end")


def test_a_freeze_is_planned_by_drawing_over_the_hours(page: Browser) -> None:
    page.open(f"{PAGE}?paused=true")
    hours = page.one(".ct-hours .ct-lane")
    width = hours.size["width"]
    drawing = ActionChains(page.driver).move_to_element_with_offset(hours, width // 4, 0)
    drawing.click_and_hold().move_by_offset(width // 8, 0).release().perform()
    page.one(".ct-side .ct-lead", "would ")
    page.one(".ct-selected")
    drawn = [
        datetime.fromisoformat(str(page.one(field).get_attribute("value")))
        for field in (BEGIN, END)
    ]
    assert 2.9 * HOUR < drawn[1] - drawn[0] < 3.6 * HOUR and drawn[0].minute % 15 == 0
    assert page.violations() == []
    # Escape closes what it closes everywhere.
    page.one(".ct-side h2").send_keys(Keys.ESCAPE)
    page.gone(".ct-side")
    page.gone(".ct-selected")


def test_a_freeze_is_planned_and_booked_from_the_keyboard(page: Browser, server: Server) -> None:
    """And the page shows it once its calendar and the files were read again."""
    page.open(f"{PAGE}?paused=true")
    page.click(".ct-head button", "Plan a freeze")
    page.one(".ct-side .ct-lead", "would ")
    # The end before the begin is told at its field.
    page.fill_moment(END, str(page.one(BEGIN).get_attribute("value")))
    page.click(".ct-period button")
    page.one(".ct-period .ct-error", "Give a time after the start.")
    page.fill_moment(END, f"{datetime.now(UTC) + timedelta(days=60):%Y-%m-%dT%H:00}")
    page.click(".ct-period button")
    page.one(".ct-side .ct-notice-error", "at most")
    assert [error for error in page.errors() if "422" not in error] == []

    page.open(f"{PAGE}?paused=true")
    page.click(".ct-head button", "Plan a freeze")
    page.one(".ct-side .ct-lead", "would ")
    page.click(".ct-side button", "Find a better time")
    best = page.one(".ct-side .ct-card strong").text
    page.click(".ct-side .ct-card button", "Use")
    page.one(".ct-side .ct-lead", f"A freeze {best} would")

    now = datetime.now(UTC)
    page.open(f"{PAGE}?freeze={now - HOUR:%Y-%m-%dT%H:%MZ}/{now + 3 * HOUR:%Y-%m-%dT%H:%MZ}")
    page.fill("section[aria-label='Book it'] input", NAME)
    page.click(".ct-side button", "Book it")
    page.one(".ct-side .ct-notice-info", "Entered into booked.")
    page.click(".ct-side button", "Book it")
    page.one(".ct-side .ct-notice-info", "It is already in booked.")
    assert page.violations() == []
    assert page.driver.title != "owned"
    told = server.send("GET", "freezes/")
    assert told.count("BEGIN:VEVENT") == 1 and "Booked in Airflow by admin" in told

    airflow = page.airflow
    read = airflow.run_program("calendar_timetable.cli", "sync", "--force", "booked")
    assert read.returncode == 0, read.stderr
    assert airflow.airflow("dags", "reserialize", seconds=300).returncode == 0
    page.open(PAGE)
    page.one(".ct-notice-warning", "Frozen: booked since")


def test_nothing_is_wider_than_a_telephone(page: Browser, tmp_path: Path) -> None:
    planned = f"{PAGE}?freeze={datetime.now(UTC):%Y-%m-%dT%H:00Z}/{datetime.now(UTC) + HOUR:%Y-%m-%dT%H:30Z}"
    for path in (PAGE, TAB, f"{PAGE}?panel=overrides", planned):
        page.open(path, size=(390, 800), theme="dark")
        page.one(".ct-notice-warning", "Frozen")
        assert page.sideways() == 0
        page.driver.save_screenshot(str(tmp_path / "narrow.png"))

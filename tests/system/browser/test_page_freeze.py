"""A freeze of the whole deployment on the page: told, passed, exempted from; in Chromium on a real Airflow."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.local_airflow import LocalAirflow
from tests.support.browser import Browser, chromium
from tests.support.web_server import calendar, served

pytestmark = [pytest.mark.airflow, pytest.mark.browser]
PAGE = "/plugin/upcoming-runs"
TAB = "/dags/plain/plugin/upcoming-runs-of-dag"
HOUR = timedelta(hours=1)
NAME = "<img src=x onerror=document.title='owned'>"


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """An Airflow that is frozen from an hour ago until tomorrow, and says why to pass."""
    home = tmp_path_factory.mktemp("frozen")
    now = datetime.now(UTC)
    (home / "change_freeze.ics").write_text(
        calendar(
            *("BEGIN:VEVENT", "UID:freeze@tests", "DTSTAMP:20260101T000000Z", "SUMMARY:Freeze"),
            f"DTSTART:{now - HOUR:%Y%m%dT%H%M00Z}",
            f"DTEND:{now + 24 * HOUR:%Y%m%dT%H%M00Z}",
            "END:VEVENT",
        )
    )
    settings = {
        "AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS": str(home / "change_freeze.ics"),
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


def test_nothing_is_wider_than_a_telephone(page: Browser, tmp_path: Path) -> None:
    for path in (PAGE, TAB, f"{PAGE}?panel=overrides"):
        page.open(path, size=(390, 800), theme="dark")
        page.one(".ct-notice-warning", "Frozen")
        assert page.sideways() == 0
        page.driver.save_screenshot(str(tmp_path / "narrow.png"))

"""The page under FAB's auth manager, which asks for a name and a password itself; in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.local_airflow import LocalAirflow
from demo.services import wait_until
from tests.support.browser import Browser, chromium

pytestmark = [pytest.mark.airflow, pytest.mark.browser]
PAGE = "/plugin/upcoming-runs"
ALONE = "/calendar-timetable/"
# FAB's own pages, whose scripts fail now and then, as each relies on another being there already
FABS = "/auth/"


@pytest.fixture
def stranger(fab: LocalAirflow, tmp_path: Path) -> Iterator[Browser]:
    """A Chromium in which nobody is logged in."""
    with chromium(fab, tmp_path) as found, found.quiet(but=FABS):
        yield found


def log_in(browser: Browser, user: str) -> None:
    """Fill in FAB's own form."""
    browser.one("input[name=username]").send_keys(user)
    browser.one("input[name=password]").send_keys(browser.airflow.password)
    assert all("401 (Unauthorized)" in error for error in browser.errors(but=FABS)), (
        "by which Airflow's page came here"
    )
    browser.click("input[type=submit]")


def test_an_admin_finds_the_page_in_the_navigation(stranger: Browser) -> None:
    stranger.driver.get(stranger.airflow.address)
    log_in(stranger, "admin")
    stranger.click("button", "Browse")
    stranger.click("a", "Upcoming runs")
    stranger.settled()
    stranger.click(".ct-views button", "Agenda")
    stranger.settled()
    for name in ("visible", "secret"):
        stranger.one(".ct-name", name)
    stranger.click(".ct-head button", "Subscribe")
    stranger.click("dialog button[type=submit]")
    assert "/calendar-timetable/feed.ics?token=" in stranger.text("dialog .ct-code")
    first = stranger.one("dialog .ct-card")  # there may be those of other tests
    stranger.click("dialog .ct-card button", "Revoke")
    stranger.click("dialog .ct-card button", "Revoke now")
    wait_until("it to be gone", lambda: first not in stranger.all("dialog .ct-card"))


def test_a_role_without_plugins_has_the_page_by_itself(stranger: Browser) -> None:
    """Its link leads through the login, and back to where it pointed."""
    stranger.driver.get(f"{stranger.airflow.address}{ALONE}?view=week&date=2027-03-24")
    log_in(stranger, "reader")
    wait_until("the way back", lambda: stranger.path() == f"{ALONE}?view=week&date=2027-03-24")
    stranger.settled()
    ask = "fetch('/api/v2/plugins').then(answer => arguments[0](answer.status))"
    assert stranger.driver.execute_async_script(ask) == 403, "Airflow tells this role of no page"
    assert all("/api/v2/plugins" in error for error in stranger.errors(but=FABS))
    assert set(stranger.texts(".ct-name")) == {"visible"}
    assert stranger.violations() == []
    stranger.click(".ct-calendar .ct-run:not(.ct-ghost)")
    assert len(wait_until("the plan", lambda: stranger.all("dialog tbody tr"))) == 10


def test_who_may_read_no_dag_is_told_so(stranger: Browser) -> None:
    stranger.driver.get(f"{stranger.airflow.address}{ALONE}")
    log_in(stranger, "nobody")
    stranger.one(".ct-notice", "No run is planned in this time, of the DAGs that you may see.")
    assert stranger.all(".ct-run") == []

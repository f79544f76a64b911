"""The page of upcoming runs: who sees what, and what it says. On a real Airflow web server, and in Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import requests
from selenium import webdriver
from selenium.webdriver.common.by import By

from demo.local_airflow import LocalAirflow
from demo.services import wait_until

pytestmark = pytest.mark.airflow
PATHS = ["/", "/page.css", "/page.js", "/?days=35"]
Login = Callable[[str], requests.Session]


def url(airflow: LocalAirflow, path: str) -> str:
    return f"{airflow.address}/calendar-timetable{path}"


@pytest.mark.parametrize("path", [*PATHS, "/nothing-here"])
def test_nothing_is_anonymous(airflow: LocalAirflow, path: str) -> None:
    expected = 404 if path == "/nothing-here" else 401
    assert requests.get(url(airflow, path), timeout=10).status_code == expected


@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_login_is_refused(airflow: LocalAirflow, path: str) -> None:
    answer = requests.get(url(airflow, path), headers={"Authorization": "Bearer wrong"}, timeout=10)
    assert answer.status_code in (401, 403)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_hardened(airflow: LocalAirflow, login: Login, path: str) -> None:
    answer = login("admin").get(url(airflow, path), timeout=10)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_reader_sees_only_what_airflow_lets_them_read(airflow: LocalAirflow, login: Login) -> None:
    def dag_ids(user: str) -> set[str]:
        runs = login(user).get(url(airflow, "/api/runs"), timeout=10).json()["runs"]
        return {run["dag_id"] for run in runs}

    assert {"visible", "secret", "hostile", "plain"} <= dag_ids("admin")
    assert dag_ids("reader") == {"visible"}
    assert "secret" not in login("reader").get(url(airflow, "/"), timeout=10).text


@pytest.mark.parametrize("days", ["0", "36", "x"])
def test_a_wrong_range_is_refused(airflow: LocalAirflow, login: Login, days: str) -> None:
    assert login("admin").get(url(airflow, f"/?days={days}"), timeout=10).status_code == 422


@pytest.fixture(scope="module")
def browser(airflow: LocalAirflow) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"):
        options.add_argument(flag)
    options.add_argument("--disable-background-networking")
    options.add_argument("--disable-component-update")
    options.add_argument(f"--user-data-dir={airflow.home / 'chromium'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    airflow.user = "admin"
    token = airflow.session().headers["Authorization"]
    driver.get(f"{airflow.address}/api/v2/version")
    driver.add_cookie({"name": "_token", "value": str(token).removeprefix("Bearer ")})
    yield driver
    driver.quit()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_in_airflows_navigation(airflow: LocalAirflow, browser: webdriver.Chrome, theme: str) -> None:
    browser.execute_script(  # type: ignore[no-untyped-call]
        "localStorage.setItem('timezone', arguments[0]); localStorage.setItem('theme', arguments[1])",
        json.dumps("Europe/Berlin"),
        theme,
    )
    browser.get(f"{airflow.address}/plugin/upcoming-runs")
    frame = wait_until("the page", lambda: browser.find_elements(By.TAG_NAME, "iframe"), seconds=60)[0]
    browser.switch_to.frame(frame)
    wait_until("its table", lambda: browser.find_elements(By.CSS_SELECTOR, "tbody tr"), seconds=30)
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("data-theme") == theme
    assert browser.find_element(By.CSS_SELECTOR, "[data-zone]").text == "Europe/Berlin"
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "outside daily 22:00-06:00 until 22:00" in text
    assert "<script>document.title" in text  # shown as text, not run
    browser.switch_to.default_content()
    assert "owned" not in browser.title
    entries = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in entries if entry["level"] == "SEVERE"] == []


@pytest.mark.browser
def test_usable_on_a_phone(airflow: LocalAirflow, browser: webdriver.Chrome) -> None:
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    browser.get(f"{airflow.address}/calendar-timetable/")
    wide = browser.execute_script(  # type: ignore[no-untyped-call]
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide == 0
    assert browser.execute_script("return innerWidth") == 390  # type: ignore[no-untyped-call]

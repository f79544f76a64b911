"""The page's files: who gets them, with which headers, and how large they are.

On a real Airflow web server.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from calendar_timetable.plugin import dag_tabs
from calendar_timetable.web.static_page import STATIC
from demo.local_airflow import LocalAirflow

PATHS = ["/", "/static/main.js", "/static/shell.js", "/static/icon.svg", "/?view=week"]
Login = Callable[[str], requests.Session]


def url(airflow: LocalAirflow, path: str) -> str:
    return f"{airflow.address}/calendar-timetable{path}"


def test_the_page_is_built_and_small() -> None:
    """What Airflow's page loads; the page by itself brings React too."""
    main = STATIC / "main.js"
    assert main.exists(), "run tools/page build, or make install"
    assert len(gzip.compress(main.read_bytes(), 9)) < 40 * 1024
    assert "react.dev/errors" not in main.read_text(), (
        "it must take Airflow's React, and bring none"
    )


@pytest.mark.airflow
@pytest.mark.parametrize("path", [*PATHS, "/nothing-here", "/static/nothing-here"])
def test_nothing_is_anonymous(airflow: LocalAirflow, path: str) -> None:
    expected = 404 if path == "/nothing-here" else 401
    assert requests.get(url(airflow, path), timeout=60).status_code == expected


@pytest.mark.airflow
@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_login_is_refused(airflow: LocalAirflow, path: str) -> None:
    answer = requests.get(url(airflow, path), headers={"Authorization": "Bearer wrong"}, timeout=60)
    assert answer.status_code in (401, 403)


@pytest.mark.airflow
@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_hardened(airflow: LocalAirflow, login: Login, path: str) -> None:
    answer = login("admin").get(url(airflow, path), timeout=60)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert (
        "default-src 'none'" in policy
        and "frame-ancestors 'self'" in policy
        and "unsafe" not in policy
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.airflow
def test_a_file_is_sent_again_only_when_it_changed(airflow: LocalAirflow, login: Login) -> None:
    session = login("admin")
    first = session.get(url(airflow, "/static/main.js"), timeout=60)
    again = session.get(
        url(airflow, "/static/main.js"),
        headers={"If-None-Match": first.headers["ETag"]},
        timeout=60,
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.airflow
@pytest.mark.parametrize(
    "name", ["..%2Fapp.py", "%2e%2e%2fapp.py", "..", "nothing", "%00", "main.js%2F"]
)
def test_only_the_built_files_are_served(airflow: LocalAirflow, login: Login, name: str) -> None:
    answer = login("admin").get(url(airflow, f"/static/{name}"), timeout=60)
    assert answer.status_code in (404, 307) or answer.url != url(airflow, f"/static/{name}")
    assert "FastAPI" not in answer.text


@pytest.mark.airflow
def test_who_opens_a_link_without_a_login_is_sent_to_airflows_and_back(
    airflow: LocalAirflow,
) -> None:
    browsing = {"Sec-Fetch-Mode": "navigate"}
    link = url(airflow, "/?view=week&run=visible 2026-11-21T11:00:00Z")
    answer = requests.get(link, headers=browsing, timeout=60, allow_redirects=False)
    assert answer.status_code == 307
    to = urlsplit(answer.headers["Location"])
    assert (to.netloc, to.path) == ("", urlsplit(airflow.address).path + "/api/v2/auth/login")
    (back,) = parse_qs(to.query)["next"]
    assert urlsplit(back).path == urlsplit(link).path
    assert parse_qs(urlsplit(back).query) == {
        "view": ["week"],
        "run": ["visible 2026-11-21T11:00:00Z"],
    }
    login = requests.get(link, headers=browsing, timeout=60)
    assert login.status_code == 200 and "login" in urlsplit(login.url).path


@pytest.mark.airflow
def test_airflow_is_told_of_a_page_and_a_tab_of_one_name(
    airflow: LocalAirflow, login: Login
) -> None:
    session = login("admin")
    plugins = session.get(f"{airflow.address}/api/v2/plugins", timeout=60).json()["plugins"]
    apps = next(plugin["react_apps"] for plugin in plugins if plugin["name"] == "calendar_schedule")
    assert [(app["name"], app["destination"]) for app in apps] == [
        ("Upcoming runs", "nav"),
        *[("Upcoming runs", "dag")] * len(dag_tabs()),
        ("Upcoming runs", "dashboard"),
    ]
    assert len({app["bundle_url"] for app in apps}) == 1
    for name in ("bundle_url", "icon", "icon_dark_mode"):
        assert (
            session.get(
                requests.compat.urljoin(airflow.address, apps[0][name]), timeout=60
            ).status_code
            == 200
        )

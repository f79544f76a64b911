"""A Chromium on the real Airflow's web server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests

from demo.local_airflow import LocalAirflow
from tests.support.browser import Browser, chromium


@pytest.fixture(scope="session")
def chrome(
    airflow: LocalAirflow,
    tmp_path_factory: pytest.TempPathFactory,
    login: Callable[[str], requests.Session],
) -> Iterator[Browser]:
    """A Chromium in which ``admin`` is logged in."""
    with chromium(airflow, tmp_path_factory.mktemp("chromium"), logged_in=login("admin")) as found:
        yield found


@pytest.fixture
def browser(chrome: Browser) -> Iterator[Browser]:
    """That Chromium, whose console stays free of errors.

    No test leaves an error in its console, or has sent anything to another host.
    """
    with chrome.quiet():
        yield chrome

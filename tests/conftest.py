"""An Airflow home of the tests' own, made before anything imports Airflow and removed at the end.

Hypothesis looks at the same examples on every machine, or with ``HYPOTHESIS_PROFILE=deep`` at many
new ones; with ``HYPOTHESIS_PROFILE=touch`` at one of each, only to run every line.
"""

from __future__ import annotations

import gc
import os
import re
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from demo import guard

_HOME = tempfile.mkdtemp(prefix="calendar-timetable-tests-")
_end_all = guard.begin(_HOME)
os.environ |= {
    "AIRFLOW_HOME": _HOME,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "false",
    # The tests' servers are on this host
    "AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS": "True",
    "CALENDAR_TIMETABLE_CACHE": f"{_HOME}/calendar-cache",
}

_CALM = [HealthCheck.too_slow]
settings.register_profile(
    "unit",
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=_CALM,
)
settings.register_profile("deep", max_examples=2_000, deadline=None, suppress_health_check=_CALM)
settings.register_profile("touch", settings.get_profile("unit"), max_examples=1)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unit"))

_WEB_SERVER = re.compile("tests/system/(web|browser)/")  # the pages and the API of one Airflow
_EXAMPLES = re.compile("tests/system/examples/test_runs")
# With what takes minutes of waiting the work begins, and it ends with what is short: no worker is
# left alone at the end. One that has no Airflow meanwhile uses the time that those only wait.
_ORDER = (
    "the examples",
    "[postgres",
    "[sqlite",
    "tests/calendars/",
    "the web",
    "tests/system/",
    "",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in the order in which workers take them."""

    def place(item: pytest.Item) -> int:
        scope = shared_airflow(item.nodeid) or item.nodeid
        return next(number for number, begin in enumerate(_ORDER) if scope.startswith(begin))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end: Airflow's modules, and all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n``, tests that share a running Airflow go to the same worker.

    Other tests go by file.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByAirflow(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return shared_airflow(nodeid) or nodeid.partition("::")[0]

    return ByAirflow(config, log)


def shared_airflow(nodeid: str) -> str:
    """Name the running Airflow that a test shares with others; empty where it shares none."""
    file, _, test = nodeid.partition("::")
    if database := re.search(r"\[(sqlite|postgres)\b", test):
        return database.group()
    if _WEB_SERVER.match(file):
        return "the web server"
    return "the examples" if _EXAMPLES.match(file) else ""


_running: list[Any] = []  # Airflows that the tests of one scope share


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End Airflows that tests shared with the last of these.

    As fixtures of the session they would run, and cost the others time, until all is over.
    """
    scope = shared_airflow(item.nodeid)
    if not scope:
        return
    from demo.local_airflow import LocalAirflow

    given = getattr(item, "funcargs", None) or {}
    _running.extend(each for each in given.values() if isinstance(each, LocalAirflow))
    if nextitem is None or shared_airflow(nextitem.nodeid) != scope:
        while _running:
            _running.pop().stop()


def pytest_unconfigure(config: pytest.Config) -> None:
    _end_all()
